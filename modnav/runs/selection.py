"""Which checkpoint stands for an agent: by the published rules, from training curves.

A checkpoint's score is its reward rate, summed over test tasks. An agent is the checkpoint of its
seed with the highest score, an architecture the seed with the highest; the first on ties.

References:
    Zhang, Pitkow & Angelaki (2024), Methods, "Agent selection".
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["Best", "best_episode", "best_of_run", "best_seeds", "scores"]


@dataclass(frozen=True)
class Best:
    """The best checkpoint of a run.

    Attributes:
        architecture: Name of the architecture.
        seed: Seed of the training.
        episode: Index of the last trial before the checkpoint.
        score: Sum of its reward rates, 1/s.
        reward_rate: Reward rate in each test task, 1/s.
        reward_fraction: Rewarded fraction in each test task.
        checkpoint: The file; None if there is none any more.
    """

    architecture: str
    seed: int
    episode: int
    score: float
    reward_rate: dict[str, float]
    reward_fraction: dict[str, float]
    checkpoint: Path | None

    def plain(self) -> dict[str, Any]:
        """Return it as names and numbers."""
        return {**vars(self), "checkpoint": self.checkpoint and str(self.checkpoint)}


def scores(
    curve: pd.DataFrame, on: Collection[str] | None = None, before: int | None = None
) -> pd.Series:
    """Return the score of each checkpoint, in the order of training.

    Args:
        curve: A training curve, see :func:`modnav.runs.read_curve`.
        on: Test tasks to sum over; all of the curve by default.
        before: Only checkpoints whose ``episode`` is below are taken; all by default. The study
            takes 10,000 for the default training and 100,000 for the extensive.

    Returns:
        Scores, 1/s, by episode; NaN where a reward rate is.

    Raises:
        ValueError: If the curve lacks a task, or has no checkpoint to take.
    """
    tasks = list(dict.fromkeys(curve["task"]))
    missing = [task for task in on or () if task not in tasks]
    if missing:
        raise ValueError(
            f"the curve has no test task {', '.join(missing)}; it has {', '.join(tasks)}"
        )
    table = curve.pivot(index="episode", columns="task", values="reward_rate")
    table = table[list(dict.fromkeys(on or tasks))].sort_index()
    if before is not None:
        table = table[table.index < before]
    if table.empty:
        raise ValueError(f"the curve has no checkpoint before trial {before}")
    return table.sum(axis="columns", skipna=False)


def best_episode(
    curve: pd.DataFrame, on: Collection[str] | None = None, before: int | None = None
) -> int:
    """Return the episode of the best checkpoint of a curve, the first on ties.

    Args:
        curve: As in :func:`scores`.
        on: Likewise.
        before: Likewise.

    Raises:
        ValueError: As :func:`scores`, and if no score is a number.
    """
    found = scores(curve, on, before).dropna()
    if found.empty:
        raise ValueError("the curve has no checkpoint whose reward rates are numbers")
    return int(found.index[int(found.argmax())])


def best_of_run(
    curve: pd.DataFrame,
    architecture: str,
    seed: int,
    checkpoints: dict[int, Path],
    on: Collection[str] | None = None,
    before: int | None = None,
) -> Best:
    """Return the best checkpoint of a run.

    Args:
        curve: The run's training curve.
        architecture: Name of its architecture.
        seed: Seed of its training.
        checkpoints: Its files, by episode.
        on: As in :func:`scores`.
        before: Likewise.

    Raises:
        ValueError: As :func:`best_episode`.
    """
    episode = best_episode(curve, on, before)
    rows = curve[curve["episode"] == episode].set_index("task")
    return Best(
        architecture,
        seed,
        episode,
        float(scores(curve, on, before)[episode]),
        _by_task(rows["reward_rate"]),
        _by_task(rows["reward_fraction"]),
        checkpoints.get(episode),
    )


def _by_task(column: pd.Series) -> dict[str, float]:
    return {str(task): float(x) for task, x in column.items()}


def best_seeds(agents: Sequence[Best]) -> list[Best]:
    """Return the best seed of each architecture, the first on ties, in order of appearance."""
    names = dict.fromkeys(agent.architecture for agent in agents)
    every = [[agent for agent in agents if agent.architecture == name] for name in names]
    return [max(some, key=lambda agent: agent.score) for some in every]
