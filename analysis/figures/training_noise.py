"""Agents of 16 levels of training noise, at three stages: what the belief half of figure 7 shows.

Most were trained for long. Their checkpoints are those of before 10,000 trials (E), of before
100,000 (L), and the same selected on the hardest tasks (LH).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..study import HOLISTIC, MODULAR, Chosen, Missing, Selection, Study, noise_group, short

LEVELS = (0.0, 0.1, 0.2, 0.3)
"""Training noise, process and observation, in multiples of the joystick gain."""

AGENTS = {"hol": HOLISTIC, "mod": MODULAR}
"""Architectures by the names of the panels' tables."""

TRAINED = ["observation_noise", "process_noise"]
"""Columns that name the training noise, the slow one first."""

Stage = Literal["E", "L", "LH"]
Task = Literal["gain", "perturbation"]

BEFORE: dict[Stage, int] = {"E": 10_000, "L": 100_000, "LH": 100_000}
"""Trial before which checkpoints of a stage are taken."""


@dataclass(frozen=True)
class Trained:
    """Agents of one architecture that were trained at some noise.

    Attributes:
        process: Process noise of their training.
        observation: Observation noise.
        agents: Best checkpoint of each seed.
        complete: Whether all of their runs have reached the published number of trials.
        longer: Whether one has gone beyond the default training.
    """

    process: float
    observation: float
    agents: list[Chosen]
    complete: bool
    longer: bool


def trained_at(study: Study, architecture: str, stage: Stage, task: Task) -> list[Trained]:
    """Return the agents trained at each of the 16 levels of noise, in the published order.

    Checkpoints are selected on gains 1 and 2, as published also where perturbations are tested; of
    stage LH on gains 1 to 4, or on all levels of perturbation. Where there is no extensive
    training, that of 10,000 trials is taken.

    Args:
        study: The study.
        architecture: Architecture.
        stage: Stage of training.
        task: What they will be tested on.
    """
    levels = [(process, observation) for observation in LEVELS for process in LEVELS]
    found = []
    for process, observation in levels:
        for extensive in (True, False):
            group = noise_group(process, observation, extensive=extensive)
            agents = _selected(study, architecture, group, stage, task)
            if agents:
                break
        reached = _reached(study, architecture, group)
        complete = all(trials >= BEFORE["L"] for trials in reached)
        longer = any(trials > BEFORE["E"] for trials in reached)
        found.append(Trained(process, observation, agents, complete, longer))
    return found


def _reached(study: Study, architecture: str, group: str) -> list[int]:
    """Return how many trials each run has reached."""
    return [max(each.run.checkpoints) + 1 for each in study.members_of(architecture, group)]


def check_stage(study: Study, stage: Stage) -> None:
    """Check that there is what a stage is about: else its panels would be those of stage E.

    Raises:
        Missing: If no agent of a later stage was trained for longer than the default.
    """
    groups = [noise_group(x, y, extensive=True) for x in LEVELS for y in LEVELS]
    reached = [n for a in AGENTS.values() for g in groups for n in _reached(study, a, g)]
    if stage != "E" and max(reached, default=0) <= BEFORE["E"]:
        raise Missing("no extensive training (100,000 trials); 7a and 7b show the default one")


def _selected(
    study: Study, architecture: str, group: str, stage: Stage, task: Task
) -> list[Chosen]:
    hard = stage == "LH"
    test: Task = "perturbation" if hard and task == "perturbation" else "gain"
    on = None if hard else ("gain1x", "gain2x")
    full = hard or group.startswith("extensive")
    return study.agents(architecture, Selection(group, on, BEFORE[stage], test, full))


def missing_of_levels(trained: Sequence[Trained], architecture: str, stage: Stage) -> list[str]:
    """Return in words what is missing of the 16 levels of noise, and where agents only stand in."""
    there = [each for each in trained if each.agents]
    notes = []
    if len(there) < len(trained):
        count = len(trained) - len(there)
        notes.append(f"no {short(architecture)} at {count} of {len(trained)} training noises")
    places = [f"{each.process:g}/{each.observation:g}" for each in there if not each.longer]
    if stage != "E" and places:
        notes.append(
            f"{short(architecture)} of the default training stands in at {', '.join(places)}"
        )
    if not all(each.complete for each in there):
        notes.append(
            f"extensive training (100,000 trials) of {short(architecture)} absent or unfinished"
        )
    return notes
