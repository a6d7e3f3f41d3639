"""A panel: numbers from a study, a picture from the numbers, and the files of both."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from modnav.files import drop_leftovers, replacing

from ..measures import TooFewError
from ..study import FEW, Missing
from .contrast import lighten
from .style import LEAST_TEXT, NO_STYLE, mark, new_figure, styled

if TYPE_CHECKING:
    from ..study import Study

__all__ = [
    "DPI",
    "KINDS",
    "Drawn",
    "Panel",
    "blank",
    "caption_of",
    "clear",
    "comparison",
    "draw",
    "missing_of",
    "picture",
    "with_missing",
    "write_numbers",
    "write_picture",
]

DPI = 300
"""Resolution of the PNG files, as published."""

CAPTION, LACKS = "dimgray", "firebrick"
"""Colours of what is written on panels."""

KINDS = ("csv", "pdf", "png")
"""Endings of a panel's files."""


@dataclass(frozen=True)
class Panel:
    """A panel of a figure.

    Attributes:
        name: Its letter in the study, e.g. ``2b``, ``S3a``.
        title: What it shows.
        size: Width and height, inches.
        compute: Makes its table, tidy: a row for each thing that is drawn. ``attrs["missing"]``
            lists what is absent. Raises :class:`Missing` if it cannot be made at all.
        plot: Draws a table into an empty figure.
        published: Published values: some columns of the table, ``published`` and, where it is
            known, ``published_sem``; None for those of its name, see :func:`.panels_of`.
        value: Column of the table that the published values are of.
        caption: What its marks mean: lines, bands, bars and dots, and what they are taken over.
        example: Whether it shows one trial of those that were run.
    """

    name: str
    title: str
    size: tuple[float, float]
    compute: "Callable[[Study], pd.DataFrame]"
    plot: Callable[[pd.DataFrame, Figure], None]
    published: pd.DataFrame | None = field(default=None, repr=False)
    value: str = "mean"
    caption: str = ""
    example: bool = False


class Drawn(NamedTuple):
    """What became of a panel.

    Attributes:
        panel: Its name.
        files: What was written.
        missing: What it lacks.
        caption: What its marks mean, and of how many agents and trials they are.
        said: ``attrs`` of its table, which a CSV cannot hold.
    """

    panel: str
    files: tuple[Path, ...]
    missing: tuple[str, ...]
    caption: str = ""
    said: Mapping[str, Any] = NO_STYLE


def with_missing(table: pd.DataFrame, missing: Sequence[str]) -> pd.DataFrame:
    """Return the table with notes of what it lacks, without repetitions: a note goes that another says and goes on.

    Notes that begin with :data:`.style.FEW` become one.
    """
    few = dict.fromkeys(
        part for note in missing if note.startswith(FEW) for part in note[len(FEW) :].split(", ")
    )
    told = [note for note in dict.fromkeys(missing) if not note.startswith(FEW)]
    notes = [note for note in told if not any(other.startswith(f"{note}, ") for other in told)]
    found = table.copy(deep=False)
    found.attrs = {"missing": notes + ([FEW + ", ".join(few)] if few else [])}
    return found


def missing_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Return what a table lacks."""
    return tuple(table.attrs.get("missing", ()))


def caption_of(panel: Panel, table: pd.DataFrame) -> str:
    """Return what the marks of a panel mean, and what ``attrs["ran"]`` says of agents and trials."""
    return " ".join(filter(None, (panel.caption, table.attrs.get("ran", ""))))


def picture(
    panel: Panel,
    table: pd.DataFrame,
    style: Mapping[str, Any] = NO_STYLE,
    *,
    bare: bool = False,
) -> Figure:
    """Return the picture of a table; below it its title, its caption and a note of what is missing.

    Args:
        panel: The panel.
        table: Its table.
        style: Settings of matplotlib instead of the study's.
        bare: Whether nothing is written below it.
    """
    lacks = "; ".join(missing_of(table))
    with styled(style):
        figure = new_figure(panel.size)
        panel.plot(table, figure)
        said = f"{panel.name}: {panel.title}. {caption_of(panel, table)}".rstrip()
        notes = {said: CAPTION, f"incomplete: {lacks}" if lacks else "": LACKS}
        mark(figure, {} if bare else notes)
        lighten(figure)
    return figure


def comparison(panel: Panel, table: pd.DataFrame) -> pd.DataFrame:
    """Return the published values of a panel beside those of a table.

    Args:
        panel: The panel.
        table: Its table; of several rows with the same keys the mean is taken. The SEM is over
            seeds, NaN for one; without ``seed`` it is ``<value>_sem`` or ``sem`` of the table, else
            over rows.

    Returns:
        The keys, ``published``, ``ours``, ``sem``, ``count``, the ``difference`` (ours less
        published) and ``in_sem``, the same in multiples of the SEM of both, or of that which is
        known; NaN where there is none, or it is 0. No rows if nothing was published.
    """
    if panel.published is None:
        return pd.DataFrame()
    keys = [name for name in panel.published.columns if name in table.columns]
    rows = table.dropna(subset=[panel.value])
    if f"{panel.value}_sem" in rows:
        rows = rows.assign(sem=rows[f"{panel.value}_sem"])
    if "seed" in table and "seed" not in keys:
        groups = rows.groupby([*keys, "seed"], sort=False, dropna=False)
        rows = groups[panel.value].mean().reset_index()
    groups = rows.groupby(keys, sort=False, dropna=False)
    ours = groups[panel.value].agg(ours="mean", sem="sem", count="count")
    for name in ("sem", "count"):
        if name in rows:  # what rows have in common is said of all of them
            several = groups[name].nunique(dropna=False) > 1
            ours[name] = ours[name].where(several, groups[name].first())
    found = panel.published.merge(ours.reset_index(), on=keys, how="left")
    found["difference"] = found["ours"] - found["published"]
    errors = found.reindex(columns=["sem", "published_sem"]).astype(float)
    both = (errors**2).sum(axis=1, min_count=1) ** 0.5
    found["in_sem"] = found["difference"] / both.where(both > 0)
    return found


def clear(panel: Panel, folder: Path) -> None:
    """Delete the files of a panel, so that none is left of an earlier drawing.

    Raises:
        OSError: If one cannot be deleted.
    """
    for kind in KINDS:
        file = folder / f"{panel.name}.{kind}"
        file.unlink(missing_ok=True)
        drop_leftovers(file)


def blank(panel: Panel, reason: str, folder: Path) -> Drawn:
    """Write a picture that says why a panel could not be drawn.

    Raises:
        OSError: If a file cannot be written.
    """
    with styled():
        figure = new_figure(panel.size)
        width = max(20, int(17 * panel.size[0]))
        text = textwrap.fill(f"{panel.name} needs what is missing: {reason}", width)
        figure.text(0.5, 0.5, text, ha="center", va="center", size=LEAST_TEXT, color=LACKS)
    return Drawn(panel.name, write_picture(panel.name, figure, folder, tight=False), (reason,))


def write_picture(
    name: str,
    figure: Figure,
    folder: Path,
    *,
    tight: bool = True,
    style: Mapping[str, Any] = NO_STYLE,
) -> tuple[Path, ...]:
    """Write ``<name>.pdf`` and ``.png``, cut to what is drawn if ``tight``; return the files.

    Args:
        name: Name of the panel.
        figure: Its picture.
        folder: Where to.
        tight: Whether to cut it to what is drawn.
        style: As in :func:`picture`.

    Raises:
        OSError: If a file cannot be written.
    """
    box: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.04} if tight else {}
    files = tuple(folder / f"{name}.{kind}" for kind in ("pdf", "png"))
    with styled(style):
        for file in files:
            with replacing(file) as temporary:
                figure.savefig(temporary, dpi=style.get("savefig.dpi", DPI), **box)
    return files


def write_numbers(table: pd.DataFrame, file: Path) -> None:
    """Write a table as CSV, numbers to six digits.

    Raises:
        OSError: If it cannot be written.
    """
    with replacing(file) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")


def draw(panel: Panel, study: "Study", folder: Path) -> Drawn:
    """Compute a panel and write ``<name>.csv``, ``.pdf`` and ``.png``.

    Raises:
        Missing: If it cannot be made at all, also for want of trials.
        OSError: If a file cannot be written.
    """
    study.subjects.taken()  # what others ran
    try:
        table = panel.compute(study)
    except TooFewError as error:
        raise Missing(str(error)) from error
    table.attrs["ran"] = study.subjects.taken(example=panel.example)
    numbers = folder / f"{panel.name}.csv"
    write_numbers(table, numbers)
    files = write_picture(panel.name, picture(panel, table), folder)
    said = {str(name): value for name, value in table.attrs.items()}
    return Drawn(panel.name, (numbers, *files), missing_of(table), caption_of(panel, table), said)
