"""Example trials for illustrations: typical ones, chosen by rule, and how their paths are drawn.

The study's examples are rows of its own tables and mean nothing for other agents.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from modnav.task import REWARD_ZONE_CM

from ..study import DATA, NO_GENERALIZATION
from .marks import groups, legend
from .style import REWARDED, colour_of

__all__ = ["draw_arc", "draw_kinds", "draw_target", "path_table", "typical"]


def typical(errors: Sequence[Any], allowed: Any = None) -> int:
    """Return the trial that is most like the median of each of several error measures.

    Args:
        errors: Error measures, each ``(N,)``, of the same trials, e.g. of several agents.
        allowed: Which trials may be chosen, ``(N,)``; all by default, and all if it is none.

    Returns:
        The row of the trial whose largest deviation from the medians is smallest; deviations are
        counted in standard deviations.
    """
    table = np.stack([np.asarray(x, float) for x in errors])
    spread = np.nanstd(table, axis=1, keepdims=True)
    away = abs(table - np.nanmedian(table, axis=1, keepdims=True))
    away = np.divide(away, spread, out=np.zeros_like(away), where=spread > 0).max(axis=0)
    away = np.where(np.isfinite(away), away, np.inf)
    if allowed is not None and np.any(allowed):
        away = np.where(np.asarray(allowed, bool), away, np.inf)
    return int(away.argmin())


def draw_target(axes: Axes, target: tuple[float, float], *, zone: bool = True) -> None:
    """Draw the start, a target and its reward zone; the axes keep the shape of space."""
    axes.plot(*target, ".", color=REWARDED, ms=4)
    if zone:
        angle = np.linspace(0, 2 * np.pi, 100)
        rim = REWARD_ZONE_CM * np.stack((np.cos(angle), np.sin(angle)))
        axes.fill(*(np.array(target)[:, None] + rim), color=REWARDED, alpha=0.4, lw=0)
    axes.plot(0, 0, "*", color="black", ms=5, mew=0, zorder=4)
    axes.set_aspect("equal")


def draw_arc(axes: Axes, target: tuple[float, float], reach: float = 1.35) -> None:
    """Draw the arc from the start, tangent to straight ahead, through a target and beyond it."""
    x, y = target
    half = np.arctan2(abs(x), y)
    angle = np.linspace(0, 2 * half * reach, 100)
    radius = np.hypot(x, y) / (2 * np.sin(half)) if half > 0 else np.inf
    if not np.isfinite(radius):
        axes.plot([0, 0], [0, y * reach], color="gray", ls=":", lw=1)
        return
    side = np.sign(x)
    axes.plot(
        side * radius * (1 - np.cos(angle)), radius * np.sin(angle), color="gray", ls=":", lw=1
    )


def path_table(steps: pd.DataFrame, **about: Any) -> pd.DataFrame:
    """Return the path of one trial as rows of a panel's table, with constant columns first."""
    path = steps[["x_cm", "y_cm"]].reset_index(drop=True).astype(float)
    for place, (name, value) in enumerate(about.items()):
        path.insert(place, name, value)
    return path


def draw_kinds(axes: Axes, table: pd.DataFrame) -> None:
    """Draw paths with their ends, and a legend: a solid line for data, else a dashed one.

    Args:
        axes: Where.
        table: Steps, with ``architecture`` and ``kind``.
    """
    for (name, kind), path in groups(table, ["architecture", "kind"]):
        style = "-" if kind == DATA else "--"
        axes.plot(path["x_cm"], path["y_cm"], style, color=colour_of(name))
        axes.plot(*path[["x_cm", "y_cm"]].iloc[-1], ".", color=colour_of(name), ms=4)
    axes.set_axis_off()
    names = table["architecture"].unique().tolist()
    legend(axes, names, {DATA: "-", NO_GENERALIZATION: "--"})
