"""How runs learned beside the study's seeds, or beside other runs, at a few ages.

Runs are taken as their trainings logged them on the fixed test trials (``selection`` of
``validation.csv``), with both noises on. That the study's curves were made so is inferred: its
modular agents miss 2 % of trials at gain 1 after 5,000; one of ours missed 1 to 3 % so from then
on, and 0 to 0.3 % in the in-training validation, which has no process noise.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from .measures import Interval, improvement_interval, probability_of_improvement, wilson_interval
from .published import study_curves
from .study import HOLISTIC, MAIN, MODULAR, MODULAR_ACTOR, MODULAR_CRITIC, Training, find_trainings

__all__ = [
    "AGES",
    "GIVEN_UP",
    "MEASURES",
    "PHASE_ONE",
    "UNFINISHED",
    "Side",
    "compare_sides",
    "ordering_probability",
    "runs_side",
    "side_of",
    "study_side",
]

AGES = (500, 2500, 5000, 10_000)
"""Trials after phase I at which sides are compared."""

MEASURES = (
    "reward_fraction gain1x",
    "reward_rate gain1x",
    "reward_rate gain1.5x",
    "reward_rate gain2x",
)
"""What is compared at each age: a column of validations and a test task."""

PHASE_ONE, GIVEN_UP, UNFINISHED = "phase1_trials", "phase1_given_up", "phase1_unfinished"
"""Quantities of phase I, at 0 trials after it: of seeds that left it, gave it up, are still in it."""

ENOUGH = 5
"""Seeds of each side from which a probability of improvement has an interval."""

_KEYS = ["architecture", "trials", "quantity"]
_OF_A_SIDE = ["mean", "sd", "n", "low", "high", "unfinished"]


class Side(NamedTuple):
    """Seeds of several architectures, on one side of a comparison.

    Attributes:
        name: What it is called.
        summary: ``architecture``, ``trials``, ``quantity``, ``mean``, ``sd`` (``ddof`` 1), ``n``; of
            runs also the share of seeds that gave up phase I, among the ``n`` whose phase I has
            ended, with its Wilson interval (``low``, ``high``) and how many are ``unfinished``.
        seeds: ``architecture``, ``seed``, ``trials``, ``quantity``, ``value``; no rows where single
            seeds are not known.
    """

    name: str
    summary: pd.DataFrame
    seeds: pd.DataFrame


def study_side() -> Side:
    """Return the study's seeds, of which only means and SDs are known."""
    return Side("study", study_curves(), pd.DataFrame(columns=[*_KEYS, "seed", "value"]))


def runs_side(paths: Sequence[Path]) -> tuple[Side, list[str]]:
    """Return the side of the runs in some folders, and notes of those that were left out.

    Raises:
        ValueError: As :func:`.study.find_trainings` and :func:`side_of`, and if all are left out.
    """
    trainings, notes = find_trainings(paths)
    name = f"{paths[0]}" + f" and {len(paths) - 1} more" * (len(paths) > 1)
    if not trainings:
        raise ValueError(f"{name} holds no runs to compare; {'; '.join(notes)}")
    return side_of(name, trainings), notes


def side_of(name: str, trainings: Sequence[Training]) -> Side:
    """Return the side of some runs.

    Args:
        name: What it is called.
        trainings: The runs.

    Raises:
        ValueError: If two of them are of one architecture and seed.
    """
    folders: dict[tuple[str, int], Path] = {}
    for training in trainings:
        run, architecture = training.member.run, training.member.architecture
        other = folders.setdefault((architecture, run.seed), run.folder)
        if other != run.folder:
            raise ValueError(
                f"{other} and {run.folder} are both {architecture}, seed {run.seed}; name the "
                "folders to compare, but one of these"
            )
    seeds = pd.concat([_seed(training) for training in trainings], ignore_index=True)
    known = seeds[~seeds["quantity"].isin([GIVEN_UP, UNFINISHED])]
    groups = known.groupby(_KEYS, sort=False)["value"]
    summary = groups.agg(mean="mean", sd="std", n="count").reset_index()
    return Side(name, pd.concat([_given_up(seeds), summary], ignore_index=True), seeds)


def _seed(training: Training) -> pd.DataFrame:
    """Return the values of a seed, a row each."""
    ended = {"left": PHASE_ONE, "given up": GIVEN_UP, "unfinished": UNFINISHED}
    first = {"trials": 0, "quantity": ended[training.outcome], "value": training.phase_one}
    parts = [pd.DataFrame([first])]
    for quantity in MEASURES:
        column, task = quantity.split()
        rows = training.validations[training.validations["task"] == task]
        values = {"trials": rows["trials"], "quantity": quantity, "value": rows[column]}
        parts.append(pd.DataFrame(values))
    found = pd.concat([part for part in parts if len(part)], ignore_index=True)
    member = training.member
    return found.assign(architecture=member.architecture, seed=member.run.seed)


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


def compare_sides(ours: Side, other: Side) -> pd.DataFrame:
    """Compare two sides, architecture by architecture.

    Args:
        ours: One side.
        other: The other.

    Returns:
        ``architecture``, ``trials`` (after phase I; 0 for phase I itself), ``quantity``, columns of
        each side as in :class:`Side`, those of the other ending in ``_other``, the ``difference``
        (ours less the other's) and ``in_sem``, the same in standard errors of both means together
        (NaN where one is not known), and the ``improvement``: the probability that a seed of ours is
        better, with ``improvement_low`` and ``improvement_high`` from :data:`ENOUGH` seeds of each
        side on; NaN where the other's seeds are not known. Fewer trials of phase I are better.

    Raises:
        ValueError: If they have no architecture in common.
    """
    table = pd.DataFrame(_rows(ours, other), columns=_KEYS)
    for end, side in (("", ours), ("_other", other)):
        known = side.summary.reindex(columns=[*_KEYS, *_OF_A_SIDE])
        known = known.rename(columns={name: f"{name}{end}" for name in _OF_A_SIDE})
        table = table.merge(known, on=_KEYS, how="left")
        table[f"n{end}"] = table[f"n{end}"].fillna(0).astype(int)
    table = table[(table["n"] > 0) | (table["n_other"] > 0) | (table["unfinished"] > 0)]
    table["difference"] = table["mean"] - table["mean_other"]
    squares = table["sd"] ** 2 / table["n"] + table["sd_other"] ** 2 / table["n_other"]
    table["in_sem"] = table["difference"] / np.sqrt(squares.where(squares > 0))
    better = [_improvement(ours, other, row) for row in table[_KEYS].itertuples(index=False)]
    columns = ["improvement", "improvement_low", "improvement_high"]
    table[columns] = np.array(better, float).reshape(-1, 3)
    return table.reset_index(drop=True)


def _rows(ours: Side, other: Side) -> list[tuple[str, int, str]]:
    """Return architecture, age and quantity of each row; quantities that both sides have."""
    first, second = (dict.fromkeys(side.summary["architecture"]) for side in (ours, other))
    both = [name for name in first if name in second]
    if not both:
        raise ValueError(
            f"{ours.name} has {', '.join(first)} and {other.name} has {', '.join(second)}; "
            "they must have an architecture in common"
        )
    rows = []
    for name in sorted(both, key=lambda name: (MAIN.index(name) if name in MAIN else 9, name)):
        rows += [(name, 0, GIVEN_UP), (name, 0, PHASE_ONE)]
        known = [set(s.loc[s["architecture"] == name, "quantity"]) for s in (ours[1], other[1])]
        rows += [(name, age, q) for q in MEASURES for age in AGES if q in known[0] & known[1]]
    return rows


def _improvement(ours: Side, other: Side, row: tuple[str, int, str]) -> Interval:
    unknown = Interval(*[float("nan")] * 3)
    if row[2] == GIVEN_UP:
        return unknown
    chosen = (side.seeds[(side.seeds[_KEYS] == list(row)).all(axis=1)] for side in (ours, other))
    x, y = (rows["value"].to_numpy(float) for rows in chosen)
    if row[2] == PHASE_ONE:
        x, y = -x, -y
    if min(len(x), len(y)) < ENOUGH:
        return unknown._replace(value=probability_of_improvement(x, y))
    return improvement_interval(x, y)


def ordering_probability(side: Side, quantity: str, trials: int) -> float:
    """Return how sure a side is of the study's ordering of architectures.

    The ordering is modular > holistic actor with modular critic > both with holistic critics. Means
    are taken as normal with their standard errors, as of the study no more is known.

    Args:
        side: The side.
        quantity: One of :data:`MEASURES`.
        trials: One of :data:`AGES`.

    Returns:
        The probability; NaN unless there are two seeds or more of each of the four architectures.
    """
    table = side.summary.set_index(_KEYS)
    try:
        rows = table.loc[[(name, trials, quantity) for name in MAIN]]
    except KeyError:
        return float("nan")
    errors = (rows["sd"] / np.sqrt(rows["n"])).to_numpy(float)
    draws = np.random.default_rng(0).normal(size=(100_000, len(MAIN)))
    means = dict(zip(MAIN, (rows["mean"].to_numpy(float) + errors * draws).T, strict=True))
    middle = means[MODULAR_CRITIC]
    others = np.maximum(means[HOLISTIC], means[MODULAR_ACTOR])
    share = ((means[MODULAR] > middle) & (middle > others)).mean()
    return float(share) if np.isfinite(errors).all() else float("nan")
