"""The checkpoint that stands for a run, where a folder is named in place of a checkpoint."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from modnav.networks import Agent, description_of, name_of

from .checkpoints import read
from .trained import RunFiles, TrainedRun, find_files, find_runs
from .validations import selection_scores, validations

__all__ = [
    "best_run",
    "checkpoint_at",
    "last_or_best",
    "load_agent",
    "lost_validations",
    "runs_at",
    "scores_of",
]


RunT = TypeVar("RunT", TrainedRun, RunFiles)


def runs_at(*paths: Path) -> list[TrainedRun]:
    """Return the runs in some folders, by folder and seed, of phase I only if they have no others.

    Raises:
        ValueError: If there is nothing at a path, or no checkpoint in it.
    """
    runs = _after_phase_one(find_runs(paths, pre=True))
    return sorted(runs, key=lambda run: (run.folder.parent, run.seed))


def _after_phase_one(runs: Sequence[RunT]) -> list[RunT]:
    found: dict[Path, RunT] = {}
    for run in runs:
        if found.setdefault(run.folder, run).pre:
            found[run.folder] = run
    return list(found.values())


def scores_of(run: TrainedRun | RunFiles) -> pd.Series:
    """Return the score of each checkpoint by the selection validation of the training, 1/s."""
    known = selection_scores(validations(run.folder).reset_index(drop=True), pre=run.pre)
    return known[known.index.isin(run.checkpoints)]


def last_or_best(run: TrainedRun | RunFiles) -> int:
    """Return the trial of the checkpoint with the highest score, the first on ties; the last if none has one."""
    scores = scores_of(run)
    return max(run.checkpoints) if scores.empty else int(scores.index[int(scores.argmax())])


def best_run(runs: Sequence[RunT]) -> RunT:
    """Return the run whose best checkpoint has the highest score, the first on ties.

    Raises:
        ValueError: If none was validated.
    """
    tops = [(float(scores.max()), run) for run in runs if not (scores := scores_of(run)).empty]
    if not tops:
        raise ValueError("no run has been validated yet, so none is the best")
    return max(tops, key=lambda top: top[0])[1]


def checkpoint_at(path: Path) -> tuple[Path, list[Path]]:
    """Return a checkpoint: the file at a path, or the best of the run or runs in a folder.

    What was trained on is not read: it may name classes of a user's own.

    Returns:
        The checkpoint, and the folders of runs of which no validation of a checkpoint is known: of a
        lone one the last checkpoint is taken, of several none.

    Raises:
        ValueError: If there is none, or several runs of which none was validated.
    """
    if not path.is_dir():
        return path, []
    runs = _after_phase_one(find_files([path], pre=True))
    run = runs[0] if len(runs) == 1 else best_run(runs)
    unknown = [run.folder for run in runs if scores_of(run).empty]
    return run.checkpoints[last_or_best(run)], unknown


def lost_validations(run: Path) -> str:
    """Return in words that what a run's checkpoints reached is not known."""
    return f"{run / 'validation.csv'} is missing, damaged or tells of none of its checkpoints"


def load_agent(path: str | os.PathLike[str], architecture: str | None = None) -> Agent:
    """Read a trained agent; code in the file is not run, and no random numbers are drawn.

    Args:
        path: A checkpoint of modnav, with weights only or with all (``last.ckpt``), or one of the
            study (``.pth.tar``); or a folder as :func:`checkpoint_at` takes it.
        architecture: Name that the agent must have, such as ``"Actor3Critic5"`` or ``"modular"``;
            needless, as every such file tells.

    Returns:
        The agent, in evaluation mode, in float32 on the CPU.

    Raises:
        ValueError: If the architecture is unknown or another, or the file is damaged or no such
            checkpoint, or its weights do not fit, or a folder has none; the message is one line.

    Example:
        >>> agent = load_agent("runs/quickstart")  # doctest: +SKIP
        >>> agent.architecture  # doctest: +SKIP
        'Actor3Critic5'
    """
    expected = architecture and name_of(description_of(architecture))
    path, unknown = checkpoint_at(Path(path))
    for run in unknown:
        warnings.warn(lost_validations(run), stacklevel=2)
    agent = read(path).agent(architecture)
    if expected and agent.architecture != expected:
        raise ValueError(f"{path} holds {agent.architecture}, not {expected}")
    return agent
