"""Training curves of runs: read where they are, made where they are not."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from modnav.evaluation import EXTENSIVE_TRIALS, TRIALS
from modnav.runs import COLUMNS, FIRST, INTERVAL, METRICS, Place, Suite, plan, read_curve, results

from .members import Member
from .missing import Missing

__all__ = ["LOG", "CurveSource", "Test"]

Test = Literal["gain", "perturbation"]

LOG = "validation.csv"
"""Validations of a run of modnav, in its folder."""


@dataclass(frozen=True)
class CurveSource:
    """Where training curves come from.

    Attributes:
        cache: Folder for curves that are made here.
        trials: Trials of each test task; as published if None.
        workers: Number of processes that make them.
    """

    cache: Path
    trials: int | None = None
    workers: int = 1

    def curve(
        self, member: Member, test: Test = "gain", *, extensive: bool = False
    ) -> pd.DataFrame:
        """Return the curve of a run: that of the study, that of its training, or one made here.

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
        if member.published is not None:
            return _published(member, test, extensive)
        labels = self._suite(test, extensive).conditions(member.run.task).labels
        logged = _logged(member, labels)
        return self._made(member, test, extensive) if logged is None else logged

    def _suite(self, test: Test, extensive: bool) -> Suite:
        usual = EXTENSIVE_TRIALS if extensive else TRIALS
        return Suite(test, extensive, min(self.trials or usual, usual))

    def _made(self, member: Member, test: Test, extensive: bool) -> pd.DataFrame:
        suite = self._suite(test, extensive)
        name = hashlib.blake2b(str(member.run.folder).encode(), digest_size=8).hexdigest()
        out = self.cache / "curves" / f"{name}-{suite.trials}"
        try:
            works = plan([member.run], suite, out)
        except ValueError:  # the run was trained anew since
            works = plan([member.run], suite, out, overwrite=True)
        for work, episode, found in results(works, suite, self.workers):
            if isinstance(found, str):
                raise Missing(f"training curve of {member.run.folder.name}: {found}")
            work.curve.add(episode, *found)
        return works[0].curve.table()


def _published(member: Member, test: Test, extensive: bool) -> pd.DataFrame:
    assert member.published is not None
    place = Place(test, member.run.task, extensive)
    path = place.file(member.published, member.architecture, member.run.seed)
    if not path.is_file():
        raise Missing(f"no training curve {path.relative_to(member.published)}")
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
    place = {episode: k for k, episode in enumerate(sorted(episodes))}
    ordered = FIRST + INTERVAL * table["episode"].map(place)
    return table.assign(ordered_episode=ordered)[list(COLUMNS)].reset_index(drop=True)
