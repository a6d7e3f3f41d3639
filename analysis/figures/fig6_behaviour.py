"""Figure 6, behaviour: agents that are pushed off course, as in no trial of their training.

Panels 6a to 6e, S6a to S6d. "No generalization" replays a subject's actions of a trial without
perturbation while it is pushed. All panels stand together, as they share trials and directions.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modnav.tables import Recording, open_loop
from modnav.task import REWARD_ZONE_CM

from ..drawing import (
    Panel,
    colour_of,
    draw_kinds,
    draw_target,
    groups,
    label_of,
    limits,
    name_ticks,
    path_table,
    plain_ticks,
    points,
    reward_zone,
    side_by_side,
    typical,
    with_missing,
)
from ..measures import (
    DELIVERED,
    PEAKS,
    compensation_of,
    magnitude,
    performances,
    replayed,
    rolling,
    signed_radial_error,
)
from ..published import published
from ..study import DATA, HOLISTIC, MAIN, MODULAR, NO_GENERALIZATION, Missing, Study, short
from . import perturbation_task as task
from .animal_trials import TARGET, perturbation_trials
from .decoders import best_of
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

PULSE_S = 1.0
"""Duration of a perturbation, s."""


# --- 6a, 6b: an example ---------------------------------------------------------------------


def example(study: Study) -> tuple[dict[str, Recording], list[str]]:
    """Return a typical perturbed trial of the best modular and holistic agent.

    Its perturbation is over before either agent stops, pushes in both components, and would carry an
    agent that does not answer it out of the reward zone.

    Raises:
        Missing: If there is neither.
    """
    agents, missing = best_of(study, (MODULAR, HOLISTIC), test=task.TEST)
    conditions, base, without = task.perturbed_conditions(study)
    recordings = study.simulate(agents, conditions)
    trials = [recording.trials.iloc[base:] for recording in recordings]
    first = trials[0]
    over = first[task.ONSET].to_numpy() + PULSE_S
    felt = np.all([table["duration_s"].to_numpy() >= over for table in trials], axis=0)
    peaks = abs(first[list(PEAKS)]).to_numpy() / [[200, 120]]
    moved = np.all([_moved(recording, base) > REWARD_ZONE_CM for recording in recordings], axis=0)
    both = peaks.min(axis=1) > 0.4
    errors = [signed_radial_error(table) for table in trials]
    row = typical(
        errors, next((x for x in (felt & moved & both, felt & moved, felt) if x.any()), None)
    )
    number = int(first["trial"].iloc[row])
    found = {}
    for agent, recording in zip(agents, recordings, strict=True):
        steps = recording.steps[recording.steps["trial"].isin((number, number - base))]
        one = recording.trials[recording.trials["trial"] == number]
        found[agent.architecture] = Recording(one, steps)
    return found, [*missing, *without]


def _moved(recording: Recording, base: int) -> Any:
    """Return how far perturbations carry an agent that acts as without them, cm, ``(trials,)``."""
    plain, pushed = recording.trials.iloc[:base], recording.trials.iloc[base:]
    again = open_loop(pushed, recording.steps, plain["trial"].to_list()).trials
    ends = [table[["end_x_cm", "end_y_cm"]].to_numpy(float) for table in (again, plain)]
    return np.linalg.norm(ends[0] - ends[1], axis=1)


def compute_6a(study: Study) -> pd.DataFrame:
    """Return the perturbation of the example trial, over the time of the longer agent."""
    found, missing = example(study)
    number = next(iter(found.values())).trials["trial"].iloc[0]
    each = [part.steps[part.steps["trial"] == number] for part in found.values()]
    steps = max(each, key=len)[["time_s", *DELIVERED]].reset_index(drop=True)
    onset = float(next(iter(found.values())).trials[task.ONSET].iloc[0])
    return with_missing(steps.assign(onset_s=onset), missing)


def plot_6a(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the perturbation of linear and of angular velocity."""
    panels = figure.subplots(2, 1, sharex=True)
    onset = table["onset_s"].iloc[0]
    for axes, column, label in zip(
        panels, DELIVERED, ("Linear pert. (cm/s)", "Angular pert. (°/s)"), strict=True
    ):
        axes.plot(table["time_s"], table[column], color="black")
        axes.axhline(0, color="gray", lw=0.5, zorder=0)
        for place in (onset, onset + PULSE_S):
            axes.axvline(place, color="red", ls=":", lw=0.8)
        axes.set_ylabel(label)
    panels[1].set_xlabel("Time (s)")
    plain_ticks(panels[1], "x")


def compute_6b(study: Study) -> pd.DataFrame:
    """Return the paths of the example trial, with and without generalization."""
    found, missing = example(study)
    parts = []
    for name, (one, steps, _) in found.items():
        number = int(one["trial"].iloc[0])
        base = int(steps["trial"].min())
        again = task.replay(one, steps, base)
        target = {column: float(one[column].iloc[0]) for column in TARGET}
        for kind, path in (
            (DATA, steps[steps["trial"] == number]),
            (NO_GENERALIZATION, again),
        ):
            parts.append(path_table(path, architecture=name, kind=kind, **target))
    return with_missing(pd.concat(parts, ignore_index=True), missing)


def plot_6b(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the paths and the target."""
    axes = figure.subplots()
    x, y = table[TARGET].iloc[0]
    draw_target(axes, (float(x), float(y)))
    draw_kinds(axes, table)


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
        axes.axvline(PULSE_S, color="black", ls=":", lw=0.7)
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
    Panel("6a", "An example of a perturbation", (1.7, 2.8), compute_6a, plot_6a, example=True),
    Panel("6b", "Paths of the perturbed trial", (3.0, 3.0), compute_6b, plot_6b, example=True),
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
    Panel(
        "6e",
        "AUC with strong perturbations",
        (1.9, 1.8),
        compute_6e,
        plot_6e,
        published("6e"),
        value="value",
    ),
    Panel(
        "S6a",
        "Linear compensation",
        (6.4, 1.8),
        partial(compute_compensation, axis="linear"),
        partial(plot_compensation, axis="linear", label="Linear compen. (cm/s)", most=25),
        published("S6a"),
        value="value",
    ),
    Panel(
        "S6b",
        "Angular compensation",
        (6.4, 1.8),
        partial(compute_compensation, axis="angular"),
        partial(plot_compensation, axis="angular", label="Angular compen. (°/s)", most=30),
        published("S6b"),
        value="value",
    ),
    Panel(
        "S6c",
        "Reward rate in the perturbation task over training",
        (3.2, 1.8),
        partial(transfer_curves, test=task.TEST, trained="perturbation0", column="reward_rate"),
        partial(plot_transfer, label="Reward rate (trial/s)", limits=(0, 0.7)),
        published("S6c"),
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
        published("S6d"),
        value="value",
    ),
)
"""Panels of figure 6 about behaviour."""
