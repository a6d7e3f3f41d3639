"""Trained runs as evaluation sees them: checkpoints by trial, seed, and what they were trained on."""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from modnav.files import one_line, read_yaml
from modnav.task import AbstractMotion, AbstractReward, TaskParameters, rebuild_part

from .checkpoints import read

__all__ = [
    "CONFIG",
    "RunFiles",
    "TrainedRun",
    "find_files",
    "find_runs",
    "own_parts_of",
    "seed_of",
    "task_of",
]

CONFIG = "config.yaml"
"""Configuration in the folder of a run."""

_NAME = re.compile(r"(?P<episode>[0-9]+)(?P<pre>_pre)?\.ckpt")
_DIGITS = 15
_PARTS: dict[str, Any] = {"reward": AbstractReward, "motion": AbstractMotion}
_SEED = re.compile(r"seed(\d+)")


class RunFiles(NamedTuple):
    """Checkpoints of one training, as :class:`TrainedRun`, whose configuration was not read."""

    folder: Path
    pre: bool
    checkpoints: dict[int, Path]


@dataclass(frozen=True)
class TrainedRun:
    """Checkpoints of one training, of phase I or of what followed.

    Attributes:
        folder: Folder of the run.
        seed: Seed of the training.
        task: What the agent was trained on.
        discount: Discount per step.
        pre: Whether the checkpoints are those of phase I.
        checkpoints: Files by index of the trial that they follow, in order.
    """

    folder: Path
    seed: int
    task: TaskParameters
    discount: float
    pre: bool
    checkpoints: dict[int, Path]

    def about(self) -> Mapping[str, Any]:
        """Return what the first sound checkpoint says of its agent: ``architecture``, ``agent``.

        Raises:
            ValueError: If none can be read, or is a checkpoint of modnav.
        """
        first: ValueError | None = None
        for checkpoint in self.checkpoints.values():
            try:
                return read(checkpoint).about
            except ValueError as error:
                first = first or error
        raise first or ValueError(f"{self.folder} holds no checkpoint")


def find_runs(paths: Iterable[str | os.PathLike[str]], *, pre: bool = False) -> list[TrainedRun]:
    """Return the runs in some folders.

    Args:
        paths: Folders of runs, folders of such, or single checkpoints, which stand for a run that
            has no other. A run that is found twice is taken once.
        pre: Whether the checkpoints of phase I are taken too, as runs of their own.

    Returns:
        The runs, in the order of ``paths`` and by name in each. What is no run in a folder that
        holds others, as it has no configuration, is left out, with a line on stderr.

    Raises:
        ValueError: If there is nothing at a path, a run cannot be read, or what was trained cannot
            be told of what is itself named, or of all in a folder.
    """
    named = [Path(path) for path in paths]
    found, faults = [], dict[Path, ValueError]()
    for files in find_files(named, pre=pre):
        try:
            found.append(_run(*files))
        except ValueError as error:
            if (files.folder / CONFIG).is_file():
                raise  # it is a run, and what is made of the others would lack it
            faults.setdefault(files.folder, error)
    _check_left(named, {run.folder for run in found}, faults)
    for fault in faults.values():
        shown = "".join(c if c.isprintable() else "?" for c in str(fault))
        print(f"modnav: left out: {shown}", file=sys.stderr)
    return found


def _check_left(paths: Iterable[Path], left: set[Path], faults: Mapping[Path, ValueError]) -> None:
    """Raise the first fault of a path in which nothing is left."""
    for path in map(Path.absolute, paths):
        if not any(path in (folder, *folder.parents) for folder in left):
            for folder, error in faults.items():
                if path in (folder, *folder.parents) or folder in path.parents:
                    raise error


def find_files(paths: Iterable[Path], *, pre: bool = False) -> list[RunFiles]:
    """Return the checkpoints in some folders, by run, as :func:`find_runs`; no file is read.

    Raises:
        ValueError: If there is nothing at a path.
    """
    found: dict[tuple[Path, bool], dict[int, Path]] = {}
    for path in paths:
        for file in _checkpoints(path, pre):
            name = _parsed(file)
            files = found.setdefault((_folder(file), bool(name["pre"])), {})
            files.setdefault(int(name["episode"]), file)
    return [RunFiles(*key, dict(sorted(files.items()))) for key, files in found.items()]


def _checkpoints(path: Path, pre: bool) -> list[Path]:
    if path.is_file():
        _parsed(path)
        return [path]
    if not path.is_dir():
        raise ValueError(f"RUN is {path}; there is no such file or folder")
    files = sorted(f for f in path.rglob("*.ckpt") if _NAME.fullmatch(f.name))
    chosen = [f for f in files if pre or not _parsed(f)["pre"]]
    if files and not chosen:
        raise ValueError(f"{path} holds checkpoints of phase I only; --pre takes them too")
    if not files:
        raise ValueError(f"{path} holds no checkpoints, files such as checkpoints/00499.ckpt")
    return chosen


def _parsed(file: Path) -> re.Match[str]:
    found = _NAME.fullmatch(file.name)
    if found is None or len(found["episode"]) > _DIGITS:
        raise ValueError(
            f"RUN is {file}; the name of a checkpoint must be its trial, such as 00499.ckpt, of at "
            f"most {_DIGITS} digits"
        )
    return found


def _folder(file: Path) -> Path:
    """Return the folder of a checkpoint's run: the nearest with a configuration."""
    parents = file.absolute().parents[:2]
    return next((p for p in parents if (p / CONFIG).is_file()), parents[0])


def seed_of(checkpoint: Path) -> int | None:
    """Return the seed of a checkpoint's training by the run that it lies in; None if that has none."""
    folder = _folder(checkpoint)
    if named := _SEED.fullmatch(folder.name):
        return int(named[1])
    seed = (
        read_yaml(folder / CONFIG).get("seed_everything") if (folder / CONFIG).is_file() else None
    )
    return seed if isinstance(seed, int) else None


def own_parts_of(checkpoint: Path) -> dict[str, str]:
    """Return the classes of one's own in the task of the run that a checkpoint lies in, by key.

    They are read as names: nothing is imported.
    """
    config = _folder(checkpoint) / CONFIG
    values = read_yaml(config) if config.is_file() else {}
    task = _section(_section(values, "data"), "task")
    found = {key: _section(task, key).get("class_path") for key in _PARTS}
    return {key: one_line(path) for key, path in found.items() if path}


def _run(folder: Path, pre: bool, files: dict[int, Path]) -> TrainedRun:
    config = _config(folder, next(iter(files.values())))
    where = folder / CONFIG
    named = _SEED.fullmatch(folder.name)
    seed = named[1] if named else str(config.get("seed_everything"))
    if not seed.isdecimal():
        told = one_line(seed)
        raise ValueError(f"{where}: seed_everything is {told}; the seed of a run must be a number")
    discount = _section(config, "model").get("discount", 0.97)
    if not isinstance(discount, (int, float)) or not 0 <= discount <= 1:
        raise ValueError(f"{where}: model.discount is {one_line(discount)}; it must be in [0, 1]")
    task = task_of(config, where)
    return TrainedRun(folder, int(seed), task, discount, pre, files)


def _config(folder: Path, checkpoint: Path) -> dict[str, Any]:
    """Return the configuration of a run, or as much of it as a checkpoint tells by itself."""
    path = folder / CONFIG
    if not path.is_file():
        about = read(checkpoint).about
        if not about.get("task"):
            raise ValueError(
                f"{checkpoint} lies in no run: there is no config.yaml that tells its task"
            )
        seed = _section(about, "origin").get("seed")
        return {"seed_everything": seed, "data": {"task": about["task"]}}
    return read_yaml(path)


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    return section if isinstance(section, Mapping) else {}


def task_of(config: Mapping[str, Any], where: Path) -> TaskParameters:
    """Return what a run was trained on.

    Args:
        config: Its configuration.
        where: The file of it, for messages.

    Raises:
        ValueError: If that is no task.
    """
    values = _section(_section(config, "data"), "task")
    known = {field.name for field in fields(TaskParameters)}
    unknown = sorted(str(name) for name in values if name not in known)
    if unknown:
        names = one_line(", ".join(unknown))
        raise ValueError(f"{where}: data.task holds {names}, which a task has not")
    constants: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
    }
    try:
        for key, kind in _PARTS.items():
            if isinstance(constants.get(key), Mapping):
                constants[key] = rebuild_part(constants[key], kind)
        return TaskParameters(**constants)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {one_line(error)}") from error
