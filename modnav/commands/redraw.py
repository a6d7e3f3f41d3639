"""``modnav redraw``: pictures of panels from their numbers, in the style of a journal."""

import argparse
import csv
import io
import json
import logging
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any

from modnav.files import one_line, read_text, regular

from .figures import INDEX
from .refused import Parser

NAMED = [
    "agent",
    "architecture",
    "axis",
    "cue",
    "direction",
    "effect",
    "favour",
    "first",
    "fitted",
    "kind",
    "layer",
    "measure",
    "part",
    "quantity",
    "second",
    "set",
    "subject",
    "task",
    "tested",
    "variable",
]
"""Columns of names, some of which may be numbers: a condition that is a gain, an agent called 51."""


class StyleError(ValueError):
    """A style sheet cannot be used."""


def main(args: Sequence[str]) -> None:
    """Run the command."""
    from modnav.analysis import FIGURES, panels_of

    given = _parser().parse_args(args)
    panels = {panel.name: panel for figure in FIGURES for panel in panels_of(figure)}
    style: Any = _style(given.style) if given.style else {}
    with _told() as complaints:
        for file in _tables(given.tables, panels):
            print(*_redrawn(file, panels[file.stem], style, given), sep="\n")
    for complaint in complaints:
        print(f"modnav: {given.style or 'matplotlib'}: {complaint}", file=sys.stderr)


def _redrawn(file: Path, panel: Any, style: Any, given: argparse.Namespace) -> tuple[Path, ...]:
    """Draw a table and return the files.

    Raises:
        ValueError: If the table or the style cannot be drawn.
    """
    said = _said(file)
    if given.size:
        panel = replace(panel, size=tuple(given.size))
    try:
        table = _numbers(file)
        table.attrs.update(said)
        figure = _drawn(panel, table, style, given)
    except StyleError:
        raise
    except (ValueError, LookupError, TypeError) as error:
        told = f"{type(error).__name__}: {one_line(error)}"
        raise ValueError(f"{file} is no table of panel {panel.name} ({told})") from error
    try:
        return _written(panel.name, figure, given.out, style)
    # of a style sheet or a number: no LaTeX, a size beyond all memory
    except (RuntimeError, ValueError, MemoryError) as error:
        told = one_line(error) or type(error).__name__
        if style and _plain(panel, table):
            raise _unusable(given.style, panel.name, told) from error
        raise ValueError(f"{file} cannot be drawn: {told}") from error


def _written(name: str, figure: Any, folder: Path, style: Any) -> tuple[Path, ...]:
    """Write a picture; if there was no room for its axes, log it as a complaint of matplotlib."""
    from modnav.analysis.drawing import write_picture

    with warnings.catch_warnings(record=True) as found:
        warnings.filterwarnings("always", "constrained_layout not applied")
        files = write_picture(name, figure, folder, style=style)
    for one in found:
        if "constrained_layout not applied" in str(one.message):
            logging.getLogger("matplotlib").warning(
                "%s has no room beside text so large; give a larger --size", name
            )
        else:
            warnings.showwarning(one.message, one.category, one.filename, one.lineno)
    return files


def _plain(panel: Any, table: Any) -> bool:
    """Return whether a table can be drawn in the study's style."""
    from modnav.analysis.drawing import picture, styled

    figure = picture(panel, table)
    try:
        with styled():
            figure.savefig(io.BytesIO(), dpi=50)
    except (RuntimeError, ValueError, MemoryError):
        return False
    return True


def _unusable(style: Path, name: str, told: str) -> StyleError:
    return StyleError(f"--style is {style}; {name} cannot be drawn so ({told})")


def _drawn(panel: Any, table: Any, style: Any, given: argparse.Namespace) -> Any:
    """Return the picture of a table.

    Raises:
        ValueError: If the table is wrong.
        StyleError: If it can be drawn, but not in that style.
    """
    from modnav.analysis.drawing import picture

    try:
        return picture(panel, table, style, bare=given.bare)
    except Exception as error:
        if not style:
            raise
        picture(panel, table)  # raises what is wrong with the table
        told = f"{type(error).__name__}: {one_line(error)}"
        raise _unusable(given.style, panel.name, told) from error


@contextmanager
def _told() -> Iterator[list[str]]:
    """Give a list of what matplotlib complains of meanwhile, each once, and let it say nothing itself."""
    logger, handler, found = logging.getLogger("matplotlib"), BufferingHandler(10**6), list[str]()
    handler.setLevel(logging.WARNING)
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated
        texts = (record.getMessage().partition("\nYou ")[0] for record in handler.buffer)
        found += dict.fromkeys(one_line(" ".join(text.split())) for text in texts)


def _parser() -> Parser:
    parser = Parser(
        prog="modnav redraw",
        description="Draw panels as PDF and PNG from the CSV that `modnav figures` or `modnav "
        "report` wrote; nothing is simulated.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    tables = "CSV of panels (4f.csv and the like), or folders of such"
    add("tables", nargs="+", type=Path, metavar="TABLES", help=tables)
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the pictures go")
    style = "style sheet of matplotlib: what it sets takes the place of the study's style"
    add("--style", type=Path, metavar="FILE", help=style)
    size = "of the axes and what is beside them, inches"
    add("--size", nargs=2, type=_inches, metavar=("WIDTH", "HEIGHT"), help=size)
    add("--bare", action="store_true", help="without title, caption and notes below the panel")
    return parser


def _inches(text: str) -> float:
    value = float(text)
    if not 0.5 <= value <= 50:
        raise argparse.ArgumentTypeError(f"{text} is not within 0.5 and 50")
    return value


def _style(file: Path) -> Any:
    """Return what a style sheet sets.

    Raises:
        StyleError: If it, or a line of it, cannot be read.
    """
    import matplotlib as mpl

    if not regular(file, text=True).is_file():
        raise ValueError(f"--style is {file}; there is no such file")
    with _told() as complaints:  # it goes on without what it cannot read
        try:
            style = mpl.rc_params_from_file(file, use_default_template=False)
        except UnicodeDecodeError as error:
            raise StyleError(f"--style is {file}; it is no text in UTF-8") from error
    if complaints:
        raise StyleError(f"--style is {file}; {complaints[0].replace(f'file {file!r}, ', '')}")
    if not len(style.get("axes.prop_cycle", "one")):
        raise StyleError(
            f"--style is {file}; axes.prop_cycle is empty, it must have a colour or style"
        )
    return style


def _tables(given: Iterable[Path], panels: Collection[str]) -> list[Path]:
    """Return the tables of panels, those in folders with them."""
    found = []
    for path in given:
        if path.is_dir():
            inside = sorted(f for f in path.glob("*.csv") if f.stem in panels)
            if not inside:
                raise ValueError(f"{path} holds no CSV of a panel")
            found += inside
        elif path.suffix == ".csv" and path.stem in panels:
            found.append(path)
        else:
            raise ValueError(f"TABLES has {path}; a CSV of a panel is named as that, e.g. 4f.csv")
    twice = [file for k, file in enumerate(found) if file.stem in {f.stem for f in found[:k]}]
    if twice:
        raise ValueError(
            f"{twice[0]} would be drawn over another {twice[0].stem}; redraw it apart"
        )
    return found


def _numbers(file: Path) -> Any:
    """Return the table of a panel; matplotlib would draw a text among numbers as a place of its own."""
    import pandas as pd

    table = pd.read_csv(regular(file, text=True))
    if len(table.columns) == 1 and {";", "\t"} & set(table.columns[0]):
        raise ValueError("its columns must be separated by commas")
    if table.empty:
        raise ValueError("it has no rows")
    for name in table.select_dtypes(exclude=["number", "bool"]).columns.difference(NAMED):
        values = table[name].dropna()
        read = pd.to_numeric(values, errors="coerce")
        if read.isna().any() and read.notna().sum() >= read.isna().sum():  # else they are names
            row = values.index[read.isna()][0]
            line = _lines(file)[row + 1]
            raise ValueError(f"{name} is {values[row]!r} in line {line}; it must be a number")
    return table


def _lines(file: Path) -> list[int]:
    """Return in which lines the rows of a table end, its head first; empty lines are no rows."""
    rows = csv.reader(io.StringIO(read_text(file), newline=""))
    return [rows.line_num for row in rows if "".join(row).strip() or len(row) > 1]


def _said(file: Path) -> dict[str, Any]:
    """Return what the index of a table's folder says of it, if there is one."""
    index = file.parent / INDEX
    if not index.is_file():
        return {}
    try:
        panels = json.loads(read_text(index))["panels"]
        said = [about.get("said", {}) for about in panels if about["panel"] == file.stem]
        return dict(said[0]) if said else {}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{index} is damaged ({one_line(error)})") from error
