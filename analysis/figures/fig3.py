"""Figure 3 and S3: how straight agents steer, and how much reward that brings over training."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..drawing import (
    Panel,
    colour_of,
    learning_curves,
    legend,
    limits,
    name_ticks,
    plain_ticks,
    violin,
    with_missing,
)
from ..measures import outcomes, within_fences
from ..study import HOLISTIC, HOLISTIC_EKF, MAIN, MODULAR, NAMES, Missing, Study, short
from .cohorts import animal_paths, animals_or_none, normal_conditions, silent, trained_cohort
from .fig1 import learning_table

ALSO = (HOLISTIC_EKF, MODULAR)
"""Agents of the supplementary panels with the holistic-EKF agent."""

LEARNED = 0.6
"""TD errors are shown from the first checkpoint whose mean rewarded fraction is above this."""

CURVATURE, LENGTH = "curvature_per_cm", "path_cm"


# --- a, b, S3a, b, d, e: shapes of paths --------------------------------------------------


def _animal_measures(study: Study) -> dict[str, pd.DataFrame]:
    return {name: animal_paths(recording) for name, recording in animals_or_none(study).items()}


def shapes(study: Study, column: str, architectures: Sequence[str]) -> pd.DataFrame:
    """Return a measure of the paths of all seeds, trial by trial.

    Where there are animals, only trials are taken that both were rewarded in.

    Args:
        study: The study.
        column: Column of :func:`.measures.outcomes`.
        architectures: Which agents.

    Returns:
        ``architecture``, ``seed``, ``trial``, ``value``; NaN values are left out.

    Raises:
        Missing: If there are no such agents.
    """
    agents, missing = trained_cohort(study, architectures)
    conditions, absent = normal_conditions(study)
    table = study.measure(agents, conditions, outcomes)
    missing += absent + silent(table)
    animals = _animal_measures(study)
    if animals:
        both = np.logical_and(*(part["rewarded"].to_numpy() for part in animals.values()))
        table = table[table["trial"].isin(np.flatnonzero(both))]
    found = table[["architecture", "seed", "trial"]].assign(value=table[column].to_numpy())
    return with_missing(found.dropna(subset=["value"]), missing)


def differences(study: Study, column: str) -> pd.DataFrame:
    """Return how far a measure of paths lies from that of monkey B in the same trial.

    Returns:
        As :func:`shapes`, and rows of monkey S; trials where either is NaN are left out.

    Raises:
        Missing: If there are no animals or no agents.
    """
    animals = _animal_measures(study)
    if not animals:
        raise Missing("no animal data; paths are compared with those of monkey B")
    reference = animals["Bruno"].set_index("trial")[column]
    table = shapes(study, column, MAIN)
    missing = table.attrs["missing"]
    both = animals["Bruno"]["rewarded"] & animals["Schro"]["rewarded"]
    other = animals["Schro"][both.to_numpy()]
    other = other[["trial"]].assign(architecture="Schro", seed=-1, value=other[column])
    found = pd.concat([table, other], ignore_index=True)
    found["value"] = (found["value"] - found["trial"].map(reference)).abs()
    return with_missing(found.dropna(subset=["value"]), missing)


def filtered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the values of each architecture that pass the Tukey filter, over all its seeds."""
    kept = table.groupby("architecture")["value"].transform(within_fences).astype(bool)
    return with_missing(table[kept], table.attrs["missing"])


def _shape_panel(
    name: str,
    title: str,
    column: str,
    architectures: Sequence[str],
    top: float,
    *,
    apart: bool = False,
) -> Panel:
    """Return a panel of violins, of a measure or of its difference from monkey B's."""

    def compute(study: Study) -> pd.DataFrame:
        table = differences(study, column) if apart else shapes(study, column, architectures)
        return filtered(table)

    def plot(table: pd.DataFrame, figure: Figure) -> None:
        axes = figure.subplots()
        there = set(table["architecture"])
        order = [n for n in (*architectures, *(["Schro"] if apart else [])) if n in there]
        for k, architecture in enumerate(order):
            values = table.loc[table["architecture"] == architecture, "value"]
            special = architecture == HOLISTIC_EKF
            colour = colour_of(HOLISTIC if special else architecture)
            violin(axes, k, values, colour, edge="black" if special else None)
        if apart:
            axes.axvline(len(there & set(MAIN)) - 0.5, color="black", ls=":", lw=0.6)
        name_ticks(axes, order)
        limits(axes, y=(0, top))
        axes.set_ylim(bottom=0)
        unit = "cm$^{-1}$" if column == CURVATURE else "cm"
        what = "Curvature" if column == CURVATURE else "Length"
        axes.set_ylabel(f"{what}{' difference' * apart} ({unit})")

    compute.__doc__ = "Return the filtered values of the violins: shapes() or differences()."
    plot.__doc__ = "Draw a violin for each architecture."
    size = (2.2, 1.7) if len(architectures) > 2 else (1.4, 1.7)
    return Panel(name, title, size, compute, plot, value="value")


# --- c, d, S3f, g: over training ----------------------------------------------------------


def td_errors(study: Study, architectures: Sequence[str]) -> pd.DataFrame:
    """Return mean and SEM over seeds of the TD error, from where an architecture has learned.

    Args:
        study: The study.
        architectures: Which architectures; in the published S3g all begin where the modular agent
            does, here each begins where it has learned itself.

    Raises:
        Missing: If none was trained, or none has learned.
    """
    errors = learning_table(study, "TD_error_abs", architectures)
    missing = errors.attrs["missing"]
    learned = learning_table(study, "reward_fraction", architectures)
    learned = learned[learned["mean"] > LEARNED]
    start = learned.groupby("architecture")["episode"].min()
    if study.published and HOLISTIC_EKF in architectures and MODULAR in start:
        start[:] = start[MODULAR]
    names = set(errors["architecture"])
    late = [short(name) for name in architectures if name in names - set(start.index)]
    unlearned = f"no checkpoint is rewarded in {LEARNED:.0%} of trials: {', '.join(late)}"
    kept = errors[errors["episode"] >= errors["architecture"].map(start).fillna(np.inf)]
    if kept.empty:
        raise Missing(unlearned)
    return with_missing(kept, [*missing, *[unlearned] * bool(late)])


def _curve_panel(
    name: str, title: str, compute: Callable[[Study], pd.DataFrame], label: str, top: float
) -> Panel:
    def plot(table: pd.DataFrame, figure: Figure) -> None:
        axes = figure.subplots()
        learning_curves(axes, table, NAMES, dashed=(HOLISTIC_EKF,))
        axes.set_ylabel(label)
        reached = table["mean"] + table["sem"].fillna(0)
        axes.set_ylim(0, max(top, 1.05 * float(reached.max())))
        plain_ticks(axes)
        names = list(dict.fromkeys(table["architecture"]))
        legend(axes, names, dashed=(HOLISTIC_EKF,))

    plot.__doc__ = "Draw mean and SEM over seeds against training trials."
    return Panel(name, title, (3.2, 1.8), compute, plot)


def compute_3c(study: Study) -> pd.DataFrame:
    """Return the reward rate over training, see :func:`.fig1.learning_table`."""
    return learning_table(study, "reward_rate")


def compute_S3f(study: Study) -> pd.DataFrame:  # as the panel is called
    """Return the same of the holistic-EKF and the modular agent."""
    return learning_table(study, "reward_rate", ALSO)


def compute_3d(study: Study) -> pd.DataFrame:
    """Return the TD error over training, see :func:`td_errors`."""
    return td_errors(study, MAIN)


def compute_S3g(study: Study) -> pd.DataFrame:  # likewise
    """Return the same of the holistic-EKF and the modular agent."""
    return td_errors(study, ALSO)


PANELS = (
    _shape_panel("3a", "Curvature against monkey B's", CURVATURE, MAIN, 0.01, apart=True),
    _shape_panel("3b", "Length against monkey B's", LENGTH, MAIN, 150, apart=True),
    _curve_panel(
        "3c", "Reward rate at gain 1 over training", compute_3c, "Reward rate (trial/s)", 0.8
    ),
    _curve_panel("3d", "TD error at gain 1 over training", compute_3d, "TD error", 0.5),
    _shape_panel("S3a", "Curvature of paths", CURVATURE, MAIN, 0.011),
    _shape_panel("S3b", "Length of paths", LENGTH, MAIN, 550),
    _shape_panel(
        "S3d", "Curvature of paths, holistic-EKF and modular agents", CURVATURE, ALSO, 0.011
    ),
    _shape_panel("S3e", "Length of paths, holistic-EKF and modular agents", LENGTH, ALSO, 550),
    _curve_panel(
        "S3f",
        "Reward rate over training, holistic-EKF and modular agents",
        compute_S3f,
        "Reward rate (trial/s)",
        0.8,
    ),
    _curve_panel(
        "S3g",
        "TD error over training, holistic-EKF and modular agents",
        compute_S3g,
        "TD error",
        0.5,
    ),
)
"""Panels of figures 3 and S3 about trained agents."""
