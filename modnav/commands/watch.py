"""``modnav watch``: an animation of a few trials of an agent, seen from above."""

from collections.abc import Sequence
from pathlib import Path

from modnav.files import check_writable
from modnav.recording import belief_layer, filter_belief, read_out_belief, record
from modnav.recording.animation import HELD_FRAMES, animate, movie_writer
from modnav.runs import load_agent

from .arguments import taken_checkpoint
from .refused import Parser
from .session_options import add_conditions, intervened, session_of, tell_parts
from .terminal import shown_progress, tell_sizes

TRIALS = 4
"""Trials shown unless said otherwise."""


def main(args: Sequence[str]) -> None:
    """Run the command."""
    given = _parser().parse_args(args)
    movie_writer(given.out, 1)  # complains before any work is done
    if given.out.exists() and not given.overwrite:
        raise ValueError(f"{given.out} exists; choose another file or --overwrite")
    session = session_of(given, TRIALS)
    given.checkpoint = taken_checkpoint(given.checkpoint)
    agent = load_agent(given.checkpoint)
    tell_parts(given.checkpoint)
    check_writable(given.out)
    with intervened(agent, given):
        layer = None if given.no_belief else belief_layer(agent)
        recording = record(agent, session, layers=[layer] if layer else [])
        trials, steps, _ = recording
        belief = None
        if not given.no_belief and "kalman_x_cm" in steps:
            belief = filter_belief(trials, steps)
        elif layer:
            belief = read_out_belief(agent, recording, session.task, given.seed + 1)
    with shown_progress("frames", int(trials["steps"].max()) + HELD_FRAMES) as progress:
        animate(
            trials,
            steps,
            given.out,
            belief=belief,
            reward_zone_cm=session.task.reward_zone_radius_cm,
            dpi=given.dpi,
            progress=progress,
        )
    tell_sizes([given.out])


def _parser() -> Parser:
    what = "Make an animation of a few trials of an agent, seen from above."
    parser = Parser(prog="modnav watch", description=what, allow_abbrev=False)
    add_conditions(parser, str(TRIALS))
    add = parser.add_argument
    add(
        "--no-belief",
        action="store_true",
        help="do not show the belief: that of the Kalman filter, or what a linear read-out finds "
        "in the actor's recurrent units, with an ellipse of 2 standard deviations",
    )
    add("--dpi", type=int, default=100, metavar="N", help="pixels in an inch; 100")
    add("--out", type=Path, required=True, metavar="FILE", help="a .gif or .mp4 file")
    add("--overwrite", action="store_true", help="replace a file that is there")
    return parser
