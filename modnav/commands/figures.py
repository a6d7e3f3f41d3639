"""``modnav figures``: draw the study's figures from trained runs."""

import argparse
import json
import os
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import TimeElapsedColumn

from modnav.errors import InterruptedRunError, require
from modnav.files import write_text_atomically
from modnav.machine import cores, threads

from .refused import Parser
from .terminal import progress_bar, tell_unwatched

INDEX = "figures.json"
"""What was drawn and what was missing, in the folder of the figures."""


def main(args: Sequence[str]) -> None:
    """Run the command."""
    complain(draw_figures(options("figures", args)))


def options(command: str, args: Sequence[str]) -> argparse.Namespace:
    """Return the options of a command that draws figures, checked.

    Raises:
        ValueError: If they are not allowed.
    """
    from modnav.analysis import FIGURES

    given = _parser(command, list(FIGURES)).parse_args(args)
    for name, most in (("trials", 1_000_000), ("workers", 1024)):
        value = getattr(given, name)
        if value is not None:
            require(f"--{name}", value, 1, most)
    for path in given.runs:
        if not path.is_dir():
            raise ValueError(f"RUNS is {path}; it must be a folder of runs")
    if given.monkey is not None and not given.monkey.is_dir():
        raise ValueError(f"--monkey is {given.monkey}; it must be a folder")
    given.figure = given.figure or list(FIGURES)
    return given


def complain(failed: Sequence[str]) -> None:
    """Complain about panels that failed, if any did."""
    if failed:
        raise ValueError(
            f"panels that failed: {len(failed)}; the others are drawn. The first: {failed[0]}"
        )


def _parser(command: str, figures: Sequence[str]) -> Parser:
    parser = Parser(
        prog=f"modnav {command}",
        description="Draw the study's figures from trained runs: PDF, PNG and CSV of each panel. "
        "What was simulated is kept, so that the same command goes on where it ended.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("runs", nargs="+", type=Path, metavar="RUNS", help="folder of runs, or the study's data")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the panels go")
    add(
        "--figure",
        action="append",
        choices=figures,
        metavar="N",
        help=f"figure to draw with its supplements: {', '.join(figures)}; may be given more than "
        "once (default: all)",
    )
    add(
        "--monkey",
        type=Path,
        metavar="FOLDER",
        help="animals: Bruno/bruno_normal_trajectory_paper.pkl and the like, or tables of "
        "`modnav import-monkey` in Bruno/normal",
    )
    add(
        "--published",
        action="store_true",
        help="do as published also where that has a flaw, see analysis/PITFALLS.md",
    )
    add("--trials", type=int, metavar="N", help="most trials per condition, for a quick look")
    add("--workers", type=int, metavar="N", help="processes (default: one for each core)")
    add(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="where simulations are kept (default: OUT/cache); it may be deleted",
    )
    return parser


def draw_figures(given: argparse.Namespace) -> list[str]:
    """Draw panels one after the other, and return why some failed.

    Raises:
        ValueError: If a folder holds no runs.
        InterruptedRunError: If it was interrupted; what was drawn is kept.
    """
    from modnav.analysis import panels_of
    from modnav.analysis.study import Study, strangers

    panels = [(name, panel) for name in given.figure for panel in panels_of(name)]
    console, failed, drawn = Console(markup=False), [], []
    bar = progress_bar(console, TimeElapsedColumn())
    outer = bar.add_task("panels", total=len(panels))
    inner = bar.add_task("simulations", total=None, visible=False)

    def shown(what: str, done: int, total: int) -> None:
        bar.update(inner, description=what, completed=done, total=total, visible=done < total)

    study = Study(
        given.runs,
        given.cache or given.out / "cache",
        given.monkey,
        given.published,
        given.trials,
        given.workers or cores(),
        shown,
    )
    try:
        with bar, study, threads(1):
            for figure, panel in panels:
                bar.update(outer, description=f"panel {panel.name}")
                about = _drawn(panel, study, given.out)
                drawn.append({"figure": figure, **about})
                _write_index(given, drawn)
                if about["error"]:
                    failed.append(f"{panel.name}: {about['error']}")
                bar.advance(outer)
                tell_unwatched(console, _line(about))
    except KeyboardInterrupt:
        raise InterruptedRunError(
            f"interrupted after {len(drawn)} of {len(panels)} panels; the same command goes on"
        ) from None
    _report(console, drawn, given.out, strangers(study.members))
    return failed


def _drawn(panel: Any, study: Any, out: Path) -> dict[str, Any]:
    """Draw a panel and return what became of it."""
    from modnav.analysis.drawing import blank, clear, draw
    from modnav.analysis.study import Missing

    begun = time.monotonic()
    error, whole, caption, said = "", True, panel.caption, {}
    try:
        clear(panel, out)
        try:
            made = draw(panel, study, out)
            missing, caption, said = list(made.missing), made.caption, dict(made.said)
        except Missing as reason:
            blank(panel, str(reason), out)
            missing, whole = [str(reason)], False
    except Exception as reason:  # noqa: BLE001 - whatever it is, the other panels are drawn
        if os.environ.get("MODNAV_TRACEBACK"):
            traceback.print_exc()
        error = " ".join(str(reason).split()) or type(reason).__name__
        missing, whole = [], False
        with suppress(OSError):
            clear(panel, out)  # half of a panel is none
    seconds = round(time.monotonic() - begun, 1)
    return {
        "panel": panel.name,
        "title": panel.title,
        "caption": caption,
        "said": said,
        "drawn": whole,
        "missing": missing,
        "error": error,
        "seconds": seconds,
    }


def _write_index(given: argparse.Namespace, drawn: Sequence[dict[str, Any]]) -> None:
    content = {
        "runs": [str(path) for path in given.runs],
        "published": given.published,
        "trials": given.trials,
        "panels": list(drawn),
    }
    write_text_atomically(json.dumps(content, indent=1) + "\n", given.out / INDEX)


def _line(about: dict[str, Any]) -> str:
    told = about["error"] and f"failed: {about['error']}"
    told = told or "; ".join(about["missing"]) or "complete"
    return f"{about['panel']} ({about['seconds']:.0f} s): {told}"


def _report(
    console: Console, drawn: Sequence[dict[str, Any]], out: Path, others: Sequence[str]
) -> None:
    """Print what was missing, where the panels are, and which architectures most do not show."""
    if console.is_terminal:
        for about in drawn:
            if about["missing"] or about["error"]:
                console.print(_line(about), soft_wrap=True, highlight=False)
    whole = sum(not about["missing"] and not about["error"] for about in drawn)
    there = sum(about["drawn"] for about in drawn)
    console.print(
        f"{there} of {len(drawn)} panels drawn, {whole} complete: {out}",
        soft_wrap=True,
        highlight=False,
    )
    if others:
        told = f"panels of seeds and effects alone show {', '.join(others)}: not of the study"
        console.print(told, soft_wrap=True, highlight=False)
