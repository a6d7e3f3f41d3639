"""Figure 7, action: does it help a holistic agent to be given a belief?

Panels S8a and S8b: the holistic agent, the same with a Kalman filter for its belief, and the
modular agent, far beyond their training: at gains of 3 to 4 and with large perturbations.
"""

from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from ..drawing import Panel, colour_of, groups, limits, name_ticks, points, with_missing
from ..measures import outcomes, performances, reward_rate
from ..study import HOLISTIC, HOLISTIC_EKF, MODULAR, Peaks, Study
from .cohorts import silent
from .extensive import Task, cohort, conditions

ORDER = (HOLISTIC, HOLISTIC_EKF, MODULAR)
"""Architectures, from left to right."""

PEAKS = Peaks((-400.0, 800.0), (-180.0, 180.0), None, None)
"""Perturbations of S8b."""

QUANTITIES = {
    "reward_rate": "Reward rate (trial/s)",
    "auc": "AUC",
    "curvature_per_cm": "Curvature (cm$^{-1}$)",
    "path_cm": "Path length (cm)",
}
"""What is compared, and its label."""


def seed_statistics(table: pd.DataFrame) -> pd.DataFrame:
    """Return reward rate, AUC, curvature and path length of each agent.

    The curvature is the mean over all steps of all trials.

    Args:
        table: What :func:`.measures.outcomes` gives.

    Returns:
        ``architecture``, ``seed``, ``quantity``, ``value``.
    """
    keys = ["architecture", "seed"]
    found = performances(table, keys).rename(columns={"value": "auc"})
    parts = [rows for _, rows in groups(table, keys)]
    found["reward_rate"] = [reward_rate(rows) for rows in parts]
    sums = [rows[["curvature_sum", "curvature_count"]].sum() for rows in parts]
    found["curvature_per_cm"] = [
        total / count if count else float("nan") for total, count in map(tuple, sums)
    ]
    found["path_cm"] = [rows["path_cm"].mean() for rows in parts]
    return found.melt(keys, list(QUANTITIES), "quantity", "value")


def compute_s8(study: Study, task: Task) -> pd.DataFrame:
    """Return :func:`seed_statistics` of all seeds in a task."""
    agents, missing = cohort(study, ORDER, task)
    table = study.measure(agents, conditions(study, task, PEAKS), outcomes)
    return with_missing(seed_statistics(table), [*missing, *silent(table)])


def plot_s8(table: pd.DataFrame, figure: Figure, ranges: dict[str, tuple[float, float]]) -> None:
    """Draw each quantity: mean, SEM and seeds of each architecture."""
    panels = figure.subplots(1, len(QUANTITIES))
    order = [name for name in ORDER if name in set(table["architecture"])]
    for axes, (quantity, label) in zip(panels, QUANTITIES.items(), strict=True):
        rows = table[table["quantity"] == quantity]
        for k, name in enumerate(order):
            values = rows.loc[rows["architecture"] == name, "value"]
            points(axes, k, values, colour_of(name), half=0.25)
        name_ticks(axes, order)
        limits(axes, y=ranges[quantity])
        axes.set_ylabel(label)


PANELS = (
    Panel(
        "S8a",
        "Behaviour at gains of 3 to 4",
        (5.6, 1.6),
        partial(compute_s8, task="gain"),
        partial(
            plot_s8,
            ranges={
                "reward_rate": (0.1, 1.3),
                "auc": (0.73, 0.93),
                "curvature_per_cm": (0, 0.03),
                "path_cm": (300, 700),
            },
        ),
        value="value",
    ),
    Panel(
        "S8b",
        "Behaviour with large perturbations",
        (5.6, 1.6),
        partial(compute_s8, task="perturbation"),
        partial(
            plot_s8,
            ranges={
                "reward_rate": (0.2, 0.6),
                "auc": (0.8, 0.92),
                "curvature_per_cm": (0, 0.03),
                "path_cm": (260, 360),
            },
        ),
        value="value",
    ),
)
"""Panels of figure 7 about actions."""
