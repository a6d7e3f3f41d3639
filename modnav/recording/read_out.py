"""Where agents believe to be: by their Kalman filter, or read out of the units of their belief."""

from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from modnav.networks import Agent
from modnav.tables import Recording
from modnav.task import TaskParameters

from .layers import layers_of
from .record import record

__all__ = [
    "BELIEF",
    "READ_OUT_PENALTY",
    "READ_OUT_TRIALS",
    "belief_layer",
    "filter_belief",
    "read_out_belief",
]

BELIEF = ["x_cm", "y_cm", "xx_cm2", "xy_cm2", "yy_cm2"]
"""Columns of a table of beliefs beside ``trial`` and ``step``: mean and covariance of position."""

READ_OUT_TRIALS, READ_OUT_PENALTY = 300, 1.0
"""Trials that a read-out of position is fitted to and tested on, and its ridge penalty."""


def filter_belief(trials: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """Return where the Kalman filter believed the agent to be.

    Args:
        trials: Table of trials.
        steps: Their steps, with the filter's numbers.

    Returns:
        ``trial``, ``step`` and the columns :data:`BELIEF`, relative to the start.
    """
    targets = trials.set_index("trial").loc[steps["trial"]]
    columns = {name: steps[f"kalman_{name}"].to_numpy() for name in BELIEF}
    for axis in "xy":
        columns[f"{axis}_cm"] = columns[f"{axis}_cm"] + targets[f"target_{axis}_cm"].to_numpy()
    return steps[["trial", "step"]].assign(**columns)


def read_out_belief(
    agent: Agent, recording: Recording, task: TaskParameters, seed: int
) -> pd.DataFrame | None:
    """Return where the units of the actor's belief place the agent.

    A linear read-out of position (ridge regression) is fitted to three quarters of some other
    trials of the task; the covariance is that of its errors in the last quarter.

    Args:
        agent: The agent.
        recording: Trials it ran, with the units of its belief.
        task: Constants of the task.
        seed: Seed of the other trials.

    Returns:
        As :func:`filter_belief`; None if the actor has no recurrent layer.
    """
    layer = belief_layer(agent)
    if layer is None or recording.units is None:
        return None
    other = record(agent, layers=[layer], task=task, trials=READ_OUT_TRIALS, seed=seed)
    activity = _activity(other, layer)
    position = other.steps[["x_cm", "y_cm"]].to_numpy(float)
    fitted = other.steps["trial"].to_numpy() < 0.75 * READ_OUT_TRIALS
    offset, origin = activity[fitted].mean(axis=0), position[fitted].mean(axis=0)
    x, y = activity[fitted] - offset, position[fitted] - origin
    weight = np.linalg.solve(x.T @ x + READ_OUT_PENALTY * np.eye(x.shape[1]), x.T @ y)
    error = (activity[~fitted] - offset) @ weight + origin - position[~fitted]
    (xx, xy), (_, yy) = np.cov(error.T)
    place = (_activity(recording, layer) - offset) @ weight + origin
    numbers = (place[:, 0], place[:, 1], xx, xy, yy)
    return recording.steps[["trial", "step"]].assign(**dict(zip(BELIEF, numbers, strict=True)))


def belief_layer(agent: Agent) -> str | None:
    """Return the name of the first recurrent layer of the actor, None if it has none."""
    for name, layer in layers_of(agent).items():
        if name.startswith("actor.") and isinstance(layer.module, nn.RNNBase):
            return name
    return None


def _activity(recording: Recording, layer: str) -> Any:
    units = recording.units
    assert units is not None
    return units[[n for n in units.columns if n.rpartition(".")[0] == layer]].to_numpy(float)
