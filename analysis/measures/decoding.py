"""What can be read from units: ridge decoders of latent variables, tested on other trials.

A decoder maps the activity of a layer at a step to latent variables of the same step. It is fitted
on the first 70 % of an agent's trials in one condition and tested on the rest, so that no trial is
in both.

References:
    Zhang, Pitkow & Angelaki (2024), figures 1, 5, 6 and 8; Methods, "Neural decoding".
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV

from modnav.tables import Recording, refuse_others

from .arrays import Activity, as_activity
from .too_few import TooFewError

__all__ = [
    "ALPHAS",
    "LAYER",
    "POSITION",
    "TRAINING_PART",
    "activity",
    "belief_errors",
    "decode",
    "decode_position",
    "latents",
    "scores",
    "split",
    "units_of",
]

LAYER = "actor.belief"
"""What is decoded as published: the hidden units of the actor's first recurrent layer."""

POSITION = ("x_cm", "y_cm")
"""Columns of ``steps`` that the belief error is about."""

ALPHAS = (0.1, 1.0, 10.0)
"""Ridge penalties, among which leave-one-out errors of the training steps choose one."""

TRAINING_PART = 0.7
"""Part of the trials that decoders are fitted on: the first ones."""


def split(trials: pd.DataFrame, part: float = TRAINING_PART) -> tuple[Any, Any]:
    """Return the numbers of the trials to fit on and of those to test on, in their order.

    Raises:
        TooFewError: If one of both would be empty.
    """
    numbers = trials["trial"].to_numpy()
    count = round(part * len(numbers))
    if not 0 < count < len(numbers):
        raise TooFewError(f"{len(numbers)} trials cannot be split into {part:.0%} and the rest")
    return numbers[:count], numbers[count:]


def latents(trials: pd.DataFrame, steps: pd.DataFrame, *, published: bool = False) -> pd.DataFrame:
    """Return latent variables of each step, in the order of ``steps``.

    Args:
        trials: Table of trials, which gives the targets.
        steps: Their steps, of agents.
        published: Take for ``relative_angle_deg`` what the study does: the heading, less the polar
            angle of the position, plus that of the target; both seen from the start. It jumps at
            the first steps, which are at the start itself. Otherwise it is the angle from the
            direction of the target to the heading, in [-180, 180).

    Returns:
        ``v_cm_s``, ``w_deg_s``, ``relative_distance_cm``, ``relative_angle_deg``, ``action_v``,
        ``action_w``.

    Raises:
        ValueError: If there are steps of other trials, or trials with one number.
    """
    refuse_others(trials, steps)
    of_trial = trials.set_index("trial")[["target_x_cm", "target_y_cm"]]
    target = of_trial.loc[steps["trial"]].to_numpy(float)
    position = steps[list(POSITION)].to_numpy(float)
    heading = steps["heading_deg"].to_numpy(float)
    away = target - position
    if published:
        angle = heading - _polar(position) + _polar(target)
    else:
        angle = (heading - _polar(away) + 180) % 360 - 180
    found = steps[["v_cm_s", "w_deg_s", "action_v", "action_w"]].astype(float)
    found.insert(2, "relative_distance_cm", np.linalg.norm(away, axis=-1))
    found.insert(3, "relative_angle_deg", angle)
    return found.reset_index(drop=True)


def _polar(points: Any) -> Any:
    return np.rad2deg(np.arctan2(points[:, 1], points[:, 0]))


def activity(units: pd.DataFrame, layer: str = LAYER) -> Any:
    """Return the activity of a layer, ``(steps, units)``, double precision.

    Raises:
        ValueError: If the table has none of its units, or they are not finite.
    """
    names = [name for name in units.columns if name.rpartition(".")[0] == layer]
    if not names:
        raise ValueError(f"no unit of {layer} was recorded")
    return as_activity(units[names])


def units_of(recording: Recording, layer: str = LAYER) -> Activity:
    """Return the activity of a layer, a row for each of the recording's ``steps``.

    Raises:
        ValueError: If there are no units, or not those of the steps in the same order; or steps
            of other trials, or trials with one number.
    """
    trials, steps, units = recording
    refuse_others(trials, steps)
    if units is None:
        raise ValueError("a recording without units cannot be read; this needs units of a layer")
    names = [name for name in ("trial", "step") if name in units]
    if len(units) != len(steps) or not (units[names].to_numpy() == steps[names].to_numpy()).all():
        raise ValueError("units and steps are not of the same steps, in the same order")
    return activity(units, layer)


def decode(
    recording: Recording,
    variables: pd.DataFrame,
    layer: str = LAYER,
    alphas: Sequence[float] = ALPHAS,
) -> pd.DataFrame:
    """Fit a decoder on the first trials and return what it reads in the others.

    All variables share one penalty, as published; they are neither centred nor scaled, so that
    those with large numbers weigh more in its choice.

    Args:
        recording: Tables of an agent, with units.
        variables: What to decode, a row a step.
        layer: The layer to read.
        alphas: Penalties to choose from.

    Returns:
        A row for each step of the test trials: ``trial``, ``step``, the variables, and
        ``decoded_<variable>``.

    Raises:
        ValueError: If there are no units, too few trials, or not a row for each step.
    """
    trials, steps, _ = recording
    if len(variables) != len(steps):
        raise ValueError(f"variables has {len(variables)} rows; steps has {len(steps)}")
    fitted = np.isin(steps["trial"].to_numpy(), split(trials)[0])
    features, values = units_of(recording, layer), variables.to_numpy(float)
    decoder = RidgeCV(alphas).fit(features[fitted], values[fitted])
    read = decoder.predict(features[~fitted]).reshape(-1, values.shape[1])
    found = steps.loc[~fitted, ["trial", "step"]].reset_index(drop=True)
    for k, name in enumerate(variables.columns):
        found[name] = values[~fitted, k]
        found[f"decoded_{name}"] = read[:, k]
    return found


def decode_position(recording: Recording, layer: str = LAYER) -> pd.DataFrame:
    """Return :func:`decode` of the position with ``error_cm``, the decoding error of each step."""
    found = decode(recording, recording.steps[list(POSITION)].astype(float), layer)
    read, true = (found[[p + name for name in POSITION]].to_numpy() for p in ("decoded_", ""))
    return found.assign(error_cm=np.linalg.norm(read - true, axis=-1))


def scores(decoded: pd.DataFrame) -> pd.Series:
    """Return Pearson's r of each variable of :func:`decode` and what was read of it."""
    names = [name for name in decoded.columns if f"decoded_{name}" in decoded]
    found = [decoded[name].corr(decoded[f"decoded_{name}"]) for name in names]
    return pd.Series(found, index=names, dtype=float)


def belief_errors(decoded: pd.DataFrame, *, wrapped: bool = True) -> pd.DataFrame:
    """Return how far believed positions lie from true ones, as seen from the start.

    Args:
        decoded: Rows of :func:`decode_position`.
        wrapped: Whether angles are brought to [-180, 180); the study leaves them as they are.

    Returns:
        ``trial``, ``step``, ``linear_error_cm`` (believed less true distance from the start),
        ``angular_error_deg`` (believed less true polar angle).
    """
    true, read = (
        decoded[[prefix + name for name in POSITION]].to_numpy(float)
        for prefix in ("", "decoded_")
    )
    angle = _polar(read) - _polar(true)
    found = decoded[["trial", "step"]].reset_index(drop=True)
    found["linear_error_cm"] = np.linalg.norm(read, axis=-1) - np.linalg.norm(true, axis=-1)
    found["angular_error_deg"] = (angle + 180) % 360 - 180 if wrapped else angle
    return found
