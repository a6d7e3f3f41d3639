"""Comparisons of architectures over seeds that the study lacks: how sure is the ordering?

Interquartile means, and the probability that a run of the modular agent is better than one of
another architecture; with intervals over seeds, of a bootstrap and of Wilson.

References:
    Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice",
    NeurIPS (2021).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..drawing import (
    SEED_DOT,
    TRIAL_SCALE,
    Panel,
    colours_of,
    label_of,
    legend,
    name_ticks,
    plain_ticks,
    with_missing,
)
from ..measures import auc, compare
from ..study import MODULAR, Study
from .fig1_stops import psychometrics

MEASURES = {
    "reward_fraction gain1x": "Rewarded fraction",
    "reward_rate gain1x": "Reward rate (1/s)",
    "reward_rate gain2x": "Reward rate, gain 2 (1/s)",
    "auc": "AUC",
}
"""What is compared, and its name: the first three of the last checkpoint, AUC of the best."""


def by_seed(study: Study) -> pd.DataFrame:
    """Return the measures of each seed.

    Returns:
        ``measure``, ``architecture``, ``seed``, ``value``.

    Raises:
        Missing: If there are no runs of the main architectures, nor of others than the study's.
    """
    names = study.all_architectures()
    curves = study.curves(names)
    last = curves["episode"] == curves.groupby(["architecture", "seed"])["episode"].transform(
        "max"
    )
    parts = []
    for measure in list(MEASURES)[:3]:
        column, task = measure.split()
        rows = curves[last & (curves["task"] == task)]
        parts.append(rows[["architecture", "seed"]].assign(measure=measure, value=rows[column]))
    shown = psychometrics(study, names)
    areas = [
        {"architecture": name, "seed": seed, "measure": "auc", "value": auc(part)}
        for (name, seed), part in shown.groupby(["architecture", "seed"], sort=False)
        if name in names
    ]
    missing = shown.attrs["missing"]
    if (curves[last]["episode"] + 1 < TRIAL_SCALE).any():
        missing = [*missing, "some runs end before 10,000 trials"]
    found = pd.concat([*parts, pd.DataFrame(areas)], ignore_index=True)
    return with_missing(found[["measure", "architecture", "seed", "value"]], missing)


def compute_seeds(study: Study) -> pd.DataFrame:
    """Return the measures of each seed, and :func:`.statistics.compare` of each measure.

    Returns:
        Rows of seeds (``seed`` and ``value``) and of architectures (``iqm``, ``improvement``, ...),
        told apart by ``quantity``: ``seed`` or ``comparison``.
    """
    table = by_seed(study)
    parts = [table.assign(quantity="seed")]
    for measure, part in table.groupby("measure", sort=False):
        found = compare(part, "architecture", "value", MODULAR)
        parts.append(found.assign(quantity="comparison", measure=measure))
    return with_missing(pd.concat(parts, ignore_index=True), table.attrs["missing"])


def plot_iqm(table: pd.DataFrame, figure: Figure) -> None:
    """Draw interquartile mean, its interval and every seed of each measure."""
    panels = figure.subplots(1, len(MEASURES))
    colours = colours_of(table["architecture"].unique())
    for axes, (measure, label) in zip(panels, MEASURES.items(), strict=True):
        part = table[table["measure"] == measure]
        order = part["architecture"].unique().tolist()
        for k, name in enumerate(order):
            rows = part[part["architecture"] == name]
            seeds = rows.loc[rows["quantity"] == "seed", "value"]
            axes.scatter(np.full(len(seeds), k), seeds, s=4, color=SEED_DOT, lw=0, zorder=3)
            whole = rows.loc[rows["quantity"] == "comparison", ["iqm", "iqm_low", "iqm_high"]]
            for iqm, low, high in whole.to_numpy(float):
                ends, colour = (k - 0.25, k + 0.25), colours[name]
                axes.plot(ends, (iqm, iqm), color=colour)
                if np.isfinite(low):
                    axes.fill_between(ends, low, high, color=colour, alpha=0.3, lw=0)
        name_ticks(axes, order)
        axes.set_ylabel(f"IQM: {label}", size="medium")
        plain_ticks(axes, "y")


def plot_improvement(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the probability that a run of the modular agent is better, with its interval."""
    axes = figure.subplots()
    rows = table[table["quantity"] == "comparison"]
    counts = rows.groupby("architecture", sort=False)["count"].min().astype(int)
    others = [name for name in table["architecture"].unique() if name != MODULAR]
    colours, shifts = colours_of(others), shifted(others)
    for k, measure in enumerate(MEASURES):
        part = rows[rows["measure"] == measure].set_index("architecture")
        for name in others:
            if name in part.index:
                at, colour = k + shifts[name], colours[name]
                ends = part.loc[name, ["improvement_low", "improvement_high"]].to_numpy(float)
                axes.plot(ends, (at, at), color=colour, lw=1, clip_on=False)
                value = part.loc[[name], "improvement"].to_numpy(float)
                axes.plot(value, [at], "o", ms=3, color=colour, clip_on=False)
    axes.axvline(0.5, color="gray", ls=":", lw=0.7)
    axes.set(xlim=(-0.05, 1.05), xticks=(0, 0.5, 1), xlabel="P(modular agent is better)")
    axes.set_title(f"Modular: n = {counts.get(MODULAR, 0)} seeds")
    axes.set_yticks(range(len(MEASURES)), list(MEASURES.values()))
    axes.set_ylim(len(MEASURES) - 0.5, -0.5)
    plain_ticks(axes, "x")
    labels = {name: f"{label_of(name)} (n = {counts[name]})" for name in others}
    legend(axes, labels, colours=colours)


def shifted(names: Sequence[str]) -> dict[str, float]:
    """Return how far from the middle of a row the mark of each stands."""
    return dict(zip(names, np.linspace(-0.2, 0.2, len(names)), strict=True))


PANELS = (
    Panel("seeds-iqm", "Interquartile means over seeds", (7.0, 2.2), compute_seeds, plot_iqm),
    Panel(
        "seeds-improvement",
        "Probability that the modular agent is better",
        (4.4, 1.9),
        compute_seeds,
        plot_improvement,
    ),
)
"""Panels that compare architectures over seeds; the study has none of these."""
