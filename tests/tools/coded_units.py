"""Recordings of units that code what a test says."""

import numpy as np
import pandas as pd

from modnav.tables import Recording


def recording_of(count=40, units=12, noise=0.0, seed=0):
    """Return trials of paths at random, and units that code the position linearly.

    Args:
        count: Trials.
        units: Units of the layer.
        noise: Standard deviation of what is added to each unit.
        seed: Seed of all draws.
    """
    draw = np.random.default_rng(seed)
    lengths = draw.integers(3, 20, count)
    rows = lengths.sum()
    steps = pd.DataFrame(
        {
            "trial": np.repeat(np.arange(100, 100 + count), lengths),
            "step": np.concatenate([np.arange(n) for n in lengths]),
            "x_cm": draw.uniform(-200, 200, rows),
            "y_cm": draw.uniform(0, 400, rows),
            "heading_deg": draw.uniform(60, 120, rows),
            "v_cm_s": draw.uniform(0, 200, rows),
            "w_deg_s": draw.uniform(-90, 90, rows),
            "action_v": draw.uniform(-1, 1, rows),
            "action_w": draw.uniform(-1, 1, rows),
        }
    )
    code = draw.normal(size=(2, units))
    activity = 0.01 * steps[["x_cm", "y_cm"]].to_numpy() @ code + draw.normal(size=units)
    activity += noise * draw.normal(size=activity.shape)
    names = [f"actor.belief.{k}" for k in range(units)]
    table = pd.DataFrame(activity, columns=names)
    table["actor.action.mlp.1.0"] = 0.0
    target = pd.DataFrame({"trial": steps["trial"].unique(), "target_x_cm": 30.0})
    return Recording(target.assign(target_y_cm=200.0), steps, table)
