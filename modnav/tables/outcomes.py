"""How trials ended, computed from their steps: the same for agents, animals and replays."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from modnav.task import signed_radial_error

from .conform import runs_of_trials

__all__ = ["SIGNALS", "outcomes", "reward_rate"]

SIGNALS = ("value", "td_error")
"""Columns of ``steps`` whose mean over a trial ``trials`` holds."""


def outcomes(trials: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of ``trials`` that follow from ``steps``.

    The end is the position at the last step, before its motion, as published. On a time-out the
    sign of the radial error uses the position after that motion, as the published evaluation does;
    this needs heading and velocity among the steps.

    Args:
        trials: ``trial``, ``target_x_cm``, ``target_y_cm``, ``dt_s`` and ``terminated`` of each
            trial.
        steps: The steps of those trials, see :data:`modnav.tables.SCHEMA`.

    Returns:
        A row for each of ``trials``, with its index: end, errors, steps and duration; where
        ``steps`` has them also the sum of ``reward`` and the means of ``value``, ``td_error`` and
        its absolute value.

    Raises:
        ValueError: If a trial has no steps, or they are not in order.
    """
    trial = steps["trial"].to_numpy()
    first, counts = runs_of_trials(steps)
    rows = pd.Series(np.arange(len(first)), index=trial[first]).reindex(trials["trial"])
    if rows.isna().any():
        raise ValueError(f"trial {rows.index[rows.isna()][0]} has no steps")
    order = rows.to_numpy().astype(int)
    count = counts[order]
    found = _ends(trials, steps.iloc[first[order] + count - 1])
    found["steps"] = count
    found["duration_s"] = (count - 1) * found.pop("dt_s")
    if len(steps):
        for name, values in _signals(steps, first, counts).items():
            found[name] = values[order]
    return pd.DataFrame(found, index=trials.index)


def _ends(trials: pd.DataFrame, last: pd.DataFrame) -> dict[str, Any]:
    end, target = _points(last, "x_cm", "y_cm"), _points(trials, "target_x_cm", "target_y_cm")
    dt = trials["dt_s"].to_numpy()
    error = np.linalg.norm(end - target, axis=-1)
    judged = end
    if "v_cm_s" in last and "heading_deg" in last:
        heading, speed = np.deg2rad(last["heading_deg"].to_numpy(float)), last["v_cm_s"].to_numpy()
        motion = np.stack((np.cos(heading), np.sin(heading)), axis=-1) * (speed * dt)[:, None]
        judged = np.where(trials["terminated"].to_numpy(bool)[:, None], end, end + motion)
    signed = signed_radial_error(*(torch.from_numpy(x) for x in (error, judged, target)))
    radius = np.linalg.norm(end, axis=-1)
    theta = np.where(radius > 0, np.rad2deg(np.arctan2(end[:, 1], end[:, 0])), np.nan)
    turn = theta - np.rad2deg(np.arctan2(target[:, 1], target[:, 0]))
    return {
        "end_x_cm": end[:, 0],
        "end_y_cm": end[:, 1],
        "end_r_cm": radius,
        "end_theta_deg": theta,
        "dt_s": dt,
        "radial_error_cm": error,
        "signed_radial_error_cm": signed.numpy(),
        "angular_error_deg": (turn + 180) % 360 - 180,
    }


def _points(frame: pd.DataFrame, x: str, y: str) -> Any:
    return frame[[x, y]].to_numpy(float, copy=True)


def _signals(steps: pd.DataFrame, first: Any, counts: Any) -> dict[str, Any]:
    found = {}
    if "reward" in steps:
        found["reward"] = np.add.reduceat(steps["reward"].to_numpy(float), first)
    for name in SIGNALS:
        if name in steps:
            values = steps[name].to_numpy(float)
            found[name] = np.add.reduceat(values, first) / counts
            if name == "td_error":
                found["td_error_abs"] = np.add.reduceat(abs(values), first) / counts
    return found


def reward_rate(trials: pd.DataFrame) -> float:
    """Return rewarded trials per second, 1/s; NaN without trials, or if none took any time."""
    time = float(trials["duration_s"].sum())
    return float(trials["rewarded"].sum() / time) if time > 0 else float("nan")
