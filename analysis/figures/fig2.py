"""Figure 2 and S2: what agents trust when noise grows, their senses or their predictions."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..drawing import (
    Panel,
    colour_of,
    heat_map,
    label_of,
    limits,
    matrix_of,
    noise_axes,
    plain_ticks,
    points,
    side_by_side,
    with_missing,
)
from ..measures import CELL, bootstrapped_likeness, mann_whitney, seed_means
from ..study import HOLISTIC, MAIN, MODULAR, Study, short
from .fig2_cues import PANELS as SKETCH
from .noise_sets import SETS, all_tested, tested

# --- heat maps ----------------------------------------------------------------------------


def _map_panel(name: str, title: str, sets: Sequence[str], value: str = "drop") -> Panel:
    """Return a panel with a heat map of AUC, or of its drop, for each of some sets."""

    def compute(study: Study) -> pd.DataFrame:
        table = all_tested(study, sets)
        return with_missing(seed_means(table), table.attrs["missing"])

    def plot(table: pd.DataFrame, figure: Figure) -> None:
        there = [key for key in sets if (table["set"] == key).any()]
        panels = side_by_side(figure, len(there), len(sets))
        for axes, key in zip(panels, there, strict=True):
            each = SETS[key]
            heat_map(
                axes,
                matrix_of(table[table["set"] == key], CELL[0], CELL[1], value),
                figure=figure,
                label="Change of AUC" if value == "drop" else "AUC",
                title=each.title,
                title_colour=colour_of(each.architecture),
                digits=2 if value == "drop" else 3,
            )
            noise_axes(axes)

    compute.__doc__ = "Return mean, SEM and drop of the AUC over the grid of test noise."
    plot.__doc__ = "Draw a heat map for each set of agents."
    width, height = (1.76, 2.3) if value == "drop" else (2.1, 2.6)  # three digits a cell
    return Panel(name, title, (width * len(sets), height), compute, plot, value=value)


# --- S2i: one cell ------------------------------------------------------------------------


def compute_S2i(study: Study) -> pd.DataFrame:  # as the panel is called
    """Return the AUC of each seed with the noisiest observations and no more process noise.

    Returns:
        ``architecture``, ``seed``, ``auc``; ``u`` and ``p`` of the Mann-Whitney test of holistic
        against modular, the same in every row.
    """
    table = all_tested(study, ("hol", "mod"))
    cell = table[(table[CELL[0]] == 0.8) & (table[CELL[1]] == 0.0)]
    each = (cell.loc[cell["architecture"] == name, "auc"] for name in (HOLISTIC, MODULAR))
    u, p = mann_whitney(*each)
    found = cell[["architecture", "seed", "auc"]].assign(u=u, p=p)
    return with_missing(found, table.attrs["missing"])


def plot_S2i(table: pd.DataFrame, figure: Figure) -> None:  # likewise
    """Draw mean and SEM of each architecture, and a dot for each seed."""
    axes = figure.subplots()
    values = {str(n): part["auc"] for n, part in table.groupby("architecture", sort=False)}
    for k, (name, numbers) in enumerate(values.items()):
        points(axes, k, numbers, colour_of(name))
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.set_xticks(range(len(values)), [short(name) for name in values])
    limits(axes, y=(0.8, 1.0))
    axes.set_ylim(min(0.8, float(table["auc"].min()) - 0.02), 1)
    axes.set_ylabel("AUC")
    p = float(table["p"].iloc[0])
    counts = ", ".join(str(len(part)) for part in values.values())
    if np.isfinite(p):
        axes.set_title(f"p = {p:.2g} (n = {counts})")
    plain_ticks(axes, "y")


# --- correlations with the EKF agents -----------------------------------------------------


def _correlations(reference: str, sets: Sequence[str]) -> Callable[[Study], pd.DataFrame]:
    def compute(study: Study) -> pd.DataFrame:
        filters, agents = tested(study, reference), all_tested(study, sets)
        table = pd.concat([filters, agents], ignore_index=True)
        there = set(table["set"])
        means = seed_means(table)
        found = []
        for name in sets:
            if name in there:
                ours, control = bootstrapped_likeness(means, name, reference)
                shuffled = {f"shuffled_{k}": v for k, v in control._asdict().items()}
                found.append({"set": name, **ours._asdict(), **shuffled})
        notes = [*filters.attrs["missing"], *agents.attrs["missing"]]
        whole = with_missing(pd.DataFrame(found), notes)
        whole.attrs["published"] = study.published
        return whole

    compute.__doc__ = "Return the bootstrapped correlation of each set with an EKF agent."
    return compute


def _plot_correlations(
    sets: Sequence[str], labels: Sequence[str], title: str, *, below: str = ""
) -> Callable[[pd.DataFrame, Figure], None]:
    def plot(table: pd.DataFrame, figure: Figure) -> None:
        axes = figure.subplots()
        rows = table.set_index("set")
        there = {
            name: label for name, label in zip(sets, labels, strict=True) if name in rows.index
        }
        for k, name in enumerate(there):
            colour = colour_of(SETS[name].architecture)
            row = rows.loc[[name]].iloc[0]
            _bar(axes, k - 0.2, k + 0.075, row, "", colour)
            _bar(axes, k - 0.1, k + 0.2, row, "shuffled_", SHUFFLED)
        if "mod alternative" in there:
            axes.axvline(len(there) - 1.5, ls="--", color="black", lw=0.6)
        axes.set_xticks(range(len(there)), list(there.values()))
        if len(sets) > 2:
            axes.tick_params(axis="x", rotation=55)
            for text in axes.get_xticklabels():
                text.set(ha="right", rotation_mode="anchor")
        axes.set(xlim=(-0.5, len(there) - 0.5), xlabel=below, ylabel=title)
        lowest = float(np.nanmin(table[["low", "shuffled_low"]].to_numpy(float), initial=0.0))
        if table.attrs.get("published"):
            lowest = 0.0  # controls below 0 are not seen
        if lowest < 0:
            axes.axhline(0, color="gray", lw=0.5, ls=":")
        axes.set(ylim=(lowest and lowest - 0.05, 1), yticks=(0, 0.5, 1))
        plain_ticks(axes, "y")
        shown = [Patch(color=SHUFFLED, alpha=0.5, label="cells shuffled")]
        axes.legend(handles=shown, loc="lower left", bbox_to_anchor=(0, 1))

    plot.__doc__ = "Draw mean and interval of each correlation, and of its shuffled control."
    return plot


def _bar(axes: Axes, left: float, right: float, row: pd.Series, prefix: str, colour: str) -> None:
    mean, low, high = (row[prefix + name] for name in ("mean", "low", "high"))
    if not np.isfinite(mean):
        mean = row[f"{prefix}r"]
    axes.plot((left, right), (mean, mean), color=colour)
    if np.isfinite(low):
        axes.fill_between((left, right), low, high, color=colour, alpha=0.5, lw=0)


SHUFFLED = "gray"
"""Colour of the control."""

_NAMES = ("hol", "moho", "homo", "mod", "mod alternative")
_LABELS = (*map(label_of, MAIN), "Modular\nalternative")


def _correlation_panel(
    name: str,
    title: str,
    reference: str,
    sets: Sequence[str],
    labels: Sequence[str],
    below: str = "",
) -> Panel:
    label = "Corr. with EKF" if reference == "EKF" else "Corr. with EKF alter."
    return Panel(
        name,
        title,
        (2.6 if len(sets) > 2 else 1.9, 2.0),
        _correlations(reference, sets),
        _plot_correlations(sets, labels, label, below=below),
        value="r",
    )


PANELS = (
    *SKETCH,
    _map_panel("2b", "EKF agents under noise", ("EKF", "EKF alternative")),
    _map_panel("2c", "Agents under noise", _NAMES[:4]),
    _correlation_panel("2d", "Similarity to the EKF agent", "EKF", _NAMES, _LABELS),
    _correlation_panel(
        "2e", "Similarity to the EKF alternative", "EKF alternative", _NAMES, _LABELS
    ),
    _map_panel("S2b", "Modular alternative under noise", ("mod alternative",)),
    _map_panel("S2c", "Holistic agents of a larger noise difference under noise", ("hol larger",)),
    _correlation_panel(
        "S2d",
        "Similarity of holistic agents to the EKF agent, larger noise difference",
        "EKF",
        ("hol", "hol larger"),
        (".1", ".3"),
        r"$\sigma_a-\sigma_o$ (G)",
    ),
    _map_panel("S2e", "Holistic agents of a longer training under noise", ("hol long",)),
    _correlation_panel(
        "S2f",
        "Similarity of holistic agents to the EKF agent, longer training",
        "EKF",
        ("hol", "hol long"),
        ("$10^4$", "$10^5$"),
        "Training trial",
    ),
    _map_panel("S2g", "AUC of the holistic agent under noise", ("hol",), "auc"),
    _map_panel("S2h", "AUC of the modular agent under noise", ("mod",), "auc"),
    Panel(
        "S2i",
        "AUC where observations are noisiest",
        (1.6, 1.5),
        compute_S2i,
        plot_S2i,
        value="auc",
    ),
)
"""Panels of figures 2 and S2."""
