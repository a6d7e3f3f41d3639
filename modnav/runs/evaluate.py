"""Evaluate the checkpoints of runs, in one process or in several."""

import importlib
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from modnav import evaluation
from modnav.networks import describe_agent
from modnav.task import TaskParameters

from .checkpoints import load_agent
from .curve import Place, Rows, Settings, TrainingCurve, digest
from .trained import TrainedRun

__all__ = ["Result", "Suite", "Work", "plan", "results"]


class Suite(NamedTuple):
    """What checkpoints are tested on.

    Attributes:
        test: Task of the tests.
        extensive: Whether the test tasks are those of the extensive training.
        trials: Trials of each test task.
    """

    test: Literal["gain", "perturbation"]
    extensive: bool
    trials: int

    def conditions(self, task: TaskParameters) -> evaluation.Conditions:
        """Return the fixed trials for agents that were trained on a task."""
        if self.test == "gain":
            gains = evaluation.EXTENSIVE_GAINS if self.extensive else evaluation.GAINS
            return evaluation.fixed_gain_conditions(task, gains, self.trials)
        levels: tuple[int, ...] = evaluation.PERTURBATIONS
        if self.extensive:
            levels = evaluation.EXTENSIVE_PERTURBATIONS
        return evaluation.fixed_perturbation_conditions(task, levels, self.trials)


_conditions = lru_cache(maxsize=4)(Suite.conditions)


@dataclass
class Work:
    """A run and its curve.

    Attributes:
        run: The run.
        architecture: Name of its architecture.
        curve: The curve.
        todo: Episodes whose rows are not there yet.
    """

    run: TrainedRun
    architecture: str
    curve: TrainingCurve
    todo: list[int]


def plan(
    runs: Sequence[TrainedRun], suite: Suite, out: Path, *, overwrite: bool = False
) -> list[Work]:
    """Open the curves of runs and see what is left to do, before anything is run.

    Args:
        runs: The runs.
        suite: What they are tested on.
        out: Folder that ``training_curve`` is in.
        overwrite: Whether to start anew where there are curves.

    Raises:
        ValueError: If a run cannot be read, its curve cannot be continued, or two runs have the
            same.
    """
    works: dict[Path, Work] = {}
    for run in runs:
        about = run.about()
        architecture = str(about["architecture"])
        place = Place(suite.test, run.task, suite.extensive, run.pre)
        path = place.file(out, architecture, run.seed)
        if path in works:
            raise ValueError(
                f"{works[path].run.folder} and {run.folder} both make {path}; "
                "evaluate them apart, each with an --out of its own"
            )
        conditions = _conditions(suite, run.task)
        settings = Settings(
            conditions.labels, suite.trials, conditions.task, run.discount, about["agent"]
        )
        curve = TrainingCurve(path, settings, overwrite=overwrite)
        todo = [k for k, file in run.checkpoints.items() if not curve.holds(k, file)]
        works[path] = Work(run, architecture, curve, todo)
    return list(works.values())


Result = tuple[str, Rows] | str
"""Digest of a checkpoint and what was measured of it, or why it could not be."""


def results(
    works: Sequence[Work], suite: Suite, processes: int = 1
) -> Iterator[tuple[Work, int, Result]]:
    """Evaluate what is left to do and yield results, with their episodes, as they come.

    Raises:
        BrokenProcessPool: If a process died.
    """
    jobs = [(work, episode) for work in works for episode in work.todo]
    processes = min(processes, len(jobs))
    if processes < 2:
        with _one_thread():
            for work, episode in jobs:
                yield work, episode, _evaluate(*_job(work, episode, suite))
        return
    with ProcessPoolExecutor(
        processes,
        mp_context=get_context("spawn"),
        initializer=_begin_process,
        initargs=(_own_modules(works),),
    ) as pool:
        try:
            futures = {
                pool.submit(_evaluate, *_job(work, episode, suite)): (work, episode)
                for work, episode in jobs
            }
            for future in as_completed(futures):
                yield *futures[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one core: threads gain little here, and lose much where trainings run beside."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _own_modules(works: Sequence[Work]) -> list[str]:
    """Return the modules of the user's own that agents are made of and that were imported here."""
    named = re.findall(
        r"'class_path': '([\w.]+)\.\w+'", str([w.curve.settings.agent for w in works])
    )
    return sorted({name for name in named if name in sys.modules and name[:7] != "modnav."})


def _begin_process(modules: Sequence[str]) -> None:
    for name in modules:
        importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the process that writes
    torch.set_num_threads(1)


def _job(work: Work, episode: int, suite: Suite) -> tuple[Path, TaskParameters, Settings, Suite]:
    return work.run.checkpoints[episode], work.run.task, work.curve.settings, suite


def _evaluate(checkpoint: Path, task: TaskParameters, settings: Settings, suite: Suite) -> Result:
    """Run a checkpoint on the fixed trials."""
    try:
        content = digest(checkpoint)
        agent = load_agent(checkpoint)
    except (ValueError, OSError) as error:
        return str(error)
    if describe_agent(agent) != settings.agent:
        return (
            f"{checkpoint} holds an agent other than the run's first checkpoint "
            f"({agent.architecture}); one file holds one architecture"
        )
    conditions = _conditions(suite, task)
    try:
        trials = evaluation.run(agent, conditions)
        return content, evaluation.score(agent, conditions, trials, settings.discount)
    except (RuntimeError, MemoryError) as error:
        return f"{checkpoint}: {' '.join(str(error).split()) or type(error).__name__}"
