"""Trials as they went, as tables of trials and steps in centimetres, degrees and seconds."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from modnav.acting import Rollout
from modnav.tables import conform, outcomes
from modnav.task import UNIT_CM, TaskParameters

__all__ = ["CM", "DEG", "KALMAN", "frames"]

CM, DEG = UNIT_CM, 180 / math.pi
"""Centimetres in a unit of length, degrees in a radian."""

KALMAN = {
    "kalman_x_cm": CM,
    "kalman_y_cm": CM,
    "kalman_heading_deg": DEG,
    "kalman_v_cm_s": CM,
    "kalman_w_deg_s": DEG,
    "kalman_xx_cm2": CM**2,
    "kalman_xy_cm2": CM**2,
    "kalman_xh_cm_deg": CM * DEG,
    "kalman_yy_cm2": CM**2,
    "kalman_yh_cm_deg": CM * DEG,
    "kalman_hh_deg2": DEG**2,
    "kalman_vv_cm2_s2": CM**2,
    "kalman_ww_deg2_s2": DEG**2,
}
"""Columns of the Kalman filter's numbers, and what turns each into the column's unit."""


def frames(
    went: Rollout,
    signals: tuple[Tensor, Tensor],
    task: TaskParameters,
    subject: str,
    offset: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return ``trials`` and ``steps`` of trials as they went.

    Args:
        went: The trials.
        signals: TD error and value at each step, both ``(T, B)``.
        task: Constants of the task.
        subject: Who ran them.
        offset: Number of the first trial.
    """
    mask = went.mask.T.cpu().numpy()
    trial, step = np.nonzero(mask)  # trial after trial

    def rows(x: Tensor) -> Any:
        return x[: mask.shape[1]].transpose(0, 1).cpu().numpy()[mask]

    error, value = signals
    columns = {"trial": trial + offset, "step": step, **_step_columns(went, task, step, rows)}
    columns |= {"value": rows(value), "td_error": rows(error)}
    steps = conform(pd.DataFrame(columns), "steps")
    trials = pd.DataFrame(_trial_columns(went, task, subject, offset))
    return conform(trials.assign(**outcomes(trials, steps)), "trials"), steps


def _step_columns(
    went: Rollout, task: TaskParameters, step: Any, rows: Callable[[Tensor], Any]
) -> dict[str, Any]:
    state, observed, pulse = rows(went.state), rows(went.observed), rows(went.perturbation)
    action = rows(went.action)
    columns = {
        "time_s": step * task.dt,
        "x_cm": CM * state[:, 0],
        "y_cm": CM * state[:, 1],
        "heading_deg": DEG * state[:, 2],
        "v_cm_s": CM * state[:, 3],
        "w_deg_s": DEG * state[:, 4],
        "observed_v_cm_s": CM * observed[:, 0],
        "observed_w_deg_s": DEG * observed[:, 1],
        "target_visible": task.target_always_visible | (step < task.visible_steps),
        "action_v": action[:, 0],
        "action_w": action[:, 1],
        "perturbation_v_cm_s": CM * pulse[:, 0],
        "perturbation_w_deg_s": DEG * pulse[:, 1],
        "reward": rows(went.reward),
    }
    if "kalman" in went.inputs:
        belief = rows(went.inputs["kalman"])
        columns |= {n: s * belief[:, k] for k, (n, s) in enumerate(KALMAN.items())}
    return columns


def _trial_columns(
    went: Rollout, task: TaskParameters, subject: str, offset: int
) -> dict[str, Any]:
    trials = type(went.trials)(*(x.cpu().double() for x in went.trials))
    joystick = trials.joystick_gain
    x, y = trials.target.unbind(-1)
    onset = task.dt * trials.onset if task.perturbed else torch.full_like(x, torch.nan)
    columns = {
        "gain": trials.gain,
        "gain_v_cm_s": CM * joystick[:, 0],
        "gain_w_deg_s": DEG * joystick[:, 1],
        "process_noise": trials.process_noise_std[:, 0] / joystick[:, 0],
        "observation_noise": trials.observation_noise_std[:, 0] / joystick[:, 0],
        "perturbation_peak_v_cm_s": CM * trials.peak[:, 0],
        "perturbation_peak_w_deg_s": DEG * trials.peak[:, 1],
        "perturbation_onset_s": onset,
        "target_x_cm": CM * x,
        "target_y_cm": CM * y,
        "target_r_cm": CM * torch.hypot(x, y),
        "target_theta_deg": torch.rad2deg(torch.atan2(y, x)),
        "rewarded": went.rewarded.cpu(),
        "terminated": went.terminated.cpu(),
    }
    count = len(x)
    return {
        "trial": np.arange(offset, offset + count),
        "subject": [subject] * count,
        "task": [task.name] * count,
        "dt_s": np.full(count, task.dt),
        **{name: values.numpy() for name, values in columns.items()},
    }
