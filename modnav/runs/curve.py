"""Training curves: how the checkpoints of a run do on the fixed test trials, as published.

A curve is a CSV file with a row for each checkpoint and test task, and the published columns,
names and folders, which hold nothing else. Notes about it, a JSON file at the same place in
``made_by_modnav/``, hold the settings that made it and a digest of each checkpoint: they tell which
rows may be kept when an evaluation goes on.

References:
    Zhang, Pitkow & Angelaki (2024), authors' data, ``training_curve/``.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from modnav.files import one_line, read_text, regular, write_text_atomically
from modnav.published import DEFAULT_NOISE
from modnav.task import Range, TaskParameters, bounds

from .curve_table import COLUMNS, FIRST, INTERVAL, METRICS, whole_rows

__all__ = [
    "DEFAULT_NOISE",
    "CurveLocation",
    "CurveSettings",
    "Rows",
    "TrainingCurve",
    "digest",
    "notes_path",
]

_FOLDER, _NOTES = "training_curve", "made_by_modnav"

Rows = dict[str, dict[str, float]]
"""Measured columns of one checkpoint, by test task."""


@dataclass(frozen=True)
class CurveSettings:
    """What a curve depends on beside the weights.

    Attributes:
        tasks: Names of the test tasks, in order.
        trials: Trials of each.
        task: Constants of the task.
        discount: Discount per step.
        agent: Description of the agent.
    """

    tasks: tuple[str, ...]
    trials: int
    task: TaskParameters
    discount: float
    agent: Mapping[str, Any]

    def plain(self) -> dict[str, Any]:
        """Return them as JSON holds them."""
        return json.loads(json.dumps(asdict(self) | {"task": self.task.plain()}))


class CurveLocation(NamedTuple):
    """What decides the path of a curve.

    Attributes:
        test: ``"gain"`` or ``"perturbation"``.
        task: What the agent was trained on; its noise names the folder of control agents.
        extensive: Whether the test tasks are those of the extensive training.
        pre: Whether the checkpoints are those of phase I, which the study did not publish.
    """

    test: str
    task: TaskParameters
    extensive: bool = False
    pre: bool = False

    def folder(self, out: Path) -> Path:
        """Return the folder of the curve, given the one that ``training_curve`` is in."""
        noise = (self.task.process_noise, self.task.observation_noise)
        control = tuple(map(bounds, noise)) != tuple(map(bounds, DEFAULT_NOISE))
        name = f"{self.test}{'_control' * control}{'_full' * self.extensive}{'_pre' * self.pre}"
        folder = out / _FOLDER / name
        return folder / "_".join(map(_noise_name, noise)) if control else folder

    def file(self, out: Path, architecture: str, seed: int) -> Path:
        """Return the path of the curve of a run."""
        return self.folder(out) / f"{architecture}_seed{seed}.csv"


def _noise_name(noise: Range) -> str:
    lo, hi = bounds(noise)
    return f"{lo:g}" if lo == hi else f"{lo:g}-{hi:g}"


def notes_path(curve: Path) -> Path:
    """Return where the notes about a curve lie.

    Notebooks of the study take any file in ``training_curve`` that is named after an agent for a
    curve, so the notes have a tree of their own beside it.
    """
    top = next((x for x in curve.parents if x.name == _FOLDER), curve).parent
    return (top / _NOTES / curve.relative_to(top)).with_suffix(".json")


class TrainingCurve:
    """A curve that is being made; on disk it is whole at any time.

    Args:
        path: The CSV file.
        settings: What it depends on.
        overwrite: Whether to start anew whatever there is. It is replaced by the first result.

    Raises:
        ValueError: If there is a file of other settings or of unknown ones.
    """

    def __init__(self, path: Path, settings: CurveSettings, *, overwrite: bool = False) -> None:
        self.path = path
        self.notes = notes_path(path)
        self.settings = settings
        self.rows: dict[int, Rows] = {}
        self.digests: dict[int, str] = {}
        self._claimed = not overwrite and (path.exists() or self.notes.exists())
        if self._claimed:
            self._continue()

    def _continue(self) -> None:
        """Take over what can be trusted: whole rows of checkpoints whose digest is known."""
        made = self._made()
        settings = self.settings.plain()
        for key, value in settings.items():
            if made.get(key) != value:
                reason = one_line(_difference(key, made.get(key), value))
                raise ValueError(f"{self.path} {reason}; {_ADVICE}")
        known = made.get("checkpoints")
        if not isinstance(known, dict) or not all(isinstance(x, str) for x in known.values()):
            raise ValueError(f"{self.notes} tells of no checkpoints; {_ADVICE}")
        rows: dict[int, Rows] = {}
        for row in whole_rows(self.path, COLUMNS) if self.path.exists() else ():
            measured = {name: row[name] for name in METRICS}
            rows.setdefault(row["episode"], {})[row["task"]] = measured
        for episode, found in rows.items():
            if set(found) == set(self.settings.tasks) and str(episode) in known:
                self.rows[episode], self.digests[episode] = found, known[str(episode)]

    def _made(self) -> dict[str, Any]:
        try:
            made = json.loads(read_text(self.notes))
        except (OSError, ValueError, RecursionError) as error:
            raise ValueError(
                f"{self.path} is there, but {self.notes}, which tells how it was made, "
                f"cannot be read; {_ADVICE}"
            ) from error
        return made if isinstance(made, dict) else {}

    def holds(self, episode: int, checkpoint: Path) -> bool:
        """Return whether the rows of a checkpoint are there.

        Raises:
            ValueError: If there are rows of another checkpoint of that trial.
        """
        if episode not in self.rows:
            return False
        if self.digests[episode] != digest(checkpoint):
            raise ValueError(
                f"{self.path} holds trial {episode} of a checkpoint other than {checkpoint}; "
                f"{_ADVICE}"
            )
        return True

    def add(self, episode: int, checkpoint_digest: str, rows: Rows) -> None:
        """Add what was measured of a checkpoint, and write the curve.

        Raises:
            OSError: If it cannot be written; the files are as before.
        """
        self.rows[episode] = rows
        self.digests[episode] = checkpoint_digest
        self.rows = dict(sorted(self.rows.items()))
        content = self.settings.plain()
        content["checkpoints"] = {str(k): self.digests[k] for k in self.rows}
        if not self._claimed:  # no rows beside other settings, whenever it ends
            write_text_atomically(
                json.dumps(content | {"checkpoints": {}}, indent=1) + "\n", self.notes
            )
            self._claimed = True
        write_text_atomically(
            self.table().to_csv(index=False, na_rep="nan", lineterminator="\n"), self.path
        )
        write_text_atomically(json.dumps(content, indent=1) + "\n", self.notes)

    def table(self) -> pd.DataFrame:
        """Return the curve so far, as :func:`read_curve` would."""
        rows = [
            (episode, task, *(measured[task][name] for name in METRICS), FIRST + INTERVAL * k)
            for k, (episode, measured) in enumerate(self.rows.items())
            for task in self.settings.tasks
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS))


_ADVICE = "choose another --out, or start anew with --overwrite"


def _difference(key: str, made: Any, now: Any) -> str:
    if key == "tasks":
        found = ", ".join(map(str, made)) if isinstance(made, Sequence) else made
        return f"was made with test tasks {found}; now they are {', '.join(now)}"
    if key == "agent":
        return "holds an agent of other modules or sizes; one file holds one architecture"
    if key == "task" and isinstance(made, Mapping):
        name = next(k for k in {**now, **made} if now.get(k, ...) != made.get(k, ...))
        return f"was made with task.{name} {made.get(name)}; now it is {now.get(name)}"
    return f"was made with {key} {made}; now it is {now}"


def digest(checkpoint: Path) -> str:
    """Return what tells the content of a checkpoint from others."""
    found = hashlib.blake2b(digest_size=16)
    with regular(checkpoint).open("rb") as file:
        while part := file.read(2**20):
            found.update(part)
    return found.hexdigest()
