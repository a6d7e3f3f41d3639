"""Heat maps: matrices with their numbers in the cells."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator

from .style import MOTOR, SENSORY, tick_label

__all__ = ["cell_text", "heat_map", "matrix_of", "noise_axes"]


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

    One value makes no scale, and has no colour bar. Text is black on cells above the mean of a reversed colour map (below, for one that is not),
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
    _write_cells(axes, values, digits, light_is_high=cmap.endswith("_r"))
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
        axes.text(0.5, -0.1, f"{label}: none", transform=axes.transAxes, ha="center")
    elif bar and np.nanmin(values) == np.nanmax(values):
        axes.text(
            0.5, -0.1, f"{label} (no scale)", transform=axes.transAxes, ha="center", va="top"
        )
    elif bar:
        _colour_bar(figure, axes, image, label)


def _colour_bar(figure: Figure, axes: Axes, image: AxesImage, label: str) -> None:
    """Draw the scale of a matrix below it, with as many digits as tell its ends apart."""
    low, high = image.get_clim()
    decimals = max(0, 1 - int(np.floor(np.log10(high - low))))
    colours = figure.colorbar(
        image, ax=axes, orientation="horizontal", fraction=0.06, pad=0.04, label=label
    )
    colours.outline.set_visible(False)
    colours.ax.xaxis.set_major_locator(FixedLocator(sorted({low, (low + high) / 2, high})))
    colours.ax.set_xticklabels([tick_label(round(x, decimals)) for x in colours.ax.get_xticks()])
    colours.ax.tick_params(length=2, pad=1)


def _write_cells(axes: Axes, values: np.ndarray, digits: int, *, light_is_high: bool) -> None:
    middle = np.nanmean(values) if np.isfinite(values).any() else 0.0
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = (value > middle) != light_is_high
            axes.text(
                column,
                row,
                cell_text(value, digits),
                ha="center",
                va="center",
                color="white" if dark else "black",
            )


def _tick(value: Any) -> str:
    return value if isinstance(value, str) else tick_label(float(value))


def noise_axes(axes: Axes, *, prefix: str = "+") -> None:
    """Label the axes of a noise grid: process noise across, observation noise down."""
    axes.set_xlabel(rf"{prefix}$\sigma_a$ (G)", color=MOTOR)
    axes.set_ylabel(rf"{prefix}$\sigma_o$ (G)", color=SENSORY)
