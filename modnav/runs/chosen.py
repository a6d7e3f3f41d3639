"""The checkpoint that stands for a run, where a folder is named in place of a checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

from .trained import RunFiles, TrainedRun, find_files, find_runs
from .validations import selection_scores, validations

__all__ = ["best_run", "checkpoint_at", "last_or_best", "runs_at", "scores_of"]


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
