"""``modnav evaluate``: run every checkpoint of trained runs on the fixed test trials."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import TextColumn, TimeRemainingColumn

from modnav.errors import InterruptedRunError, ProcessLostError, require
from modnav.evaluation import EXTENSIVE_TRIALS, TRIALS
from modnav.machine import cores
from modnav.runs import (
    RunEvaluation,
    Suite,
    WorkerPool,
    best_of_run,
    evaluated,
    find_runs,
    modules_of,
    plan_evaluations,
)

from .refused import Parser
from .terminal import best_table, progress_bar, tell_unwatched, wide_console

SHARE = 20
"""Checkpoints for each process; for fewer it takes longer to start than to do them."""

LINE = 20
"""Checkpoints after which a line is printed where nobody looks at a terminal."""


def main(args: Sequence[str]) -> None:
    """Run the command."""
    given = _parser().parse_args(args)
    for name, value, most in (("trials", given.trials, 1_000_000), ("jobs", given.jobs, 1024)):
        if value is not None:
            require(f"--{name}", value, 1, most)
    trials = given.trials or (EXTENSIVE_TRIALS if given.extensive else TRIALS)
    suite = Suite(given.task, given.extensive, trials)
    runs = find_runs(given.runs, pre=given.pre)
    planned = plan_evaluations(runs, suite, given.out, overwrite=given.overwrite)
    with WorkerPool(given.jobs or _processes(planned), modules_of(planned)) as pool:
        failures = _evaluate(planned, suite, pool)
    _report(planned, given.out)
    if failures:
        raise ValueError(f"{len(failures)} could not be evaluated; the first: {failures[0]}")


def add_curves(parser: argparse.ArgumentParser, *, task: str, extensive: str, out: str) -> None:
    """Add what ``modnav best`` has too: options that say which training curves, with what they are for."""
    add = parser.add_argument
    kinds = ("gain", "perturbation")
    add("--task", choices=kinds, default="gain", help=f"{task} (default: gain)")
    add("--extensive", action="store_true", help=extensive)
    add("--out", type=Path, default=Path(), metavar="FOLDER", help=f"{out} (default: this one)")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="modnav evaluate",
        description="Run every checkpoint of trained runs on one fixed set of trials, with the "
        "noise of its training, and write training curves. What is there already is kept.",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="folder of a run (runs/NAME/seedK), a folder of such, or a checkpoint",
    )
    add_curves(
        parser,
        task="what to test on",
        extensive="test on gains 1, 2, 3, 4, or perturbation levels 0, 1, 2",
        out="folder to put training_curve/ in, and notes about it into made_by_modnav/ beside it",
    )
    parser.add_argument(
        "--trials",
        type=int,
        metavar="N",
        help=f"trials of each test task (default: {TRIALS}, extensive {EXTENSIVE_TRIALS})",
    )
    parser.add_argument(
        "--pre",
        action="store_true",
        help="evaluate the checkpoints of phase I too, into a folder that ends in _pre",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="start anew where there are curves already"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="processes (default: more than one where it pays)"
    )
    return parser


def _processes(planned: Sequence[RunEvaluation]) -> int:
    """Return how many processes pay."""
    return max(1, min(cores(), sum(len(each.todo) for each in planned) // SHARE))


def _evaluate(planned: Sequence[RunEvaluation], suite: Suite, pool: WorkerPool) -> list[str]:
    """Evaluate what is left to do, and return why checkpoints could not be."""
    console, failures, done = Console(markup=False), [], 0
    total = sum(len(each.todo) for each in planned)
    bar = progress_bar(console, TextColumn("checkpoints, left"), TimeRemainingColumn())
    shown = bar.add_task(f"{suite.test}, {suite.trials} trials each", total=total)
    try:
        with bar:
            for each, episode, found in evaluated(planned, suite, pool):
                if isinstance(found, str):
                    failures.append(found)
                else:
                    each.curve.add(episode, *found)
                done += 1
                bar.update(shown, advance=1, description=f"{each.architecture} {each.run.seed}")
                if done % LINE == 0 or done == total:
                    tell_unwatched(console, f"{done} of {total} checkpoints")
    except ProcessLostError as error:
        raise OSError(f"{error} {done} of {total} checkpoints are done; {_GO_ON}") from error
    except KeyboardInterrupt:
        raise InterruptedRunError(
            f"interrupted after {done} of {total} checkpoints; {_GO_ON}"
        ) from None
    return failures


_GO_ON = "the same command goes on (without --overwrite)"


def _report(planned: Sequence[RunEvaluation], out: Path) -> None:
    """Print a table of each folder of curves."""
    console = wide_console()
    folders = dict.fromkeys(each.curve.path.parent for each in planned if each.curve.rows)
    for folder in folders:
        there = [w for w in planned if w.curve.path.parent == folder and w.curve.rows]
        agents = [
            best_of_run(w.curve.table(), w.architecture, w.run.seed, w.run.checkpoints)
            for w in there
        ]
        notes = [f"{len(w.curve.rows)} (+{len(w.todo)})" for w in there]
        title = f"{folder.relative_to(out)}: best checkpoints"
        console.print(best_table(title, agents, notes))
        console.print(f"training curves: {folder}", soft_wrap=True, highlight=False)
