"""What panels are drawn of: curves with bands, bars, seeds along a quantity, crosses, ellipses."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from modnav.task import REWARD_ZONE_CM

from ..measures import Ellipse, Numbers, mean_and_sem, sem
from ..study import HOLISTIC, short
from .style import KEY, SEED_DOT, colour_of, plain_ticks

__all__ = [
    "TRIAL_SCALE",
    "band",
    "cross",
    "groups",
    "label_of",
    "learning_curves",
    "legend",
    "limits",
    "name_ticks",
    "outline",
    "points",
    "reward_zone",
    "seed_curves",
    "training_axis",
    "widened",
]

TRIAL_SCALE = 1e4
"""Training trials are counted in units of this."""

TRAINING = (0, 0.25, 0.5, 0.75, 1)
"""Ticks of the axis of a default training."""


def groups(table: pd.DataFrame, by: str | Sequence[str]) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Yield what rows have in common and the rows, in order of appearance."""
    yield from table.groupby(by if isinstance(by, str) else list(by), sort=False)


def seed_curves(axes: Axes, table: pd.DataFrame, x: str) -> None:
    """Draw for each architecture the mean over seeds along ``x`` with its SEM, and the seeds.

    Args:
        axes: Where to.
        table: ``architecture``, ``seed``, ``x`` and ``value``.
        x: Column of the horizontal axis.
    """
    for name, rows in groups(table, "architecture"):
        found = mean_and_sem(rows, [x], "value").sort_values(x)
        band(axes, found[x], found["mean"], found["sem"], colour_of(name))
        axes.plot(rows[x], rows["value"], ".", ms=2.5, color=colour_of(name), mew=0)


def label_of(name: str) -> str:
    """Return the short name of an architecture or animal, long ones on two lines."""
    return short(name).replace(" + ", " +\n")


def legend(
    axes: Axes,
    names: Sequence[str] | Mapping[str, str],
    extra: Mapping[str, str] | None = None,
    dashed: Sequence[str] = (),
    colours: Mapping[str, str] | None = None,
) -> None:
    """Write the names of architectures, and what line styles mean, beside the axes.

    Args:
        axes: The axes.
        names: Architectures and animals, or how each is called.
        extra: Line styles by their meaning; a letter is a marker.
        dashed: Those whose lines are dashed.
        colours: Their colours, if not :func:`.style.colour_of`.
    """
    colours = colours or {}
    labels = names if isinstance(names, Mapping) else {name: label_of(name) for name in names}
    handles = [
        Line2D(
            [], [], color=colours.get(k, colour_of(k)), label=text, ls="--" if k in dashed else "-"
        )
        for k, text in labels.items()
    ]
    for text, style in (extra or {}).items():
        look = (
            {"marker": style, "ls": "", "mfc": "none", "ms": 3}
            if style.isalpha()
            else {"ls": style}
        )
        handles.append(Line2D([], [], color=KEY, label=text, **look))
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.05), borderaxespad=0.2)


def name_ticks(axes: Axes, order: Sequence[str], rotation: float = 55) -> None:
    """Label positions 0, 1, 2, ... of the horizontal axis with names."""
    axes.set_xlim(-0.6, len(order) - 0.4)
    labels = [label_of(name) for name in order]
    axes.set_xticks(
        range(len(order)), labels, rotation=rotation, ha="right", rotation_mode="anchor"
    )


def reward_zone(axes: Axes, *, both: bool = True) -> None:
    """Draw dotted lines at the boundary of the reward zone."""
    for place in (REWARD_ZONE_CM, -REWARD_ZONE_CM) if both else (REWARD_ZONE_CM,):
        axes.axhline(place, color="black", ls=":", lw=0.7, zorder=0)


def outline(axes: Axes, ellipse: Ellipse, colour: str) -> None:
    """Draw an ellipse; nothing if there were too few points for one."""
    if np.isfinite(ellipse).all():
        axes.plot(*ellipse.outline().T, color=colour, lw=1)


def cross(axes: Axes, table: pd.DataFrame, x: str, y: str, name: str, **marker: Any) -> None:
    """Draw the means over seeds of two quantities with both SEMs, and the seeds as small dots.

    Args:
        axes: Where to.
        table: A row for each seed.
        x: Column of the horizontal quantity.
        y: Column of the vertical one.
        name: Architecture.
        marker: Options of the marker.
    """
    colour = colour_of(name)
    axes.plot(table[x], table[y], "o", ms=2, mew=0, color=colour, alpha=0.7)
    errors = {f"{key}err": sem(table[column]) for key, column in (("x", x), ("y", y))}
    shown: Any = {key: error for key, error in errors.items() if np.isfinite(error)}
    axes.errorbar(
        table[x].mean(),
        table[y].mean(),
        fmt="o",
        ms=3,
        color=colour,
        elinewidth=0.8,
        label=short(name),
        **{**shown, **marker},
    )


def limits(
    axes: Axes,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
) -> None:
    """Show at least the published ranges, and more where the data go beyond, with room for marks."""
    for key, wanted in (("x", x), ("y", y)):
        if wanted is not None:
            low, high = getattr(axes, f"get_{key}lim")()
            room = 0.04 * (max(high, wanted[1]) - min(low, wanted[0]))
            bottom = wanted[0] if low >= wanted[0] else low - room
            top = wanted[1] if high <= wanted[1] else high + room
            getattr(axes, f"set_{key}lim")(bottom, top)
            plain_ticks(axes, key)


def widened(ends: tuple[float, float], *numbers: Numbers) -> tuple[float, float]:
    """Return the ends of an axis, further apart where numbers lie beyond; NaN does not count."""
    values = np.concatenate([np.asarray(part, float).ravel() for part in (ends, *numbers)])
    return float(np.nanmin(values)), float(np.nanmax(values))


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


def training_axis(axes: Axes, ticks: Sequence[float] = TRAINING) -> None:
    """Label an x axis that counts training trials in units of 10^4."""
    axes.set_xlabel(r"Training trial ($\times10^4$)")
    axes.set_xticks(list(ticks))
    axes.set_xlim(min(ticks), max(ticks))
    plain_ticks(axes)


def learning_curves(
    axes: Axes,
    table: pd.DataFrame,
    names: Mapping[str, str],
    *,
    dashed: Sequence[str] = (),
    ticks: Sequence[float] = TRAINING,
) -> None:
    """Draw the mean and SEM over seeds of each architecture against training trials.

    Where all of them end within a tenth of the axis, it ends with them: it would look empty.

    Args:
        axes: Where.
        table: ``architecture``, ``episode``, ``mean`` and ``sem``.
        names: Name of each architecture in the legend; those without rows are left out.
        dashed: Architectures whose line is black and dashed on a band of the holistic one's colour, as the holistic-EKF
            agent's is.
        ticks: Ticks of the horizontal axis, in 10^4 trials.
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
                fill=colour_of(HOLISTIC) if special else None,
                style="--" if special else "-",
            )
    last = (float(table["episode"].max()) + 1) / TRIAL_SCALE  # 999 is after 1,000 trials
    training_axis(axes, (0, last) if last <= max(ticks) / 10 else ticks)
