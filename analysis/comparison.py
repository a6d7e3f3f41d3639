"""How runs learned beside the study's seeds, or beside other runs, at a few ages."""

import numpy as np
import pandas as pd

from .measures import Interval, improvement_interval, probability_of_improvement
from .sides import GIVEN_UP, MEASURES, PHASE_ONE, Side
from .study import HOLISTIC, MAIN, MODULAR, MODULAR_ACTOR, MODULAR_CRITIC

__all__ = ["AGES", "compare_sides", "ordering_probability"]

AGES = (500, 2500, 5000, 10_000)
"""Trials after phase I at which sides are compared."""

ENOUGH = 5
"""Seeds of each side from which a probability of improvement has an interval."""

_KEYS = ["architecture", "trials", "quantity"]
_OF_A_SIDE = ["mean", "sd", "n", "low", "high", "unfinished"]


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
            "they must have an architecture in common. Architectures that the study has not, such as "
            "those of your own, are compared with other runs of theirs: modnav compare RUNS --with RUNS2"
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


def rank_correlation(ours: Side, other: Side, quantity: str, trials: int) -> tuple[float, int]:
    """Return how alike two sides order the architectures that both have, by their means.

    Args:
        ours: One side.
        other: The other.
        quantity: One of :data:`MEASURES`.
        trials: One of :data:`AGES`.

    Returns:
        Spearman's correlation, and the number of architectures; NaN of fewer than five, of which
        it says little, or where all of a side are alike.
    """
    means = [
        rows.set_index("architecture")["mean"].dropna()
        for side in (ours, other)
        for rows in [side.summary[(side.summary[_KEYS[1:]] == [trials, quantity]).all(axis=1)]]
    ]
    both = pd.concat(means, axis="columns", join="inner")
    ranks = both.rank().to_numpy()
    if len(both) < ENOUGH or not (ranks.std(axis=0) > 0).all():
        return float("nan"), len(both)
    return float(np.corrcoef(ranks.T)[0, 1]), len(both)
