"""``modnav best``: the checkpoint that stands for each seed and each architecture."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modnav.files import in_shell, plain_target, read_text, write_text_atomically
from modnav.runs import (
    Best,
    CurveLocation,
    TrainedRun,
    best_of_run,
    best_seeds,
    digest,
    find_runs,
    notes_path,
    read_curve,
)

from .evaluate import add_curves
from .refused import Parser
from .terminal import best_table, wide_console


def main(args: Sequence[str]) -> None:
    """Run the command."""
    given = _parser().parse_args(args)
    groups: dict[Path, list[Best]] = {}
    for run in find_runs(given.runs):
        location = CurveLocation(given.task, run.task, given.extensive)
        groups.setdefault(location.folder(given.out), []).append(_best(run, location, given))
    on = "+".join(given.on) if given.on else "all test tasks"
    if given.json != "-":
        console = wide_console()
        for folder, agents in groups.items():
            title = f"{folder.relative_to(given.out)}: highest reward rate on {on}"
            console.print(best_table(title, agents))
            for agent in best_seeds(agents):
                text = f"best {agent.architecture}: seed {agent.seed}, {agent.checkpoint}"
                console.print(text, soft_wrap=True, highlight=False)
    if given.json:
        text = json.dumps(
            [_plain(folder, agents, given) for folder, agents in groups.items()], indent=2
        )
        if given.json == "-":
            print(text)
        else:
            write_text_atomically(text + "\n", plain_target(Path(given.json)))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="modnav best",
        description="Find the checkpoint with the highest reward rate of each run and of each "
        "architecture, from the training curves that `modnav evaluate` makes.",
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="folder of a run, or of runs"
    )
    add_curves(
        parser,
        task="task of the curves",
        extensive="take the curves on the extensive test tasks",
        out="folder that training_curve/ is in",
    )
    parser.add_argument(
        "--on",
        action="append",
        metavar="TEST",
        help="test task to select by, e.g. gain1x; may be given more than once; their reward "
        "rates are summed (default: all in the curve)",
    )
    parser.add_argument(
        "--before", type=int, metavar="N", help="take checkpoints before this trial only"
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write the result there too; - prints it alone"
    )
    return parser


def _best(run: TrainedRun, location: CurveLocation, given: argparse.Namespace) -> Best:
    architecture = str(run.about()["architecture"])
    path = location.file(given.out, architecture, run.seed)
    if not path.is_file():
        raise ValueError(f"{path} is missing; make it with `{_command(run, given)}`")
    try:
        best = best_of_run(
            read_curve(path), architecture, run.seed, run.checkpoints, given.on, given.before
        )
    except ValueError as error:
        named = "" if str(path) in str(error) else f"{path}: "
        raise ValueError(f"{named}{error}") from error
    _is_of(run, path, _command(run, given), given.before)
    if best.checkpoint is None:
        raise ValueError(
            f"{path} says trial {best.episode} is best, but {run.folder} has no such checkpoint"
        )
    return best


def _is_of(run: TrainedRun, path: Path, command: str, before: int | None) -> None:
    """Check that a curve is of this run's checkpoints, all of them; one of the study, without notes, passes."""
    about = notes_path(path)
    if not about.is_file():
        return
    try:
        known = dict(json.loads(read_text(about)).get("checkpoints", {}))
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"{about} is damaged; make it anew with `{command} --overwrite`"
        ) from error
    for episode, file in run.checkpoints.items():
        if before is not None and episode >= before:
            continue
        if str(episode) not in known:
            raise ValueError(f"{path} lacks trial {episode}; make it whole with `{command}`")
        if known[str(episode)] != digest(file):
            raise ValueError(f"{path} is not of {file}; make it anew with `{command} --overwrite`")


def _command(run: TrainedRun, given: argparse.Namespace) -> str:
    words = ["modnav evaluate", in_shell(run.folder)]
    words += ["--task perturbation"] * (given.task == "perturbation")
    words += ["--extensive"] * given.extensive
    words += [f"--out {in_shell(given.out)}"] * (given.out != Path())
    return " ".join(words)


def _plain(folder: Path, agents: Sequence[Best], given: argparse.Namespace) -> dict[str, Any]:
    """Return what was found in a folder of curves as JSON holds it."""
    return {
        "curves": str(folder),
        "on": given.on or list(agents[0].reward_rate),
        "before": given.before,
        "seeds": [agent.plain() for agent in agents],
        "architectures": {a.architecture: a.plain() for a in best_seeds(agents)},
    }
