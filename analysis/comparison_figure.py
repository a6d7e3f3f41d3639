"""The picture of a comparison, and its files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .comparison import AGES, compare_sides
from .drawing import (
    TRIAL_SCALE,
    band,
    colour_of,
    new_figure,
    plain_ticks,
    styled,
    training_axis,
    write_numbers,
    write_picture,
)
from .sides import GIVEN_UP, MEASURES, PHASE_ONE, UNFINISHED, Side, write_seeds
from .study import short

__all__ = ["NAME", "SEEDS", "draw_sides", "write_comparison"]

NAME = "comparison"
"""How the files are called."""

SEEDS = "seeds.csv"
"""How that of the seeds of ours is called."""

LABELS = dict(
    zip(
        MEASURES,
        (
            "Rewarded fraction,\ngain 1",
            "Rewards/s,\ngain 1",
            "Rewards/s,\ngain 1.5",
            "Rewards/s,\ngain 2",
        ),
        strict=True,
    )
)

MARKERS = {PHASE_ONE: "o", GIVEN_UP: "x", UNFINISHED: "^"}
"""Seeds that left phase I, gave it up, are still in it."""

BAND, OTHER = "#bbbbbb", "#666666"
"""Colours of the other side."""

_UNIT = r"$\times10^4$"


def write_comparison(
    ours: Side, other: Side, folder: Path
) -> tuple[pd.DataFrame, tuple[Path, ...]]:
    """Write ``comparison.csv``, ``.pdf``, ``.png`` and ``seeds.csv``; return the table and the files.

    The last holds the seeds of ours, which :func:`.sides.runs_side` reads in the place of runs.

    Raises:
        ValueError: As :func:`.comparison.compare_sides`.
        OSError: If a file cannot be written.
    """
    table = compare_sides(ours, other)
    numbers = folder / f"{NAME}.csv"
    write_numbers(table, numbers)
    seeds = folder / SEEDS
    write_seeds(ours, seeds)
    return table, (numbers, seeds, *write_picture(NAME, draw_sides(ours, other, table), folder))


def draw_sides(ours: Side, other: Side, table: pd.DataFrame) -> Figure:
    """Return a picture: every seed of ours, before a band of the other's mean and SD.

    Args:
        ours: Runs.
        other: What they are compared with.
        table: What :func:`.comparison.compare_sides` says of both.
    """
    names = list(dict.fromkeys(table["architecture"]))
    measures = [quantity for quantity in MEASURES if quantity in set(table["quantity"])]
    with styled():
        figure = new_figure((0.6 + 1.3 * len(names), 0.6 + 1.1 * (1 + len(measures))))
        panels = figure.subplots(1 + len(measures), len(names), squeeze=False, sharey="row")
        for column, name in zip(panels.T, names, strict=True):
            _phase_one(column[0], ours, other, name)
            column[0].set_title(short(name))
            for axes, quantity in zip(column[1:], measures, strict=True):
                _curves(axes, ours, other, name, quantity)
        panels[0, 0].set_ylabel(f"Phase I\n({_UNIT})")
        for axes, quantity in zip(panels[1:, 0], measures, strict=True):
            axes.set_ylabel(LABELS[quantity])
        for axes in panels[1:].ravel():
            last = axes in panels[-1]
            axes.set_xlabel(f"Trials after\nphase I ({_UNIT})" if last else "")
        figure.align_ylabels()
        for axes in panels[:, 0]:
            axes.set_ylim(bottom=0)
        figure.legend(handles=_key(ours, other, names), loc="outside lower center", ncols=2)
    return figure


def _phase_one(axes: Axes, ours: Side, other: Side, name: str) -> None:
    """Draw the trials of phase I, a mark for each seed."""
    for mean, sd in _of(other.summary, name, PHASE_ONE)[["mean", "sd"]].to_numpy() / TRIAL_SCALE:
        axes.axhspan(mean - sd, mean + sd, color=BAND, lw=0, alpha=0.6)
        axes.axhline(mean, color=OTHER)
    seeds = ours.seeds[(ours.seeds["architecture"] == name) & (ours.seeds["trials"] == 0)]
    seeds = seeds.sort_values("seed")
    for k, (quantity, value) in enumerate(seeds[["quantity", "value"]].itertuples(index=False)):
        mark: dict[str, Any] = {"marker": MARKERS[quantity], "ms": 3, "color": colour_of(name)}
        axes.plot(k, value / TRIAL_SCALE, clip_on=False, **mark)
    axes.set(xlim=(-0.5, len(seeds) - 0.5), xticks=[], xlabel=f"n = {len(seeds)}")
    plain_ticks(axes, "y")


def _curves(axes: Axes, ours: Side, other: Side, name: str, quantity: str) -> None:
    """Draw a quantity over training trials, a curve for each seed."""
    known = _of(other.summary, name, quantity).sort_values("trials")
    band(axes, known["trials"] / TRIAL_SCALE, known["mean"], known["sd"], OTHER, fill=BAND)
    for _, rows in _of(ours.seeds, name, quantity).groupby("seed"):
        shown = rows.sort_values("trials")
        places = shown["trials"] / TRIAL_SCALE
        axes.plot(places, shown["value"], marker=".", ms=1.5, lw=0.7, color=colour_of(name))
    training_axis(axes, (0, 0.5, AGES[-1] / TRIAL_SCALE))


def _of(table: pd.DataFrame, name: str, quantity: str) -> pd.DataFrame:
    return table[(table["architecture"] == name) & (table["quantity"] == quantity)]


def _key(ours: Side, other: Side, names: Sequence[str]) -> list[Any]:
    """Return what marks and lines mean; ``names`` are the architectures shown."""
    first, second = (side.name.replace("$", r"\$") for side in (ours, other))  # no formula
    shown = other.summary[other.summary["architecture"].isin(names)]
    counts = sorted({int(n) for n in shown.groupby("architecture")["n"].max()})
    seeds = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    marks = {"left phase I": PHASE_ONE, "gave up phase I": GIVEN_UP, "still in it": UNFINISHED}
    return [
        Line2D([], [], color="black", lw=0.7, label=f"{first}: each seed"),
        Patch(color=BAND, label=f"{second}: mean \N{PLUS-MINUS SIGN} SD (n = {seeds})"),
        *(
            Line2D([], [], color="black", ls="", ms=3, marker=MARKERS[quantity], label=text)
            for text, quantity in marks.items()
            if quantity in set(ours.seeds["quantity"])
        ),
    ]
