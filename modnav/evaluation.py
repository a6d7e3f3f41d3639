"""Test conditions, and how an agent does in them: all trials of all conditions in one rollout."""

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from modnav.agent import Agent
from modnav.metrics import TrialMetrics, trial_statistics
from modnav.rollout import Noise, Rollout, draw_noise, greedy, rollout
from modnav.task import TaskParameters, Trials, bounds, make_trials, sample_trials

GAINS = (1.0, 1.5, 2.0)
"""Test gains of the default training."""

EXTENSIVE_GAINS = (1.0, 2.0, 3.0, 4.0)
"""Test gains of the extensive training."""

PERTURBATIONS = (0, 1)
"""Test levels of perturbation: none, and as in the task."""

LARGE_PERTURBATION = {"peak_linear_cm_s": (-200.0, 800.0), "peak_angular_deg_s": (-180.0, 180.0)}
"""Peaks of level 2."""


@dataclass(frozen=True)
class Conditions:
    """Trials of several test tasks, ready to run.

    Attributes:
        name: What they are for.
        labels: Names of the test tasks, e.g. ``gain1.5x``.
        group: Index into ``labels`` of each trial, ``(N,)``.
        trials: The trials.
        noise: Noise of each of their steps.
        task: Constants of the task.
    """

    name: str
    labels: tuple[str, ...]
    group: Tensor
    trials: Trials
    noise: Noise
    task: TaskParameters

    def to(self, device: torch.device) -> "Conditions":
        """Return the same conditions on another device."""
        return replace(
            self,
            group=self.group.to(device),
            trials=Trials(*(x.to(device) for x in self.trials)),
            noise=Noise(*(x.to(device) for x in self.noise)),
        )


def gain_conditions(
    task: TaskParameters, gains: tuple[float, ...], count: int, generator: Generator, name: str
) -> Conditions:
    """Return ``count`` trials at each of several gains, with the same targets at all of them.

    Args:
        task: Constants of the task; its own range of gains is not used.
        gains: Multiples of the default joystick gain.
        count: Trials at each gain.
        generator: Source of targets and noise.
        name: What the conditions are for.
    """
    base = sample_trials(replace(task, gain=1.0, excluded_gain=None), count, generator)
    each = [_at_gain(task, base, gain) for gain in gains]
    labels = tuple(f"gain{gain:g}x" for gain in gains)
    return _together(task, labels, each, generator, name)


def perturbation_conditions(
    task: TaskParameters, levels: tuple[int, ...], count: int, generator: Generator, name: str
) -> Conditions:
    """Return ``count`` trials at each of several levels of perturbation, at gain 1.

    Args:
        task: Constants of the task; its peaks are those of level 1.
        levels: 0 is no perturbation, 1 that of the task, 2 :data:`LARGE_PERTURBATION`.
        count: Trials at each level.
        generator: Source of targets, perturbations and noise.
        name: What the conditions are for.

    Raises:
        ValueError: If a level is none of these.
    """
    peaks = {
        0: {"peak_linear_cm_s": 0.0, "peak_angular_deg_s": 0.0},
        1: {},
        2: LARGE_PERTURBATION,
    }
    unknown = sorted(set(levels) - set(peaks))
    if unknown:
        raise ValueError(f"perturbation levels hold {unknown}; each must be 0, 1 or 2")
    task = replace(task, name="perturbation", gain=1.0, excluded_gain=None)
    base = sample_trials(task, count, generator)
    each = []
    for level in levels:
        drawn = sample_trials(replace(task, **peaks[level]), count, generator)
        each.append(base._replace(peak=drawn.peak, onset=drawn.onset))
    labels = tuple(f"perturbation{level}" for level in levels)
    return _together(task, labels, each, generator, name)


def run(agent: Agent, conditions: Conditions) -> Rollout:
    """Run all trials of some conditions, without exploration."""
    return rollout(
        greedy(agent.actor), agent.sources, conditions.trials, conditions.noise, conditions.task
    )


def score(
    agent: Agent, conditions: Conditions, trials: Rollout, discount: float = 0.97
) -> dict[str, dict[str, float]]:
    """Return the columns of an evaluation for each test task.

    Args:
        agent: The agent that ran the trials.
        conditions: What it ran.
        trials: How they went.
        discount: Discount per step, for the TD error.

    Returns:
        Numbers by label and by column, see :class:`modnav.metrics.TrialMetrics`.
    """
    statistics = trial_statistics(agent, trials, conditions.task, discount)
    rows = {}
    for k, label in enumerate(conditions.labels):
        metrics = TrialMetrics(conditions.task.dt).to(trials.action.device)
        metrics.add(statistics, conditions.group == k)
        rows[label] = {name: float(x) for name, x in metrics.compute().items()}
    return rows


def _at_gain(task: TaskParameters, base: Trials, gain: float) -> Trials:
    fraction = base.joystick_gain[:, 0]
    process = base.process_noise_std[:, 0] / fraction
    observation = base.observation_noise_std[:, 0] / fraction
    gains = torch.full_like(base.gain, gain)
    return make_trials(
        task, base.target, gains, process, observation, base.peak, base.onset
    )


def _together(
    task: TaskParameters,
    labels: tuple[str, ...],
    each: list[Trials],
    generator: Generator,
    name: str,
) -> Conditions:
    trials = Trials(*(torch.cat(parts) for parts in zip(*each, strict=True)))
    count = len(trials.target)
    group = torch.arange(len(labels), device=trials.target.device)
    group = group.repeat_interleave(count // len(labels))
    noise = draw_noise(task.max_steps, count, generator)
    return Conditions(name, labels, group, trials, noise, task)


def without_noise(task: TaskParameters, *, process: bool = False, observation: bool = False) -> (
    TaskParameters
):
    """Return the task without process noise, without observation noise, or without both."""
    return replace(
        task,
        process_noise=0.0 if process else bounds(task.process_noise),
        observation_noise=0.0 if observation else bounds(task.observation_noise),
    )
