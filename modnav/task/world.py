"""The steering task, many trials at a time, as pure functions of tensors.

A trial: steer with a joystick to a target that is shown for 300 ms, and stop there. Lengths are in
units of 4 m (400 cm), angles in radians, time in steps of ``dt`` seconds; names that end in
``_cm``, ``_deg``, ``_s`` carry other units. ``B`` is the number of trials.

References:
    Zhang, Pitkow & Angelaki, "Inductive biases of neural network modularity in spatial
    navigation", Science Advances 10, eadk1256 (2024), Methods, "Task structure".
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from .parameters import TaskParameters
from .parts import AbstractReward, given_by
from .state import Outcome, Sensation, Trials, World

__all__ = [
    "NEGLIGIBLE_STD",
    "PULSE_STEPS",
    "advance",
    "begin",
    "is_moving",
    "is_stop",
    "make_trials",
    "move",
    "perturbation_at",
    "reward_at",
    "reward_of",
    "target_at",
]

PULSE_STEPS = 11
"""Steps over which a perturbation lasts."""

NEGLIGIBLE_STD = 1e-8
"""Standard deviation that stands for "no process noise" in the Kalman filter."""


def make_trials(
    task: TaskParameters,
    target: Tensor,
    gain: Tensor,
    process_noise: Tensor,
    observation_noise: Tensor,
    peak: Tensor | None = None,
    onset: Tensor | None = None,
) -> Trials:
    """Put given conditions together into trials.

    Args:
        task: Constants of the task.
        target: Target positions, unit, ``(B, 2)``.
        gain: Multiples of the default joystick gain, ``(B,)``.
        process_noise: Standard deviations in multiples of the joystick gain, ``(B,)``.
        observation_noise: Likewise.
        peak: Peaks of the perturbation, unit/s and rad/s, ``(B, 2)``; none if omitted.
        onset: First steps of the perturbation, ``(B,)``.

    Returns:
        The trials.

    Raises:
        ValueError: If something is of another shape.
    """
    each = {"gain": gain, "process_noise": process_noise, "observation_noise": observation_noise}
    _check_shapes(len(target), {**each, "onset": onset}, {"target": target, "peak": peak})
    joystick_gain = gain[:, None] * gain.new_tensor(task.default_joystick_gain)
    return Trials(
        target,
        gain,
        joystick_gain,
        process_noise[:, None] * joystick_gain,
        observation_noise[:, None] * joystick_gain,
        torch.zeros_like(target) if peak is None else peak,
        torch.zeros_like(gain, dtype=torch.long) if onset is None else onset,
    )


def _check_shapes(
    count: int, each: Mapping[str, Tensor | None], pairs: Mapping[str, Tensor | None]
) -> None:
    """Check that there is a number of ``each`` and two of ``pairs`` for each of ``count`` trials."""
    for given, last, rule in (each, (), "(B,)"), (pairs, (2,), "(B, 2)"):
        for name, x in given.items():
            if x is not None and x.shape != (count, *last):
                told = f"{name} has shape {tuple(x.shape)}"
                raise ValueError(
                    f"{told}; it must be {rule}, with as many trials as target, {count}"
                )


def begin(trials: Trials) -> tuple[World, Sensation]:
    """Return the world at the start of trials, and the first sensation: the target alone."""
    count, device = len(trials.target), trials.target.device
    state = trials.target.new_zeros(count, 5)
    state[:, 2] = math.pi / 2
    zero = torch.zeros_like(trials.target)
    step = torch.zeros(count, dtype=torch.long, device=device)
    started = torch.zeros(count, dtype=torch.bool, device=device)
    return World(state, step, started), Sensation(zero, zero, trials.target, zero)


def is_stop(action: Tensor, threshold: float) -> Tensor:
    """Return whether both components of an action ``(..., 2)`` are below the threshold."""
    return (action.abs() < threshold).all(dim=-1)


def is_moving(action: Tensor, threshold: float) -> Tensor:
    """Return whether any component of an action ``(..., 2)`` is above the threshold."""
    return (action.abs() > threshold).any(dim=-1)


def perturbation_at(trials: Trials, step: Tensor) -> Tensor:
    """Return the velocity that perturbs each trial at its step, unit/s and rad/s, ``(B, 2)``."""
    k = (step - trials.onset).to(trials.peak)
    on = (k >= 0) & (k < PULSE_STEPS)
    pulse = torch.where(on, torch.exp(-(((k - 5) / 2) ** 2) / 2), 0.0)
    return trials.peak * pulse[:, None]


def move(state: Tensor, velocity: Tensor, dt: float) -> Tensor:
    """Advance a state ``(B, 5)`` by one step.

    Position moves with the old velocity and heading, heading with the old angular velocity; then
    the velocity is replaced: there is no inertia.
    """
    x, y, heading, v, w = state.unbind(-1)
    pose = (x + v * heading.cos() * dt, y + v * heading.sin() * dt, heading + w * dt)
    return torch.cat((torch.stack(pose, dim=-1), velocity), dim=-1)


def reward_at(distance: Tensor, task: TaskParameters) -> Tensor:
    """Return the reward for stopping at a distance (unit) from the target, of the same shape.

    It is that of the rewards that have a name; one's own may depend on more.
    """
    radius = task.reward_zone_radius
    assert not isinstance(task.reward, AbstractReward)  # which may need more than a distance
    if task.reward == "const":
        reward = (distance < radius).to(distance.dtype)
    elif task.reward == "gauss":
        reward = torch.exp(-(distance**2) / (2 * (radius / 2) ** 2))
    else:
        outside = torch.exp(-(distance**2) / (2 * (radius / 1.5) ** 2)).clamp(min=0.001)
        reward = torch.where(distance < radius, 1.0, outside)
    return task.reward_scale * reward


def reward_of(task: TaskParameters, trials: Trials, world: World, distance: Tensor) -> Tensor:
    """Return the reward for a stop at a distance (unit) from the target, ``(B,)``.

    Raises:
        ValueError: If a reward of a user's own gives something else.
    """
    if isinstance(task.reward, AbstractReward):
        found = task.reward.at_stop(distance.clone(), world, trials)
        return task.reward_scale * given_by("data.task.reward", found, distance)
    return reward_at(distance, task)


def target_at(task: TaskParameters, trials: Trials, step: Tensor) -> Tensor:
    """Return where the target of each trial is at its step ``(B,)``, unit, ``(B, 2)``.

    Raises:
        ValueError: If a motion of a user's own gives something else.
    """
    if task.motion is None:
        return trials.target
    return given_by(
        "data.task.motion", task.motion.position(trials, step * task.dt), trials.target
    )


def advance(
    task: TaskParameters,
    trials: Trials,
    world: World,
    action: Tensor,
    greedy_action: Tensor,
    process_noise: Tensor,
    observation_noise: Tensor,
) -> tuple[World, Sensation, Outcome]:
    """Take one step in every trial.

    Args:
        task: Constants of the task.
        trials: What is fixed during the trials.
        world: Where they stand.
        action: Actions taken, in [-1, 1], ``(B, 2)``.
        greedy_action: The same before exploration noise, ``(B, 2)``; a trial has started once one
            of them exceeded the threshold at an earlier step.
        process_noise: Standard normal draws, ``(B, 2)``.
        observation_noise: Standard normal draws, ``(B, 2)``.

    Returns:
        The world and the sensation after the step, and what the step brought. Outcome and reward
        are those of the state before the motion.
    """
    stopped = is_stop(action, task.stop_threshold)
    terminated = stopped & world.started
    truncated = ~terminated & (world.step >= task.max_steps - 1)
    away = world.state[:, :2] - target_at(task, trials, world.step)
    distance = torch.linalg.vector_norm(away, dim=-1)
    reward = torch.where(terminated, reward_of(task, trials, world, distance), 0.0)
    rewarded = stopped & (distance < task.reward_zone_radius)
    perturbation = perturbation_at(trials, world.step)
    velocity = trials.joystick_gain * action + trials.process_noise_std * process_noise
    state = move(world.state, velocity + perturbation, task.dt)
    observed = state[:, 3:] + trials.observation_noise_std * observation_noise
    step = world.step + 1
    shown = target_at(task, trials, step)
    if not task.target_always_visible:
        shown = torch.where((step < task.visible_steps)[:, None], shown, 0.0)
    started = world.started | is_moving(greedy_action, task.stop_threshold)
    return (
        World(state, step, started),
        Sensation(observed, action, shown, perturbation),
        Outcome(reward, terminated, truncated, rewarded, distance),
    )
