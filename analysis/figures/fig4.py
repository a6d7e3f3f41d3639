"""Figure 4: what agents do at joystick gains that they were not trained at.

Panels 4c to 4h, S4a to S4c. Agents and animals are trained at gain 1 and tested at 1, 1.5 and 2;
"no generalization" replays their actions at gain 1 under the other gains. Task and example, 4a and
4b, are in ``fig4_example``, the shape of paths in ``fig4_paths``.
"""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from ..drawing import (
    Panel,
    band,
    colour_of,
    groups,
    legend,
    limits,
    plain_ticks,
    reward_zone,
    samples,
    seed_curves,
    violin_of_sample,
    with_missing,
)
from ..measures import (
    boundaries,
    distances,
    performances,
    psychometric,
    replayed,
    sem,
)
from ..study import (
    ANIMALS,
    DATA,
    GAINS,
    HOLISTIC,
    MAIN,
    MODULAR,
    NO_GENERALIZATION,
    Missing,
    Study,
)
from .animal_trials import gain_trials
from .fig4_example import PANELS as EXAMPLE
from .fig4_paths import PANELS as PATHS
from .gain_task import agent_trials, gain_axis, signed, times
from .transfer import plot_transfer, transfer_curves

# --- 4c, 4d, S4a: radial errors -------------------------------------------------------------


def _errors(table: pd.DataFrame, missing: list[str]) -> pd.DataFrame:
    """Return means over trials for each seed, and the SD over the trials of all seeds."""
    keys = ["architecture", "gain", "kind"]
    found = table.groupby([*keys, "seed"], sort=False)["error_cm"].mean().rename("value")
    spread = table.groupby(keys, sort=False)["error_cm"].std(ddof=0).rename("sd")
    return with_missing(found.reset_index().merge(spread.reset_index(), on=keys), missing)


def compute_4c(study: Study) -> pd.DataFrame:
    """Return signed radial errors of agents by gain."""
    table, missing = agent_trials(study)
    found = signed(study, table)
    return _errors(found[found["kind"] == DATA], missing)


def compute_4d(study: Study) -> pd.DataFrame:
    """Return signed radial errors of the animals by gain, and without generalization."""
    return _errors(signed(study, gain_trials(study)), [])


def plot_errors(table: pd.DataFrame, figure: Figure) -> None:
    """Draw means over trials with their SD against gain; seeds are small dots."""
    axes = figure.subplots()
    names = table["architecture"].unique().tolist()
    for k, name in enumerate(names):
        shift = 0.02 * (k - (len(names) - 1) / 2)
        for kind, style in ((DATA, "-"), (NO_GENERALIZATION, "--")):
            rows = table[(table["architecture"] == name) & (table["kind"] == kind)]
            means = rows.groupby("gain").agg(value=("value", "mean"), sd=("sd", "first"))
            axes.errorbar(
                means.index + shift,
                means["value"],
                means["sd"],
                ls=style,
                color=colour_of(name),
                capsize=1.5,
                elinewidth=0.7,
                marker="o",
                ms=2,
            )
            if rows["seed"].nunique() > 1:
                axes.plot(rows["gain"] + shift, rows["value"], ".", ms=2, color=colour_of(name))
    reward_zone(axes)
    _gain_axis(axes)
    axes.set_ylabel("Signed radial error (cm)")
    limits(axes, y=(-100, 250))
    both = table["kind"].nunique() > 1
    legend(axes, names, {DATA: "-", NO_GENERALIZATION: "--"} if both else None)


def _gain_axis(axes: Axes) -> None:
    gain_axis(axes)
    axes.set_xlim(0.85, 2.15)


def compute_s4a(study: Study) -> pd.DataFrame:
    """Return radial errors of two architectures and of the animals by gain, for violins."""
    table, missing = agent_trials(study, (HOLISTIC, MODULAR))
    try:
        table = pd.concat([table, gain_trials(study)], ignore_index=True)
    except Missing as error:
        missing.append(str(error))
    found = signed(study, table)
    return with_missing(samples(found, ["architecture", "gain", "kind"], "error_cm"), missing)


def plot_s4a(table: pd.DataFrame, figure: Figure) -> None:
    """Draw violins, filled for the data and hollow without generalization."""
    axes = figure.subplots()
    order = [n for n in (HOLISTIC, MODULAR, *ANIMALS) if n in set(table["architecture"])]
    for (name, gain, kind), rows in groups(table, ["architecture", "gain", "kind"]):
        place = order.index(name) - (len(order) - 1) / 2
        at = GAINS.index(gain) + 0.11 * place
        if gain != 1:
            at = GAINS.index(gain) + 0.2 * place + (0.05 if kind != DATA else -0.05)
        violin_of_sample(axes, at, rows["value"], colour_of(name), 0.1, hollow=kind != DATA)
    reward_zone(axes)
    axes.set_xticks(range(len(GAINS)), [times(gain) for gain in GAINS])
    axes.set_xlabel("Gain")
    axes.set_ylabel("Signed radial error (cm)")
    limits(axes, y=(-200, 400))
    legend(axes, order)


# --- 4e, 4f: performance --------------------------------------------------------------------


def _boundary(study: Study, table: pd.DataFrame) -> np.ndarray:
    """Return the reward boundaries that all agents and gains share."""
    far = [distances(rows) for _, rows in groups(table, ["architecture", "seed", "gain"])]
    if study.published:
        return boundaries(*(true for true, _ in far), cut=True)
    again = [distances(r) for _, r in groups(replayed(table), ["architecture", "seed", "gain"])]
    return boundaries(*(x for pair in (*far, *again) for x in pair))


def compute_4e(study: Study) -> pd.DataFrame:
    """Return the fraction of stops in zones of several sizes, for true and shuffled targets."""
    shown = HOLISTIC, MODULAR
    # as published, boundaries end at the largest error of all
    table, missing = agent_trials(study, MAIN if study.published else shown)
    boundary = _boundary(study, table)
    wanted = table[table["architecture"].isin(shown) & (table["gain"] != 1.5)]
    if wanted.empty:
        raise Missing("no Holistic, no Modular")
    parts = []
    for kind, data in ((DATA, wanted), (NO_GENERALIZATION, replayed(wanted))):
        for (name, gain), rows in groups(data, ["architecture", "gain"]):
            each = [psychometric(part, boundary) for _, part in groups(rows, "seed")]
            true = np.stack([curve["true"] for curve in each])
            mean = {"true": true.mean(axis=0), "sem": np.apply_along_axis(sem, 0, true)}
            mean["shuffled"] = np.mean([curve["shuffled"] for curve in each], axis=0)
            part = pd.DataFrame({"boundary_cm": boundary, **mean})
            parts.append(part.assign(architecture=name, gain=gain, kind=kind))
    return with_missing(pd.concat(parts, ignore_index=True), missing)


def plot_4e(table: pd.DataFrame, figure: Figure) -> None:
    """Draw true over shuffled fractions, at gains 1 and 2."""
    panels = figure.subplots(1, 2, sharey=True)
    for axes, gain in zip(panels, (1.0, 2.0), strict=True):
        rows = table[table["gain"] == gain]
        for (name, kind), part in groups(rows, ["architecture", "kind"]):
            style = "-" if kind == DATA else "--"
            band(axes, part["shuffled"], part["true"], part["sem"], colour_of(name), style=style)
        axes.plot([0, 1], [0, 1], ":", color="gray", lw=0.7, zorder=0)
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.set_title(f"Gain {times(gain)}")
        plain_ticks(axes)
    panels[0].set_ylabel("Frac. correct (true)")
    figure.supxlabel("Frac. correct (shuffled)")
    names = table["architecture"].unique().tolist()
    legend(panels[1], names, {DATA: "-", "no general.": "--"})


def compute_4f(study: Study) -> pd.DataFrame:
    """Return the AUC of each seed by gain."""
    table, missing = agent_trials(study)
    found = performances(table, ["architecture", "seed", "gain"], cut=study.published)
    return with_missing(found, missing)


def plot_4f(table: pd.DataFrame, figure: Figure) -> None:
    """Draw AUC against gain."""
    axes = figure.subplots()
    seed_curves(axes, table, "gain")
    _gain_axis(axes)
    axes.set_ylabel("AUC")
    axes.set_ylim(min(0.7, table["value"].min() - 0.02), 1)
    axes.set_xticks(GAINS, [times(gain) for gain in GAINS])
    axes.yaxis.set_major_locator(MultipleLocator(0.1))
    plain_ticks(axes, "y")
    legend(axes, table["architecture"].unique().tolist())


# --- the panels -----------------------------------------------------------------------------

PANELS = (
    *EXAMPLE,
    Panel("4c", "Radial error of agents", (3.3, 1.8), compute_4c, plot_errors, value="value"),
    Panel("4d", "Radial error of animals", (3.6, 1.8), compute_4d, plot_errors, value="value"),
    Panel("4e", "Fractions of correct stops", (3.8, 1.7), compute_4e, plot_4e),
    Panel("4f", "AUC by gain", (3.0, 1.7), compute_4f, plot_4f, value="value"),
    Panel(
        "4g",
        "Reward rate in the gain task over training",
        (3.2, 1.8),
        partial(transfer_curves, test="gain", trained="gain1x", column="reward_rate"),
        partial(plot_transfer, label="Reward rate (trial/s)", limits=(0, 1), marks=True),
        value="value",
    ),
    Panel(
        "4h",
        "TD error in the gain task over training",
        (3.2, 1.8),
        partial(
            transfer_curves,
            test="gain",
            trained="gain1x",
            column="TD_error_abs",
            competent_only=True,
        ),
        partial(plot_transfer, label="TD error", limits=(0.2, 1)),
        value="value",
    ),
    Panel("S4a", "Radial errors", (4.2, 1.8), compute_s4a, plot_s4a, value="value"),
    *PATHS,
)
"""Panels of figure 4."""
