"""What trials of the steering task are made of, as named tuples of tensors; ``B`` trials each."""

from typing import NamedTuple

from torch import Tensor

__all__ = ["Outcome", "Sensation", "Trials", "World"]


class Trials(NamedTuple):
    """What is fixed during each of ``B`` trials.

    Attributes:
        target: Target position relative to the start, unit, ``(B, 2)``.
        gain: Multiple of the default joystick gain, ``(B,)``.
        joystick_gain: Velocities at full deflection, unit/s and rad/s, ``(B, 2)``.
        process_noise_std: Standard deviation, unit/s and rad/s, ``(B, 2)``.
        observation_noise_std: Standard deviation, unit/s and rad/s, ``(B, 2)``.
        peak: Peak of the perturbation, unit/s and rad/s, ``(B, 2)``.
        onset: Step at which the perturbation starts, ``(B,)``.
    """

    target: Tensor
    gain: Tensor
    joystick_gain: Tensor
    process_noise_std: Tensor
    observation_noise_std: Tensor
    peak: Tensor
    onset: Tensor


class World(NamedTuple):
    """Where each trial stands before an action.

    Attributes:
        state: x, y, heading, linear and angular velocity; unit, rad and their rates, ``(B, 5)``.
        step: Steps taken so far, ``(B,)``.
        started: Whether an earlier noise-free action exceeded the threshold, bool, ``(B,)``.
    """

    state: Tensor
    step: Tensor
    started: Tensor


class Sensation(NamedTuple):
    """What the senses deliver before an action.

    Attributes:
        velocity: Observed velocities, unit/s and rad/s, ``(B, 2)``.
        action: The action that was taken, ``(B, 2)``.
        target: Target position while it is shown, else 0, unit, ``(B, 2)``.
        perturbation: Velocity added by the world, unit/s and rad/s, ``(B, 2)``; agents do not
            sense it, but the Kalman filter is told.
    """

    velocity: Tensor
    action: Tensor
    target: Tensor
    perturbation: Tensor


class Outcome(NamedTuple):
    """What a step brought.

    Attributes:
        reward: Reward, ``(B,)``; 0 but at a stop after the start.
        terminated: Whether the trial ended by a stop, bool, ``(B,)``.
        truncated: Whether it ended by time-out, bool, ``(B,)``.
        rewarded: Whether the agent stopped inside the reward zone, bool, ``(B,)``.
        distance: Distance to the target before the motion of this step, unit, ``(B,)``.
    """

    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    rewarded: Tensor
    distance: Tensor
