"""What commands show: lines, tables, and progress, also where nobody looks at a terminal."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from modnav.runs import Best


def tell(text: str) -> None:
    """Print a line, once if a run has several processes."""
    if os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes one speaks
        print(text)


def tell_sizes(files: Iterable[Path]) -> None:
    """Print a line for each file that was written, with its size."""
    for file in files:
        size = file.stat().st_size
        print(f"{file}  {size / 1e6:.1f} MB" if size >= 1e6 else f"{file}  {size / 1e3:.1f} kB")


def tell_unwatched(console: Console, text: str) -> None:
    """Print a line at once where nobody looks at a terminal, and so at no bar."""
    if not console.is_terminal:
        print(text, flush=True)


def progress_bar(console: Console, *more: ProgressColumn, lasting: bool = False) -> Progress:
    """Return a bar that shows what is done, how far it is, and more.

    Args:
        console: Where it is shown; nowhere if nobody looks at a terminal, unless it is lasting.
        more: Further columns.
        lasting: Whether its last state stays.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *more)
    hidden = not lasting and not console.is_terminal
    return Progress(*columns, console=console, transient=not lasting, disable=hidden)


@contextmanager
def shown_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show on stderr how far a command is; yields what to tell how many are done."""
    with progress_bar(Console(file=sys.stderr), TimeElapsedColumn(), lasting=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def wide_console() -> Console:
    """Return a console that does not cut tables short where nobody looks at a terminal."""
    console = Console(markup=False)
    return console if console.is_terminal else Console(width=160, markup=False)


def plain_table(title: str, heads: Sequence[str], names: int = 1, caption: str = "") -> Table:
    """Return an empty table; its first columns are of names, the others of numbers."""
    table = Table(title=Text(title), caption=caption or None, box=box.SIMPLE, padding=(0, 0, 0, 1))
    table.title_justify = table.caption_justify = "left"
    for k, head in enumerate(heads):
        table.add_column(head, justify="left" if k < names else "right", no_wrap=k < names)
    return table


def best_table(title: str, agents: Iterable[Best], notes: Sequence[str] = ()) -> Table:
    """Return a table of the best checkpoints, a row each."""
    agents = list(agents)
    tasks = dict.fromkeys(task for agent in agents for task in agent.reward_rate)
    caption = "rewards per second, and rewarded fraction, in each test task; score: sum of rates"
    made = ["made"] if notes else []
    columns = [f"{task}, 1/s" for task in tasks]
    heads = ("architecture", "seed", *made, "best at trial", "score, 1/s", *columns)
    table = plain_table(title, heads, caption=caption)
    for k, agent in enumerate(agents):
        cells = [agent.architecture, str(agent.seed), *notes[k : k + 1]]
        cells += [f"{agent.episode + 1:,}", f"{agent.score:.2f}"]
        for task in tasks:
            rate, fraction = agent.reward_rate.get(task), agent.reward_fraction.get(task)
            cells.append("" if fraction is None else f"{rate:.2f} {fraction:>4.0%}")
        table.add_row(*cells)
    return table
