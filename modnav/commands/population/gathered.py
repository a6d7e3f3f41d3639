"""What is shown of a population: how its members stand meanwhile, and what came of them."""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text
from typing_extensions import Self

from modnav.callbacks.figures import learning_curves, save_figure
from modnav.commands.terminal import plain_table, wide_console
from modnav.files import replacing
from modnav.runs import RunFolder, validations

from .members import Member, Outcome, runs_in, seed_of

LINE_S = 60.0
"""Time between two lines where nobody looks at a terminal, s."""

VALIDATIONS, CURVES = "validations.csv", "learning_curves.png"
"""Files of all members of a folder."""

REFRESH_S = 1.0
"""Time between two looks at how members stand, s."""


class Display:
    """Show how all members stand; use it as a context."""

    def __init__(self, members: Sequence[Member], left_alone: Sequence[Outcome]) -> None:
        self._members, self._left_alone = members, left_alone
        self._console = Console(markup=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._shown_at = time.monotonic() if not self._console.is_terminal else 0.0

    def __enter__(self) -> Self:
        """Begin."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._live.stop()

    def ended(self, outcome: Outcome) -> None:
        """Tell at once that a member failed."""
        if outcome.status:
            text = f"{outcome.member.folder} failed ({outcome.status}): {outcome.reason}"
            self._console.print(text, style="red", soft_wrap=True, highlight=False)

    def show(self, running: Sequence[Member], outcomes: Sequence[Outcome]) -> None:
        """Show how members stand, unless that was shown just before."""
        now = time.monotonic()
        terminal = self._console.is_terminal
        if now - self._shown_at < (REFRESH_S if terminal else LINE_S):
            return
        self._shown_at = now
        every = [*outcomes, *self._left_alone]
        lines = standing(self._members, every, {m: read_report(m) for m in running})
        if terminal:
            self._live.update(Text("\n".join(lines)), refresh=True)
        else:
            self._console.print("  ".join(lines), soft_wrap=True, highlight=False)


def read_report(member: Member) -> dict[str, Any]:
    """Return what :class:`modnav.callbacks.MemberReport` wrote last; nothing if it did not yet."""
    told = RunFolder(member.folder).told()
    return told if told.get("phase") in (1, 2, 3) else {}


def standing(
    members: Sequence[Member], ended: Sequence[Outcome], running: dict[Member, dict[str, Any]]
) -> tuple[str, str]:
    """Return two lines on how members stand.

    The time left is that of phases II and III of all that have not ended, at the present speed; of
    phase I nobody knows how long it takes.

    Args:
        members: Members that are trained.
        ended: How members ended, also those that were left alone.
        running: Reports of those that run; empty before the first.
    """
    reports = [report for report in running.values() if report]
    phases = Counter(report["phase"] for report in reports)
    finished = sum(outcome.status == 0 for outcome in ended)
    gone = {outcome.member for outcome in ended}
    waiting = [m for m in members if m not in gone and not running.get(m)]
    counts = {"waiting": len(waiting)}
    counts |= {f"in phase {'I' * phase}": phases[phase] for phase in (1, 2, 3)}
    counts |= {"finished": finished, "failed": len(ended) - finished}
    numbers = []
    if fractions := [r["reward_fraction"] for r in reports if "reward_fraction" in r]:
        middle = statistics.median(fractions)
        numbers.append(f"rewarded {middle:.0%} ({min(fractions):.0%} to {max(fractions):.0%})")
    numbers.append(f"{sum(r.get('updates_per_s', 0) for r in reports):,.0f} updates/s")
    speed = sum(r.get("trials_per_s", 0) for r in reports)
    done = sum(r["trials"] for r in reports if r["phase"] > 1)
    todo = sum(m.trials for m in members if m not in gone) - done
    if speed > 0:
        numbers.append(f"{timedelta(seconds=round(todo / speed))} left after phase I")
    return ", ".join(f"{n} {what}" for what, n in counts.items()), ", ".join(numbers)


def gather(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Print a table of the members in a folder; write the validations of all, and a figure of them.

    Args:
        folder: Folder of the members' folders; others than these may have been trained before, or
            are by another command.
        outcomes: How they ended.
    """
    tables = {seed_of(path): validations(path) for path in runs_in(folder)}
    tables |= {x.member.seed: validations(x.member.folder) for x in outcomes}
    tables = dict(sorted(tables.items()))
    console = wide_console()
    console.print(_table(folder, outcomes, tables))
    found = {seed: table for seed, table in tables.items() if not table.empty}
    if not found:
        return
    whole = pd.concat(found, names=["seed"]).reset_index("seed")
    with replacing(folder / VALIDATIONS) as temporary:
        whole.to_csv(temporary, index=False)
    save_figure(learning_curves(whole), folder / CURVES)
    console.print(f"learning curves: {folder / CURVES}", soft_wrap=True)
    console.print(f"validations:     {folder / VALIDATIONS}", soft_wrap=True)


def _table(folder: Path, outcomes: Sequence[Outcome], tables: dict[int, pd.DataFrame]) -> Table:
    last = {x.member.seed: _last(tables[x.member.seed]) for x in outcomes}
    tasks = list(dict.fromkeys(task for rows in last.values() for task in rows.index))
    caption = "rewards per second, and rewarded fraction, in the last selection at each gain"
    table = plain_table(str(folder), ("seed", "phase", "trials", *tasks), 0, caption)
    table.add_column("ended")
    for outcome in sorted(outcomes, key=lambda x: x.member.seed):
        rows = last[outcome.member.seed]
        cells = ["", ""]
        if not rows.empty:
            cells = ["I" * int(rows["phase"].iloc[0]), f"{rows['trials'].iloc[0]:,}"]
        for task in tasks:
            row = rows.loc[task] if task in rows.index else None
            cells.append(
                "" if row is None else f"{row.reward_rate:.2f} {row.reward_fraction:>4.0%}"
            )
        ended = f"failed ({outcome.status}): {outcome.reason}" if outcome.status else "finished"
        table.add_row(str(outcome.member.seed), *cells, Text(ended))
    return table


def _last(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last selection, by test task."""
    if table.empty:
        return table
    chosen = table[table["validation"] == "selection"]
    return chosen[chosen["total_trials"] == chosen["total_trials"].max()].set_index("task")
