"""Measures of trials as metrics of torchmetrics, for loops that see trials batch by batch.

They are no part of the face of :mod:`modnav.evaluation`: torchmetrics takes a second or two to load,
which commands that evaluate nothing need not wait for.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric, Metric, MetricCollection
from typing_extensions import override

from .scores import AVERAGES

__all__ = ["RewardFraction", "RewardRate", "TrialMetrics"]


class RewardFraction(Metric):
    """Rewarded fraction of trials."""

    full_state_update = False
    rewarded: Tensor
    trials: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("rewarded", "trials"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    @override
    def update(self, rewarded: Tensor, steps: Tensor) -> None:
        self.rewarded += rewarded.sum()
        self.trials += len(rewarded)

    @override
    def compute(self) -> Tensor:
        return self.rewarded / self.trials


class RewardRate(Metric):
    """Rewarded trials per second, 1/s.

    As published, a trial counts the time of its last step index, ``steps - 1``.

    Args:
        dt: Duration of a step, s.
        kwargs: Arguments of :class:`torchmetrics.Metric`.

    References:
        Zhang, Pitkow & Angelaki (2024), Methods, "Agent selection".
    """

    full_state_update = False
    rewarded: Tensor
    steps: Tensor

    def __init__(self, dt: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dt = dt
        for name in ("rewarded", "steps"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    @override
    def update(self, rewarded: Tensor, steps: Tensor) -> None:
        self.rewarded += rewarded.sum()
        self.steps += (steps - 1).sum()

    @override
    def compute(self) -> Tensor:
        return self.rewarded / (self.dt * self.steps)


class TrialMetrics(MetricCollection):
    """All columns of an evaluation for one test task, in double precision.

    What is not a number in a trial shows in the mean.

    Args:
        dt: Duration of a step, s.
        **options: Those of :class:`torchmetrics.Metric`, such as ``sync_on_compute``.
    """

    def __init__(self, dt: float, **options: Any) -> None:
        metrics: dict[str, Metric | MetricCollection] = {
            "reward_fraction": RewardFraction(**options),
            "reward_rate": RewardRate(dt, **options),
            **{name: MeanMetric(nan_strategy="disable", **options) for name in AVERAGES},
        }
        super().__init__(metrics, compute_groups=False)
        self.set_dtype(torch.float64)

    def add(self, statistics: Mapping[str, Tensor], chosen: Tensor) -> None:
        """Take in the trials among :func:`trial_statistics` that ``chosen`` ``(N,)`` marks."""
        rewarded, steps = statistics["rewarded"][chosen], statistics["steps"][chosen]
        self["reward_fraction"].update(rewarded, steps)
        self["reward_rate"].update(rewarded, steps)
        for name in AVERAGES:
            self[name].update(statistics[name][chosen])
