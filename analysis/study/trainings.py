"""How runs learned: the trials of phase I, and the validations after it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from modnav.files import one_line, regular
from modnav.runs import find_runs

from .curves import LOG
from .members import DEFAULT, EXTENSIVE, Member, config_of, entry_of, member_of

__all__ = ["Training", "find_trainings"]

_COLUMNS = {
    "total_trials": int,
    "trials": int,
    "phase": int,
    "validation": str,
    "task": str,
    "reward_fraction": float,
    "reward_rate": float,
}

_WITHOUT = "the run is left out if the file is moved away"

Outcome = Literal["left", "given up", "unfinished"]


@dataclass(frozen=True)
class Training:
    """How a run learned.

    Attributes:
        member: The run.
        outcome: Whether phase I was left, was given up, or has not ended.
        phase_one: Trials of phase I; those so far if it has not ended.
        validations: ``trials`` after phase I, ``task``, ``reward_fraction``, ``reward_rate``, on the
            fixed test trials with both noises on.
    """

    member: Member
    outcome: Outcome
    phase_one: int
    validations: pd.DataFrame


def find_trainings(paths: Iterable[Path]) -> tuple[list[Training], list[str]]:
    """Return how the runs of the published task in some folders learned, and what was left out.

    Runs that are still in phase I, or failed in it, are among them.

    Args:
        paths: Folders of runs, or folders of such.

    Returns:
        Trainings by architecture and seed, and a note of each kind of runs that were left out:
        those of another gain or noise, and those without ``validation.csv``.

    Raises:
        ValueError: If a folder holds no runs, or one cannot be read.
    """
    runs = {run.folder: run for run in sorted(find_runs(paths, pre=True), key=lambda r: not r.pre)}
    members = [member_of(run) for run in runs.values()]
    usual = [member for member in members if member.group in (DEFAULT, EXTENSIVE)]
    logged = [member for member in usual if (member.run.folder / LOG).is_file()]
    left_out = {
        "trained at another gain or noise": len(members) - len(usual),
        f"without {LOG}": len(usual) - len(logged),
    }
    notes = [f"left out, {why}: runs {count}" for why, count in left_out.items() if count]
    found = [_training(member) for member in logged]
    return sorted(found, key=lambda x: (x.member.architecture, x.member.run.seed)), notes


def _training(member: Member) -> Training:
    log = _log(member.run.folder / LOG)
    after = log[log["phase"] > 1].sort_values("total_trials", kind="stable")
    after = after.drop_duplicates(["trials", "task"], keep="last")
    validations = after[["trials", "task", "reward_fraction", "reward_rate"]]
    if len(after):
        first = after.iloc[0]
        begun = int(first["total_trials"] - first["trials"])
        return Training(member, "left", begun, validations)
    trials, config = int(log["trials"].max()), config_of(member.run.folder)
    limit = entry_of(config, ("phases", "give_up"))
    epoch = entry_of(config, ("data", "epoch_trials"))
    # a run ends before the validation of the block in which it is given up
    if isinstance(limit, int) and isinstance(epoch, int) and trials + epoch >= limit:
        return Training(member, "given up", limit, validations)
    return Training(member, "unfinished", trials, validations)


def _log(path: Path) -> pd.DataFrame:
    """Return the validations of a run on the fixed test trials.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        log = pd.read_csv(regular(path, text=True), usecols=list(_COLUMNS), dtype=_COLUMNS)
    except ValueError as error:  # those of pandas, too
        raise ValueError(
            f"{path} is no table of validations: {one_line(error)}; {_WITHOUT}"
        ) from error
    log = log[log["validation"] == "selection"]
    if log.empty:
        raise ValueError(f"{path} holds no validation on the fixed test trials; {_WITHOUT}")
    return log
