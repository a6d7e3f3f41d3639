"""What figures 5 and 6 show alike of what units tell: paths, errors beside performance, clouds."""

import pandas as pd
from matplotlib.figure import Figure

from ..drawing import (
    colour_of,
    cross,
    draw_target,
    groups,
    label_of,
    limits,
    outline,
    plain_ticks,
    side_by_side,
    widened,
    with_missing,
)
from ..drawing import legend as names_beside
from ..measures import ellipse_of, pearson, performances, regression_through_origin
from ..study import Chosen, Missing, Selection, Study, Test


def best_of(
    study: Study, names: tuple[str, ...], test: Test = "gain"
) -> tuple[list[Chosen], list[str]]:
    """Return the best agent of each architecture that has one, by ``test``; what is missing.

    Raises:
        Missing: If none has.
    """
    agents, missing = [], []
    for name in names:
        try:
            agents.append(study.best(name, Selection(test=test)))
        except Missing as error:
            missing.append(str(error))
    if not agents:
        raise Missing("; ".join(missing))
    return agents, missing


def plot_paths(
    table: pd.DataFrame, figure: Figure, column: str, titles: dict[object, str]
) -> None:
    """Draw true paths as lines and decoded positions as diamonds.

    Args:
        table: The table.
        figure: An empty figure.
        column: Column whose values are drawn side by side.
        titles: Title of each value.
    """
    panels = figure.subplots(1, len(titles), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (value, title) in zip(panels, titles.items(), strict=True):
        rows = table[table[column] == value]
        for name, path in groups(rows, "architecture"):
            axes.plot(path["x_cm"], path["y_cm"], color=colour_of(name))
            read = path["decoded_x_cm"], path["decoded_y_cm"]
            axes.plot(*read, "D", ms=2, mfc="none", mew=0.6, color=colour_of(name))
        if len(rows):
            x, y = rows[["target_x_cm", "target_y_cm"]].iloc[0]
            draw_target(axes, (float(x), float(y)), zone=False)
            axes.plot(x, y, ".", color="red", ms=4)
        axes.set_title(title)
        axes.set_xlabel("x (cm)")
    low, high = panels[0].get_xlim()
    wider = max(0.0, 150 - (high - low) / 2)  # or ticks of a straight path overlap
    panels[0].set_xlim(low - wider, high + wider)
    panels[0].set_ylabel("y (cm)")
    names = table["architecture"].unique().tolist()
    names_beside(panels[-1], names, {"true": "-", "decoded": "D"})


def errors_and_performance(table: pd.DataFrame, *, cut: bool) -> pd.DataFrame:
    """Return decoding error and AUC of each agent, both of its test trials.

    Args:
        table: What :func:`.measures.decoded` gives.
        cut: As in :func:`.behaviour.performances`.

    Returns:
        ``architecture``, ``seed``, ``error_cm``, ``auc``.
    """
    keys = ["architecture", "seed"]
    error = table.groupby(keys, sort=False)["error_cm"].mean().reset_index()
    auc = performances(table[table["last"]], keys, cut=cut)
    return error.merge(auc.rename(columns={"value": "auc"}), on=keys)


def crosses(table: pd.DataFrame, *, cut: bool) -> pd.DataFrame:
    """Return :func:`errors_and_performance` with a row for each ``quantity`` and its ``value``."""
    wide = errors_and_performance(table, cut=cut)
    return wide.melt(["architecture", "seed"], var_name="quantity", value_name="value")


def plot_crosses(
    table: pd.DataFrame,
    figure: Figure,
    x: tuple[float, float],
    y: tuple[float, float],
    ticks: tuple[tuple[float, ...], tuple[float, ...]] | None = None,
) -> None:
    """Draw mean AUC against mean decoding error of each architecture, with SEMs and seeds."""
    axes = figure.subplots()
    for name, rows in groups(table, "architecture"):
        wide = rows.pivot(index="seed", columns="quantity", values="value")
        cross(axes, wide, "error_cm", "auc", name)
    axes.set_xlabel("Decoding error (cm)")
    axes.set_ylabel("Performance (AUC)")
    limits(axes, x, y)
    for key, places in zip("xy", ticks or (), strict=False):
        low, high = getattr(axes, f"get_{key}lim")()
        if low >= min(places) - 1 and high <= max(places) + 1:  # else they are of other numbers
            getattr(axes, f"set_{key}ticks")(places)
    plain_ticks(axes)
    names_beside(axes, table["architecture"].unique().tolist())


def last_errors(table: pd.DataFrame, missing: list[str]) -> pd.DataFrame:
    """Return decoding error at the last step and radial error of each test trial.

    Returns:
        ``quantity`` (``trial``), ``architecture``, ``seed``, ``trial``, ``error_cm`` and
        ``radial_error_cm``; and for each architecture, seeds pooled, rows of the ``value`` of both
        quantities ``r`` and ``slope`` (through the origin).
    """
    rows = table[table["last"]]
    names = ["architecture", "seed", "trial", "error_cm", "radial_error_cm"]
    found = []
    for name, part in groups(rows, "architecture"):
        pair = part["error_cm"], part["radial_error_cm"]
        found.append((name, "r", pearson(*pair)))
        found.append((name, "slope", regression_through_origin(*pair)))
    numbers = pd.DataFrame(found, columns=["architecture", "quantity", "value"])
    trials = rows[names].round(2).assign(quantity="trial")
    return with_missing(pd.concat([trials, numbers], ignore_index=True), missing)


def plot_clouds(
    table: pd.DataFrame,
    figure: Figure,
    columns: tuple[str, str] = ("error_cm", "radial_error_cm"),
    labels: tuple[str, str] = ("Decoding error at the end (cm)", "Radial error (cm)"),
    ranges: tuple[tuple[float, float], tuple[float, float]] = ((0, 400), (0, 400)),
) -> None:
    """Draw a cloud of trials for each architecture, with its ellipse, r and slope."""
    table = table.dropna(subset=[columns[0]])  # rows of what is written above the clouds
    order = table["architecture"].unique().tolist()
    ends = [widened(*pair) for pair in zip(ranges, (table[c] for c in columns), strict=True)]
    panels = side_by_side(figure, len(order), sharex=True, sharey=True)
    for axes, name in zip(panels, order, strict=True):
        x, y = (table.loc[table["architecture"] == name, c].to_numpy(float) for c in columns)
        few = len(x) < 2000
        axes.plot(
            x,
            y,
            "o",
            ms=1.5 if few else 0.5,
            mew=0,
            alpha=0.6 if few else 0.3,
            color=colour_of(name),
            rasterized=True,
            clip_on=False,  # those at the ends of the axes are whole
        )
        outline(axes, ellipse_of(x, y), "black")
        about = f"r = {pearson(x, y):.2f}\nslope = {regression_through_origin(x, y):.2f}"
        axes.set_title(f"{label_of(name)}\n{about}\nn = {len(x):,}")
        axes.set(xlim=ends[0], ylim=ends[1])
        axes.set_box_aspect(1)
    panels[0].set_ylabel(labels[1])
    figure.supxlabel(labels[0])
