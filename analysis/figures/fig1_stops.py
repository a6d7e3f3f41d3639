"""Figure 1i to k, S1d and e: where trained agents and monkeys stop."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from modnav.task import REWARD_ZONE_CM

from ..drawing import (
    Panel,
    band,
    colour_of,
    label_of,
    legend,
    plain_ticks,
    points,
    widened,
    with_missing,
)
from ..measures import auc, eccentricity, pearson, psychometric, regression_through_origin
from ..study import ANIMALS, HOLISTIC, MAIN, MODULAR, Study, short, trials_of
from .cohorts import animals_or_none, best_agents, normal_conditions, silent, trained_cohort
from .fig1 import SHOWN

FEW_DOTS = 500
"""Trials up to which dots are larger, or they are hardly seen."""

BOUNDARIES = np.arange(400)
"""Reward boundaries of the panels, cm, as published."""


# --- 1i, S1d, S1e: where subjects stop ----------------------------------------------------


def stops(study: Study, architectures: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return target and stop of each trial of the best agents and of the animals.

    Returns:
        ``architecture`` (or the animal), ``trial``, ``target_r_cm``, ``end_r_cm``,
        ``target_eccentricity_deg``, ``end_eccentricity_deg``; and what is missing.
    """
    agents, missing = best_agents(study, architectures)
    conditions, absent = normal_conditions(study)
    table = study.measure(agents, conditions, trials_of)
    missing += absent + silent(table)
    parts = [table]
    for name, recording in animals_or_none(study).items():
        parts.append(recording.trials.assign(architecture=name))
    columns = ["architecture", "trial", "target_r_cm", "end_r_cm"]
    both = pd.concat(parts, ignore_index=True)
    found = both[columns].copy()
    for name in ("target", "end"):
        found[f"{name}_eccentricity_deg"] = eccentricity(both[f"{name}_theta_deg"])
    return found, missing


def compute_1i(study: Study) -> pd.DataFrame:
    """Return target and stop of 500 trials of best agents and animals, see :func:`stops`."""
    table, missing = stops(study, (HOLISTIC, MODULAR))
    return with_missing(table.groupby("architecture", sort=False).head(SHOWN), missing)


def plot_1i(table: pd.DataFrame, figure: Figure) -> None:
    """Draw stop against target, radial and angular."""
    panels = figure.subplots(1, 2)
    alphas = {HOLISTIC: (0.7, 1.0), MODULAR: (0.3, 0.6)}
    for k, (axes, column, text, ends) in enumerate(
        (
            (panels[0], "r_cm", r"$r$ (cm)", (0, 450)),
            (panels[1], "eccentricity_deg", r"$\theta$ (\N{DEGREE SIGN})", (-45, 45)),
        )
    ):
        label = text.replace(r"\N{DEGREE SIGN}", "\N{DEGREE SIGN}")
        for name in (*ANIMALS, HOLISTIC, MODULAR):
            part = table[table["architecture"] == name]
            axes.scatter(
                part[f"target_{column}"],
                part[f"end_{column}"],
                s=1 if len(part) > FEW_DOTS else 3,
                lw=0,
                color=colour_of(name),
                alpha=alphas.get(name, (1.0, 1.0))[k],
                label=short(name) if len(part) else None,
            )
        axes.plot(ends, ends, "--", color="black", lw=0.6)
        reach = widened(ends, table[f"end_{column}"])
        axes.set(xlim=reach, ylim=reach, aspect="equal")
        axes.set_xticks(np.linspace(*ends, 4 if k == 0 else 3), minor=False)
        axes.set_yticks(axes.get_xticks())
        axes.set_xlabel(f"Target location, {label}")
        stop = label.replace("$r$", r"$\tilde{r}$").replace(r"$\theta$", r"$\tilde{\theta}$")
        axes.set_ylabel(f"Stop location, {stop}")
        axes.set_title(("Radial", "Angular")[k])
        plain_ticks(axes)
    panels[1].legend(loc="upper left", bbox_to_anchor=(1, 1), markerscale=2, handletextpad=0.1)


def _fit_table(statistic: Callable[[Any, Any], float]) -> Callable[[Study], pd.DataFrame]:
    def compute(study: Study) -> pd.DataFrame:
        table, missing = stops(study, MAIN)
        found = [
            {
                "architecture": name,
                "variable": variable,
                "value": statistic(part[f"target_{column}"], part[f"end_{column}"]),
            }
            for name, part in table.groupby("architecture", sort=False)
            for variable, column in (("radial", "r_cm"), ("angular", "eccentricity_deg"))
        ]
        return with_missing(pd.DataFrame(found), missing)

    compute.__doc__ = """Return a statistic of stop over target, for distance and angle."""
    return compute


compute_S1d = _fit_table(pearson)  # as the panel is called
compute_S1e = _fit_table(regression_through_origin)  # likewise


def _plot_fit(label: str) -> Callable[[pd.DataFrame, Figure], None]:
    def plot(table: pd.DataFrame, figure: Figure) -> None:
        axes = figure.subplots()
        names = [name for name in (*MAIN, *ANIMALS) if name in set(table["architecture"])]
        for name, shift in zip(names, np.linspace(-0.12, 0.12, len(names)), strict=True):
            part = table[table["architecture"] == name].set_index("variable")["value"]
            values = part.reindex(["radial", "angular"])
            axes.plot(
                np.arange(2) + shift,
                values,
                "d",
                ms=3.5,
                color=colour_of(name),
                label=label_of(name),
            )
        low = min(0.6, float(table["value"].min()) - 0.05)
        high = max(1.0, float(table["value"].max()) + 0.02)
        axes.set(xlim=(-0.5, 1.5), ylim=(low, high), ylabel=label)
        axes.set_xticks((0, 1), ("Radial\ndistance", "Angular\neccentricity"))
        plain_ticks(axes, "y")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1))

    plot.__doc__ = """Draw a diamond for each subject."""
    return plot


plot_S1d = _plot_fit("Pearson r")  # as the panel is called
plot_S1e = _plot_fit("Regression slope")  # likewise


# --- 1j, 1k: psychometric curves ----------------------------------------------------------


def psychometrics(study: Study, architectures: Sequence[str] = MAIN) -> pd.DataFrame:
    """Return the rewarded fraction over reward boundaries of every seed and animal.

    As published, one generator shuffles Bruno's targets, then Schro's; agents have Bruno's.

    Returns:
        ``architecture``, ``seed`` (-1 for animals), ``boundary_cm``, ``true``, ``shuffled``.
    """
    agents, missing = trained_cohort(study, architectures)
    conditions, absent = normal_conditions(study)
    trials = study.measure(agents, conditions, trials_of)
    random = np.random.default_rng(1)
    parts = [
        psychometric(part, BOUNDARIES).assign(architecture=str(name), seed=int(str(seed)))
        for (name, seed), part in trials.groupby(["architecture", "seed"], sort=False)
    ]
    for name, recording in animals_or_none(study).items():
        curve = psychometric(recording.trials, BOUNDARIES, random)
        parts.append(curve.assign(architecture=name, seed=-1))
    table = pd.concat(parts, ignore_index=True)
    return with_missing(table, missing + absent + silent(trials))


def _curve_means(table: pd.DataFrame) -> pd.DataFrame:
    groups = table.groupby(["architecture", "boundary_cm"], sort=False)
    found = groups["true"].agg(mean="mean", sem="sem", count="count")
    return found.assign(shuffled=groups["shuffled"].mean()).reset_index()


def compute_1j(study: Study) -> pd.DataFrame:
    """Return mean and SEM over seeds of the psychometric curves, and the shuffled controls."""
    table = psychometrics(study)
    return with_missing(_curve_means(table), table.attrs["missing"])


def plot_1j(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the fraction of correct trials against the size of the reward zone."""
    axes = figure.subplots()
    for name, part in table.groupby("architecture", sort=False):
        colour = colour_of(str(name))
        band(axes, part["boundary_cm"], part["mean"], part["sem"], colour, alpha=0.5)
        axes.plot(part["boundary_cm"], part["shuffled"], "--", color=colour, lw=0.7)
    axes.axvline(REWARD_ZONE_CM, color="black", ls=":", lw=0.6)
    axes.text(REWARD_ZONE_CM + 6, 1.02, "True size", va="bottom", ha="center")
    axes.set(xlim=(0, 400), ylim=(0, 1), xticks=(0, REWARD_ZONE_CM, 200, 400), yticks=(0, 0.5, 1))
    axes.set(xlabel="Reward boundary size (cm)", ylabel="Frac. correct")
    plain_ticks(axes)
    legend(axes, table["architecture"].unique().tolist(), {"own target": "-", "shuffled": "--"})


def compute_1k(study: Study) -> pd.DataFrame:
    """Return true against shuffled fractions, and the AUC of every seed.

    Returns:
        Rows of ``quantity`` ``curve`` (``architecture``, ``boundary_cm``, ``shuffled``, ``mean``,
        ``sem``) and ``auc`` (``architecture``, ``seed``, ``auc``).
    """
    table = psychometrics(study)
    areas = [
        {"quantity": "auc", "architecture": name, "seed": seed, "auc": auc(part)}
        for (name, seed), part in table.groupby(["architecture", "seed"], sort=False)
    ]
    both = [pd.DataFrame(areas), _curve_means(table).assign(quantity="curve")]
    return with_missing(pd.concat(both, ignore_index=True), table.attrs["missing"])


def plot_1k(table: pd.DataFrame, figure: Figure) -> None:
    """Draw true against shuffled fractions, and the AUCs beside them."""
    axes, right = figure.subplots(1, 2, width_ratios=(2, 1))
    for name, part in table[table["quantity"] == "curve"].groupby("architecture", sort=False):
        band(axes, part["shuffled"], part["mean"], part["sem"], colour_of(str(name)), alpha=0.5)
    axes.plot((0, 1), (0, 1), ":", color="gray", lw=0.7)
    axes.text(0.1, 0.06, "Chance", color="gray")
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.set(xlabel="Frac. correct (shuffled)", ylabel="Frac. correct (true)")
    plain_ticks(axes)
    areas = table[table["quantity"] == "auc"]
    values = {str(n): x["auc"] for n, x in areas.groupby("architecture", sort=False)}
    for k, (name, numbers) in enumerate(values.items()):
        points(right, k, numbers, colour_of(name))
    low = min(0.8, np.floor(20 * float(areas["auc"].min()) - 0.2) / 20)
    right.set(ylim=(low, 1), yticks=(low, (1 + low) / 2, 1), xticks=[], ylabel="AUC")
    plain_ticks(right, "y")
    legend(right, list(values))


PANELS = (
    Panel("1i", "Stop against target location", (4.4, 1.9), compute_1i, plot_1i),
    Panel("1j", "Fraction correct", (3.0, 1.7), compute_1j, plot_1j),
    Panel("1k", "ROC and its area", (4.4, 1.7), compute_1k, plot_1k, value="auc"),
    Panel(
        "S1d", "Correlation of stop and target", (3.0, 1.7), compute_S1d, plot_S1d, value="value"
    ),
    Panel("S1e", "Slope of stop over target", (3.0, 1.7), compute_S1e, plot_S1e, value="value"),
)
"""Panels of figure 1 and S1 about where subjects stop."""
