"""Conditions drawn as the study drew them: the same targets, gains and perturbations, by seed 0.

The study resets its environment once a trial and takes every number from torch's generator of
that moment, also those that it then does not use. The order is kept here, so that the conditions
are the published ones; the noise of the trials is not.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from modnav.task import Range, TaskParameters, bounds

__all__ = [
    "LARGE",
    "LARGE_ANGULAR",
    "LARGE_LINEAR",
    "SEED",
    "STANDARD",
    "STANDARD_ANGULAR",
    "STANDARD_LINEAR",
    "TASK",
    "WEAK_ANGULAR",
    "WEAK_LINEAR",
    "Peaks",
    "prior_perturbations",
    "prior_targets",
]

TASK = TaskParameters()
"""Constants of the published task."""

STANDARD_LINEAR, STANDARD_ANGULAR = (-200.0, 200.0), (-120.0, 120.0)
"""Ranges of peaks of the published perturbations, cm/s and deg/s."""

LARGE_LINEAR, LARGE_ANGULAR = (-200.0, 800.0), (-180.0, 180.0)
"""Ranges of peaks of the large ones."""

WEAK_LINEAR, WEAK_ANGULAR = (-100.0, 100.0), (-60.0, 60.0)
"""Peaks that are drawn anew where weak perturbations are left out."""

SEED = 0
"""Seed of all draws, as published."""

_Pair = tuple[float, float]


class _Resets:
    """Resets of the study's environment, one trial after the other."""

    def __init__(self, seed: int = SEED) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def uniform(self, value: Range) -> float:
        low, high = bounds(value)
        return float(torch.zeros(1).uniform_(low, high, generator=self._generator))

    def onset(self) -> int:
        first, last = TASK.onset_steps
        return int(torch.randint(first, last + 1, (1,), generator=self._generator))

    def target(self) -> _Pair:
        """Return radius, cm, and polar angle, deg, after the radius of the goal is drawn."""
        self.uniform(0.0)
        near, far = (x / 400 for x in TASK.target_distance_cm)
        radius = 400 * self.uniform((near**2, far**2)) ** 0.5
        return radius, 90 - self.uniform(TASK.target_angle_deg)

    def strong(self, value: _Pair, weak: _Pair | None, peak: float) -> float:
        """Return a peak, drawn anew while it is weak."""
        while weak is not None and weak[0] < peak < weak[1]:
            peak = self.uniform(value)
        return peak


class Peaks(NamedTuple):
    """Which perturbations are drawn.

    Attributes:
        linear: Range of the linear peak, cm/s.
        angular: Range of the angular peak, deg/s.
        weak_linear: Linear peaks that are drawn anew; none if None.
        weak_angular: Likewise, angular.
    """

    linear: _Pair = STANDARD_LINEAR
    angular: _Pair = STANDARD_ANGULAR
    weak_linear: _Pair | None = WEAK_LINEAR
    weak_angular: _Pair | None = WEAK_ANGULAR


STANDARD = Peaks()
LARGE = Peaks(LARGE_LINEAR, LARGE_ANGULAR)


def prior_targets(count: int, gain: Range = 1.0) -> pd.DataFrame:
    """Return the targets, and gains, that the study draws for its gain task.

    Args:
        count: Number of trials.
        gain: Multiple of the default joystick gain, or its range.

    Returns:
        ``target_x_cm``, ``target_y_cm`` and ``gain``, a row for each trial.
    """
    return _targets(count, bounds(gain)).copy()


@lru_cache(maxsize=8)
def _targets(count: int, gain: _Pair) -> pd.DataFrame:
    resets = _Resets()
    rows = np.zeros((count, 3))
    for k in range(count):
        radius, theta = resets.target()
        rows[k] = radius, np.deg2rad(theta), resets.uniform(gain)
        resets.uniform(TASK.process_noise)
    columns: dict[str, Any] = {
        "target_x_cm": rows[:, 0] * np.cos(rows[:, 1]),
        "target_y_cm": rows[:, 0] * np.sin(rows[:, 1]),
        "gain": rows[:, 2],
    }
    return pd.DataFrame(columns)


def prior_perturbations(count: int, *peaks: Peaks) -> list[pd.DataFrame]:
    """Return the perturbations that the study draws, with targets of the same draws.

    Args:
        count: Number of trials of each table.
        peaks: What is drawn, one table after the other from one stream of random numbers; the
            standard ones if omitted.

    Returns:
        Tables with ``target_x_cm``, ``target_y_cm``, ``perturbation_peak_v_cm_s``,
        ``perturbation_peak_w_deg_s`` and ``perturbation_onset_s``.
    """
    return [table.copy() for table in _perturbations(count, peaks or (STANDARD,))]


@lru_cache(maxsize=8)
def _perturbations(count: int, peaks: tuple[Peaks, ...]) -> tuple[pd.DataFrame, ...]:
    resets = _Resets()
    return tuple(_table(resets, count, each) for each in peaks)


def _table(resets: _Resets, count: int, peaks: Peaks) -> pd.DataFrame:
    rows = np.zeros((count, 5))
    for k in range(count):
        radius, theta = resets.target()
        resets.uniform(TASK.process_noise)
        linear, angular = resets.uniform(peaks.linear), resets.uniform(peaks.angular)
        linear = resets.strong(peaks.linear, peaks.weak_linear, linear)
        angular = resets.strong(peaks.angular, peaks.weak_angular, angular)
        rows[k] = radius, np.deg2rad(theta), linear, angular, TASK.dt * resets.onset()
    return pd.DataFrame(
        {
            "target_x_cm": rows[:, 0] * np.cos(rows[:, 1]),
            "target_y_cm": rows[:, 0] * np.sin(rows[:, 1]),
            "perturbation_peak_v_cm_s": rows[:, 2],
            "perturbation_peak_w_deg_s": rows[:, 3],
            "perturbation_onset_s": rows[:, 4],
        }
    )
