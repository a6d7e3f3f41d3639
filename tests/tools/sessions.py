"""Sessions in which untrained agents get rewards and end at different times; how near numbers must be."""

from dataclasses import replace

import numpy as np

from modnav.recording import make_session, simulate
from modnav.task import TaskParameters

TASK = TaskParameters(
    name="perturbation", gain=(1.0, 2.0), stop_threshold=0.95, reward_zone_radius_cm=280.0
)
"""A task in which untrained agents get rewards; none of them stops before time is over."""


def session_for(agent, task=TASK, trials=12):
    """Return trials that the agent ends at different times, and some not at all."""
    steps = simulate(agent, make_session(task, trials=trials, seed=3)).steps
    most = steps[["action_v", "action_w"]].abs().max(axis=1).groupby(steps["trial"]).max()
    task = replace(task, stop_threshold=0.7 * float(most.median()))
    return make_session(task, trials=trials, seed=3)


def close(found, expected, tolerance=2e-4):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), tolerance, tolerance)
