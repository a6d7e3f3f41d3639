"""What figures 1 and 3 share: agents on the trials of the animals, or of the task's prior."""

from collections.abc import Sequence

import pandas as pd

from modnav.tables import Recording, downsample_steps

from ..measures import INCREMENTS, outcomes, performance_by_noise, row_of_grid
from ..study import Chosen, Conditions, Missing, Selection, Study, short

TRIALS = 2000
"""Trials of each agent, as published."""

SELECTED_ON = ("gain1x",)
"""Test task that checkpoints of figures 1 to 3 are selected on."""

NO_ANIMALS = "no animal data, targets drawn from the task"


def trained_cohort(study: Study, architectures: Sequence[str]) -> tuple[list[Chosen], list[str]]:
    """Return all seeds of some architectures after default training, and what is missing."""
    return study.cohort(architectures, Selection(on=SELECTED_ON))


def best_agents(study: Study, architectures: Sequence[str]) -> tuple[list[Chosen], list[str]]:
    """Return the best seed of each of some architectures, and what is missing.

    Raises:
        Missing: If there is none.
    """
    agents, missing = trained_cohort(study, architectures)
    best: dict[str, Chosen] = {}
    for agent in agents:
        if agent.architecture not in best or agent.score > best[agent.architecture].score:
            best[agent.architecture] = agent
    return list(best.values()), missing


def animals_or_none(study: Study) -> dict[str, Recording]:
    """Return matched trials of both animals by name; none if there are no animals."""
    try:
        bruno, schro = study.matched_animals("normal", TRIALS)
    except Missing:
        return {}
    for name, recording in (found := {"Bruno": bruno, "Schro": schro}).items():
        study.subjects.note(name, name, "normal", len(recording.trials))
    return found


def normal_conditions(study: Study) -> tuple[Conditions, list[str]]:
    """Return the trials of figures 1 and 3: Bruno's matched targets, or those of the prior."""
    animals = animals_or_none(study)
    if not animals:
        return Conditions("normal", study.prior_targets(TRIALS)), [NO_ANIMALS]
    targets = animals["Bruno"].trials[["target_x_cm", "target_y_cm"]]
    return Conditions("normal", targets), []


def animal_paths(recording: Recording) -> pd.DataFrame:
    """Return :func:`.measures.outcomes` of an animal, whose path is sampled as agents' are."""
    sampled = downsample_steps(recording.trials, recording.steps)
    return outcomes(recording._replace(steps=sampled))


def silent(table: pd.DataFrame, column: str = "terminated") -> list[str]:
    """Return in words which architectures never stopped, so that their numbers mean little."""
    stopped = table.groupby("architecture", sort=False)[column].max()
    return [f"{short(str(name))}: all trials timed out" for name in stopped.index[stopped == 0]]


def noise_grid_of(
    study: Study,
    agents: Sequence[Chosen],
    process: float,
    observation: float,
    filter_noise: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Run agents on the grid of test noise above some noise.

    Args:
        study: The study.
        agents: The agents.
        process: Process noise of the first cell, in multiples of the joystick gain; the standard
            grid begins at 0.2 and 0.1, the reversed one at 0.1 and 0.2.
        observation: Observation noise of the first cell.
        filter_noise: What a Kalman filter assumes, see :class:`.simulation.Conditions`.

    Returns:
        ``architecture``, ``seed``, the two increments, and the columns of
        :func:`.likeness.performance_of`; a row for each agent and cell.
    """
    targets = study.prior_targets(TRIALS)
    trials = row_of_grid(targets, process)
    rows = [
        Conditions(f"{x:g}", trials, 0.0, round(observation + x, 6), filter_noise=filter_noise)
        for x in INCREMENTS
    ]
    table = study.measure(agents, rows, performance_by_noise)
    table["observation_increment"] = table.pop("condition").astype(float)
    table["process_increment"] = (table.pop("process_noise") - process).round(4)
    return table
