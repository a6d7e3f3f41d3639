"""Scripted trials that find rewards by chance, to start learning from. Not published: an option.

An untrained agent hardly moves and so is hardly ever rewarded. A script that drives random arcs
over random distances and stops is rewarded now and then, and costs nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from modnav.networks import Memory
from modnav.task import UNIT_CM, TaskParameters, Trials, sample_trials

from .rollout import Policy, draw_noise, rollout
from .trajectories import Finished, Rollout

__all__ = ["Warmup", "as_finished", "scripted_trials"]


@dataclass(frozen=True)
class Warmup:
    """Scripted trials in phase I.

    Each drives an arc of random constant action over a random distance, then stops. Those that
    aim drive the arc that leads to the target instead, at a random speed.

    Attributes:
        trials: Scripted trials in the memory before the first update.
        share: Share of scripted trials among all later trials of phase I.
        linear: Range of the linear action.
        angular: Range of the angular action.
        jitter: Standard deviation of the noise added to both at every step.
        distance_cm: Range of driven distances, cm.
        aimed: Fraction of scripted trials that aim at the target.

    Raises:
        ValueError: If a number is not allowed; the message names the key, the value and the rule.
    """

    trials: int = 2_000
    share: float = 0.25
    linear: tuple[float, float] = (0.4, 1.0)
    angular: tuple[float, float] = (-0.6, 0.6)
    jitter: float = 0.1
    distance_cm: tuple[float, float] = (60.0, 420.0)
    aimed: float = 0.0

    def __post_init__(self) -> None:
        """Check every value."""
        rules = {
            "trials": (0 <= self.trials <= 1_000_000, "in [0, 1,000,000]"),
            "share": (0 <= self.share < 1, "in [0, 1)"),
            "jitter": (0 <= self.jitter <= 10, "in [0, 10]"),
            "aimed": (0 <= self.aimed <= 1, "in [0, 1]"),
            "linear": (0 < self.linear[0] <= self.linear[1] <= 1, "a range in (0, 1]"),
            "angular": (-1 <= self.angular[0] <= self.angular[1] <= 1, "a range in [-1, 1]"),
            "distance_cm": (
                0 < self.distance_cm[0] <= self.distance_cm[1] <= 1e6,
                "a range above 0, up to 1,000,000",
            ),
        }
        for key, (holds, allowed) in rules.items():
            if not holds:
                raise ValueError(f"warmup.{key} is {getattr(self, key)}; it must be {allowed}")


def scripted_trials(
    warmup: Warmup, task: TaskParameters, sources: set[str], count: int, generator: Generator
) -> Finished:
    """Run scripted trials.

    Args:
        warmup: Constants of the script.
        task: Constants of the task.
        sources: Names of the streams to record.
        count: Number of trials.
        generator: Source of all their randomness.

    Returns:
        The trials, for replay.
    """
    trials = sample_trials(task, count, generator)
    noise = draw_noise(task.max_steps, count, generator)
    script = _arcs(warmup, task, trials, generator)
    return as_finished(rollout(script, sources, trials, noise, task), task.max_steps)


def _arcs(warmup: Warmup, task: TaskParameters, trials: Trials, generator: Generator) -> Policy:
    count, device = len(trials.gain), generator.device

    def draw(lo: float, hi: float) -> Tensor:
        return lo + (hi - lo) * torch.rand(count, generator=generator, device=device)

    mean = torch.stack((draw(*warmup.linear), draw(*warmup.angular)), dim=-1)
    distance = draw(*warmup.distance_cm) / UNIT_CM
    if warmup.aimed:
        turn, length = _arc_to(trials, mean[:, 0])
        aims = draw(0.0, 1.0) < warmup.aimed
        mean[:, 1] = torch.where(aims, turn, mean[:, 1])
        distance = torch.where(aims, length, distance)
    speed = mean[:, 0] * trials.joystick_gain[:, 0] * task.dt
    driving = (distance / speed).round().clamp(min=1)

    def act(inputs: Mapping[str, Tensor], memory: Memory) -> tuple[Tensor, Memory]:
        step = torch.zeros(()) if memory is None else memory
        jitter = warmup.jitter * torch.randn(mean.shape, generator=generator, device=device)
        action = torch.where((step < driving)[:, None], (mean + jitter).clamp(-1, 1), 0.0)
        return action, step + 1

    return act


def _arc_to(trials: Trials, linear: Tensor) -> tuple[Tensor, Tensor]:
    """Return the angular action and the length (unit) of the arc to the target, both ``(B,)``."""
    x, distance = trials.target[:, 0], trials.target.norm(dim=-1)
    bearing = torch.asin(-x / distance)  # positive to the left, as the heading turns
    curvature = 2 * bearing.sin() / distance
    angular_gain = trials.joystick_gain[:, 1] / trials.joystick_gain[:, 0]
    length = distance / torch.sinc(bearing / torch.pi)
    return (curvature * linear / angular_gain).clamp(-1, 1), length


def as_finished(trials: Rollout, max_steps: int) -> Finished:
    """Return a rollout in the form that replay stores, trial first and ``max_steps`` long."""

    def whole(x: Tensor, steps: int) -> Tensor:
        x = x.transpose(0, 1)
        return torch.nn.functional.pad(x, (0, 0, 0, steps - x.shape[1]))

    return Finished(
        {name: whole(x, max_steps + 1) for name, x in trials.inputs.items()},
        whole(trials.action, max_steps),
        trials.reward.gather(0, trials.steps[None] - 1)[0],
        trials.steps,
    )
