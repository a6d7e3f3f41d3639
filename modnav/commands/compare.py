"""``modnav compare``: how runs learned beside the study's seeds, or beside other runs."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from .refused import Parser
from .terminal import plain_table, wide_console

STUDY = "study"

OFF_TRAINING = "reward_rate gain2x"
"""Where the study's ordering of architectures is looked for: off the gain of the training."""


def main(args: Sequence[str]) -> None:
    """Run the command: print a table, and write it and a figure."""
    from modnav.analysis.comparison_figure import SEEDS, write_comparison
    from modnav.analysis.sides import runs_side, study_side

    given = _parser().parse_args(args)
    against = [] if given.against == [STUDY] else [Path(path) for path in given.against]
    for path in given.runs:
        if not path.exists():
            raise ValueError(
                f"RUNS is {path}; it must be a folder of runs, or a seeds.csv of them"
            )
    for path in against:
        if not path.exists():
            told = f"it must be {STUDY}, a folder of runs or a seeds.csv of them"
            raise ValueError(f"--with is {path}; {told}")
    written = (given.out / SEEDS).resolve()
    if written in [path.resolve() for path in (*given.runs, *against)]:
        raise ValueError(f"{written} is compared and would be overwritten; give another --out")
    ours, notes = runs_side(given.runs)
    other, more = runs_side(against) if against else (study_side(), [])
    table, files = write_comparison(ours, other, given.out)
    console = wide_console()
    for name, rows in table.groupby("architecture", sort=False):
        console.print(_shown(f"{name}: {ours.name} with {other.name}", rows))
    for line in _orders(ours, other):
        console.print(line, highlight=False)
    left_out = _left_out(ours, other) + (_left_out(other, ours) if against else [])
    for line in (*notes, *more, *left_out, *map(str, files)):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _orders(ours: Any, other: Any) -> list[str]:
    """Return lines on how sure the sides are of the study's order, and how alike their orders are."""
    from modnav.analysis.comparison import AGES, ordering_probability, rank_correlation

    asked = (OFF_TRAINING, AGES[-1])
    where = f"in rewards/s at gain 2 after {AGES[-1]:,} trials"
    lines = []
    sure = [_number(ordering_probability(side, *asked), 2) or "unknown" for side in (ours, other)]
    if sure != ["unknown"] * 2:
        lines.append(
            "probability that modular > Actor1Critic5 > both with holistic critics "
            f"{where}: {sure[0]} (others: {sure[1]})"
        )
    value, count = rank_correlation(ours, other, *asked)
    if shown := _number(value, 2):
        lines.append(
            f"rank correlation of {count} architectures' means with the others', {where}: {shown}"
        )
    return lines


def _left_out(side: Any, other: Any) -> list[str]:
    """Return a line that names the architectures of a side that the other lacks."""
    known = set(other.summary["architecture"])
    names = [name for name in dict.fromkeys(side.summary["architecture"]) if name not in known]
    return [f"left out, as {other.name} has none: {', '.join(names)}"] if names else []


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="modnav compare",
        description="Compare how runs learned with the seeds of the study's first version, or with "
        "other runs: phase I, and 500, 2,500, 5,000 and 10,000 trials after it.",
    )
    add = parser.add_argument
    runs = "folder of a run, or of runs, or the seeds.csv that this command wrote of some"
    add("runs", nargs="+", type=Path, metavar="RUNS", help=runs)
    add(
        "--with",
        dest="against",
        nargs="+",
        default=[STUDY],
        metavar="RUNS2",
        help=f"other runs, likewise, or {STUDY} (the default)",
    )
    out = "folder for comparison.csv, .pdf and .png, and seeds.csv (default: this one)"
    add("--out", type=Path, default=Path(), metavar="FOLDER", help=out)
    return parser


def _shown(title: str, rows: Any) -> Table:
    """Return the table of an architecture."""
    caption = (
        "mean (SD) n; difference in standard errors of both means; P: probability that a run is "
        "better than one of the others, from 5 seeds a side on with 95 % interval"
    )
    heads = ("quantity", "trials", "runs", "others", "difference", "SEM", "P")
    table = plain_table(title, heads, caption=caption)
    for row in rows.to_dict("records"):
        digits = 0 if row["quantity"] == "phase1_trials" else 2
        table.add_row(
            row["quantity"],
            f"{row['trials']:,}",
            _side(row, "", digits),
            _side(row, "_other", digits),
            _number(row["difference"], digits, sign="+"),
            _number(row["in_sem"], 1, sign="+"),
            _between(row, "improvement", "improvement_low", "improvement_high"),
        )
    return table


def _side(row: dict[str, Any], end: str, digits: int) -> str:
    """Return what is known of a side: ``mean (SD) n``, or a share and its interval."""
    number = f" {row[f'n{end}']}"
    if row["quantity"] != "phase1_given_up":
        spread = _number(row[f"sd{end}"], digits)
        return _number(row[f"mean{end}"], digits) + f" ({spread})" * bool(spread) + number
    going = row[f"unfinished{end}"]
    if math.isnan(going):
        return ""  # the study kept no seed that failed
    share = _between(row, f"mean{end}", f"low{end}", f"high{end}")
    return f"{share}{number}" + f", {going:.0f} unfinished" * bool(going)


def _between(row: dict[str, Any], value: str, low: str, high: str) -> str:
    bounds = [_number(row[name], 2) for name in (low, high)]
    return _number(row[value], 2) + f" [{bounds[0]}, {bounds[1]}]" * all(bounds)


def _number(value: float, digits: int, sign: str = "") -> str:
    return "" if math.isnan(value) else f"{value:{sign},.{digits}f}"
