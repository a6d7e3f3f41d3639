"""Violins, and the samples that stand for many values in one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from ..measures import Numbers, sem, tukey, within_fences
from .marks import groups

__all__ = ["SAMPLE", "sample", "samples", "violin", "violin_of_sample"]


SAMPLE = 600
"""Most values that stand for one violin."""


def sample(values: npt.ArrayLike, most: int = SAMPLE) -> Any:
    """Return values for a violin: fliers left out, and evenly thinned where they are many.

    What stands for more than ``most`` values are the centres of as many equal parts of their
    sorted list.
    """
    kept = np.sort(tukey(values))
    if len(kept) <= most:
        return kept
    return kept[((np.arange(most) + 0.5) * len(kept) / most).astype(int)]


def samples(table: pd.DataFrame, by: Sequence[str], column: str) -> pd.DataFrame:
    """Return :func:`sample` of a column for each group of rows, pooled over seeds and all else.

    Args:
        table: ``by``, ``seed`` (NaN for animals) and the column.
        by: Columns that make the groups.
        column: The column.

    Returns:
        ``by`` and ``value``; the same in all rows of a group: the ``sem`` over the means of seeds
        of what is not filtered out (NaN for one), and ``count``, the number of seeds.
    """
    parts = []
    for keys, rows in groups(table, by):
        kept = sample(rows[column])
        part = pd.DataFrame([keys] * len(kept), columns=list(by))
        within = rows[within_fences(rows[column])]
        means = within.groupby("seed", dropna=False)[column].mean()
        parts.append(part.assign(value=kept, sem=sem(means), count=len(means)))
    columns = [*by, "value", "sem", "count"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def violin_of_sample(
    axes: Axes,
    at: float,
    values: npt.ArrayLike,
    colour: str,
    width: float = 0.5,
    *,
    hollow: bool = False,
) -> None:
    """Draw a violin of a :func:`sample`, whose fliers are left out already, with its mean."""
    x = np.asarray(values, float)
    if not len(x):
        return
    if len(x) > 2 and np.ptp(x) > 0:
        parts: Any = axes.violinplot(x, [at], widths=width, showextrema=True)
        for body in parts["bodies"]:
            body.set(facecolor="none" if hollow else colour, alpha=1, lw=0.8 if hollow else 0)
            body.set_edgecolor(colour)
        parts["cbars"].set_visible(False)
        for name in ("cmins", "cmaxes"):
            parts[name].set(color=colour, lw=0.8)
    half = 0.3 * width
    axes.plot((at - half, at + half), [x.mean()] * 2, color="black" if hollow else "snow", lw=1)


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
