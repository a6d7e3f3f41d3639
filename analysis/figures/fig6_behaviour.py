"""Figure 6, behaviour: agents that are pushed off course, as in no trial of their training.

Panels 6c to 6e, S6a to S6d. "No generalization" replays a subject's actions of a trial without
perturbation while it is pushed. The example of 6a and 6b is in ``fig6_example``.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..drawing import (
    Panel,
    colour_of,
    groups,
    label_of,
    limits,
    name_ticks,
    plain_ticks,
    points,
    reward_zone,
    side_by_side,
    with_missing,
)
from ..measures import (
    compensation_of,
    magnitude,
    performances,
    replayed,
    rolling,
)
from ..study import DATA, MAIN, NO_GENERALIZATION, Missing, Study, short
from . import perturbation_task as task
from .animal_trials import perturbation_trials
from .fig6_example import PANELS as EXAMPLE
from .transfer import plot_transfer, transfer_curves

WINDOW = 100
"""Trials of one subject that a rolling mean takes in; of several seeds, as many times that."""

POINTS = 200
"""Points of a rolling mean that are kept."""

DIRECTIONS = {
    "linear": {"forward": "peru", "backward": "plum"},
    "angular": {"congruent": "peru", "incongruent": "plum"},
}
"""Directions of perturbations along each axis, and their colours."""


# --- 6c, 6d, 6e: radial error and performance -----------------------------------------------


def _rolled(table: pd.DataFrame, missing: list[str]) -> pd.DataFrame:
    """Return rolling mean and SD of the radial error along the magnitude, at some points."""
    parts = []
    for (name, kind), rows in groups(table, ["architecture", "kind"]):
        window = WINDOW * rows["seed"].nunique()
        if 2 * window > len(rows):
            missing = [*missing, "too few trials: rolling means take in most of them"]
        found = rolling(rows["magnitude"], rows["radial_error_cm"], window)
        kept = np.unique(np.linspace(0, len(found) - 1, POINTS).astype(int))
        part = found.iloc[kept].rename(columns={"x": "magnitude", "mean": "value"})
        parts.append(part.assign(architecture=name, kind=kind))
    return with_missing(pd.concat(parts, ignore_index=True), missing)


def compute_6c(study: Study) -> pd.DataFrame:
    """Return the animals' radial error by the size of the perturbation."""
    data = perturbation_trials(study)
    data = data.assign(magnitude=magnitude(data))
    both = pd.concat([data.assign(kind=DATA), replayed(data).assign(kind=NO_GENERALIZATION)])
    return _rolled(both, [])


def compute_6d(study: Study) -> pd.DataFrame:
    """Return the agents' radial error by the size of the perturbation, seeds pooled."""
    table, missing = task.agent_trials(study)
    return _rolled(table.assign(kind=DATA), missing)


def plot_rolled(table: pd.DataFrame, figure: Figure, *, rows: bool) -> None:
    """Draw rolling means with SD, a panel for each subject.

    Args:
        table: The table.
        figure: An empty figure.
        rows: Whether panels are one below the other, else side by side.
    """
    order = table["architecture"].unique().tolist()
    shape = (len(order), 1) if rows else (1, len(order))
    panels = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, order, strict=True):
        for kind, colour in ((NO_GENERALIZATION, "gray"), (DATA, colour_of(name))):
            part = table[(table["architecture"] == name) & (table["kind"] == kind)]
            x, mean, sd = (part[c].to_numpy(float) for c in ("magnitude", "value", "sd"))
            axes.plot(x, mean, color=colour)
            axes.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.3, lw=0)
        reward_zone(axes, both=False)
        axes.set_title(label_of(name), color=colour_of(name))
        axes.set(xlim=(0, 230), xticks=(0, 115, 230))
    panels[0].set_ylim(0, max(150, 1.02 * np.nanmax(table["value"] + table["sd"])))
    figure.supylabel("Radial error (cm)")
    what = "Perturbation magnitude"
    formula = r"$\|[p_v^{peak}, p_\omega^{peak}]\|_2$"
    figure.supxlabel(what if rows else f"{what}, {formula}")


def compute_6e(study: Study) -> pd.DataFrame:
    """Return the AUC of each seed over trials with strong perturbations."""
    table, missing = task.agent_trials(study)
    strong = table[table["magnitude"] > task.STRONG]
    found = performances(strong, ["architecture", "seed"], cut=study.published)
    return with_missing(found, missing)


def plot_6e(table: pd.DataFrame, figure: Figure) -> None:
    """Draw mean and SEM of each architecture, and its seeds."""
    axes = figure.subplots()
    order = [name for name in MAIN if name in set(table["architecture"])]
    for k, name in enumerate(order):
        points(axes, k, table.loc[table["architecture"] == name, "value"], colour_of(name))
    name_ticks(axes, order)
    axes.set_ylabel("AUC")
    axes.set_ylim(min(0.8, table["value"].min() - 0.02), 1)
    plain_ticks(axes, "y")


# --- S6a, S6b: compensation -----------------------------------------------------------------


def compute_compensation(study: Study, axis: str) -> pd.DataFrame:
    """Return the change of action after a perturbation, of each seed.

    Args:
        study: The study.
        axis: ``linear`` or ``angular``.

    Returns:
        ``architecture``, ``seed``, ``direction``, ``time_s``, ``value``, ``trials``.

    Raises:
        Missing: If there are no runs, or no agent's actions changed.
    """
    table, _, missing = task.measured(study, compensation_of)
    rows = table[(table["axis"] == axis) & (table["time_s"] < 2.05)]
    answered = set(zip(rows["architecture"], rows["seed"], strict=True))
    still = [
        f"{short(each.architecture)} {each.seed}"
        for each in task.perturbed_cohort(study)[0]
        if (each.architecture, each.seed) not in answered
    ]
    if still:
        missing.append(f"seeds that felt no perturbation or did not answer: {', '.join(still)}")
    if rows.empty:
        raise Missing("; ".join([*missing, "no agent felt a perturbation and answered it"]))
    names = ["architecture", "seed", "direction", "time_s", "change", "trials"]
    return with_missing(rows[names].rename(columns={"change": "value"}), missing)


def plot_compensation(
    table: pd.DataFrame, figure: Figure, axis: str, label: str, most: float
) -> None:
    """Draw mean and SD over seeds of the change of action, a panel for each architecture."""
    order = table["architecture"].unique().tolist()
    panels = side_by_side(figure, len(order), sharex=True, sharey=True)
    for axes, name in zip(panels, order, strict=True):
        for direction, colour in DIRECTIONS[axis].items():
            rows = table[(table["architecture"] == name) & (table["direction"] == direction)]
            _draw_changes(axes, rows, colour, direction)
        axes.axhline(0, color="gray", ls="--", lw=0.6)
        axes.axvline(task.PULSE_S, color="black", ls=":", lw=0.7)
        axes.set_title(label_of(name))
        axes.set_xlim(0, 2)
        axes.set_xticks((0, 0.5, 1, 1.5))
        plain_ticks(axes, "x")
    limits(panels[0], y=(-most, most))
    panels[0].set_ylabel(label)
    figure.supxlabel("Time since perturbation onset (s)")
    panels[-1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), borderaxespad=0.2)


def _draw_changes(axes: Axes, rows: pd.DataFrame, colour: str, label: str) -> None:
    for _, one in groups(rows, "seed"):
        axes.plot(one["time_s"], one["value"], color=colour, lw=0.3, alpha=0.5)
    found: Any = rows.groupby("time_s")["value"]
    mean, sd = found.mean(), found.std(ddof=0)
    axes.plot(mean.index, mean, color=colour, label=label)
    axes.fill_between(mean.index, mean - sd, mean + sd, color=colour, alpha=0.3, lw=0)


PANELS = (
    *EXAMPLE,
    Panel(
        "6c",
        "Radial error of animals by perturbation",
        (1.6, 2.8),
        compute_6c,
        partial(plot_rolled, rows=True),
    ),
    Panel(
        "6d",
        "Radial error of agents by perturbation",
        (6.0, 1.8),
        compute_6d,
        partial(plot_rolled, rows=False),
    ),
    Panel("6e", "AUC with strong perturbations", (1.9, 1.8), compute_6e, plot_6e, value="value"),
    Panel(
        "S6a",
        "Linear compensation",
        (6.4, 1.8),
        partial(compute_compensation, axis="linear"),
        partial(plot_compensation, axis="linear", label="Linear compen. (cm/s)", most=25),
        value="value",
    ),
    Panel(
        "S6b",
        "Angular compensation",
        (6.4, 1.8),
        partial(compute_compensation, axis="angular"),
        partial(plot_compensation, axis="angular", label="Angular compen. (°/s)", most=30),
        value="value",
    ),
    Panel(
        "S6c",
        "Reward rate in the perturbation task over training",
        (3.2, 1.8),
        partial(transfer_curves, test=task.TEST, trained="perturbation0", column="reward_rate"),
        partial(plot_transfer, label="Reward rate (trial/s)", limits=(0, 0.7)),
        value="value",
    ),
    Panel(
        "S6d",
        "TD error in the perturbation task over training",
        (3.2, 1.8),
        partial(
            transfer_curves,
            test=task.TEST,
            trained="perturbation0",
            column="TD_error_abs",
            competent_only=True,
        ),
        partial(plot_transfer, label="TD error", limits=(0.1, 0.5)),
        value="value",
    ),
)
"""Panels of figure 6 about behaviour."""
