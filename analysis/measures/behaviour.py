"""What subjects do, measured from the tables of trials and steps.

Every function works on tables of :data:`modnav.tables.SCHEMA`, of agents and of animals alike:
centimetres, degrees, seconds, one row a trial or a step.

References:
    Zhang, Pitkow & Angelaki (2024), figures 1, 3, 4, 6 and 8.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modnav.tables import reward_rate, runs_of_trials

__all__ = [
    "AHEAD_DEG",
    "CURVATURE_PERCENTILE",
    "Random",
    "arc_length",
    "auc",
    "boundaries",
    "curvature",
    "distances",
    "eccentricity",
    "ends",
    "other_targets",
    "path_length",
    "performance",
    "performances",
    "psychometric",
    "reward_rate",
    "signed_radial_error",
    "step_curvature",
    "targets",
]

AHEAD_DEG = 90.0
"""Polar angle of straight ahead."""

CURVATURE_PERCENTILE = 95
"""Curvatures at and above this percentile of their own trial are left out."""

Random = int | np.random.Generator
"""A seed, or a generator that goes on from where it is."""


def ends(trials: pd.DataFrame) -> Any:
    """Return where trials ended, cm, ``(N, 2)``."""
    return trials[["end_x_cm", "end_y_cm"]].to_numpy(float)


def targets(trials: pd.DataFrame) -> Any:
    """Return the targets of trials, cm, ``(N, 2)``."""
    return trials[["target_x_cm", "target_y_cm"]].to_numpy(float)


def other_targets(points: npt.ArrayLike, random: Random = 1) -> Any:
    """Return points ``(N, 2)`` in another order, as published (NumPy's generator, seed 1).

    Args:
        points: Targets.
        random: Seed; a generator instead makes successive calls differ, as figure 1 does for the
            two animals.
    """
    order = np.array(points, float)
    np.random.default_rng(random).shuffle(order)
    return order


def distances(trials: pd.DataFrame, random: Random = 1) -> tuple[Any, Any]:
    """Return the distance of each end to its target and to another trial's, cm, both ``(N,)``.

    Args:
        trials: Table of trials.
        random: How the other targets are drawn, see :func:`other_targets`.

    Raises:
        ValueError: If an end or a target is not finite.
    """
    end, target = ends(trials), targets(trials)
    if bad := int((~np.isfinite(np.c_[end, target])).any(axis=1).sum()):
        raise ValueError(
            f"{bad} trials have an end or a target that is not finite; leave them out"
        )
    return tuple(np.linalg.norm(end - x, axis=-1) for x in (target, other_targets(target, random)))


def boundaries(*far: npt.ArrayLike, cut: bool = False) -> Any:
    """Return reward boundaries 0, 1, 2, ... cm, up to the largest of some distances.

    Args:
        far: Distances to cover, cm; of true and shuffled targets, of one or of several subjects.
        cut: Whether to end below the largest distance, as figures 4, 5, 6 and 8 (gain) do with
            the true distances of all agents; else the last boundary lies beyond it, so that the
            fraction reaches 1, as in figures 2 and 7.
    """
    largest = max((float(np.max(x, initial=0.0)) for x in map(np.asarray, far)), default=0.0)
    return np.arange(int(largest) + 1 if cut else round(largest) + 2)


def psychometric(
    trials: pd.DataFrame, boundary: npt.ArrayLike | None = None, random: Random = 1
) -> pd.DataFrame:
    """Return the fraction of trials that end inside a reward zone, for zones of several sizes.

    Args:
        trials: Table of trials.
        boundary: Radii of the zone, cm, increasing; by default all of :func:`boundaries`.
        random: How targets are shuffled, see :func:`other_targets`.

    Returns:
        A row a boundary: ``boundary_cm``, ``true`` (own target), ``shuffled`` (another's); NaN
        without trials.
    """
    true, other = distances(trials, random)
    radii = boundaries(true, other) if boundary is None else np.asarray(boundary, float)
    fractions = {"true": _fraction_below(true, radii), "shuffled": _fraction_below(other, radii)}
    return pd.DataFrame({"boundary_cm": radii, **fractions})


def auc(curve: pd.DataFrame) -> float:
    """Return the area under true over shuffled fractions of :func:`psychometric`.

    Perfect stops give nearly 1, stops that do not depend on the target 0.5.
    """
    return float(np.trapezoid(curve["true"], curve["shuffled"]))


def performance(
    trials: pd.DataFrame, boundary: npt.ArrayLike | None = None, random: Random = 1
) -> float:
    """Return the AUC of trials: :func:`auc` of :func:`psychometric`; NaN without trials."""
    return auc(psychometric(trials, boundary, random))


def performances(trials: pd.DataFrame, by: Sequence[str], *, cut: bool = False) -> pd.DataFrame:
    """Return the AUC of each group of trials, e.g. of each agent.

    Args:
        trials: Table of trials.
        by: Columns that make the groups.
        cut: Whether boundaries end below the largest error of any group, as published.

    Returns:
        ``by`` and ``value``, in order of appearance.
    """
    radii = boundaries(trials["radial_error_cm"].to_numpy(float), cut=True) if cut else None
    groups = trials.groupby(list(by), sort=False)
    found = [(*keys, performance(rows, radii)) for keys, rows in groups]
    return pd.DataFrame(found, columns=[*by, "value"])


def _fraction_below(distance: Any, radii: Any) -> Any:
    if not len(distance):
        return np.full(len(radii), np.nan)
    return np.searchsorted(np.sort(distance), radii, side="left") / len(distance)


def arc_length(points: npt.ArrayLike) -> Any:
    """Return the length of the arc from the origin, tangent to straight ahead, to points.

    Args:
        points: Points, cm, ``(N, 2)``, also behind the origin, to which the arc goes around.

    Returns:
        Lengths, cm, ``(N,)``; the straight line where x is 0, NaN at the origin.
    """
    x, y = np.asarray(points, float).T
    bearing = np.arctan2(np.abs(x), y)  # half the angle of the arc
    distance = np.hypot(x, y)
    ratio = np.ones_like(bearing)
    np.divide(bearing, np.sin(bearing), out=ratio, where=bearing > 0)
    return np.where(distance > 0, distance * ratio, np.nan)


def signed_radial_error(trials: pd.DataFrame, *, published: bool = False) -> Any:
    """Return the distance from end to target, negative for an undershoot, cm, ``(N,)``.

    An undershoot ends on a shorter arc than the target's. An end at the origin undershoots.

    Args:
        trials: Table of trials.
        published: Take ends behind the start for ones in front, and add 1e-8 to denominators of
            ends, as the study does.
    """
    error, end, target = trials["radial_error_cm"].to_numpy(float), ends(trials), targets(trials)
    if published:
        ahead = np.hypot(*target.T)  # where the formula divides by 0
        arc = np.where(target[:, 0] == 0, ahead, _published_arc(target))
        return np.where(_published_arc(end, 1e-8) < arc, -error, error)
    over = arc_length(end) >= arc_length(target)
    return np.where(over, error, -error)


def _published_arc(points: Any, small: float = 0.0) -> Any:
    """Return the arcs to points by the published formula, cm, ``(N,)``; NaN where undefined.

    ``small`` is added to denominators, cm.
    """
    x, distance = points[:, 0], np.hypot(*points.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        radius = distance**2 / (2 * x + small)
        return 2 * radius * np.arcsin(distance / (2 * radius + small))


def eccentricity(theta_deg: npt.ArrayLike) -> Any:
    """Return how far polar angles lie from straight ahead, deg; left is positive."""
    return np.asarray(theta_deg, float) - AHEAD_DEG


def step_curvature(steps: pd.DataFrame, *, all_steps: bool = False) -> pd.DataFrame:
    """Return the curvature of paths at each step.

    It is ``|x'y'' - y'x''| / (x'^2 + y'^2)^(3/2)`` with central differences between steps (one-
    sided at the ends), as NumPy's gradient takes them. Where a subject does not move it is not
    defined and left out, as are, in each trial, those not below the trial's 95th percentile: at
    low speed noise alone bends the path.

    Args:
        steps: Table of steps, trial after trial.
        all_steps: Whether to keep the high ones too.

    Returns:
        ``trial`` and ``curvature_per_cm`` of the steps that are kept.
    """
    trial = steps["trial"].to_numpy()
    first, count = runs_of_trials(steps)
    low, high = np.repeat(first, count), np.repeat(first + count - 1, count)
    (dx, ddx), (dy, ddy) = (
        _derivatives(steps[name].to_numpy(float), low, high) for name in ("x_cm", "y_cm")
    )
    speed = dx**2 + dy**2
    curvature = np.full(len(trial), np.nan)
    np.divide(abs(dx * ddy - dy * ddx), speed**1.5, out=curvature, where=speed > 0)
    finite = np.isfinite(curvature)
    found = pd.DataFrame({"trial": trial[finite], "curvature_per_cm": curvature[finite]})
    if all_steps or found.empty:
        return found
    limit = found.groupby("trial")["curvature_per_cm"].quantile(CURVATURE_PERCENTILE / 100)
    kept = found["curvature_per_cm"].to_numpy() < limit.loc[found["trial"]].to_numpy()
    return found[kept].reset_index(drop=True)


def _derivatives(values: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Return first and second differences of values, each within rows ``low`` to ``high``."""
    row = np.arange(len(values))
    before, after = np.maximum(row - 1, low), np.minimum(row + 1, high)
    apart = np.maximum(after - before, 1)  # 0 in trials of one step, whose differences are 0

    def difference(x: Any) -> Any:
        return (x[after] - x[before]) / apart

    once = difference(values)
    return once, difference(once)


def curvature(trials: pd.DataFrame, steps: pd.DataFrame) -> Any:
    """Return the mean curvature of each of ``trials``, 1/cm, ``(N,)``.

    See :func:`step_curvature` for what is left out; NaN where nothing is left.
    """
    means = step_curvature(steps).groupby("trial")["curvature_per_cm"].mean()
    return means.reindex(trials["trial"]).to_numpy(float)


def path_length(trials: pd.DataFrame, steps: pd.DataFrame) -> Any:
    """Return the length of the path of each of ``trials``, cm, ``(N,)``; NaN without steps."""
    trial = steps["trial"].to_numpy()
    position = steps[["x_cm", "y_cm"]].to_numpy(float)
    length = np.r_[0.0, np.linalg.norm(np.diff(position, axis=0), axis=-1)]
    length[runs_of_trials(steps)[0]] = 0.0  # from one trial's end to the next one's start
    total = pd.Series(length).groupby(trial).sum()
    return total.reindex(trials["trial"]).to_numpy(float)
