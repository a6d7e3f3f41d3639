"""Figure 5: what units of agents know about the position at gains that they were not trained at.

Panels 5a to 5e, S5a, S5b. Decoders are fitted anew at each gain: they tell how well the position
can be read at that gain, not whether a decoder of gain 1 still serves. All panels stand together,
as they share conditions and decoders.
"""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..drawing import (
    Panel,
    colour_of,
    groups,
    limits,
    samples,
    seed_curves,
    tick_label,
    typical,
    violin_of_sample,
    with_missing,
)
from ..drawing import legend as names_beside
from ..measures import (
    LAYER,
    Grid,
    decoded,
    maps,
)
from ..study import (
    GAINS,
    HOLISTIC,
    MAIN,
    MODULAR,
    Conditions,
    Missing,
    Study,
    short,
)
from .decoders import best_of, crosses, last_errors, plot_clouds, plot_crosses, plot_paths
from .gain_task import gain_axis, times

TRIALS, ALL = 2000, 5000
"""Trials at each gain, and of the condition that errors and performance are related in."""

LARGEST = max(GAINS)
"""Gain of that condition. The study means it to be random; its range is 2 to 2."""

EXAMPLE_UNITS = 3
"""Units whose maps are shown."""

NEAREST_CM = 100.0
"""Distance of the nearest targets; an agent that does not come so far hardly moves."""

ALIKE = 0.6
"""Maps that correlate more than this are not shown together."""


def conditions(study: Study) -> list[Conditions]:
    """Return the trials at each gain, and the larger set at gain 2; the first targets of one list."""
    targets = study.prior_targets(ALL, LARGEST)
    first = targets.head(study.count(TRIALS))
    each = [Conditions(f"{gain:g}", first, gain=gain) for gain in GAINS]
    return [*each, Conditions("all", targets, gain=LARGEST)]


def decoded_at_gains(study: Study) -> tuple[pd.DataFrame, list[str]]:
    """Return what is decoded at gains 1, 1.5 and 2 of all agents, with ``gain``; what is missing."""
    agents, missing = study.cohort(MAIN)
    table = study.measure(agents, conditions(study)[:-1], decoded, (LAYER,))
    return table.assign(gain=table["condition"].astype(float)), missing


def decoded_at_largest(study: Study) -> tuple[pd.DataFrame, list[str]]:
    """Return what is decoded in the larger set of trials at gain 2; what is missing."""
    agents, missing = study.cohort(MAIN)
    return study.measure(agents, conditions(study)[-1], decoded, (LAYER,)), missing


# --- 5a, 5b: maps ---------------------------------------------------------------------------


def compute_maps(study: Study, architecture: str) -> pd.DataFrame:
    """Return spatial maps of three units of the best agent of an architecture at each gain.

    Units are those whose activity varies most over space at gain 1, but not alike.

    Returns:
        ``architecture``, ``unit``, ``gain``, ``x_cm``, ``y_cm``, ``activity``; bins without samples are
        left out.

    Raises:
        Missing: If there is no such agent, or it hardly moves.
    """
    agent = study.best(architecture)
    table = study.measure([agent], conditions(study)[:-1], maps, (LAYER,))
    first = table[table["condition"] == "1"]
    if len(first.dropna()) < 2:
        raise Missing(f"{short(architecture)} hardly moves: no space to map its units over")
    long = table.melt(["condition", "x_cm", "y_cm"], _varied(first), "unit", "activity").dropna()
    long["gain"] = long.pop("condition").astype(float)
    long.insert(0, "architecture", architecture)
    names = ["architecture", "unit", "gain", "x_cm", "y_cm", "activity"]
    reach = np.hypot(long["x_cm"], long["y_cm"])[long["gain"] == 1].max()
    told = f"{short(architecture)} hardly moves: {reach:.0f} cm from the start at most"
    notes = [told] if reach < NEAREST_CM else []
    return with_missing(long[names].round(4).reset_index(drop=True), notes)


def _varied(table: pd.DataFrame) -> list[str]:
    """Return the units whose maps vary most, each unlike those before."""
    values = table[[name for name in table.columns if name.isdecimal()]].dropna()
    alike = abs(np.nan_to_num(np.corrcoef(values.to_numpy(float).T)))
    order = values.std().fillna(0).to_numpy().argsort()[::-1]
    chosen: list[int] = []
    for unit in order:
        if len(chosen) < EXAMPLE_UNITS and not (alike[unit, chosen] > ALIKE).any():
            chosen.append(int(unit))
    return [values.columns[unit] for unit in chosen]


def plot_maps(table: pd.DataFrame, figure: Figure) -> None:
    """Draw maps: a row for each gain, a column and a colour scale for each unit."""
    units = table["unit"].unique()
    panels = figure.subplots(len(GAINS), len(units), sharex=True, sharey=True, squeeze=False)
    x, y = Grid().centres
    for column, unit in zip(panels.T, units, strict=True):
        rows = table[table["unit"] == unit]
        most = float(abs(rows["activity"]).max())
        for axes, gain in zip(column, GAINS, strict=True):
            part = rows[rows["gain"] == gain]
            map_ = part.pivot(index="y_cm", columns="x_cm", values="activity")
            map_ = map_.reindex(index=y, columns=x)
            colours = axes.pcolormesh(
                x, y, map_.to_numpy(float), cmap="RdBu_r", vmin=-most, vmax=most, rasterized=True
            )
            _draw_wedge(axes)
            axes.set(aspect="equal", xticks=(-400, 0, 400), yticks=(0, 300, 600))
        column[0].set_title(f"Unit {unit}")
        bar = figure.colorbar(colours, ax=column, orientation="horizontal", aspect=12, pad=0.03)
        bar.set_ticks([-most, 0, most], labels=[tick_label(round(v, 2)) for v in (-most, 0, most)])
        bar.outline.set_visible(False)
        bar.set_label("Activity" if unit == units[len(units) // 2] else "")
    for axes, gain in zip(panels[:, 0], GAINS, strict=True):
        axes.set_ylabel(f"Gain {times(gain)}\ny (cm)", size="medium")
    panels[-1, len(units) // 2].set_xlabel("x (cm)")
    name = str(table["architecture"].iloc[0])
    figure.suptitle(f"{short(name)} agent", color=colour_of(name))


def _draw_wedge(axes: Axes) -> None:
    """Draw where targets may be."""
    angle = np.deg2rad(90 + np.linspace(-35, 35, 50))
    edge = 400 * np.stack((np.cos(angle), np.sin(angle)))
    outline_ = np.concatenate((np.zeros((2, 1)), edge, np.zeros((2, 1))), axis=1)
    axes.plot(*outline_, ":", color="black", lw=0.7)


# --- 5c, 5d, S5a: decoding errors -----------------------------------------------------------


def compute_5c(study: Study) -> pd.DataFrame:
    """Return true and decoded paths of a typical test trial, of the best agents at gains 1 and 2."""
    agents, missing = best_of(study, (HOLISTIC, MODULAR))
    first, _, last, _ = conditions(study)
    table = study.measure(agents, [first, last], decoded, (LAYER,))
    errors = table.pivot_table(
        index="trial", columns=["architecture", "condition"], values="error_cm"
    )
    target = table.drop_duplicates("trial").set_index("trial").loc[errors.index]
    aside = (abs(target["target_x_cm"]) > 80) & (target["target_y_cm"] > 200)
    trial = errors.index[typical(list(errors.to_numpy(float).T), aside.to_numpy())]
    names = ["x_cm", "y_cm", "decoded_x_cm", "decoded_y_cm", "target_x_cm", "target_y_cm"]
    rows = table[table["trial"] == trial]
    found = rows[["architecture", "seed"]].assign(gain=rows["condition"].astype(float))
    return with_missing(found.join(rows[["step", *names]]).reset_index(drop=True), missing)


def plot_5c(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the decoded trial at gains 1 and 2."""
    plot_paths(table, figure, "gain", {gain: f"Gain {times(gain)}" for gain in (1.0, 2.0)})


def compute_5d(study: Study) -> pd.DataFrame:
    """Return the mean decoding error of each seed by gain."""
    table, missing = decoded_at_gains(study)
    found = table.groupby(["architecture", "seed", "gain"], sort=False)["error_cm"].mean()
    return with_missing(found.rename("value").reset_index(), missing)


def plot_5d(table: pd.DataFrame, figure: Figure) -> None:
    """Draw decoding error against gain."""
    axes = figure.subplots()
    seed_curves(axes, table, "gain")
    gain_axis(axes)
    axes.set_ylabel("Decoding error (cm)")
    limits(axes, y=(0, 50))
    names_beside(axes, table["architecture"].unique().tolist())


def compute_s5a(study: Study) -> pd.DataFrame:
    """Return decoding errors of all steps by gain, for violins."""
    table, missing = decoded_at_gains(study)
    return with_missing(samples(table, ["architecture", "gain"], "error_cm"), missing)


def plot_s5a(table: pd.DataFrame, figure: Figure) -> None:
    """Draw violins of decoding errors."""
    axes = figure.subplots()
    order = table["architecture"].unique().tolist()
    for (name, gain), rows in groups(table, ["architecture", "gain"]):
        place = order.index(name) - (len(order) - 1) / 2
        violin_of_sample(
            axes, GAINS.index(gain) + 0.2 * place, rows["value"], colour_of(name), 0.17
        )
    axes.set_xticks(range(len(GAINS)), [times(gain) for gain in GAINS])
    axes.set_xlabel("Gain")
    axes.set_ylabel("Decoding error (cm)")
    limits(axes, y=(0, 140))
    names_beside(axes, order)


# --- 5e, S5b: decoding and performance ------------------------------------------------------


def compute_5e(study: Study) -> pd.DataFrame:
    """Return decoding error and AUC of each seed at gain 2."""
    table, missing = decoded_at_largest(study)
    return with_missing(crosses(table, cut=study.published), missing)


def compute_s5b(study: Study) -> pd.DataFrame:
    """Return decoding error at the last step and radial error of each test trial at gain 2."""
    return last_errors(*decoded_at_largest(study))


PANELS = (
    Panel(
        "5a",
        "Spatial maps of units of the holistic agent",
        (3.0, 2.9),
        partial(compute_maps, architecture=HOLISTIC),
        plot_maps,
    ),
    Panel(
        "5b",
        "Spatial maps of units of the modular agent",
        (3.0, 2.9),
        partial(compute_maps, architecture=MODULAR),
        plot_maps,
    ),
    Panel("5c", "A decoded trial", (2.9, 1.7), compute_5c, plot_5c, example=True),
    Panel("5d", "Decoding error by gain", (3.0, 1.7), compute_5d, plot_5d, value="value"),
    Panel(
        "5e",
        "Decoding error and performance at gain 2",
        (3.2, 1.7),
        compute_5e,
        partial(
            plot_crosses,
            x=(13, 53),
            y=(0.71, 0.95),
            ticks=((13, 33, 53), (0.7, 0.8, 0.9, 1.0)),
        ),
        value="value",
    ),
    Panel("S5a", "Decoding errors", (3.4, 2.0), compute_s5a, plot_s5a, value="value"),
    Panel(
        "S5b",
        "Decoding error at the end and radial error",
        (6.4, 2.2),
        compute_s5b,
        plot_clouds,
        value="value",
    ),
)
"""Panels of figure 5."""
