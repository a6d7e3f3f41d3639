"""``modnav import-published``: agents of the study become checkpoints of modnav."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from modnav.files import write_text_atomically
from modnav.networks import Agent, describe_agent
from modnav.published import LAYOUT, Origin, origin_of, published_agent
from modnav.runs import read, save_agent

from .refused import Parser

PublishedCheckpoint = tuple[Path, Origin]
"""A published checkpoint of a run."""


def main(args: Sequence[str]) -> None:
    """Run the command."""
    parser = Parser(
        prog="modnav import-published",
        description="Turn trained agents of the study into checkpoints of modnav.",
    )
    parser.add_argument(
        "source", type=Path, help=f"a .pth.tar file, or a folder with files {LAYOUT}"
    )
    parser.add_argument(
        "--architecture", help="what a file must hold, e.g. Actor3Critic5; found out by default"
    )
    parser.add_argument(
        "--out", type=Path, help="the checkpoint to write; for a folder that of all runs: runs"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")
    given = parser.parse_args(args)
    if given.source.is_dir():
        if given.architecture:
            raise ValueError("--architecture goes with a file; in a folder the paths tell it")
        import_folder(given.source, given.out or Path("runs"), overwrite=given.overwrite)
    elif given.out is None:
        raise ValueError("--out is missing; it must name the checkpoint to write")
    else:
        import_file(given.source, given.out, given.architecture, overwrite=given.overwrite)


def import_file(source: Path, out: Path, architecture: str | None, *, overwrite: bool) -> None:
    """Turn one published checkpoint into one of modnav.

    Raises:
        ValueError: If it cannot be read, or ``out`` exists.
    """
    check_free(out, overwrite)
    try:
        origin = origin_of(source)
    except ValueError:  # it lies elsewhere, and nothing is known but the agent
        agent = published_agent(read(source).content, source, architecture)
        save_agent(agent, out)
    else:
        agent = published_agent(read(source).content, source, architecture or origin.architecture)
        origin = origin._replace(architecture=agent.architecture)
        save_agent(agent, out, task=origin.task_parameters, origin=origin._asdict())
    print(f"{out}: {agent.architecture}")


def check_free(out: Path, overwrite: bool) -> None:
    """Check that a file may be written."""
    if out.is_dir():
        raise ValueError(f"--out is {out}, a folder; it must name a file")
    if out.exists() and not overwrite:
        raise ValueError(f"{out} exists; choose another --out, or replace it with --overwrite")


_OF_TRAINING = ("*.ckpt", "validation.csv", "events.out.tfevents*")
"""What a run that modnav trained leaves and an imported one has not."""


def import_folder(source: Path, out: Path, *, overwrite: bool) -> None:
    """Turn all published checkpoints below a folder into runs of modnav.

    Files that are refused are told about and left out.

    Raises:
        ValueError: If there is no checkpoint; if a run exists, when nothing is written; or, after
            all others were written, if files were refused.
    """
    files = sorted(f for f in source.rglob("*.pth.tar") if not f.name.startswith("."))
    if not files:
        raise ValueError(f"{source} holds no published checkpoints, {LAYOUT}")
    refused: list[str] = []
    runs: dict[Path, list[PublishedCheckpoint]] = {}
    for file in files:
        try:
            origin = origin_of(file)
        except ValueError as error:
            _refuse(error, refused)
        else:
            runs.setdefault(origin.run, []).append((file, origin))
    for run, members in runs.items():
        if any(list((out / run).glob(name)) for name in _OF_TRAINING):
            raise ValueError(f"{out / run} holds a run that modnav trained; choose another --out")
        for path in (Path("config.yaml"), *(origin.checkpoint for _, origin in members)):
            check_free(out / run / path, overwrite)
    for k, (run, members) in enumerate(runs.items()):
        count = _import_run(members, out / run, refused)
        print(f"{out / run}: {count} checkpoints ({k + 1} of {len(runs)} runs)", flush=True)
    if refused:
        raise ValueError(f"{len(refused)} refused; the first: {refused[0]}")


def _refuse(reason: object, refused: list[str]) -> None:
    refused.append(str(reason))
    print(f"modnav: {reason}", file=sys.stderr)


def _import_run(members: list[PublishedCheckpoint], folder: Path, refused: list[str]) -> int:
    """Import the checkpoints of one run and return how many could be."""
    first, origin = members[0]
    for file, other in members:
        if (file.parent, other.stamp) != (first.parent, origin.stamp):
            _refuse(f"{first} and {file} are of two training runs; import them apart", refused)
            return 0
    agent, count = None, 0
    for file, origin in members:
        try:
            agent = published_agent(read(file).content, file, origin.architecture)
        except ValueError as error:
            _refuse(error, refused)
        else:
            path = folder / origin.checkpoint
            save_agent(agent, path, task=origin.task_parameters, origin=origin._asdict())
            count += 1
    if agent is not None:
        _write_config(agent, origin, folder / "config.yaml")
    return count


def _write_config(agent: Agent, origin: Origin, path: Path) -> None:
    """Write what ``modnav validate --ckpt_path`` needs to know about the run."""
    data: dict[str, Any] = {"task": origin.task_parameters}
    if not agent.recurrent:
        data["replay"] = {
            "class_path": "modnav.learning.StepReplay",
            "init_args": {"capacity": 1_600_000, "batch_size": 256},
        }
    config = {"seed_everything": origin.seed, "model": describe_agent(agent), "data": data}
    text = "# Agent and task of a published training run, for `modnav validate --ckpt_path`.\n"
    text += yaml.safe_dump(config, sort_keys=False)
    write_text_atomically(text, path)
