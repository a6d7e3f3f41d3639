"""Sets of agents, each tested on a grid of noise that begins where it was trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ..drawing import with_missing
from ..study import (
    DEFAULT,
    EKF,
    EXTENSIVE,
    HOLISTIC,
    MODULAR,
    MODULAR_ACTOR,
    MODULAR_CRITIC,
    Missing,
    Selection,
    Study,
    noise_group,
    short,
)
from .cohorts import SELECTED_ON, noise_grid_of


@dataclass(frozen=True)
class AgentSet:
    """Agents that are tested on a grid of noise.

    Attributes:
        name: Name of the set.
        title: What it is called on a panel.
        architecture: Architecture of the agents.
        group: What they were trained on, see :func:`.study.group_of`.
        process: Process noise of the first cell.
        observation: Observation noise of the first cell.
        assumed: Process and observation noise that a Kalman filter assumes: those of training.
    """

    name: str
    title: str
    architecture: str
    group: str = DEFAULT
    process: float = 0.2
    observation: float = 0.1
    assumed: tuple[float, float] = (0.2, 0.1)


_ALTERNATIVE = noise_group(0.1, 0.2)
SETS = {
    each.name: each
    for each in (
        AgentSet("hol", "Holistic agent", HOLISTIC),
        AgentSet("moho", short(MODULAR_ACTOR), MODULAR_ACTOR),
        AgentSet("homo", short(MODULAR_CRITIC), MODULAR_CRITIC),
        AgentSet("mod", "Modular agent", MODULAR),
        AgentSet("EKF", "EKF agent", EKF),
        AgentSet("EKF alternative", "EKF alternative", EKF, _ALTERNATIVE, 0.1, 0.2, (0.1, 0.2)),
        AgentSet(
            "mod alternative", "Modular alternative", MODULAR, _ALTERNATIVE, 0.1, 0.2, (0.1, 0.2)
        ),
        # as published, on the standard grid, which does not begin where it was trained
        AgentSet("hol larger", "Larger noise difference", HOLISTIC, noise_group(0.4, 0.1)),
        AgentSet("hol long", "Longer training", HOLISTIC, EXTENSIVE),
    )
}
"""The sets of figures 2 and S2."""


def tested(study: Study, name: str) -> pd.DataFrame:
    """Return how all seeds of a set do in each cell of its grid of noise.

    Returns:
        ``set``, ``architecture``, ``seed``, the increments, ``auc``, ``reward_fraction``,
        ``stopped``.

    Raises:
        Missing: If there are no such agents.
    """
    each = SETS[name]
    if name == "hol larger" and not study.published:
        each = replace(each, process=0.4)
    agents, missing = study.cohort([each.architecture], Selection(each.group, SELECTED_ON))
    filtered = each.assumed if each.architecture == EKF else None
    table = noise_grid_of(study, agents, each.process, each.observation, filtered)
    silent = [f"{each.title}: all trials timed out"] if not table["stopped"].any() else []
    return with_missing(table.assign(set=name), missing + silent)


def all_tested(study: Study, names: Sequence[str]) -> pd.DataFrame:
    """Return :func:`tested` of several sets, of those that there are.

    Raises:
        Missing: If there are none.
    """
    tables, missing = [], []
    for name in names:
        try:
            table = tested(study, name)
        except Missing as error:
            missing.append(str(error))
        else:
            tables.append(table)
            missing += table.attrs["missing"]
    if not tables:
        raise Missing("; ".join(missing))
    return with_missing(pd.concat(tables, ignore_index=True), missing)
