"""What is compared: runs by how they learned, on a few fixed tests; or the study's seeds.

Runs are taken as their trainings logged them on the fixed test trials (``selection`` of
``validation.csv``), with both noises on. That the study's curves were made so is inferred: its
modular agents miss 2 % of trials at gain 1 after 5,000; one of ours missed 1 to 3 % so from then
on, and 0 to 0.3 % in the in-training validation, which has no process noise.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from modnav.files import one_line, regular, replacing

from .measures import wilson_interval
from .published import study_curves
from .study import Training, find_trainings

__all__ = [
    "GIVEN_UP",
    "MEASURES",
    "PHASE_ONE",
    "UNFINISHED",
    "Side",
    "runs_side",
    "side_of",
    "study_side",
    "write_seeds",
]

MEASURES = (
    "reward_fraction gain1x",
    "reward_rate gain1x",
    "reward_rate gain1.5x",
    "reward_rate gain2x",
)
"""What is compared at each age: a column of validations and a test task."""

PHASE_ONE, GIVEN_UP, UNFINISHED = "phase1_trials", "phase1_given_up", "phase1_unfinished"
"""Quantities of phase I, at 0 trials after it: of seeds that left it, gave it up, are still in it."""

_ENDS = {"left": PHASE_ONE, "given up": GIVEN_UP, "unfinished": UNFINISHED}
_COLUMNS = {
    "architecture": str,
    "seed": int,
    "trials": int,
    "quantity": str,
    "value": float,
    "run": str,
}
_AS_READ = {"seed": float, "trials": float}
"""Whole numbers are read as they stand, so that one that is missing is told."""

_MOST = 2.0**53  # to which every whole number is one of float's


class Side(NamedTuple):
    """Seeds of several architectures, on one side of a comparison.

    Attributes:
        name: What it is called.
        summary: ``architecture``, ``trials``, ``quantity``, ``mean``, ``sd`` (``ddof`` 1), ``n``; of
            runs also the share of seeds that gave up phase I, among the ``n`` whose phase I has
            ended, with its Wilson interval (``low``, ``high``) and how many are ``unfinished``.
        seeds: ``architecture``, ``seed``, ``trials``, ``quantity``, ``value`` and ``run``, its folder;
            no rows where single seeds are not known.
    """

    name: str
    summary: pd.DataFrame
    seeds: pd.DataFrame


def study_side() -> Side:
    """Return the study's seeds, of which only means and SDs are known."""
    return Side("study", study_curves(), pd.DataFrame(columns=list(_COLUMNS)))


def runs_side(paths: Sequence[Path]) -> tuple[Side, list[str]]:
    """Return the side of some runs, and notes of those that were left out.

    Args:
        paths: Folders of runs, or files that :func:`write_seeds` wrote.

    Raises:
        ValueError: As :func:`.study.find_trainings`; if a file is no such table, if all runs are
            left out, or if two are of one architecture and seed.
    """
    folders = [path for path in paths if not path.is_file()]
    trainings, notes = find_trainings(folders) if folders else ([], [])
    name = f"{paths[0]}" + f" and {len(paths) - 1} more" * (len(paths) > 1)
    tables = [_read(path) for path in paths if path.is_file()] + [_seed(t) for t in trainings]
    if not tables:
        raise ValueError(f"{name} holds no runs to compare; {'; '.join(notes)}")
    return _side(name, pd.concat(tables, ignore_index=True)), notes


def side_of(name: str, trainings: Sequence[Training]) -> Side:
    """Return the side of some runs.

    Args:
        name: What it is called.
        trainings: The runs.

    Raises:
        ValueError: If two of them are of one architecture and seed.
    """
    return _side(name, pd.concat([_seed(training) for training in trainings], ignore_index=True))


def write_seeds(side: Side, file: Path) -> None:
    """Write what is known of each seed, for :func:`runs_side` to read.

    Raises:
        OSError: If it cannot be written.
    """
    runs = side.seeds["run"].map(lambda run: "/".join(Path(run).parts[-2:]))  # no one's machine
    with replacing(file) as temporary:
        side.seeds.assign(run=runs).to_csv(temporary, index=False, lineterminator="\n")


def _read(file: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(regular(file, text=True), dtype={**_COLUMNS, **_AS_READ})[
            list(_COLUMNS)
        ]
    except (ValueError, KeyError, OverflowError) as error:  # those of pandas, too
        raise ValueError(f"{file} is no table of seeds: {one_line(error)}") from error
    at_once = table["quantity"].isin(_ENDS.values())
    whole = table[list(_AS_READ)]
    wrong = {
        "it is empty": table.empty,
        "it lacks some values": table.isna().any(axis=None),
        "seed and trials must be whole numbers": ((whole % 1 != 0) | (whole.abs() >= _MOST)).any(
            axis=None
        ),
        "it holds values that are not finite or below 0": not table["value"]
        .between(0, 1e12)
        .all(),
        "it holds other quantities": not (at_once | table["quantity"].isin(MEASURES)).all(),
        "trials must be 0 for phase I and above 0 for all else": (
            (table["trials"] < 0) | ((table["trials"] == 0) != at_once)
        ).any(),
        "each seed must have one row of phase I": (
            at_once.groupby([table["architecture"], table["seed"]]).sum() != 1
        ).any(),
    }
    for why, found in wrong.items():
        if found:
            raise ValueError(f"{file} is no table of seeds: {why}")
    return table.astype(_COLUMNS)


def _side(name: str, seeds: pd.DataFrame) -> Side:
    seeds = seeds.sort_values(["architecture", "seed"], kind="stable", ignore_index=True)
    first = seeds[seeds["quantity"].isin(_ENDS.values())]  # a row of each run
    twice = first[first.duplicated(["architecture", "seed"], keep=False)]
    if len(twice):
        one, other = twice["run"].iloc[:2].map(one_line)
        what = f"{one_line(twice['architecture'].iloc[0])}, seed {twice['seed'].iloc[0]}"
        raise ValueError(
            f"{one} and {other} are both {what}; name what to compare, but one of these"
        )
    known = seeds[~seeds["quantity"].isin([GIVEN_UP, UNFINISHED])]
    groups = known.groupby(["architecture", "trials", "quantity"], sort=False)["value"]
    summary = groups.agg(mean="mean", sd="std", n="count").reset_index()
    return Side(name, pd.concat([_given_up(seeds), summary], ignore_index=True), seeds)


def _seed(training: Training) -> pd.DataFrame:
    """Return the values of a seed, a row each."""
    first = {"trials": 0, "quantity": _ENDS[training.outcome], "value": training.phase_one}
    parts = [pd.DataFrame([first])]
    for quantity in MEASURES:
        column, task = quantity.split()
        rows = training.validations[training.validations["task"] == task]
        values = {"trials": rows["trials"], "quantity": quantity, "value": rows[column]}
        parts.append(pd.DataFrame(values))
    found = pd.concat([part for part in parts if len(part)], ignore_index=True)
    member = training.member
    run = str(member.run.folder)
    found = found.assign(architecture=member.architecture, seed=member.run.seed, run=run)
    return found[list(_COLUMNS)]


def _given_up(seeds: pd.DataFrame) -> pd.DataFrame:
    """Return the share of seeds that gave up phase I, a row for each architecture."""
    rows = []
    for name, part in seeds[seeds["trials"] == 0].groupby("architecture", sort=False):
        count = part["quantity"].value_counts()
        failed, unfinished = int(count.get(GIVEN_UP, 0)), int(count.get(UNFINISHED, 0))
        ended = len(part) - unfinished
        share = wilson_interval(failed, ended)
        row = {"architecture": name, "trials": 0, "quantity": GIVEN_UP, "mean": share.value}
        bounds = {"n": ended, "low": share.low, "high": share.high, "unfinished": unfinished}
        rows.append(row | bounds)
    return pd.DataFrame(rows)
