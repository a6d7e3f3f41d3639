"""What reviewers ask of units beside the study's panels: similarity, careful decoding, dimensions.

The study has none of these. Everything is of the actor's belief units, and of the same trials of all agents;
how units go on in time is in :mod:`.units_dynamics`.
"""

from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..drawing import (
    Panel,
    colour_of,
    heat_map,
    label_of,
    legend,
    name_ticks,
    plain_ticks,
    seed_curves,
    side_by_side,
    with_missing,
)
from ..measures import (
    LAYER,
    PEAKS,
    SIMILARITIES,
    checked,
    dimensions,
    likeness,
    shared_moments,
    transferred,
)
from ..study import (
    GAINS,
    MAIN,
    STANDARD,
    Conditions,
    Missing,
    Study,
)
from .cohorts import best_agents
from .gain_task import gain_axis, times

TRIALS = 200
"""Trials of each condition; with the study's 32 agents their decoders take minutes."""

SHARED, SHUFFLES = 50, 20
"""Trials of which agents are compared, and size of the null."""

PUSHED = "pushed"
NAMES = (*(f"{gain:g}" for gain in GAINS), PUSHED)
"""Conditions that decoders are fitted and tested in: gains, and perturbations at gain 1."""


def gains_and_pushes(study: Study) -> tuple[Conditions, int]:
    """Return trials at each gain and then with perturbations, of the same targets; and their number."""
    pushes = study.prior_perturbations(TRIALS, STANDARD)[0]
    still = pushes.assign(**dict.fromkeys(PEAKS, 0.0))
    parts = [still.assign(gain=gain) for gain in GAINS] + [pushes.assign(gain=1.0)]
    trials = pd.concat(parts, ignore_index=True)
    return Conditions("gains and perturbations", trials, perturbed=True), len(pushes)


# --- similarity -----------------------------------------------------------------------------


def compute_likeness(study: Study) -> pd.DataFrame:
    """Return how alike the best agents of architectures represent the same moments, and their null.

    Returns:
        ``measure``, ``first``, ``second``, and the columns of :class:`.similarity.Likeness`.

    Raises:
        Missing: If there are fewer than two.
    """
    agents, missing = best_agents(study, MAIN)
    if len(agents) < 2:
        raise Missing("; ".join([*missing, "likeness needs two agents"]))
    conditions = Conditions("shared", study.prior_targets(SHARED))
    recordings = study.simulate(agents, conditions, (LAYER,))
    rows = []
    for one, other in combinations(range(len(agents)), 2):
        x, y, trials = shared_moments(recordings[one], recordings[other])
        for name, measure in SIMILARITIES.items():
            found = likeness(measure, x, y, trials, shuffles=SHUFFLES)
            pair = agents[one].architecture, agents[other].architecture
            rows.append({"measure": name, "first": pair[0], "second": pair[1], **found._asdict()})
    return with_missing(pd.DataFrame(rows), missing)


def plot_likeness(table: pd.DataFrame, figure: Figure) -> None:
    """Draw a matrix for each measure: values above the diagonal, the null's 95th percentile below."""
    order = [name for name in MAIN if name in {*table["first"], *table["second"]}]
    panels = figure.subplots(1, len(SIMILARITIES))
    for axes, name in zip(panels, SIMILARITIES, strict=True):
        matrix = pd.DataFrame(np.eye(len(order)), index=order, columns=order)
        rows = table[table["measure"] == name]
        for first, second, value, high in rows[["first", "second", "value", "null_high"]].values:
            matrix.loc[first, second], matrix.loc[second, first] = value, high
        heat_map(axes, matrix, figure=figure, title=name, digits=2, bar=False, ends=(0, 1))
        axes.xaxis.tick_bottom()
        name_ticks(axes, order)
        axes.set_xlim(-0.5, len(order) - 0.5)
        labels = list(map(label_of, order)) if axes is panels[0] else []
        axes.set_yticks(range(len(labels)), labels)


# --- decoding -------------------------------------------------------------------------------


def compute_decoding(study: Study) -> pd.DataFrame:
    """Return R2 of the position in trials that decoders did not see, by seed, and by chance.

    Returns:
        ``architecture``, ``seed``, and the columns of :func:`.measures.checked`.
    """
    agents, missing = study.cohort(MAIN)
    conditions = Conditions("gain 1", study.prior_targets(TRIALS))
    table = study.measure(agents, conditions, checked, (LAYER,))
    return with_missing(table.drop(columns="condition"), missing)


def plot_decoding(table: pd.DataFrame, figure: Figure) -> None:
    """Draw every seed, the means, and what is read by chance."""
    panels = figure.subplots(1, 2, sharey=True)
    order = [name for name in MAIN if name in set(table["architecture"])]
    for axes, variable in zip(panels, ("x_cm", "y_cm"), strict=True):
        for k, name in enumerate(order):
            rows = table[(table["architecture"] == name) & (table["variable"] == variable)]
            axes.plot([k] * len(rows), rows["r2"], ".", ms=4, color=colour_of(name))
            axes.plot((k - 0.25, k + 0.25), [rows["r2"].mean()] * 2, color=colour_of(name))
            axes.plot((k - 0.25, k + 0.25), [rows["null_high"].mean()] * 2, ":", color="gray")
        axes.axhline(0, color="gray", lw=0.5)
        axes.set_title(f"{variable[0]} of the position")
        plain_ticks(axes, "y")
        name_ticks(axes, order)
    panels[0].set_ylabel("R$^2$, cross-validated")
    legend(panels[1], [], {"mean": "-", "trials shuffled": ":"})


def compute_transfer(study: Study) -> pd.DataFrame:
    """Return how well decoders of each condition read the others: the mean over seeds.

    Returns:
        ``architecture``, ``fitted``, ``tested``, ``value`` (R2, mean over x and y), ``sem``, ``count``.
    """
    agents, missing = study.cohort(MAIN)
    conditions, base = gains_and_pushes(study)
    table = study.measure(
        agents, conditions, partial(transferred, base=base, names=NAMES), (LAYER,)
    )
    found = table.groupby(["architecture", "fitted", "tested"], sort=False)["r2"]
    return with_missing(found.agg(value="mean", sem="sem", count="count").reset_index(), missing)


def plot_transfer(table: pd.DataFrame, figure: Figure) -> None:
    """Draw a matrix for each architecture; colours end at an R2 of -1."""
    order = [name for name in MAIN if name in set(table["architecture"])]
    panels = side_by_side(figure, len(order))
    labels = ["perturbed" if name == PUSHED else times(float(name)) for name in NAMES]
    for axes, name in zip(panels, order, strict=True):
        rows = table[table["architecture"] == name]
        matrix = rows.pivot(index="fitted", columns="tested", values="value")
        matrix = matrix.reindex(index=NAMES, columns=NAMES)
        matrix.index, matrix.columns = labels, labels
        heat_map(axes, matrix, figure=figure, digits=2, bar=False, ends=(-1, 1))
        axes.xaxis.tick_bottom()
        axes.set_xticks(
            range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor"
        )
        axes.set_title(label_of(name), color=colour_of(name))
    panels[0].set_ylabel("Fitted in")
    figure.supxlabel("Tested in")


# --- dimensions -----------------------------------------------------------------------------


def compute_dimensions(study: Study) -> pd.DataFrame:
    """Return the participation ratio of each seed by gain."""
    agents, missing = study.cohort(MAIN)
    conditions, base = gains_and_pushes(study)
    table = study.measure(
        agents, conditions, partial(dimensions, base=base, names=NAMES), (LAYER,)
    )
    rows = table[table["tested"] != PUSHED]
    rows = rows.assign(gain=rows["tested"].astype(float))
    return with_missing(rows[["architecture", "seed", "gain", "value"]], missing)


def plot_dimensions(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the participation ratio against the gain."""
    axes = figure.subplots()
    seed_curves(axes, table, "gain")
    gain_axis(axes)
    axes.set_ylabel("Participation ratio")
    axes.set_ylim(bottom=0)
    legend(axes, table["architecture"].unique().tolist())


PANELS = (
    Panel("units-likeness", "Similarity of units", (7.0, 2.6), compute_likeness, plot_likeness),
    Panel(
        "units-decoding",
        "Position read in unseen trials",
        (4.8, 2.0),
        compute_decoding,
        plot_decoding,
    ),
    Panel(
        "units-transfer",
        "Decoders in other conditions",
        (7.0, 2.2),
        compute_transfer,
        plot_transfer,
    ),
    Panel(
        "units-dimensions",
        "Dimensions of units by gain",
        (3.2, 1.8),
        compute_dimensions,
        plot_dimensions,
    ),
)
"""Panels of units that the study lacks."""
