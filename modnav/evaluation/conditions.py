"""Test conditions, and how an agent does in them: all trials of all conditions in one rollout.

Agents are compared on one fixed set of trials, the same for all of them and at every time:
:func:`fixed_gain_conditions` and :func:`fixed_perturbation_conditions`. The validation that selects
checkpoints during training and ``modnav evaluate`` both run these, and so give the same numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor

from modnav.acting import Noise, draw_noise
from modnav.errors import require, whole
from modnav.task import TaskParameters, Trials, bounds, make_trials, sample_trials

__all__ = [
    "EXTENSIVE_GAINS",
    "EXTENSIVE_PERTURBATIONS",
    "EXTENSIVE_TRIALS",
    "FIXED_SEED",
    "GAINS",
    "LARGE_PERTURBATION",
    "PERTURBATIONS",
    "PERTURBATION_PROCESS_NOISE",
    "TRIALS",
    "TestTrials",
    "fixed_gain_conditions",
    "fixed_perturbation_conditions",
    "gain_conditions",
    "perturbation_conditions",
    "without_noise",
]

GAINS = (1.0, 1.5, 2.0)
"""Test gains of the default training."""

EXTENSIVE_GAINS = (1.0, 2.0, 3.0, 4.0)
"""Test gains of the extensive training."""

PERTURBATIONS = (0, 1)
"""Test levels of perturbation of the default training: none, and as in the task."""

EXTENSIVE_PERTURBATIONS = (0, 1, 2)
"""Test levels of perturbation of the extensive training: also a large one."""

LARGE_PERTURBATION = {"peak_linear_cm_s": (-200.0, 800.0), "peak_angular_deg_s": (-180.0, 180.0)}
"""Peaks of level 2."""

TRIALS, EXTENSIVE_TRIALS = 500, 300
"""Trials of each test task of the default and of the extensive training."""

FIXED_SEED = 0
"""Seed of the fixed test trials; as published."""

PERTURBATION_PROCESS_NOISE = 0.2
"""Process noise of the fixed perturbation trials, whatever an agent was trained with."""


@dataclass(frozen=True)
class TestTrials:
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

    def to(self, device: torch.device) -> "TestTrials":
        """Return the same trials on another device."""
        return replace(
            self,
            group=self.group.to(device),
            trials=Trials(*(x.to(device) for x in self.trials)),
            noise=Noise(*(x.to(device) for x in self.noise)),
        )


def gain_conditions(
    task: TaskParameters, gains: Iterable[float], count: int, generator: Generator, name: str
) -> TestTrials:
    """Return ``count`` trials at each of several gains, with the same targets at all of them.

    Args:
        task: Constants of the task; its own range of gains is not used.
        gains: Multiples of the default joystick gain.
        count: Trials at each gain.
        generator: Source of targets and noise.
        name: What the conditions are for.

    Raises:
        ValueError: If there is no gain, one is not above 0, or no trial.
    """
    require("count", whole("count", count), 1)
    gains = tuple(map(float, gains))
    if not gains:
        raise ValueError("gains is empty; it must be one or more")
    for gain in gains:
        replace(task, gain=gain, excluded_gain=None)  # refuses what no joystick has
    base = sample_trials(replace(task, gain=1.0, excluded_gain=None), count, generator)
    each = [_at_gain(task, base, gain) for gain in gains]
    labels = tuple(f"gain{gain:g}x" for gain in gains)
    return _together(task, labels, each, generator, name)


def perturbation_conditions(
    task: TaskParameters, levels: Iterable[int], count: int, generator: Generator, name: str
) -> TestTrials:
    """Return ``count`` trials at each of several levels of perturbation, at gain 1.

    As published, a trial has the same target and the same onset at all levels; peaks are drawn for
    each.

    Args:
        task: Constants of the task; its peaks are those of level 1.
        levels: 0 is no perturbation, 1 that of the task, 2 :data:`LARGE_PERTURBATION`.
        count: Trials at each level.
        generator: Source of targets, perturbations and noise.
        name: What the conditions are for.

    Raises:
        ValueError: If a level is none of these, there is none, or no trial.
    """
    require("count", whole("count", count), 1)
    levels = tuple(whole("a level", level) for level in levels)
    if not levels:
        raise ValueError("levels is empty; it must be one or more")
    peaks: dict[int, dict[str, Any]] = {
        0: {"peak_linear_cm_s": 0.0, "peak_angular_deg_s": 0.0},
        1: {},
        2: LARGE_PERTURBATION,
    }
    unknown = sorted(set(levels) - set(peaks))
    if unknown:
        raise ValueError(f"perturbation levels hold {unknown}; each must be 0, 1 or 2")
    task = replace(
        task,
        name="perturbation",
        gain=1.0,
        excluded_gain=None,
        excluded_peak_linear_cm_s=None,
        excluded_peak_angular_deg_s=None,
    )
    base = sample_trials(task, count, generator)
    each = []
    for level in levels:
        drawn = sample_trials(replace(task, **peaks[level]), count, generator)
        each.append(base._replace(peak=drawn.peak))
    labels = tuple(f"perturbation{level}" for level in levels)
    return _together(task, labels, each, generator, name)


def fixed_gain_conditions(
    task: TaskParameters,
    gains: Iterable[float] = GAINS,
    count: int = TRIALS,
    name: str = "selection",
) -> TestTrials:
    """Return the fixed test trials at several gains: always the same targets and noise draws.

    Args:
        task: Constants of the task of the agent's training, of which both noises are kept.
        gains: Multiples of the default joystick gain.
        count: Trials at each gain.
        name: What the conditions are for.
    """
    return gain_conditions(replace(task, name="gain"), gains, count, _fixed(), name)


def fixed_perturbation_conditions(
    task: TaskParameters,
    levels: Iterable[int] = PERTURBATIONS,
    count: int = TRIALS,
    name: str = "perturbation",
) -> TestTrials:
    """Return the fixed test trials at several levels of perturbation.

    Targets, perturbations and noise draws are always the same. As published, the process noise is
    0.2 also for agents that were trained at another; the observation noise is that of the training.

    Args:
        task: Constants of the task of the agent's training.
        levels: As in :func:`perturbation_conditions`.
        count: Trials at each level.
        name: What the conditions are for.

    Raises:
        ValueError: If a level is unknown.
    """
    task = replace(task, process_noise=PERTURBATION_PROCESS_NOISE)
    return perturbation_conditions(task, levels, count, _fixed(), name)


def _fixed() -> Generator:
    return Generator().manual_seed(FIXED_SEED)


def _at_gain(task: TaskParameters, base: Trials, gain: float) -> Trials:
    fraction = base.joystick_gain[:, 0]
    process = base.process_noise_std[:, 0] / fraction
    observation = base.observation_noise_std[:, 0] / fraction
    gains = torch.full_like(base.gain, gain)
    return make_trials(task, base.target, gains, process, observation, base.peak, base.onset)


def _together(
    task: TaskParameters,
    labels: tuple[str, ...],
    each: list[Trials],
    generator: Generator,
    name: str,
) -> TestTrials:
    trials = Trials(*(torch.cat(parts) for parts in zip(*each, strict=True)))
    count = len(trials.target)
    group = torch.arange(len(labels), device=trials.target.device)
    group = group.repeat_interleave(count // len(labels))
    noise = draw_noise(task.max_steps, count, generator)
    return TestTrials(name, labels, group, trials, noise, task)


def without_noise(
    task: TaskParameters, *, process: bool = False, observation: bool = False
) -> TaskParameters:
    """Return the task without process noise, without observation noise, or without both."""
    return replace(
        task,
        process_noise=0.0 if process else bounds(task.process_noise),
        observation_noise=0.0 if observation else bounds(task.observation_noise),
    )
