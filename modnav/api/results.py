"""Runs on disk as tables and agents."""

import os
from collections import UserList
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from typing_extensions import override

from modnav.evaluation import RUN_COLUMNS
from modnav.networks import Agent
from modnav.recording import record
from modnav.runs import (
    TrainedRun,
    best_run,
    last_or_best,
    load_agent,
    runs_at,
    scores_of,
    validations,
)
from modnav.tables import Recording

__all__ = ["Run", "Runs", "open_runs"]


@dataclass(frozen=True)
class Run:
    """A run on disk; it may still be trained.

    Attributes:
        trained: Its folder, seed, task and checkpoints: those after phase I, or of phase I if
            there are no others.
    """

    trained: TrainedRun

    @property
    def folder(self) -> Path:
        """Folder of the run."""
        return self.trained.folder

    @property
    def name(self) -> str:
        """Name that it shares with runs of other seeds."""
        return self.folder.parent.name

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.trained.seed

    @property
    def architecture(self) -> str:
        """Name of the agent's architecture, such as ``Actor3Critic5``."""
        return str(self.trained.about()["architecture"])

    def curve(self) -> pd.DataFrame:
        """Return the validations of the training, a row for each time, validation and test task.

        Columns: ``validation``, ``task``, ``total_trials``, ``trials``, ``phase``,
        ``reward_rate`` (1/s), ``reward_fraction``, ``updates``, ``seconds``, ... (see
        ``validation.csv`` in docs/python.md); no columns before the first.
        """
        return validations(self.folder).reset_index(drop=True)

    def scores(self) -> pd.Series:
        """Return the score of each checkpoint: its reward rates (1/s), summed over test gains.

        They are those of the selection validation of the training, by the number in the
        checkpoint's name.
        """
        return scores_of(self.trained)

    def checkpoint(self, trial: int | None = None) -> Path:
        """Return the file of a checkpoint.

        Args:
            trial: The number in its name; the one with the highest score by default, the first on
                ties, or the last if none was validated.

        Raises:
            ValueError: If there is none; the message says which there are.
        """
        known = self.trained.checkpoints
        if trial is None:
            trial = last_or_best(self.trained)
        if trial not in known:
            raise ValueError(
                f"trial is {trial}; {self.folder} has checkpoints {', '.join(map(str, known))}"
            )
        return known[trial]

    def agent(self, trial: int | None = None) -> Agent:
        """Return the agent of a checkpoint, in evaluation mode, on the CPU.

        Modules of your own must have been imported: a checkpoint cannot decide what is imported.

        Args:
            trial: As in :meth:`checkpoint`.

        Raises:
            ValueError: If there is no such checkpoint, or it is damaged.
        """
        return load_agent(self.checkpoint(trial))

    def record(self, trial: int | None = None, **options: Any) -> Recording:
        """Run the agent of a checkpoint on new trials of its own task.

        Args:
            trial: As in :meth:`checkpoint`.
            options: Those of :func:`modnav.recording.record` but ``discount``, and of
                :func:`modnav.recording.make_session`: ``trials``, ``seed``, ``layers``,
                ``gain``, ...

        Returns:
            ``trials``, ``steps`` and ``units``, three tables, see
            :data:`modnav.tables.SCHEMA`; ``units`` is None with ``layers=()``.

        Raises:
            ValueError: If there is no such checkpoint, or an option is unknown or not allowed.
        """
        if options.get("session") is None:
            options = {"task": self.trained.task} | options
        return record(self.agent(trial), discount=self.trained.discount, **options)


class Runs(UserList[Run]):
    """Some runs, in order; a list of them.

    Args:
        runs: The runs.
    """

    @override
    def __repr__(self) -> str:
        return f"Runs({', '.join(f'{run.name}/seed{run.seed}' for run in self)})"

    def curves(self) -> pd.DataFrame:
        """Return the validations of all, as :meth:`Run.curve` does, with who they are of.

        Their first columns are ``name``, ``architecture`` and ``seed``.
        """
        parts = []
        for run in self:
            table = run.curve()
            if not table.empty:
                about: dict[str, Any] = dict(
                    zip(RUN_COLUMNS, (run.name, run.architecture, run.seed), strict=True)
                )
                parts.append(table.assign(**about)[[*about, *table]])
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def best(self) -> Run:
        """Return the run whose best checkpoint has the highest score, the first on ties.

        Raises:
            ValueError: If none was validated.
        """
        return Run(best_run([run.trained for run in self]))


def open_runs(*paths: str | os.PathLike[str]) -> Runs:
    """Return the runs in some folders, finished or not.

    Args:
        paths: Folders of runs, or folders of such; ``runs`` by default.

    Raises:
        ValueError: If there is nothing at a path, or no checkpoint in it.

    Example:
        >>> runs = open_runs("runs/Actor3Critic5-gain-0.2_0.1")  # doctest: +SKIP
        >>> runs.best().agent().architecture  # doctest: +SKIP
        'Actor3Critic5'
    """
    return Runs([Run(run) for run in runs_at(*(Path(path) for path in paths or ("runs",)))])
