"""Replay recorded actions in another world: what a subject would do that did not adapt."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from modnav.task import REWARD_ZONE_CM

from .conform import Recording, conform, runs_of_trials
from .outcomes import outcomes

__all__ = ["PULSE_S", "PULSE_WIDTH_S", "open_loop"]

PULSE_S, PULSE_WIDTH_S = 1.0, 0.2
"""Duration and standard deviation of a perturbation, s."""


def open_loop(
    trials: pd.DataFrame,
    steps: pd.DataFrame,
    pairs: Sequence[int] | None = None,
    *,
    delayed: bool = True,
    reward_zone_cm: float = REWARD_ZONE_CM,
    stop_threshold: float = 0.1,
) -> Recording:
    """Replay recorded actions without noise under other gains or perturbations.

    It shows where a subject would end that did not adapt ("no generalisation" control). Where a
    trial is perturbed, the replay lasts at least until the perturbation is over.

    Args:
        trials: Table of trials that gives the conditions: target, gain, perturbation.
        steps: Table of steps that gives the actions, for instance of trials at gain 1.
        pairs: For each of ``trials``, the trial in ``steps`` whose actions to take; the one of
            the same number by default.
        delayed: Whether an action moves the position two steps later, as in the task of agents;
            false moves it at once, as suits the finely sampled joystick of animals.
        reward_zone_cm: Radius of the reward zone, cm.
        stop_threshold: Actions end by a stop if both components of the last are smaller.

    Returns:
        Trials with the conditions of ``trials`` and the outcome of the replay, and their steps.

    Raises:
        ValueError: If a trial to pair with has no steps, or the numbers of pairs and trials
            differ.

    References:
        Zhang, Pitkow & Angelaki (2024), figures 4 and 6, "no generalization".
    """
    wanted = trials["trial"].to_numpy() if pairs is None else np.asarray(pairs)
    if len(wanted) != len(trials):
        raise ValueError(f"there are {len(wanted)} pairs; it must be {len(trials)}, one a trial")
    action, count = _actions(steps, wanted)
    dt = trials["dt_s"].to_numpy(float)
    action, pulse, length = _with_pulses(trials, action, count, dt)
    gain = trials[["gain_v_cm_s", "gain_w_deg_s"]].to_numpy(float)
    path = _integrate(gain[:, None] * action + pulse, dt, delayed)
    rows = np.arange(action.shape[1]) < length[:, None]
    number, step = np.nonzero(rows)
    replayed = {
        "trial": trials["trial"].to_numpy()[number],
        "step": step,
        "time_s": step * dt[number],
        **{name: values[rows] for name, values in path.items()},
    }
    for k, (axis, unit) in enumerate((("v", "cm_s"), ("w", "deg_s"))):
        replayed[f"action_{axis}"] = action[..., k][rows]
        replayed[f"perturbation_{axis}_{unit}"] = pulse[..., k][rows]
    table = conform(pd.DataFrame(replayed), "steps")
    stopped = (abs(action[np.arange(len(count)), count - 1]) < stop_threshold).all(axis=-1)
    return Recording(_judged(trials, table, stopped, reward_zone_cm), table)


def _actions(steps: pd.DataFrame, wanted: Any) -> tuple[Any, Any]:
    """Return actions of trials, 0 after their end, ``(N, L, 2)``, and numbers of steps."""
    trial = steps["trial"].to_numpy()
    first, counts = runs_of_trials(steps)
    rows = pd.Series(np.arange(len(first)), index=trial[first]).reindex(wanted)
    if rows.isna().any():
        raise ValueError(f"the recorded steps have no trial {rows.index[rows.isna()][0]}")
    chosen = rows.to_numpy().astype(int)
    first, counts = first[chosen], counts[chosen]
    column = np.arange(counts.max(initial=1))
    inside = column < counts[:, None]
    values = steps[["action_v", "action_w"]].to_numpy(float)
    at = np.minimum(first[:, None] + column, len(values) - 1)
    return np.where(inside[..., None], values[at], 0.0), counts


def _with_pulses(trials: pd.DataFrame, action: Any, count: Any, dt: Any) -> tuple[Any, Any, Any]:
    """Return actions and perturbations, both ``(N, L, 2)``, and the number of steps ``(N,)``."""
    names = ["perturbation_peak_v_cm_s", "perturbation_peak_w_deg_s"]
    peak = trials.reindex(columns=names).fillna(0.0).to_numpy(float)
    onset = trials.reindex(columns=["perturbation_onset_s"]).fillna(0.0).to_numpy(float)[:, 0]
    onset = np.round(onset / dt).astype(int)
    lasting = np.round(PULSE_S / dt).astype(int) + 1
    length = np.where(peak.any(axis=-1), np.maximum(onset + lasting, count), count)
    column = np.arange(length.max(initial=1))
    k = column - onset[:, None]
    shape = np.exp(-(((k * dt[:, None] - PULSE_S / 2) / PULSE_WIDTH_S) ** 2) / 2)
    shape = np.where((k >= 0) & (k < lasting[:, None]), shape, 0.0)
    longer = np.zeros((len(action), len(column), 2))
    longer[:, : action.shape[1]] = action[:, : len(column)]
    return longer, shape[..., None] * peak[:, None], length


def _integrate(velocity: Any, dt: Any, delayed: bool) -> dict[str, Any]:
    """Return the path under given velocities ``(N, L, 2)``, by column of ``steps``."""

    def before(values: Any) -> Any:
        return np.pad(values, ((0, 0), (1, 0)))[:, :-1] if delayed else values

    v, w = before(velocity[..., 0]), before(velocity[..., 1])
    heading = 90 + before(np.cumsum(w, axis=1) * dt[:, None])
    x, y = (
        before(np.cumsum(v * turn(np.deg2rad(heading)), axis=1) * dt[:, None])
        for turn in (np.cos, np.sin)
    )
    return {"x_cm": x, "y_cm": y, "heading_deg": heading, "v_cm_s": v, "w_deg_s": w}


def _judged(
    trials: pd.DataFrame, steps: pd.DataFrame, stopped: Any, reward_zone_cm: float
) -> pd.DataFrame:
    given = ["reward", "value", "td_error", "td_error_abs"]
    table = trials.drop(columns=given, errors="ignore").assign(terminated=stopped)
    table = table.assign(**{n: 0.0 for n in ("process_noise", "observation_noise") if n in table})
    table = table.assign(**outcomes(table, steps))
    return conform(
        table.assign(rewarded=stopped & (table["radial_error_cm"] < reward_zone_cm)), "trials"
    )
