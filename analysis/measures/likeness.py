"""How like a Kalman filter an agent is: its performance over a grid of test noise.

An agent that trusts its senses loses more when observations get noisier, one that trusts its own
predictions when its motion does. Grids of agents are compared cell by cell with those of EKF agents
that were trained at either kind of noise.

References:
    Zhang, Pitkow & Angelaki (2024), figures 2, 7 and S2.
"""

import pandas as pd

from modnav.tables import Recording

from .behaviour import performance
from .resampling import Correlation, bootstrap_correlation
from .statistics import shuffled

__all__ = [
    "CELL",
    "INCREMENTS",
    "bootstrapped_likeness",
    "performance_by_noise",
    "performance_of",
    "row_of_grid",
    "seed_means",
    "vector",
]

INCREMENTS = (0.0, 0.2, 0.4, 0.6, 0.8)
"""What is added to process and to observation noise, in multiples of the joystick gain."""

CELL = ["observation_increment", "process_increment"]
"""Columns that name a cell of the grid, the slow one first."""


def performance_of(recording: Recording) -> pd.DataFrame:
    """Return the AUC of a recording, its rewarded fraction and the fraction that ended by a stop.

    One row; what to measure of agents.
    """
    return pd.DataFrame([_numbers(recording.trials)])


def performance_by_noise(recording: Recording) -> pd.DataFrame:
    """Return :func:`performance_of` the trials of each level of process noise, a row each."""
    trials = recording.trials
    noise = trials["process_noise"].round(4)
    return pd.DataFrame(
        [{"process_noise": level, **_numbers(part)} for level, part in trials.groupby(noise)]
    )


def _numbers(trials: pd.DataFrame) -> dict[str, float]:
    return {
        "auc": performance(trials),
        "reward_fraction": float(trials["rewarded"].mean()),
        "stopped": float(trials["terminated"].mean()),
    }


def row_of_grid(targets: pd.DataFrame, process: float) -> pd.DataFrame:
    """Return trials to all targets at each level of process noise of a row of the grid.

    Args:
        targets: Targets.
        process: Process noise of the first cell, in multiples of the joystick gain.

    Returns:
        The targets again and again, with ``process_noise``.
    """
    levels = [round(process + increment, 6) for increment in INCREMENTS]
    return pd.concat([targets.assign(process_noise=x) for x in levels], ignore_index=True)


def seed_means(table: pd.DataFrame, by: str = "set") -> pd.DataFrame:
    """Return the mean AUC over seeds of each cell, and its drop from each seed's first cell.

    Args:
        table: A row for each seed and cell: ``by``, ``seed``, the increments and ``auc``.
        by: Column that tells sets of agents apart.

    Returns:
        ``by``, the increments, ``auc``, ``sem``, ``count``, ``drop`` and ``drop_sem``.
    """
    first = table.loc[(table[CELL] == 0).all(axis=1), [by, "seed", "auc"]]
    each = table.merge(first, on=[by, "seed"], how="left", suffixes=("", "_first"))
    each["drop"] = each["auc"] - each["auc_first"]
    groups = each.groupby([by, *CELL], sort=False)
    found = groups["auc"].agg(auc="mean", sem="sem", count="count")
    return found.join(groups["drop"].agg(drop="mean", drop_sem="sem")).reset_index()


def vector(means: pd.DataFrame, name: str, by: str = "set") -> pd.Series:
    """Return the AUCs of one set of agents, row by row of the grid."""
    rows = means[means[by] == name].sort_values(CELL)
    return rows.set_index(CELL)["auc"]


def bootstrapped_likeness(
    means: pd.DataFrame, name: str, reference: str, by: str = "set"
) -> tuple[Correlation, Correlation]:
    """Return Pearson's r of two grids, cell by cell, bootstrapped, and that of a shuffled control.

    Cells are those of like increments of noise, not of like noise.
    """
    ours, theirs = vector(means, name, by).align(vector(means, reference, by), join="inner")
    return bootstrap_correlation(theirs, ours), bootstrap_correlation(theirs, shuffled(ours))
