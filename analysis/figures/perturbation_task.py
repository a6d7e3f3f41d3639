"""The perturbation task of figure 6: agents that are pushed off course."""

from collections.abc import Callable
from functools import partial

import pandas as pd

from modnav.tables import open_loop

from ..measures import PEAKS, compared, magnitude
from ..study import ANIMALS, MAIN, Chosen, Conditions, Missing, Peaks, Selection, Study, Test
from .animal_trials import PAIRS, TARGET, perturbation_trials
from .cohorts import NO_ANIMALS, silent

TEST: Test = "perturbation"
"""Test tasks that checkpoints are chosen by: agents are trained without perturbations."""

ALL_PEAKS, STRONG_PEAKS = Peaks(weak_linear=None, weak_angular=None), Peaks()
"""Perturbations of any size, and those with two large components."""

STRONG = 115.0
"""Magnitude above which the AUC of behaviour is taken."""

ONSET = "perturbation_onset_s"

PULSE_S = 1.0
"""Duration of a perturbation, s."""


def perturbed_conditions(study: Study) -> tuple[Conditions, int, list[str]]:
    """Return trials without perturbation, then the same with it; their number; what is missing.

    They are Bruno's matched trials, or drawn from the task without animals.
    """
    try:
        animals = perturbation_trials(study)
        bruno = animals[animals["architecture"] == ANIMALS[0]]
        trials = bruno[[*TARGET, *PEAKS]].assign(**{ONSET: bruno["onset_s"].round(1)})
        missing = []
    except Missing:
        trials, missing = study.prior_perturbations(PAIRS, ALL_PEAKS)[0], [NO_ANIMALS]
    return _with_null(trials, "perturbed"), len(trials), missing


def _with_null(trials: pd.DataFrame, name: str) -> Conditions:
    null = trials.assign(**dict.fromkeys(PEAKS, 0.0))
    both = pd.concat([null, trials], ignore_index=True)
    return Conditions(name, both, perturbed=True)


def perturbed_cohort(study: Study) -> tuple[list[Chosen], list[str]]:
    """Return all seeds of the main architectures, chosen in the perturbation task.

    Raises:
        Missing: If there are no runs.
    """
    return study.cohort(MAIN, Selection(test=TEST))


def measured(
    study: Study, measure: Callable[..., pd.DataFrame]
) -> tuple[pd.DataFrame, int, list[str]]:
    """Return what a measure of trials without and with perturbation gives.

    Args:
        study: The study.
        measure: A function of :mod:`.measures` that takes ``base``.

    Returns:
        Its table, the number of trials without perturbation, and what is missing.

    Raises:
        Missing: If there are no runs.
    """
    agents, missing = perturbed_cohort(study)
    conditions, base, without = perturbed_conditions(study)
    table = study.measure(agents, conditions, partial(measure, base=base))
    return table, base, [*missing, *without]


def agent_trials(study: Study) -> tuple[pd.DataFrame, list[str]]:
    """Return :func:`.measures.compared` of perturbed trials, with ``magnitude``; what is missing.

    Raises:
        Missing: If there are no runs.
    """
    table, base, missing = measured(study, compared)
    table = table[table["trial"] >= base].reset_index(drop=True)
    return table.assign(magnitude=magnitude(table)), [*missing, *silent(table)]


def replay(trial: pd.DataFrame, steps: pd.DataFrame, base: int) -> pd.DataFrame:
    """Return the path of the actions of trial ``base`` under the conditions of another trial."""
    return open_loop(trial, steps, [base]).steps
