"""Extended Kalman filter over the state of a trial, as functions.

The filter tracks position *relative to the target*, heading and the two velocities. Because the
joystick sets the velocities afresh at each step (no inertia), the Jacobian has zero rows for
them: after a prediction the velocities are independent of the pose, their covariance is the
process noise alone. The covariance therefore stays block diagonal (pose, and one variance for
each velocity), the observed velocities correct only the velocities, and the gain is the scalar
``q / (q + r)`` for each, which needs no matrix inverse. Without any noise ``q`` is taken as
``(1e-8)**2``, which single precision still represents, so the gain is 1: the filter believes a
noiseless observation.

References:
    Zhang, Pitkow & Angelaki (2024), Methods, "EKF belief".
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .world import NEGLIGIBLE_STD, move

__all__ = [
    "FEATURES",
    "KalmanState",
]  # the steps are `kalman.start`, `kalman.step`, `kalman.features`

FEATURES = 13
"""Numbers that the filter gives to a network, see :func:`features`."""


class KalmanState(NamedTuple):
    """What the filter believes.

    Attributes:
        mean: x, y relative to the target, heading, v, w; unit, rad and their rates, ``(B, 5)``.
        pose_covariance: Covariance of x, y and heading, ``(B, 3, 3)``.
        velocity_variance: Variances of v and w, ``(B, 2)``.
    """

    mean: Tensor
    pose_covariance: Tensor
    velocity_variance: Tensor


def start(target: Tensor) -> KalmanState:
    """Return the belief at the start of a trial.

    Args:
        target: Target position relative to the start, unit, ``(B, 2)``.

    Returns:
        The belief: all but certain of the true state.
    """
    pose = target.new_tensor((math.pi / 2, 0.0, 0.0)).expand(len(target), 3)
    eye = torch.eye(3, dtype=target.dtype, device=target.device)
    return KalmanState(
        torch.cat((-target, pose), dim=-1),
        1e-8 * eye.expand(len(target), 3, 3),
        torch.full_like(target, 1e-8),
    )


def step(
    belief: KalmanState,
    velocity: Tensor,
    observed: Tensor,
    process_noise_std: Tensor,
    observation_noise_std: Tensor,
    dt: float,
) -> KalmanState:
    """Predict one step and correct by the observed velocities.

    Args:
        belief: Belief before the step.
        velocity: Velocities that the action and the perturbation command, unit/s and rad/s,
            ``(B, 2)``.
        observed: Observed velocities, unit/s and rad/s, ``(B, 2)``.
        process_noise_std: Standard deviations the filter assumes, ``(B, 2)``.
        observation_noise_std: Likewise.
        dt: Duration of a step, s.

    Returns:
        Belief after the step.
    """
    mean = move(belief.mean, velocity, dt)
    by_pose, by_velocity = _jacobians(belief.mean, dt)
    covariance = by_pose @ belief.pose_covariance @ by_pose.mT
    covariance = covariance + (by_velocity * belief.velocity_variance[:, None]) @ by_velocity.mT
    process = process_noise_std.clamp(min=NEGLIGIBLE_STD) ** 2
    gain = process / (process + observation_noise_std**2)
    corrected = mean[:, 3:] + gain * (observed - mean[:, 3:])
    return KalmanState(
        torch.cat((mean[:, :3], corrected), dim=-1), covariance, (1 - gain) * process
    )


def features(belief: KalmanState) -> Tensor:
    """Return the numbers that networks read, ``(B, 13)``.

    They are the mean (5), the upper triangle of the pose covariance (xx, xy, xh, yy, yh, hh) and
    the variances of the velocities.
    """
    i, j = torch.triu_indices(3, 3)
    return torch.cat(
        (belief.mean, belief.pose_covariance[:, i, j], belief.velocity_variance), dim=-1
    )


def _jacobians(mean: Tensor, dt: float) -> tuple[Tensor, Tensor]:
    """Return the derivatives of the next pose by pose ``(B, 3, 3)`` and velocity ``(B, 3, 2)``."""
    heading, v = mean[:, 2], mean[:, 3]
    sin, cos = heading.sin() * dt, heading.cos() * dt
    by_pose = torch.eye(3, dtype=mean.dtype, device=mean.device).repeat(len(mean), 1, 1)
    by_pose[:, 0, 2], by_pose[:, 1, 2] = -v * sin, v * cos
    by_velocity = mean.new_zeros(len(mean), 3, 2)
    by_velocity[:, 0, 0], by_velocity[:, 1, 0], by_velocity[:, 2, 1] = cos, sin, dt
    return by_pose, by_velocity
