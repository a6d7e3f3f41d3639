"""Heat maps: matrices with their numbers in the cells."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import FixedLocator

from .style import MOTOR, SENSORY, tick_label

__all__ = ["cell_text", "heat_map", "matrix_of", "noise_axes"]


LUMA, DARK = np.array([0.299, 0.587, 0.114]), 0.5
"""How light red, green and blue are to the eye, and below what a cell is dark (ITU-R BT.601)."""


def matrix_of(table: pd.DataFrame, rows: str, columns: str, value: str) -> pd.DataFrame:
    """Return a tidy table as a matrix, rows and columns in ascending order; NaN where none."""
    return table.pivot(index=rows, columns=columns, values=value).sort_index().sort_index(axis=1)


def cell_text(value: float, digits: int = 3) -> str:
    """Return a number as it stands in a heat map: ``.500``, ``-.020``, ``0``.

    All have as many digits, so that one is not read as coarser than its neighbour.
    """
    if not np.isfinite(value):
        return "n/a"
    if not round(value, digits):
        return "0"
    sign = "-" if value < 0 else ""
    return sign + f"{abs(value):.{digits}f}".removeprefix("0")


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
    ends: tuple[float, float] | None = None,
) -> None:
    """Draw a matrix with its numbers in the cells and a colour bar below.

    One value makes no scale: it is gray and has no colour bar. Text is black on light cells and white on dark ones.

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
        ends: Ends of the scale of colours, e.g. one for several maps; the least and the largest value
            by default. Values beyond have the colour of the end.
    """
    values = matrix.to_numpy(float)
    scaled = ends is not None or len(np.unique(values[np.isfinite(values)])) > 1
    colours: Any = cmap if scaled else ListedColormap(["gainsboro"])
    image = axes.imshow(np.ma.masked_invalid(values), cmap=colours, clim=ends)
    _write_cells(axes, image, values, digits)
    _name_cells(axes, matrix)
    if title:
        axes.set_title(title, color=title_colour)
    if not np.isfinite(values).any():
        _colour_bar(figure, axes, image, f"{label}: none", scaled=False)
    elif bar:
        told = label if scaled else f"{label}\n(no scale)"
        _colour_bar(figure, axes, image, told, scaled=scaled)


def _name_cells(axes: Axes, matrix: pd.DataFrame) -> None:
    """Write the names of columns above and of rows beside, without ticks and frame."""
    axes.set_xticks(range(matrix.shape[1]), [_tick(x) for x in matrix.columns])
    axes.set_yticks(range(matrix.shape[0]), [_tick(x) for x in matrix.index])
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, pad=2)
    axes.grid(visible=False)  # a style's would strike through the numbers
    for spine in axes.spines.values():
        spine.set_visible(False)


def _colour_bar(figure: Figure, axes: Axes, image: AxesImage, label: str, *, scaled: bool) -> None:
    """Draw the scale of a matrix below it, with as many digits as tell its ends apart.

    Without a scale its place stays free, so that maps side by side are of one height.
    """
    if not scaled:
        image.set_clim(0, 1)
    low, high = image.get_clim()
    decimals = max(0, 1 - int(np.floor(np.log10(high - low))))
    colours = figure.colorbar(
        image, ax=axes, orientation="horizontal", fraction=0.06, pad=0.04, label=label
    )
    colours.outline.set_visible(False)
    if not scaled:
        for drawn in colours.ax.collections:
            drawn.set_visible(False)
        colours.set_ticks([])
        return
    middle = round((low + high) / 2, decimals)  # where its number says
    colours.ax.xaxis.set_major_locator(FixedLocator([low, middle, high]))
    colours.ax.set_xticklabels([tick_label(round(x, decimals)) for x in (low, middle, high)])
    colours.ax.tick_params(length=2, pad=1)


def _write_cells(axes: Axes, image: AxesImage, values: np.ndarray, digits: int) -> None:
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = image.to_rgba(value)[:3] @ LUMA < DARK
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
