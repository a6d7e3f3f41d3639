"""How well agents do: pure functions of trials, and torchmetrics over them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric, Metric, MetricCollection
from typing_extensions import override

from modnav.agent import Agent
from modnav.rollout import Rollout
from modnav.task import UNIT_CM, TaskParameters


def reward_fraction(rewarded: Tensor) -> Tensor:
    """Return the rewarded fraction of trials, ``()``, given whether each was, ``(N,)``."""
    return rewarded.float().mean()


def reward_rate(rewarded: Tensor, steps: Tensor, dt: float) -> Tensor:
    """Return rewarded trials per second, 1/s, ``()``.

    As published, a trial counts the time of its last step index, ``steps - 1``.

    Args:
        rewarded: Whether each trial was rewarded, ``(N,)``.
        steps: Number of steps of each trial, ``(N,)``.
        dt: Duration of a step, s.

    References:
        Zhang, Pitkow & Angelaki (2024), Methods, "Agent selection".
    """
    return rewarded.float().sum() / (dt * (steps - 1).sum())


def arc_length(position: Tensor) -> Tensor:
    """Return the length of the arc from the origin, tangent to straight ahead, to a point.

    Args:
        position: Points, ``(..., 2)``.

    Returns:
        Lengths, ``(...)``, in the unit of ``position``; the straight line where x is 0, NaN
        where both coordinates are.
    """
    x, distance = position[..., 0], position.norm(dim=-1)
    radius = distance**2 / (2 * x)
    arc = 2 * radius * torch.asin((distance / (2 * radius)).clamp(-1, 1))
    return torch.where((x == 0) & (distance > 0), distance, arc)


def signed_radial_error(distance: Tensor, end: Tensor, target: Tensor) -> Tensor:
    """Return the distance to the target, negative for an undershoot.

    An undershoot is an end point whose arc is shorter than the target's; an undefined arc counts
    as an overshoot.

    Args:
        distance: Distances to the target, ``(N,)``.
        end: End points, ``(N, 2)``, in the same unit.
        target: Targets, ``(N, 2)``.
    """
    return torch.where(arc_length(end) < arc_length(target), -distance, distance)


@torch.no_grad()
def td_error(agent: Agent, trials: Rollout, discount: float) -> tuple[Tensor, Tensor]:
    """Return the TD error of the first critic and its value at each step, both ``(T, B)``.

    The error is ``r + discount * Q(next) - Q``, without the next value at a trial's last step.
    """
    length = len(trials.action)
    inputs = {name: x[:length] for name, x in trials.inputs.items()}
    value = agent.critic.first(inputs, trials.action)[..., 0]
    following = torch.cat((value[1:], torch.zeros_like(value[:1])))
    last = torch.arange(length, device=value.device)[:, None] == trials.steps - 1
    return trials.reward + discount * torch.where(last, 0.0, following) - value, value


def trial_statistics(
    agent: Agent, trials: Rollout, task: TaskParameters, discount: float = 0.97
) -> dict[str, Tensor]:
    """Return what is measured of each trial, each ``(N,)``.

    Args:
        agent: The agent that ran them.
        trials: The trials.
        task: Constants of the task.
        discount: Discount per step.

    Returns:
        ``rewarded``, ``steps``, ``error_distance`` and ``error_distance_shoot`` (cm), and the
        means over the trial's steps ``TD_error``, ``TD_error_abs``, ``value_est``.
    """
    error, value = td_error(agent, trials, discount)
    last = trials.steps - 1 + (~trials.terminated).long()
    which = torch.arange(len(last), device=last.device)
    end = trials.state[last, which, :2]
    mask = trials.mask.to(error.dtype)

    def mean(x: Tensor) -> Tensor:
        return (x * mask).sum(dim=0) / mask.sum(dim=0)

    return {
        "rewarded": trials.rewarded,
        "steps": trials.steps,
        "error_distance": UNIT_CM * trials.distance,
        "error_distance_shoot": UNIT_CM
        * signed_radial_error(trials.distance, end, trials.trials.target),
        "TD_error_abs": mean(error.abs()),
        "TD_error": mean(error),
        "value_est": mean(value),
    }


class RewardFraction(Metric):
    """Rewarded fraction of trials, see :func:`reward_fraction`."""

    full_state_update = False
    rewarded: Tensor
    trials: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("rewarded", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("trials", torch.zeros(()), dist_reduce_fx="sum")

    @override
    def update(self, rewarded: Tensor, steps: Tensor) -> None:
        self.rewarded += rewarded.float().sum()
        self.trials += len(rewarded)

    @override
    def compute(self) -> Tensor:
        return self.rewarded / self.trials


class RewardRate(Metric):
    """Rewarded trials per second, see :func:`reward_rate`.

    Args:
        dt: Duration of a step, s.
        kwargs: Arguments of :class:`torchmetrics.Metric`.
    """

    full_state_update = False
    rewarded: Tensor
    seconds: Tensor

    def __init__(self, dt: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dt = dt
        self.add_state("rewarded", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("seconds", torch.zeros(()), dist_reduce_fx="sum")

    @override
    def update(self, rewarded: Tensor, steps: Tensor) -> None:
        self.rewarded += rewarded.float().sum()
        self.seconds += self.dt * (steps - 1).sum()

    @override
    def compute(self) -> Tensor:
        return self.rewarded / self.seconds


AVERAGES = (
    "error_distance",
    "error_distance_shoot",
    "TD_error_abs",
    "TD_error",
    "value_est",
)
"""Columns that are means over trials."""


class TrialMetrics(MetricCollection):
    """All columns of an evaluation for one test task.

    Args:
        dt: Duration of a step, s.
    """

    def __init__(self, dt: float) -> None:
        metrics: dict[str, Metric | MetricCollection] = {
            "reward_fraction": RewardFraction(),
            "reward_rate": RewardRate(dt),
            **{name: MeanMetric() for name in AVERAGES},
        }
        super().__init__(metrics, compute_groups=False)

    def add(self, statistics: Mapping[str, Tensor], chosen: Tensor) -> None:
        """Take in the trials among :func:`trial_statistics` that ``chosen`` ``(N,)`` marks."""
        rewarded, steps = statistics["rewarded"][chosen], statistics["steps"][chosen]
        self["reward_fraction"].update(rewarded, steps)
        self["reward_rate"].update(rewarded, steps)
        for name in AVERAGES:
            self[name].update(statistics[name][chosen])
