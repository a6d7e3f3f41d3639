"""Training curves of runs: read where they are, made where they are not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from modnav.evaluation import EXTENSIVE_TRIALS, TRIALS
from modnav.runs import (
    COLUMNS,
    FIRST,
    INTERVAL,
    METRICS,
    CurveLocation,
    CurveSettings,
    Suite,
    curve_settings,
    evaluate_checkpoint,
    read_curve,
)
from modnav.task import TaskParameters

from .cache import Cache
from .members import Member
from .missing import Missing
from .selection import Test
from .simulation import content_of
from .sources import hashed, sources_of

__all__ = ["LOG", "CheckpointEvaluation", "Curves"]

LOG = "validation.csv"
"""Validations of a run of modnav, in its folder."""


class Curves:
    """Training curves of a study: that of the study, that of a training, or one made here.

    Args:
        cache: Where those that are made are kept.
        trials: Trials of each test task; as published if None.
    """

    def __init__(self, cache: Cache, trials: int | None = None) -> None:
        self.cache = cache
        self.trials = trials
        self._known: dict[tuple[Path, Suite], pd.DataFrame] = {}

    def curve(
        self, member: Member, test: Test = "gain", *, extensive: bool = False
    ) -> pd.DataFrame:
        """Return the curve of a run.

        Args:
            member: The run.
            test: Kind of test tasks.
            extensive: Whether the test tasks are those of the extensive training.

        Returns:
            The published columns, see :func:`modnav.runs.read_curve`; rows of
            checkpoints whose files are there, in order.

        Raises:
            Missing: If a published run has no curve, or a checkpoint cannot be evaluated.
        """
        usual = EXTENSIVE_TRIALS if extensive else TRIALS
        suite = Suite(test, extensive, min(self.trials or usual, usual))
        key = (member.run.folder, suite)
        if key not in self._known:
            self._known[key] = self._found(member, suite)
        return self._known[key]

    def _found(self, member: Member, suite: Suite) -> pd.DataFrame:
        if member.published is not None:
            return _published(member, member.published, suite)
        logged = _logged(member, suite.test_trials(member.run.task).labels)
        return self._made(member, suite) if logged is None else logged

    def _made(self, member: Member, suite: Suite) -> pd.DataFrame:
        run = member.run
        settings = curve_settings(run, suite, run.about()["agent"])
        wanted = [
            CheckpointEvaluation(file, run.task, settings, suite, member.modules)
            for file in run.checkpoints.values()
        ]
        try:
            tables = self.cache.results(wanted)
        except (ValueError, OSError) as error:
            raise Missing(f"training curve of {run.folder.name}: {error}") from error
        numbered = [
            table.assign(episode=episode, ordered_episode=FIRST + INTERVAL * k)
            for k, (episode, table) in enumerate(zip(run.checkpoints, tables, strict=True))
        ]
        return pd.concat(numbered, ignore_index=True)[list(COLUMNS)]


@dataclass(frozen=True)
class CheckpointEvaluation:
    """How a checkpoint does on fixed test trials: its rows of a training curve.

    Attributes:
        checkpoint: The file.
        task: What it was trained on.
        settings: What the curve depends on.
        suite: What it is tested on.
        modules: Modules of the user's own that the agent is made of.
    """

    kind: ClassVar[str] = "curves"

    checkpoint: Path
    task: TaskParameters
    settings: CurveSettings
    suite: Suite
    modules: tuple[str, ...] = ()

    def key(self) -> str:
        """Return a name made of checkpoint, tests, and all code of these."""
        return hashed(
            content_of(self.checkpoint, self.modules),
            json.dumps([self.suite, self.settings.plain()]),
            sources_of(__name__),
        )

    def made(self) -> pd.DataFrame:
        """Return the measured columns and ``task``, a row for each test task.

        Raises:
            ValueError: If the checkpoint cannot be evaluated.
        """
        _, rows = evaluate_checkpoint(self.checkpoint, self.task, self.settings, self.suite)
        return pd.DataFrame([{"task": task, **rows[task]} for task in self.settings.tasks])


def _published(member: Member, data: Path, suite: Suite) -> pd.DataFrame:
    location = CurveLocation(suite.test, member.run.task, suite.extensive)
    path = location.file(data, member.architecture, member.run.seed)
    if not path.is_file():
        raise Missing(f"no training curve {path.relative_to(data)}")
    return read_curve(path)


def _logged(member: Member, labels: Sequence[str]) -> pd.DataFrame | None:
    """Return the curve that the training wrote, None if it lacks a test task or a checkpoint."""
    path = member.run.folder / LOG
    if not path.is_file():
        return None
    log = pd.read_csv(path)
    if not {"trials", "phase", "validation", "task", *METRICS} <= set(log):
        return None
    rows = log[(log["validation"] == "selection") & (log["phase"] > 1)]
    rows = rows[rows["task"].isin(labels)].assign(episode=rows["trials"] - 1)
    rows = rows.drop_duplicates(["episode", "task"], keep="last")
    whole = rows.groupby("episode")["task"].nunique() == len(labels)
    episodes = [k for k in member.run.checkpoints if whole.get(k, False)]
    newest = max(member.run.checkpoints)  # a run that goes on has not yet tested it
    if not episodes or set(member.run.checkpoints) - set(episodes) - {newest}:
        return None
    table = rows[rows["episode"].isin(episodes)].sort_values("episode", kind="stable")
    number = {episode: k for k, episode in enumerate(sorted(episodes))}
    ordered = FIRST + INTERVAL * table["episode"].map(number)
    return table.assign(ordered_episode=ordered)[list(COLUMNS)].reset_index(drop=True)
