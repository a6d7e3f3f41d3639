"""``modnav import-monkey``: trials of the study's monkeys become tables of modnav."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from modnav.files import one_line
from modnav.published import SAMPLING_HZ, inside, monkey_recordings, read_monkey
from modnav.tables import Recording, claim, read_table, write_tables
from modnav.task import REWARD_ZONE_CM

from .refused import Parser
from .terminal import shown_progress, tell_sizes


def main(args: Sequence[str]) -> None:
    """Run the command."""
    given = _parser().parse_args(args)
    if not given.subject.strip():
        raise ValueError("--subject is empty; it must name the animal")
    claim(given.out, overwrite=given.overwrite)
    frame = read_monkey(given.file)
    if frame.attrs["left_out"]:
        names = one_line(", ".join(frame.attrs["left_out"]))
        print(
            f"modnav: {given.file}: columns that no table has, left out: {names}", file=sys.stderr
        )
    notes = {"source": str(given.file), "subject": given.subject, "sampling_hz": SAMPLING_HZ}
    try:
        parts = _followed(frame, given.subject)
        files = write_tables(given.out, parts, notes=notes, overwrite=given.overwrite)
    except ValueError as error:
        raise ValueError(f"{given.file}: {error}") from error
    _report(files, "rewarded" in frame)


def _parser() -> Parser:
    what = "Turn published trials of a monkey, sampled at 833 Hz, into tables of trials and steps."
    parser = Parser(prog="modnav import-monkey", description=what, allow_abbrev=False)
    add = parser.add_argument
    add("file", metavar="FILE", type=Path, help="a published pickle, *_trajectory_paper.pkl")
    add("--subject", required=True, metavar="NAME", help="name of the animal, e.g. Bruno")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the tables go")
    add("--overwrite", action="store_true", help="replace tables that are there")
    return parser


def _followed(frame: pd.DataFrame, subject: str) -> Iterator[Recording]:
    with shown_progress("trials", len(frame)) as progress:
        done = 0
        for part in monkey_recordings(frame, subject):
            yield part
            done += len(part.trials)
            progress(done)


def _report(files: Sequence[Path], flagged: bool) -> None:
    trials = read_table(files[0], "trials")
    print(
        f"{len(trials)} trials, {trials['rewarded'].mean():.1%} rewarded, "
        f"{trials['steps'].sum()} steps"
    )
    tell_sizes(files)
    odd = int((trials["rewarded"] != inside(trials)).sum()) if flagged else 0
    if odd:
        print(
            f"modnav: {odd} of {len(trials)} trials are flagged as rewarded but end "
            f"{REWARD_ZONE_CM:g} cm or more from the target, or the other way round; "
            "the flags are kept",
            file=sys.stderr,
        )
