"""Who belongs to a population: a member for each setting and seed, in a folder with its name."""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modnav.runs import RunFolder

Setting = tuple[tuple[str, str], ...]
"""Keys that are swept, each with a value."""


@dataclass(frozen=True)
class Member:
    """One run of a population.

    Attributes:
        seed: Its ``seed_everything``.
        settings: What it has of the sweeps: keys with values.
        folder: Folder of its run.
        args: Arguments of ``modnav`` that train it.
        trials: Trials of its training after phase I.
    """

    seed: int
    settings: Setting
    folder: Path
    args: tuple[str, ...]
    trials: int


@dataclass(frozen=True)
class Outcome:
    """How a member ended.

    Attributes:
        member: The member.
        status: Exit status; 0 if it is finished, 3 if phase I was given up, 4 if it diverged.
        reason: Why it is not finished; one line.
    """

    member: Member
    status: int
    reason: str = ""


@dataclass(frozen=True)
class Request:
    """What the command line asks of a population.

    Attributes:
        seeds: The seeds; none where all runs of a folder are resumed.
        sweeps: Values of each key that is swept, as they are given to members.
        resumed: Folders of runs that are resumed.
        at_once: Cores to use.
        kind: ``processes`` or ``stacked``; None if it is left to modnav.
        args: All other arguments, from the command on.
    """

    seeds: tuple[int, ...]
    sweeps: dict[str, tuple[str, ...]]
    resumed: tuple[Path, ...]
    at_once: int
    kind: str | None
    args: tuple[str, ...]

    def settings(self) -> list[Setting]:
        """Return the product of the sweeps."""
        pairs = [[(key, value) for value in values] for key, values in self.sweeps.items()]
        return list(itertools.product(*pairs))


def runs_in(folder: Path) -> list[Path]:
    """Return the folders ``seed<k>`` of a folder that hold runs, by seed; none if it is a run."""
    if not folder.is_dir() or RunFolder(folder).config.is_file():
        return []
    found = [p for p in folder.glob("seed*") if re.fullmatch(r"seed\d{1,10}", p.name)]
    return sorted((p for p in found if RunFolder(p).config.is_file()), key=seed_of)


def seed_of(folder: Path) -> int:
    """Return the seed that the name of a run's folder tells."""
    return int(folder.name.removeprefix("seed"))


def names_of(settings: Iterable[Setting]) -> dict[Setting, str]:
    """Return what each setting adds to the name of its runs, such as ``-process_noise0.1``.

    A key is named by its last part, by more where another key that is swept ends alike.
    """
    settings = list(settings)
    keys = [key for key, _ in settings[0]] if settings else []
    tails = {key: _shortest(key, keys) for key in keys}
    return {s: "".join(f"-{tails[k]}{short(v)}" for k, v in s) for s in settings}


def short(number: str) -> str:
    """Return a number as it stands in names."""
    return f"{float(number):.12g}"


def told_seeds(seeds: Iterable[int]) -> str:
    """Return seeds as ``--seeds`` takes them, such as ``0-3,5``."""
    parts: list[list[int]] = []
    for seed in sorted(seeds):
        if parts and parts[-1][-1] == seed - 1:
            parts[-1][1:] = [seed]
        else:
            parts.append([seed])
    return ",".join("-".join(map(str, part)) for part in parts)


def _shortest(key: str, keys: Sequence[str]) -> str:
    parts = key.split(".")
    tails = (".".join(parts[-n:]) for n in range(1, len(parts)))
    alone = (t for t in tails if sum(k.endswith(f".{t}") for k in keys) == 1)
    return next(alone, key)
