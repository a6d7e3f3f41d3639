"""How well agents do: pure functions of trials, averaged by the metrics of torchmetrics."""

import torch
from torch import Tensor

from modnav.acting import Rollout, greedy, rollout
from modnav.networks import Agent, evaluating
from modnav.task import UNIT_CM, TaskParameters, signed_radial_error, target_at

from .conditions import TestTrials

__all__ = [
    "AVERAGES",
    "STEP_MEANS",
    "TOGETHER",
    "run",
    "score",
    "td_error",
    "trial_statistics",
]


def run(agent: Agent, conditions: TestTrials) -> Rollout:
    """Run all trials of some conditions, without exploration and in full precision."""
    with torch.autocast(conditions.group.device.type, enabled=False):
        return rollout(
            greedy(agent.actor),
            agent.sources,
            conditions.trials,
            conditions.noise,
            conditions.task,
            drop_ended=True,
        )


def score(
    agent: Agent, conditions: TestTrials, trials: Rollout, discount: float = 0.97
) -> dict[str, dict[str, float]]:
    """Return the columns of an evaluation for each test task.

    Args:
        agent: The agent that ran the trials.
        conditions: What it ran.
        trials: How they went.
        discount: Discount per step, for the TD error.

    Returns:
        Numbers by label and by column, see :class:`modnav.evaluation.metrics.TrialMetrics`.
    """
    from .metrics import TrialMetrics  # it takes long to load

    statistics = trial_statistics(agent, trials, conditions.task, discount)
    statistics = {name: x.cpu() for name, x in statistics.items()}
    group, rows = conditions.group.cpu(), {}
    # Every process runs all trials, so that all decide alike; there is nothing to gather.
    metrics = TrialMetrics(conditions.task.dt, sync_on_compute=False)
    for k, label in enumerate(conditions.labels):
        metrics.reset()
        metrics.add(statistics, group == k)
        rows[label] = {name: float(x) for name, x in metrics.compute().items()}
    return rows


TOGETHER = 128
"""Trials whose values are computed at once; larger groups fall out of a processor's cache."""

STEP_MEANS = ("TD_error_abs", "TD_error", "value_est")
"""Columns that are means over the steps of a trial, then over trials."""

AVERAGES = ("error_distance", "error_distance_shoot", *STEP_MEANS)
"""Columns that are means over trials."""


@torch.no_grad()
def td_error(agent: Agent, trials: Rollout, discount: float) -> tuple[Tensor, Tensor]:
    """Return the TD error of the first critic and its value at each step, both ``(T, B)``.

    The error is ``r + discount * Q(next) - Q``, without the next value at a trial's last step.
    Both are 0 after it. The critic runs once over all steps, and in full precision, also where
    training is not, and in eval mode.
    """
    length = len(trials.action)
    inputs = {name: x[:length] for name, x in trials.inputs.items()}
    with torch.autocast(trials.action.device.type, enabled=False), evaluating(agent.critic):
        value = agent.critic.first(inputs, trials.action)[..., 0]
    value = torch.where(trials.mask, value, 0.0)
    following = torch.cat((value[1:], torch.zeros_like(value[:1])))
    error = trials.reward + discount * following - value
    return torch.where(trials.mask, error, 0.0), value


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
    last = trials.steps - 1 + (~trials.terminated).long()
    which = torch.arange(len(last), device=last.device)
    end = trials.state[last, which, :2]
    shoot = signed_radial_error(
        trials.distance, end, target_at(task, trials.trials, trials.steps - 1)
    )
    return {
        "rewarded": trials.rewarded,
        "steps": trials.steps,
        "error_distance": UNIT_CM * trials.distance,
        "error_distance_shoot": UNIT_CM * shoot,
        **_step_means(agent, trials, discount),
    }


def _step_means(agent: Agent, trials: Rollout, discount: float) -> dict[str, Tensor]:
    """Return the means over each trial's steps of TD error and value, each ``(N,)``.

    The critic runs over trials of like lengths together: over few steps that no trial has.
    """
    means = {name: torch.zeros_like(trials.distance) for name in STEP_MEANS}
    for rows in torch.split(trials.steps.argsort(), TOGETHER):
        part = trials.choose(rows)
        error, value = td_error(agent, part, discount)
        for name, x in zip(STEP_MEANS, (error.abs(), error, value), strict=True):
            means[name][rows] = x.sum(dim=0) / part.steps
    return means
