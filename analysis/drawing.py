"""What panels are drawn of: curves with bands, bars with seeds, violins, heat maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from .statistics import Numbers, sem
from .style import MOTOR, SEED_DOT, SENSORY, colour_of, plain_ticks, tick_label

TRIAL_SCALE = 1e4
"""Training trials are counted in units of this."""


def band(
    axes: Axes,
    x: npt.ArrayLike,
    mean: npt.ArrayLike,
    error: npt.ArrayLike,
    colour: str,
    *,
    label: str | None = None,
    fill: str | None = None,
    style: str = "-",
    alpha: float = 0.4,
) -> None:
    """Draw a curve with a band of its error; where the error is NaN there is no band.

    Args:
        axes: Where.
        x: Abscissae ``(N,)``.
        mean: The curve.
        error: Half the height of the band.
        colour: Colour of the line.
        label: Its name in the legend.
        fill: Colour of the band; that of the line by default.
        style: Style of the line.
        alpha: Opacity of the band.
    """
    places, middle, half = (np.asarray(v, float) for v in (x, mean, error))
    lone = len(places) == 1
    axes.plot(places, middle, style, color=colour, label=label, marker="o" if lone else "", ms=2)
    if np.isfinite(half).any():
        axes.fill_between(
            places, middle - half, middle + half, color=fill or colour, alpha=alpha, lw=0
        )


def bars(
    axes: Axes, values: Mapping[str, Numbers], *, width: float = 0.7, dot: str = SEED_DOT
) -> None:
    """Draw a bar for the mean over seeds of each architecture, and a dot for every seed."""
    for k, (name, numbers) in enumerate(values.items()):
        x = np.asarray(numbers, float).ravel()
        x = x[np.isfinite(x)]
        if len(x):
            axes.bar(k, x.mean(), width, color=colour_of(name), zorder=1)
            axes.scatter(np.full(len(x), k), x, s=4, color=dot, lw=0, zorder=3, clip_on=False)


def points(
    axes: Axes, x: float, numbers: Numbers, colour: str, *, half: float = 0.2, dots: bool = True
) -> None:
    """Draw mean (line), SEM (box) and every seed (dots) of some numbers at a place."""
    values = np.asarray(numbers, float).ravel()
    values = values[np.isfinite(values)]
    if not len(values):
        return
    mean, error = values.mean(), sem(values)
    axes.plot((x - half, x + half), (mean, mean), color=colour, zorder=2)
    if np.isfinite(error):
        axes.fill_between(
            (x - half, x + half), mean - error, mean + error, color=colour, alpha=0.3
        )
    if dots:
        axes.scatter(np.full(len(values), x), values, s=4, color=SEED_DOT, lw=0, zorder=3)


def violin(
    axes: Axes,
    x: float,
    numbers: Numbers,
    colour: str,
    *,
    width: float = 0.5,
    hollow: bool = False,
    edge: str | None = None,
) -> None:
    """Draw a violin of values that were filtered before, with mean and extremes.

    Args:
        axes: Where.
        x: Its place.
        numbers: The values.
        colour: Its colour.
        width: Its width.
        hollow: Whether only the outline is drawn, in the colour.
        edge: Colour of a dashed outline; none by default.
    """
    values = np.asarray(numbers, float).ravel()
    values = values[np.isfinite(values)]
    if not len(values):
        return
    if np.ptp(values) == 0:  # no density can be estimated
        axes.plot((x - width / 2, x + width / 2), values[[0, 0]], color=colour)
        return
    parts: Any = axes.violinplot(values, [x], widths=width, showmeans=True)
    for body in parts["bodies"]:
        body.set(facecolor="none" if hollow else colour, alpha=1, lw=0.7 if hollow or edge else 0)
        body.set_edgecolor(edge or colour)
        body.set_linestyle("--" if edge else "-")
    parts["cmeans"].set(color="black" if hollow else "snow", lw=1)
    for name in ("cmins", "cmaxes"):
        parts[name].set(color=colour, lw=0.8)
    parts["cbars"].set_visible(False)


def matrix_of(table: pd.DataFrame, rows: str, columns: str, value: str) -> pd.DataFrame:
    """Return a tidy table as a matrix, rows and columns in ascending order; NaN where none."""
    return table.pivot(index=rows, columns=columns, values=value).sort_index().sort_index(axis=1)


def cell_text(value: float, digits: int = 3) -> str:
    """Return a number as it stands in a heat map: ``.5``, ``-.02``, ``.0``, ``1.0``."""
    if not np.isfinite(value):
        return "n/a"
    text = f"{abs(round(value, digits)):.{digits}f}".rstrip("0")
    whole, _, part = text.partition(".")
    sign = "-" if round(value, digits) < 0 else ""
    return f"{sign}{whole if whole != '0' else ''}.{part or '0'}"


def heat_map(
    axes: Axes,
    matrix: pd.DataFrame,
    *,
    figure: Figure,
    label: str = "",
    title: str = "",
    title_colour: str = "black",
    cmap: str = "BuPu_r",
    digits: int = 3,
    bar: bool = True,
) -> None:
    """Draw a matrix with its numbers in the cells and a colour bar below.

    Text is black on cells above the mean of a reversed colour map (below, for one that is not),
    and white on the others.

    Args:
        axes: Where.
        matrix: Rows from top to bottom, columns from left to right; NaN cells stay empty.
        figure: The figure, for the colour bar.
        label: Label of the colour bar.
        title: Title.
        title_colour: Its colour.
        cmap: Colour map.
        digits: Digits behind the point.
        bar: Whether there is a colour bar.
    """
    values = matrix.to_numpy(float)
    image = axes.imshow(np.ma.masked_invalid(values), cmap=cmap, aspect="equal")
    middle = np.nanmean(values) if np.isfinite(values).any() else 0.0
    light_is_high = cmap.endswith("_r")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = (value > middle) != light_is_high
            axes.text(
                column,
                row,
                cell_text(value, digits),
                ha="center",
                va="center",
                size=5,
                color="white" if dark else "black",
            )
    axes.set_xticks(range(matrix.shape[1]), [_tick(x) for x in matrix.columns])
    axes.set_yticks(range(matrix.shape[0]), [_tick(x) for x in matrix.index])
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if title:
        axes.set_title(title, color=title_colour)
    if not np.isfinite(values).any():
        axes.text(0.5, -0.1, f"{label}: none", transform=axes.transAxes, ha="center", size=6)
    elif bar:
        low, high = np.nanmin(values), np.nanmax(values)
        colours = figure.colorbar(
            image, ax=axes, orientation="horizontal", fraction=0.06, pad=0.04, label=label
        )
        colours.outline.set_visible(False)
        colours.ax.xaxis.set_major_locator(FixedLocator(sorted({low, (low + high) / 2, high})))
        colours.ax.set_xticklabels([tick_label(round(x, 2)) for x in colours.ax.get_xticks()])
        colours.ax.tick_params(length=2, pad=1)


def _tick(value: Any) -> str:
    return value if isinstance(value, str) else tick_label(float(value))


def noise_axes(axes: Axes, *, prefix: str = "+") -> None:
    """Label the axes of a noise grid: process noise across, observation noise down."""
    axes.set_xlabel(rf"{prefix}$\sigma_a$ (G)", color=MOTOR)
    axes.set_ylabel(rf"{prefix}$\sigma_o$ (G)", color=SENSORY)


def training_axis(axes: Axes, ticks: Sequence[float] = (0, 0.25, 0.5, 0.75, 1)) -> None:
    """Label an x axis that counts training trials in units of 10^4."""
    axes.set_xlabel(r"Training trial ($\times10^4$)")
    axes.set_xticks(list(ticks))
    axes.set_xlim(min(ticks), max(ticks))
    plain_ticks(axes)


def learning_curves(
    axes: Axes, table: pd.DataFrame, names: Mapping[str, str], *, dashed: Sequence[str] = ()
) -> None:
    """Draw the mean and SEM over seeds of each architecture against training trials.

    Args:
        axes: Where.
        table: ``architecture``, ``episode``, ``mean`` and ``sem``.
        names: Name of each architecture in the legend; those without rows are left out.
        dashed: Architectures whose line is black and dashed on a salmon band, as the holistic-EKF
            agent's is.
    """
    for architecture, name in names.items():
        rows = table[table["architecture"] == architecture].sort_values("episode")
        if len(rows):
            special = architecture in dashed
            band(
                axes,
                rows["episode"] / TRIAL_SCALE,
                rows["mean"],
                rows["sem"],
                colour_of(architecture),
                label=name,
                fill="#FA8072" if special else None,
                style="--" if special else "-",
            )
    training_axis(axes)
