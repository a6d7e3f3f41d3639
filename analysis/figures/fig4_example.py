"""Figure 4a and 4b: the gains of the task, and a trial at one that agents were not trained at."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modnav.tables import open_loop

from ..drawing import Panel, draw_arc, draw_kinds, draw_target, path_table, typical, with_missing
from ..measures import signed_radial_error
from ..study import (
    DATA,
    GAINS,
    HOLISTIC,
    MODULAR,
    NO_GENERALIZATION,
    Chosen,
    Missing,
    Study,
    short,
)
from .animal_trials import TARGET
from .gain_task import gain_conditions, times


def compute_4a(study: Study) -> pd.DataFrame:
    """Return the joystick gains that are trained and tested; they depend on no run."""
    gain = np.array(GAINS)
    return pd.DataFrame(
        {"gain": gain, "v_cm_s": 200 * gain, "w_deg_s": 90 * gain, "trained": gain == 1}
    )


def plot_4a(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the velocities at full deflection, linear on the left and angular on the right."""
    axes = figure.subplots()
    axes.plot(table["gain"], table["v_cm_s"], color="black", zorder=0)
    for trained, colour, text in ((True, "red", "Trained"), (False, "gray", "Tested")):
        rows = table[table["trained"] == trained]
        axes.scatter(rows["gain"], rows["v_cm_s"], color=colour, s=14, label=text)
    axes.set_xticks(table["gain"], [times(gain) for gain in table["gain"]])
    axes.set_yticks(table["v_cm_s"])
    axes.set_xlabel("Joystick gain")
    axes.set_ylabel("Linear gain (cm/s)")
    axes.legend(loc="upper left")
    other = axes.twinx()
    other.grid(visible=False)  # a style's would have other lines beside those of the left axis
    other.spines["right"].set_visible(True)
    low, high = axes.get_ylim()
    other.set_ylim(low * 90 / 200, high * 90 / 200)
    other.set_yticks(table["w_deg_s"])
    other.set_ylabel("Angular gain (°/s)")


# --- 4b: an example -------------------------------------------------------------------------


def compute_4b(study: Study) -> pd.DataFrame:
    """Return paths of a typical trial at gain 1.5, of the best modular and holistic agent."""
    conditions, count, missing = gain_conditions(study)
    agents = [agents[0] for name in (MODULAR, HOLISTIC) if (agents := _best(study, name))]
    missing += [f"no {short(n)}" for n in (MODULAR, HOLISTIC) if not _best(study, n)]
    if not agents:
        raise Missing("; ".join(missing))
    recordings = study.simulate(agents, conditions)
    middle = slice(count, 2 * count)
    trials = [recording.trials.iloc[middle] for recording in recordings]
    errors = [signed_radial_error(table) for table in trials]
    aside = abs(trials[0]["target_x_cm"]) > 100  # so that the arc is one
    row = typical(errors, aside.to_numpy() & (trials[0]["target_r_cm"] > 200).to_numpy())
    parts = []
    for agent, recording, table in zip(agents, recordings, trials, strict=True):
        one = table.iloc[[row]]
        number = int(one["trial"].iloc[0])
        again = open_loop(one, recording.steps, [number - count]).steps
        steps = recording.steps[recording.steps["trial"] == number]
        target = {name: float(one[name].iloc[0]) for name in TARGET}
        for kind, path in ((DATA, steps), (NO_GENERALIZATION, again)):
            parts.append(path_table(path, architecture=agent.architecture, kind=kind, **target))
    return with_missing(pd.concat(parts, ignore_index=True), missing)


def _best(study: Study, name: str) -> list[Chosen]:
    try:
        return [study.best(name)]
    except Missing:
        return []


def plot_4b(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the paths, the target, and the arc along which an error is an over- or undershoot."""
    axes = figure.subplots()
    target = tuple(table[TARGET].iloc[0])
    draw_target(axes, target)
    draw_arc(axes, target)
    draw_kinds(axes, table)


PANELS = (
    Panel("4a", "Gains of training and test", (2.1, 1.6), compute_4a, plot_4a),
    Panel("4b", "Example trial at gain 1.5", (2.8, 3.0), compute_4b, plot_4b, example=True),
)
"""Panels of task and example."""
