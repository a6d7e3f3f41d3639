"""The animals of a study, where there are any: read once, matched trial by trial."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from modnav.published import monkey_recordings, read_monkey
from modnav.tables import Recording, match, read_tables, tell_units

from .cache import Cache
from .missing import Missing
from .names import ANIMALS
from .sources import hashed, sources_of

__all__ = ["AnimalTables", "Monkeys", "renumbered"]


class Monkeys:
    """Trials of the two monkeys.

    Args:
        folder: The study's files, ``Bruno/bruno_normal_trajectory_paper.pkl`` and the like, or
            tables of ``modnav import-monkey`` in ``Bruno/normal``; None if there are none.
        cache: Where what is read of the study's files is kept.
    """

    def __init__(self, folder: Path | None, cache: Cache) -> None:
        self.folder = folder
        self.cache = cache
        self._read: dict[tuple[str, str], Recording] = {}

    def recording(self, kind: str, subject: str) -> Recording:
        """Return the trials and steps of an animal, sampled at 833 Hz.

        Args:
            kind: ``normal``, ``gain`` or ``perturbation``.
            subject: ``Bruno`` or ``Schro``.

        Raises:
            Missing: If they are not there.
        """
        if self.folder is None:
            raise Missing("no animal data")
        key = (kind, subject)
        if key not in self._read:
            self._read[key] = self._table(self.folder / subject, kind, subject)
        return self._read[key]

    def _table(self, folder: Path, kind: str, subject: str) -> Recording:
        if (folder / kind / "trials.parquet").is_file():
            return read_tables(folder / kind, units=False)
        file = folder / f"{subject.lower()}_{kind}_trajectory_paper.pkl"
        if not file.is_file():
            raise Missing(f"no animal data ({subject}, {kind})")
        (found,) = self.cache.results([AnimalTables(file, subject)])
        tell_units(str(file), found.trials, found.steps)
        return found

    def matched(self, kind: str, best: int) -> tuple[Recording, Recording]:
        """Return trials of Bruno and Schro with the most similar targets, trial by trial.

        As published, each of Schro's trials chooses one of Bruno's; the closest pairs come first.

        Args:
            kind: As in :meth:`recording`.
            best: Number of pairs, at most.

        Raises:
            Missing: If there are no animals, or they cannot be matched.
        """
        pool, reference = (self.recording(kind, name) for name in ANIMALS)
        places = ["target_x_cm", "target_y_cm"]
        try:
            pairs = match(pool.trials[places], reference.trials[places], best=best)
        except ValueError as error:
            raise Missing(f"animals cannot be matched: {error}") from error
        return renumbered(pool, pairs.pool), renumbered(reference, pairs.reference)


@dataclass(frozen=True)
class AnimalTables:
    """Trials and steps of an animal, of a file of the study, which takes long to read.

    Attributes:
        file: The file.
        subject: The animal.
    """

    kind: ClassVar[str] = "animals"

    file: Path
    subject: str

    def key(self) -> str:
        """Return a name made of the file, its age, and all code that reads it."""
        about = self.file.stat()
        read = f"{self.file.name} {about.st_size} {about.st_mtime_ns}"
        return hashed(self.subject, read, sources_of(monkey_recordings.__module__))

    def made(self) -> Iterator[Recording]:
        """Read the file.

        Raises:
            ValueError: If it cannot be read.
        """
        return monkey_recordings(read_monkey(self.file), self.subject, doubts=False)


def renumbered(recording: Recording, rows: Any) -> Recording:
    """Return some trials of a recording, numbered 0, 1, 2, ... in the order of their rows."""
    trials = recording.trials.iloc[rows].reset_index(drop=True)
    order = pd.Series(range(len(trials)), index=trials["trial"])
    steps = recording.steps[recording.steps["trial"].isin(order.index)]
    steps = steps.assign(trial=steps["trial"].map(order)).sort_values(["trial", "step"])
    return Recording(trials.assign(trial=range(len(trials))), steps.reset_index(drop=True))
