"""Figure 4, the shape of paths: S4b and S4c compare agents with an animal, trial by trial."""

from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from ..drawing import (
    Panel,
    colour_of,
    name_ticks,
    plain_ticks,
    samples,
    violin_of_sample,
    with_missing,
)
from ..study import ANIMALS, GAINS, MAIN, Missing, Study
from .animal_trials import gain_trials
from .gain_task import agent_trials, times


def _path_differences(study: Study, column: str, *, rewarded: bool) -> pd.DataFrame:
    """Return how far path measures lie from Bruno's in the matched trial; without animals, them.

    ``rewarded`` keeps only trials that the animals were rewarded in at gain 1, as published.
    """
    agents, missing = agent_trials(study)
    agents = agents[agents["gain"] != 1]
    try:
        animals = gain_trials(study)
    except Missing as error:
        agents["value"], agents["difference"] = agents[column], False
        missing.append(f"{error}: shown are the agents' own values, not differences from Monk. B")
        found = samples(agents, ["architecture", "gain", "difference"], "value")
        return with_missing(found, missing)
    bruno = animals[animals["architecture"] == ANIMALS[0]].set_index(["gain", "pair"])[column]
    schro = animals[(animals["architecture"] == ANIMALS[1]) & (animals["gain"] != 1)]
    table = pd.concat([agents, schro], ignore_index=True)
    keys = pd.MultiIndex.from_frame(table[["gain", "pair"]])
    table["value"] = abs(table[column] - bruno.reindex(keys).to_numpy())
    table["difference"] = True
    if rewarded:
        table = table[_rewarded_at_one(table, animals)]
    return with_missing(samples(table, ["architecture", "gain", "difference"], "value"), missing)


def _rewarded_at_one(table: pd.DataFrame, animals: pd.DataFrame) -> "pd.Series[bool]":
    """Return whether Bruno, and for Schro's rows Schro too, was rewarded at gain 1."""
    first = animals[animals["gain"] == 1]
    got = {
        name: rows.set_index("pair")["rewarded"] for name, rows in first.groupby("architecture")
    }
    found = table["pair"].map(got[ANIMALS[0]])
    schro = table["architecture"] == ANIMALS[1]
    return (found & (table["pair"].map(got[ANIMALS[1]]) | ~schro)).astype(bool)


def compute_s4b(study: Study) -> pd.DataFrame:
    """Return differences in curvature from the first animal, for violins."""
    return _path_differences(study, "curvature_per_cm", rewarded=False)


def compute_s4c(study: Study) -> pd.DataFrame:
    """Return differences in path length from the first animal, for violins."""
    return _path_differences(study, "path_cm", rewarded=True)


def plot_paths(table: pd.DataFrame, figure: Figure, what: str, unit: str, top: float) -> None:
    """Draw violins at gains 1.5 and 2."""
    panels = figure.subplots(1, 2, sharey=True)
    order = [n for n in (*MAIN, ANIMALS[1]) if n in set(table["architecture"])]
    for axes, gain in zip(panels, GAINS[1:], strict=True):
        for k, name in enumerate(order):
            rows = table[(table["architecture"] == name) & (table["gain"] == gain)]
            violin_of_sample(axes, k, rows["value"], colour_of(name))
        name_ticks(axes, order)
        axes.set_title(f"Gain {times(gain)}")
    difference = bool(table["difference"].all())
    panels[0].set_ylabel(f"{what} difference ({unit})" if difference else f"{what} ({unit})")
    panels[0].set_ylim(0, max(top, table["value"].max()))
    plain_ticks(panels[0], "y")


PANELS = (
    Panel(
        "S4b",
        "Curvature of paths, compared with an animal's",
        (3.4, 1.9),
        compute_s4b,
        partial(plot_paths, what="Curvature", unit="cm$^{-1}$", top=0.01),
        value="value",
    ),
    Panel(
        "S4c",
        "Length of paths, compared with an animal's",
        (3.4, 1.9),
        compute_s4c,
        partial(plot_paths, what="Length", unit="cm", top=500),
        value="value",
    ),
)
"""Panels of figure 4 about the shape of paths."""
