"""How subjects respond to perturbations of their velocity.

References:
    Zhang, Pitkow & Angelaki (2024), figure 6.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modnav.tables import runs_of_trials

__all__ = [
    "DELIVERED",
    "PEAKS",
    "RESPONSE_STEPS",
    "action_changes",
    "compensation",
    "delivered",
    "magnitude",
    "rolling",
]

PEAKS = ("perturbation_peak_v_cm_s", "perturbation_peak_w_deg_s")
DELIVERED = ("perturbation_v_cm_s", "perturbation_w_deg_s")
"""Columns of ``trials`` and of ``steps``: linear, then angular."""

RESPONSE_STEPS = 35
"""Steps of a response: as many as the longest trial of the task."""


def magnitude(trials: pd.DataFrame) -> Any:
    """Return the size of the perturbation of each trial, ``(N,)``.

    As published it adds the peaks, cm/s and deg/s, in quadrature.
    """
    return np.hypot(*trials[list(PEAKS)].to_numpy(float).T)


def rolling(x: npt.ArrayLike, y: npt.ArrayLike, window: int, min_periods: int = 1) -> pd.DataFrame:
    """Return mean and standard deviation of one quantity along another.

    Args:
        x: What to sort by, ``(N,)``.
        y: What to average, ``(N,)``.
        window: Number of neighbours, centred, that are averaged.
        min_periods: Fewest of them, at the ends.

    Returns:
        ``x``, ``mean`` and ``sd`` (``ddof`` 1), sorted by ``x``.
    """
    order = np.argsort(np.asarray(x, float), kind="stable")
    near = pd.Series(np.asarray(y, float)[order]).rolling(window, min_periods, center=True)
    table = {"x": np.asarray(x, float)[order], "mean": near.mean(), "sd": near.std()}
    return pd.DataFrame(table)


def delivered(trials: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """Return what of the perturbation each of ``trials`` felt before it ended.

    Returns:
        A row a trial: ``linear_cm`` and ``angular_deg``, the displacement by itself (its sum over
        the steps taken times their duration), and ``felt``, whether there was any.
    """
    trial = steps["trial"].to_numpy()
    first, _ = runs_of_trials(steps)
    pulse = steps[list(DELIVERED)].to_numpy(float)
    found = pd.DataFrame(np.add.reduceat(pulse, first), columns=["linear_cm", "angular_deg"])
    found = found.assign(felt=np.logical_or.reduceat(pulse.any(axis=1), first))
    found = found.set_index(trial[first]).loc[trials["trial"]].reset_index(drop=True)
    for name in ("linear_cm", "angular_deg"):
        found[name] *= trials["dt_s"].to_numpy()
    return found


def action_changes(
    trials: pd.DataFrame, steps: pd.DataFrame, null_steps: pd.DataFrame
) -> npt.NDArray[np.float64]:
    """Return what a perturbation changes in the actions of each trial, ``(N, T, 2)``.

    Entry ``t`` is the action ``t`` steps after the onset, less that of the same trial without
    perturbation; either is 0 after its trial's end.

    Args:
        trials: Trials with perturbations; the onset must be known.
        steps: Their steps.
        null_steps: Steps of trials of the same numbers without perturbation.
    """
    onset, dt = trials[["perturbation_onset_s", "dt_s"]].to_numpy(float).T
    onset = np.round(onset / dt).astype(int)
    column = onset[:, None] + np.arange(RESPONSE_STEPS)
    with_pulse, without = (_actions_at(x, trials["trial"], column) for x in (steps, null_steps))
    return np.asarray(with_pulse - without)


def _actions_at(steps: pd.DataFrame, wanted: "pd.Series[int]", column: Any) -> Any:
    trial = steps["trial"].to_numpy()
    first, count = runs_of_trials(steps)
    rows = pd.Series(np.arange(len(first)), index=trial[first]).loc[wanted].to_numpy()
    inside = column < count[rows, None]
    at = np.where(inside, first[rows, None] + column, 0)
    action = steps[["action_v", "action_w"]].to_numpy(float)
    return np.where(inside[..., None], action[at], 0.0)


def _directions(trials: pd.DataFrame) -> tuple[dict[tuple[str, str], tuple[int, Any]], Any]:
    """Return component and trials of each direction, and the sign that mirrors each trial."""
    linear, angular = trials[list(PEAKS)].to_numpy(float).T
    aside = trials["target_theta_deg"].to_numpy(float) - 90
    congruent = aside * angular > 0
    groups = {
        ("linear", "forward"): (0, linear > 0),
        ("linear", "backward"): (0, linear <= 0),
        ("angular", "congruent"): (1, congruent),
        ("angular", "incongruent"): (1, ~congruent),
    }
    return groups, np.where(congruent == (angular > 0), 1.0, -1.0)


def compensation(
    trials: pd.DataFrame, steps: pd.DataFrame, null_steps: pd.DataFrame
) -> pd.DataFrame:
    """Return how a subject's actions answer perturbations, on average over trials.

    Linear: forward (peak above 0) and backward perturbations. Angular: congruent ones turn the
    subject towards the target's side, incongruent ones away from it; actions are mirrored so that
    all congruent perturbations turn left and all incongruent ones right. Trials count whose
    perturbation was felt and whose actions changed at all.

    Args:
        trials: Trials with perturbations.
        steps: Their steps.
        null_steps: Steps of trials of the same numbers without perturbation.

    Returns:
        ``axis`` (``linear``, ``angular``), ``direction`` (``forward``, ``backward``,
        ``congruent``, ``incongruent``), ``time_s`` since the onset, ``change`` (velocity that the
        change of action commands, cm/s or deg/s), ``trials`` (their number).
    """
    felt = delivered(trials, steps)["felt"].to_numpy(bool)
    trials = trials[felt].reset_index(drop=True)
    change = action_changes(trials, steps, null_steps)
    groups, mirrored = _directions(trials)
    change[..., 1] *= mirrored[:, None]
    change *= trials[["gain_v_cm_s", "gain_w_deg_s"]].to_numpy(float)[:, None]
    time = np.arange(RESPONSE_STEPS) * (trials["dt_s"].iloc[0] if len(trials) else 0.1)
    parts = []
    for (axis, direction), (k, rows) in groups.items():
        chosen = change[rows, :, k]
        chosen = chosen[chosen.sum(axis=1) != 0]
        if len(chosen):
            part = {"axis": axis, "direction": direction, "time_s": time}
            mean = chosen.mean(axis=0)
            parts.append(pd.DataFrame({**part, "change": mean, "trials": len(chosen)}))
    columns = ["axis", "direction", "time_s", "change", "trials"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
