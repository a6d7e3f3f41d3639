"""Compare trials of animals: pair the most similar ones, and sample their paths as agents' are."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .conform import runs

__all__ = [
    "PRIOR_RANGES",
    "STEP_S",
    "Matches",
    "SampledPath",
    "downsample",
    "downsample_steps",
    "match",
    "scaled",
]

_SIDE_CM, _NEAR_CM = 400 * np.sin(np.deg2rad(35)), 100 * np.cos(np.deg2rad(35))

PRIOR_RANGES: dict[str, tuple[float, float]] = {
    "target_x_cm": (-_SIDE_CM, _SIDE_CM),
    "target_y_cm": (_NEAR_CM, 400.0),
    "perturbation_peak_v_cm_s": (-200.0, 200.0),
    "perturbation_peak_w_deg_s": (-120.0, 120.0),
    "perturbation_onset_s": (0.0, 1.0),
}
"""Range of each condition in the published experiment: targets at 100 to 400 cm, within 35 deg of
straight ahead."""

STEP_S = 0.1
"""Duration of a step of the task of agents, s."""

_SAMPLED = ["time_s", "x_cm", "y_cm", "heading_deg", "v_cm_s", "w_deg_s", "action_v", "action_w"]


class Matches(NamedTuple):
    """Pairs of trials.

    Attributes:
        pool: Row of each pair in the pool, ``(K,)``.
        reference: Row in the reference, ``(K,)``.
        distance: Distance of the two, ``(K,)``.
    """

    pool: npt.NDArray[np.int64]
    reference: npt.NDArray[np.int64]
    distance: npt.NDArray[np.float64]


class SampledPath(NamedTuple):
    """A trial at steps of :data:`STEP_S`.

    Attributes:
        action: Mean joystick axes of each step, ``(K, 2)``: linear and angular.
        velocity: Velocity that the action of the step before gives, ``(K, 2)``: cm/s and deg/s.
        heading: Heading, deg, ``(K,)``; 90 at the start.
        position: Position, cm, ``(K, 2)``.
    """

    action: npt.NDArray[np.float64]
    velocity: npt.NDArray[np.float64]
    heading: npt.NDArray[np.float64]
    position: npt.NDArray[np.float64]


def scaled(
    trials: pd.DataFrame,
    variables: Sequence[str],
    ranges: Mapping[str, tuple[float, float]] = PRIOR_RANGES,
) -> Any:
    """Return conditions of trials in multiples of their range, ``(N, len(variables))``.

    Args:
        trials: Table of trials.
        variables: Columns of it.
        ranges: What becomes 0 and 1 for each variable, in the unit of the variable.

    Raises:
        ValueError: If there is no range for a variable.
    """
    unknown = [name for name in variables if name not in ranges]
    if unknown:
        raise ValueError(f"no range is known for {', '.join(unknown)}; give it in ranges")
    low, high = np.array([ranges[name] for name in variables], float).reshape(-1, 2).T
    return (trials[list(variables)].to_numpy(float) - low) / (high - low)


def match(
    pool: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    best: int | None = None,
    replace: bool = False,
) -> Matches:
    """Pair each trial of a reference with the most similar one of a pool, greedily.

    Trials of the reference choose one after the other, in their order; similarity is Euclidean
    distance, and among equals the first of the pool is taken.

    Args:
        pool: Conditions of the trials to choose from, ``(M, D)``: plain numbers (unscaled, e.g.
            the target in cm) or those of :func:`scaled`.
        reference: Conditions of the trials that choose, ``(N, D)``.
        best: Keep this many pairs, at most, the closest first (2000 and 1000 as published); all
            pairs in the order of the reference by default.
        replace: Whether a trial may be chosen more than once.

    Returns:
        The pairs.

    Raises:
        ValueError: If values are not finite, the dimensions differ, or the pool is too small.

    References:
        Zhang, Pitkow & Angelaki (2024), figures 1, 4 and 6, matched trials of two monkeys.
    """
    there, wanted = np.asarray(pool, float), np.asarray(reference, float)
    if there.ndim != 2 or wanted.ndim != 2 or there.shape[1] != wanted.shape[1]:
        raise ValueError(
            f"pool is {there.shape} and reference {wanted.shape}; they must be (trials, variables)"
        )
    if not (np.isfinite(there).all() and np.isfinite(wanted).all()):
        raise ValueError("conditions of trials to match must be finite numbers")
    needed = min(len(wanted), 1) if replace else len(wanted)
    if len(there) < needed:
        raise ValueError(f"the pool has {len(there)} trials; the reference needs {needed}")
    if best is not None and best < 0:
        raise ValueError(f"best is {best}; it must be 0 or more")
    chosen = np.zeros(len(wanted), np.int64)
    distance = np.zeros(len(wanted))
    taken = np.zeros(len(there))
    for k, conditions in enumerate(wanted):
        apart = np.linalg.norm(there - conditions, axis=1) + taken
        chosen[k] = row = int(apart.argmin())
        distance[k] = apart[row]
        if not replace:
            taken[row] = np.inf
    rows = np.arange(len(wanted)) if best is None else distance.argsort(kind="stable")[:best]
    return Matches(chosen[rows], rows, distance[rows])


def downsample(
    time: npt.ArrayLike,
    action: npt.ArrayLike,
    gain: Sequence[float],
    *,
    stop_threshold: float = 0.1,
) -> SampledPath:
    """Return a trial of an animal as an agent would have taken it, without noise.

    The joystick is averaged in bins of 0.1 s, each from its first moment up to the next bin; bins
    without samples are left out. The first bin after the last movement is kept as the stop, those
    behind it are not. The mean actions then move the agent of the task: position and heading use
    the velocity of their step, which the action of the step before sets.

    Args:
        time: Time since the start of the trial of each sample, s, ``(T,)``.
        action: Joystick axes of each sample, in [-1, 1], ``(T, 2)``.
        gain: Velocities at full deflection, cm/s and deg/s.
        stop_threshold: A bin is no movement if both mean axes are smaller than this.

    Raises:
        ValueError: If there are no samples, their numbers differ, or a time is negative.

    References:
        Zhang, Pitkow & Angelaki (2024), figures 3 and S4, curvature and length of paths.
    """
    moments, axes = np.asarray(time, float), np.asarray(action, float)
    if axes.shape != (len(moments), 2) or not len(moments):
        raise ValueError(
            f"there are {len(moments)} times and actions {axes.shape}; it must be (times, 2)"
        )
    if not (np.isfinite(moments) & (moments >= 0)).all():
        raise ValueError("times must count from the start of the trial: 0 or more, in s")
    # tables keep times in single precision: 0.7 must not fall into the bin before
    bins = np.floor(np.round(moments / STEP_S, 5)).astype(np.int64)
    _, which, count = np.unique(bins, return_inverse=True, return_counts=True)
    mean = np.stack([np.bincount(which, x) / count for x in axes.T], axis=1)
    moving = np.flatnonzero((abs(mean) >= stop_threshold).any(axis=1))
    return _integrated(mean[: moving[-1] + 2 if len(moving) else 1], np.asarray(gain, float))


def _integrated(action: Any, gain: Any) -> SampledPath:
    velocity = np.concatenate((np.zeros((1, 2)), gain * action[:-1]))
    heading = 90 + STEP_S * np.r_[0, velocity[:-1, 1].cumsum()]
    angle = np.deg2rad(heading[:-1])
    ahead = np.stack((np.cos(angle), np.sin(angle)), axis=1) * velocity[:-1, :1]
    position = STEP_S * np.concatenate((np.zeros((1, 2)), ahead.cumsum(axis=0)))
    return SampledPath(action, velocity, heading, position)


def downsample_steps(trials: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """Return the steps of animals' trials at 0.1 s, see :func:`downsample`.

    Args:
        trials: Table of trials, which gives the gains.
        steps: Table of the steps of these trials.

    Returns:
        A table of steps; its positions are those of the mean joystick, not the recorded ones.
    """
    gains = trials.set_index("trial")[["gain_v_cm_s", "gain_w_deg_s"]]
    time, action = steps["time_s"].to_numpy(), steps[["action_v", "action_w"]].to_numpy()
    numbers = steps["trial"].to_numpy()
    parts = []
    for first, count in zip(*runs(numbers), strict=True):
        rows = slice(first, first + count)
        path = downsample(time[rows], action[rows], gains.loc[numbers[first]].tolist())
        step = np.arange(len(path.action))
        values = (STEP_S * step, path.position, path.heading, path.velocity, path.action)
        part = pd.DataFrame(np.column_stack(values).astype(np.float32), columns=_SAMPLED)
        part.insert(0, "trial", numbers[first])
        part.insert(1, "step", step)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
