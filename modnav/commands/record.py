"""``modnav record``: tables of trials, steps and units of an agent."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from modnav.recording import layers_of, recordings
from modnav.runs import load_agent, seed_of
from modnav.tables import Recording, claim, read_table, reward_rate, write_tables

from .arguments import taken_checkpoint
from .refused import Parser
from .session_options import add_conditions, intervened, notes_of, session_of, tell_parts
from .terminal import shown_progress, tell_sizes


def main(args: Sequence[str]) -> None:
    """Run the command."""
    given = _parser().parse_args(args)
    if given.no_units and given.layers is not None:
        raise ValueError("--no-units and --layers are given; record layers or no units")
    claim(given.out, overwrite=given.overwrite)
    session = session_of(given)
    given.checkpoint = taken_checkpoint(given.checkpoint)
    agent = load_agent(given.checkpoint)
    tell_parts(given.checkpoint)
    layers = [] if given.no_units else given.layers and given.layers.split(",")
    layers_of(agent, layers)  # complains before any work is done
    with intervened(agent, given), shown_progress("trials", len(session)) as progress:
        parts: Iterator[Recording] = recordings(agent, session, layers=layers, progress=progress)
        if (seed := seed_of(given.checkpoint)) is not None:
            parts = (part._replace(trials=part.trials.assign(seed=seed)) for part in parts)
        notes = notes_of(given, agent, session)
        files = write_tables(given.out, parts, notes=notes, overwrite=given.overwrite)
    _report(files)


def _parser() -> Parser:
    what = "Write tables of the trials, steps and unit activity of an agent."
    parser = Parser(prog="modnav record", description=what, allow_abbrev=False)
    add_conditions(parser, "500, or all of --targets")
    add = parser.add_argument
    add("--layers", metavar="NAMES", help="layers to record, e.g. actor.belief,critic.belief; all")
    add("--no-units", action="store_true", help="record no units, which take most of the space")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the tables go")
    add("--overwrite", action="store_true", help="replace tables that are there")
    return parser


def _report(files: Sequence[Path]) -> None:
    trials = read_table(files[0], "trials")
    print(
        f"{len(trials)} trials, {trials['rewarded'].mean():.1%} rewarded, "
        f"{reward_rate(trials):.3f} rewards/s, {trials['steps'].sum()} steps"
    )
    tell_sizes(files)
