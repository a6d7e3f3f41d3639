"""Figure 6a and 6b: a trial in which agents are pushed off course, and what its actions do alone."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modnav.tables import Recording, open_loop
from modnav.task import REWARD_ZONE_CM

from ..drawing import (
    Panel,
    draw_kinds,
    draw_target,
    path_table,
    plain_ticks,
    typical,
    with_missing,
)
from ..measures import DELIVERED, PEAKS, signed_radial_error
from ..study import DATA, HOLISTIC, MODULAR, NO_GENERALIZATION, Study
from . import perturbation_task as task
from .animal_trials import TARGET
from .decoders import best_of


def example(study: Study) -> tuple[dict[str, Recording], list[str]]:
    """Return a typical perturbed trial of the best modular and holistic agent.

    Its perturbation is over before either agent stops, pushes in both components, and would carry an
    agent that does not answer it out of the reward zone.

    Raises:
        Missing: If there is neither.
    """
    agents, missing = best_of(study, (MODULAR, HOLISTIC), test=task.TEST)
    conditions, base, without = task.perturbed_conditions(study)
    recordings = study.simulate(agents, conditions)
    trials = [recording.trials.iloc[base:] for recording in recordings]
    first = trials[0]
    over = first[task.ONSET].to_numpy() + task.PULSE_S
    felt = np.all([table["duration_s"].to_numpy() >= over for table in trials], axis=0)
    peaks = abs(first[list(PEAKS)]).to_numpy() / [[200, 120]]
    moved = np.all([_moved(recording, base) > REWARD_ZONE_CM for recording in recordings], axis=0)
    both = peaks.min(axis=1) > 0.4
    errors = [signed_radial_error(table) for table in trials]
    row = typical(
        errors, next((x for x in (felt & moved & both, felt & moved, felt) if x.any()), None)
    )
    number = int(first["trial"].iloc[row])
    found = {}
    for agent, recording in zip(agents, recordings, strict=True):
        steps = recording.steps[recording.steps["trial"].isin((number, number - base))]
        one = recording.trials[recording.trials["trial"] == number]
        found[agent.architecture] = Recording(one, steps)
    return found, [*missing, *without]


def _moved(recording: Recording, base: int) -> Any:
    """Return how far perturbations carry an agent that acts as without them, cm, ``(trials,)``."""
    plain, pushed = recording.trials.iloc[:base], recording.trials.iloc[base:]
    again = open_loop(pushed, recording.steps, plain["trial"].to_list()).trials
    ends = [table[["end_x_cm", "end_y_cm"]].to_numpy(float) for table in (again, plain)]
    return np.linalg.norm(ends[0] - ends[1], axis=1)


def compute_6a(study: Study) -> pd.DataFrame:
    """Return the perturbation of the example trial, over the time of the longer agent."""
    found, missing = example(study)
    number = next(iter(found.values())).trials["trial"].iloc[0]
    each = [part.steps[part.steps["trial"] == number] for part in found.values()]
    steps = max(each, key=len)[["time_s", *DELIVERED]].reset_index(drop=True)
    onset = float(next(iter(found.values())).trials[task.ONSET].iloc[0])
    return with_missing(steps.assign(onset_s=onset), missing)


def plot_6a(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the perturbation of linear and of angular velocity."""
    panels = figure.subplots(2, 1, sharex=True)
    onset = table["onset_s"].iloc[0]
    for axes, column, label in zip(
        panels, DELIVERED, ("Linear pert. (cm/s)", "Angular pert. (°/s)"), strict=True
    ):
        axes.plot(table["time_s"], table[column], color="black")
        axes.axhline(0, color="gray", lw=0.5, zorder=0)
        for place in (onset, onset + task.PULSE_S):
            axes.axvline(place, color="red", ls=":", lw=0.8)
        axes.set_ylabel(label)
    panels[1].set_xlabel("Time (s)")
    plain_ticks(panels[1], "x")


def compute_6b(study: Study) -> pd.DataFrame:
    """Return the paths of the example trial, with and without generalization."""
    found, missing = example(study)
    parts = []
    for name, (one, steps, _) in found.items():
        number = int(one["trial"].iloc[0])
        base = int(steps["trial"].min())
        again = task.replay(one, steps, base)
        target = {column: float(one[column].iloc[0]) for column in TARGET}
        for kind, path in (
            (DATA, steps[steps["trial"] == number]),
            (NO_GENERALIZATION, again),
        ):
            parts.append(path_table(path, architecture=name, kind=kind, **target))
    return with_missing(pd.concat(parts, ignore_index=True), missing)


def plot_6b(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the paths and the target."""
    axes = figure.subplots()
    x, y = table[TARGET].iloc[0]
    draw_target(axes, (float(x), float(y)))
    draw_kinds(axes, table)


PANELS = (
    Panel("6a", "An example of a perturbation", (1.7, 2.8), compute_6a, plot_6a, example=True),
    Panel("6b", "Paths of the perturbed trial", (3.0, 3.0), compute_6b, plot_6b, example=True),
)
"""Panels of the example."""
