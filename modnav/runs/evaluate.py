"""Evaluate the checkpoints of runs, in one process or in several."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from modnav import evaluation
from modnav.networks import describe_agent, own_modules
from modnav.task import TaskParameters

from .checkpoints import read
from .curve import CurveLocation, CurveSettings, Rows, TrainingCurve
from .jobs import WorkerPool
from .trained import TrainedRun

__all__ = [
    "Evaluation",
    "RunEvaluation",
    "Suite",
    "curve_settings",
    "evaluate_checkpoint",
    "evaluated",
    "modules_of",
    "plan_evaluations",
]


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

    def test_trials(self, task: TaskParameters) -> evaluation.TestTrials:
        """Return the fixed trials for agents that were trained on a task."""
        if self.test == "gain":
            gains = evaluation.EXTENSIVE_GAINS if self.extensive else evaluation.GAINS
            return evaluation.fixed_gain_conditions(task, gains, self.trials)
        levels: tuple[int, ...] = evaluation.PERTURBATIONS
        if self.extensive:
            levels = evaluation.EXTENSIVE_PERTURBATIONS
        return evaluation.fixed_perturbation_conditions(task, levels, self.trials)


_test_trials = lru_cache(maxsize=4)(Suite.test_trials)


@dataclass
class RunEvaluation:
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


Evaluation = tuple[str, Rows]
"""Digest of a checkpoint, and what was measured of it."""


def plan_evaluations(
    runs: Sequence[TrainedRun], suite: Suite, out: Path, *, overwrite: bool = False
) -> list[RunEvaluation]:
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
    planned: dict[Path, RunEvaluation] = {}
    for run in runs:
        about = run.about()
        architecture = str(about["architecture"])
        location = CurveLocation(suite.test, run.task, suite.extensive, run.pre)
        path = location.file(out, architecture, run.seed)
        if path in planned:
            raise ValueError(
                f"{planned[path].run.folder} and {run.folder} both make {path}; "
                "evaluate them apart, each with an --out of its own"
            )
        settings = curve_settings(run, suite, about["agent"])
        curve = TrainingCurve(path, settings, overwrite=overwrite)
        todo = [k for k, file in run.checkpoints.items() if not curve.holds(k, file)]
        planned[path] = RunEvaluation(run, architecture, curve, todo)
    return list(planned.values())


def curve_settings(run: TrainedRun, suite: Suite, agent: Mapping[str, Any]) -> CurveSettings:
    """Return what the curve of a run depends on beside the weights.

    Args:
        run: The run.
        suite: What it is tested on.
        agent: Description of its agent.
    """
    tests = _test_trials(suite, run.task)
    return CurveSettings(tests.labels, suite.trials, tests.task, run.discount, agent)


def modules_of(planned: Sequence[RunEvaluation]) -> set[str]:
    """Return the modules of the user's own that the agents of runs are made of."""
    return own_modules([each.curve.settings.agent for each in planned])


def evaluated(
    planned: Sequence[RunEvaluation], suite: Suite, pool: WorkerPool
) -> Iterator[tuple[RunEvaluation, int, Evaluation | str]]:
    """Evaluate what is left to do, and yield run, episode and result as they come.

    In place of a result there may be the reason why a checkpoint cannot be evaluated.

    Raises:
        ProcessLostError: If a process died.
    """
    calls = {
        (k, episode): (each.run.checkpoints[episode], each.run.task, each.curve.settings, suite)
        for k, each in enumerate(planned)
        for episode in each.todo
    }
    for (k, episode), found in pool.results(_tried, calls):
        yield planned[k], episode, found


def _tried(*arguments: Any) -> Evaluation | str:
    try:
        return evaluate_checkpoint(*arguments)
    except ValueError as error:
        return str(error)


def evaluate_checkpoint(
    checkpoint: Path, task: TaskParameters, settings: CurveSettings, suite: Suite
) -> Evaluation:
    """Run a checkpoint on the fixed trials.

    Args:
        checkpoint: The file.
        task: What the agent was trained on.
        settings: What the curve depends on.
        suite: What it is tested on.

    Raises:
        ValueError: If it cannot be read or run, or is of another agent than that of the settings.
    """
    found = read(checkpoint)
    agent = found.agent()
    if describe_agent(agent) != settings.agent:
        raise ValueError(
            f"{checkpoint} holds an agent other than the run's first checkpoint "
            f"({agent.architecture}); one file holds one architecture"
        )
    tests = _test_trials(suite, task)
    try:
        trials = evaluation.run(agent, tests)
        return found.digest, evaluation.score(agent, tests, trials, settings.discount)
    except (RuntimeError, MemoryError) as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{checkpoint}: {told}") from error
