"""Agents after extensive training, of figures 7 and 8, in tasks far beyond their training.

Of architectures without such runs, those of the default training stand in, and panels say so.
"""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from ..study import DEFAULT, EXTENSIVE, Chosen, Conditions, Missing, Peaks, Selection, Study, short

TRIALS = 2000
"""Trials of each condition."""

GAIN_RANGE = (3.0, 4.0001)
"""Gains of the test, drawn for each trial; as published."""

Task = Literal["training", "gain", "perturbation"]
"""Gain 1, gains of 3 to 4, large perturbations."""

LONG = 4
"""Most missing architectures that are named one by one."""

STAND_IN = "no extensive training (100,000 trials): agents of the default training stand in, chosen by its tests"


def cohort(
    study: Study, architectures: Sequence[str], task: Task
) -> tuple[list[Chosen], list[str]]:
    """Return all seeds of some architectures, chosen in the tests of a task; what is missing.

    Raises:
        Missing: If there are no runs of either training.
    """
    test: Literal["gain", "perturbation"] = "perturbation" if task == "perturbation" else "gain"
    on = ("gain1x",) if task == "training" else None
    long = [name for name in architectures if study.members_of(name, EXTENSIVE)]
    short_only = [name for name in set(architectures) - set(long) if study.members_of(name)]
    if not long and not short_only:
        raise Missing("no runs of extensive or default training")
    usual = EXTENSIVE if long else DEFAULT  # those without any runs are missing in this
    group = dict.fromkeys(architectures, usual) | dict.fromkeys(short_only, DEFAULT)
    agents, missing = [], _stand_in([n for n in architectures if n in short_only], bool(long))
    for one in dict.fromkeys(group.values()):
        names = [name for name in architectures if group[name] == one]
        try:
            selection = Selection(one, on, test=test, extensive=one == EXTENSIVE)
            found, notes = study.cohort(names, selection)
        except Missing as error:  # no checkpoint that was tested
            found, notes = [], [str(error)]
        agents += found
        missing += [_shorter(note, architectures) for note in notes]
    if not agents:
        raise Missing("; ".join(missing))
    return sorted(agents, key=lambda a: list(architectures).index(a.architecture)), missing


def _stand_in(names: Sequence[str], some: bool) -> list[str]:
    """Return a note of the architectures whose default training stands in, of all or ``some``."""
    which = f" of {', '.join(map(short, names))}" if some else ""
    return [STAND_IN.replace(":", f"{which}:")] if names else []


def _shorter(note: str, architectures: Sequence[str]) -> str:
    """Return a note of what is missing; a long list of architectures becomes their number."""
    names = note.removeprefix("no ").split(", ")
    if note.startswith("no ") and len(names) > LONG:
        return f"no runs of {len(names)} of {len(architectures)} architectures"
    return note


def conditions(study: Study, task: Task, peaks: Peaks) -> Conditions:
    """Return the trials of a task; all tasks have the same targets.

    Args:
        study: The study.
        task: The task.
        peaks: Which perturbations are drawn.
    """
    trials = study.prior_targets(TRIALS, GAIN_RANGE)
    if task == "gain":
        return Conditions(task, trials)
    trials = trials.drop(columns="gain")
    if task == "training":
        return Conditions(task, trials)
    pushes = study.prior_perturbations(TRIALS, peaks)[0]
    pushes = pushes.drop(columns=["target_x_cm", "target_y_cm"])
    return Conditions(task, pd.concat([trials, pushes], axis=1), perturbed=True)
