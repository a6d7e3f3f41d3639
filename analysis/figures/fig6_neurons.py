"""Figure 6, neurons: what units of agents know about the position when they are pushed.

Panels 6f to 6h, S6e to S6g.
"""

from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..drawing import Panel, colour_of, groups, limits, name_ticks, outline, typical, with_missing
from ..drawing import legend as names_beside
from ..measures import (
    LAYER,
    PEAKS,
    Ellipse,
    belief_errors,
    decoded,
    ellipse_of,
    regression_through_origin,
)
from ..study import HOLISTIC, MAIN, MODULAR, Conditions, Study, short
from . import perturbation_task as task
from .decoders import best_of, crosses, last_errors, plot_clouds, plot_crosses, plot_paths

TRIALS = 5000
"""Trials of each condition."""

AXES = {
    "linear": ("linear_cm", "linear_error_cm"),
    "angular": ("angular_deg", "angular_error_deg"),
}
"""What is felt of a perturbation, and the belief error along the same axis."""

LABELS = {
    "linear": ("Linear pert. sum (cm)", "Linear belief\nerror (cm)"),
    "angular": ("Angular pert. sum (°)", "Angular belief\nerror (°)"),
}
UNITS = {"linear": "cm/cm", "angular": "°/°"}
RANGES = {"linear": ((-60, 60), (-60, 60)), "angular": ((-40, 40), (-15, 15))}
CLOUDS = {"linear": ((-110, 110), (-200, 200)), "angular": ((-70, 70), (-60, 60))}
SLOPES = {"linear": (-0.7, 0.05), "angular": (-0.15, 0.01)}
"""Published ranges of the axes: of ellipses, of the trials behind them, of slopes."""


def conditions(study: Study) -> tuple[Conditions, Conditions]:
    """Return trials with perturbations of any size, and with strong ones, of the same targets."""
    strong, other = study.prior_perturbations(TRIALS, task.STRONG_PEAKS, task.ALL_PEAKS)
    full = strong.assign(**{name: other[name] for name in PEAKS})
    return Conditions("full", full, perturbed=True), Conditions("large", strong, perturbed=True)


def _decoded(study: Study, which: int) -> tuple[pd.DataFrame, list[str]]:
    agents, missing = task.perturbed_cohort(study)
    return study.measure(agents, conditions(study)[which], decoded, (LAYER,)), missing


def compute_6f(study: Study) -> pd.DataFrame:
    """Return true and decoded paths of a typical test trial with a strong perturbation."""
    agents, missing = best_of(study, (HOLISTIC, MODULAR), test=task.TEST)
    table = study.measure(agents, conditions(study)[1], decoded, (LAYER,))
    errors = table.pivot_table(index="trial", columns="architecture", values="error_cm")
    target = table.drop_duplicates("trial").set_index("trial").loc[errors.index]
    far = target["target_y_cm"].between(200, 330) & (abs(target["target_x_cm"]) > 60)
    trial = errors.index[typical(list(errors.to_numpy(float).T), far.to_numpy())]
    names = ["x_cm", "y_cm", "decoded_x_cm", "decoded_y_cm", "target_x_cm", "target_y_cm"]
    rows = table.loc[table["trial"] == trial, ["architecture", "seed", "trial", "step", *names]]
    return with_missing(rows.reset_index(drop=True), missing)


def plot_6f(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the decoded trial of each agent."""
    order = table["architecture"].unique().tolist()
    plot_paths(table, figure, "architecture", {name: short(name) for name in order})


def compute_6h(study: Study) -> pd.DataFrame:
    """Return decoding error and AUC of each seed with strong perturbations."""
    table, missing = _decoded(study, 1)
    return with_missing(crosses(table, cut=study.published), missing)


# --- 6g, S6e, S6f: belief errors ------------------------------------------------------------


def belief_table(study: Study) -> tuple[pd.DataFrame, list[str]]:
    """Return belief errors at the last steps of test trials, and what perturbed them.

    Returns:
        ``architecture``, ``seed``, ``trial``, and the columns of :data:`AXES`; what is missing.
    """
    table, missing = _decoded(study, 0)
    last = table[table["last"]].reset_index(drop=True)
    errors = belief_errors(last, wrapped=not study.published)
    felt = last[["architecture", "seed", "trial", "linear_cm", "angular_deg"]]
    return felt.join(errors[["linear_error_cm", "angular_error_deg"]]), missing


def compute_6g(study: Study) -> pd.DataFrame:
    """Return spread, correlation and slope of belief errors over perturbations, seeds pooled.

    Returns:
        ``architecture``, ``axis``, ``quantity`` (those of :class:`.ellipse.Ellipse`, and
        ``slope`` through the origin) and ``value``.
    """
    table, missing = belief_table(study)
    rows = []
    for name, part in groups(table, "architecture"):
        for axis, (x, y) in AXES.items():
            found = ellipse_of(part[x], part[y])._asdict()
            found["slope"] = regression_through_origin(part[x], part[y])
            rows += [(name, axis, quantity, value) for quantity, value in found.items()]
    columns = ["architecture", "axis", "quantity", "value"]
    return with_missing(pd.DataFrame(rows, columns=columns), missing)


def plot_6g(table: pd.DataFrame, figure: Figure) -> None:
    """Draw ellipses above, and slopes below."""
    above, below = figure.subplots(2, 2, height_ratios=(1.2, 0.8))
    order = [name for name in MAIN if name in set(table["architecture"])]
    for k, axis in enumerate(AXES):
        for place, name in enumerate(order):
            rows = table[(table["architecture"] == name) & (table["axis"] == axis)]
            values = rows.set_index("quantity")["value"]
            outline(above[k], Ellipse(*values[list(Ellipse._fields)]), colour_of(name))
            below[k].plot(place, values["slope"], "D", ms=3, color=colour_of(name))
        _frame(above[k], axis)
        name_ticks(below[k], order)
        below[k].margins(y=0.15)
        below[k].set_ylabel(f"Slope ({UNITS[axis]})")
        below[k].axhline(0, color="gray", lw=0.5, ls="--")
        limits(below[k], y=SLOPES[axis])
    names_beside(above[1], order)


def _frame(axes: Axes, axis: str) -> None:
    axes.axhline(0, color="gray", lw=0.4, zorder=0)
    axes.axvline(0, color="gray", lw=0.4, zorder=0)
    limits(axes, *RANGES[axis])
    axes.set_xlabel(LABELS[axis][0], size="medium")
    axes.set_ylabel(LABELS[axis][1], size="medium")


def compute_clouds(study: Study, axis: str) -> pd.DataFrame:
    """Return the trials behind 6g: what was felt of a perturbation, and the belief error."""
    table, missing = belief_table(study)
    names = ["architecture", "seed", "trial", *AXES[axis]]
    return with_missing(table[names].round(3), missing)


def compute_s6g(study: Study) -> pd.DataFrame:
    """Return decoding error at the last step and radial error with strong perturbations."""
    return last_errors(*_decoded(study, 1))


def _clouds(name: str, axis: str) -> Panel:
    labels = LABELS[axis][0], LABELS[axis][1].replace("\n", " ")
    plot = partial(plot_clouds, columns=AXES[axis], labels=labels, ranges=CLOUDS[axis])
    title = f"{axis.capitalize()} belief error by perturbation"
    return Panel(name, title, (6.4, 2.2), partial(compute_clouds, axis=axis), plot)


PANELS = (
    Panel("6f", "A decoded perturbed trial", (3.6, 2.0), compute_6f, plot_6f, example=True),
    Panel("6g", "Belief errors by perturbation", (5.4, 3.2), compute_6g, plot_6g, value="value"),
    Panel(
        "6h",
        "Decoding error and performance with strong perturbations",
        (3.2, 1.8),
        compute_6h,
        partial(plot_crosses, x=(16, 34), y=(0.8, 0.94)),
        value="value",
    ),
    _clouds("S6e", "linear"),
    _clouds("S6f", "angular"),
    Panel(
        "S6g",
        "Decoding error at the end and radial error",
        (6.4, 2.2),
        compute_s6g,
        partial(plot_clouds, ranges=((0, 300), (0, 300))),
        value="value",
    ),
)
"""Panels of figure 6 about units."""
