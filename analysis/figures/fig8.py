"""Figure 8: all combinations of three actors and five critics after extensive training.

Panels 8c to 8f, S9a to S9d.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from modnav.networks import build_agent

from ..drawing import (
    Panel,
    colour_of,
    cross,
    groups,
    heat_map,
    legend,
    limits,
    plain_ticks,
    tick_label,
    with_missing,
)
from ..measures import LAYER, decoded_trials, outcomes, pearson, performances, reward_rate
from ..published import published
from ..study import LARGE_ANGULAR, LARGE_LINEAR, MAIN, Peaks, Study
from .cohorts import silent
from .extensive import Task, cohort, conditions

ACTORS, CRITICS = (1, 2, 3), (1, 2, 3, 4, 5)

ARCHITECTURES = {
    f"Actor{actor}Critic{critic}": (actor, critic) for critic in CRITICS for actor in ACTORS
}
"""Actor and critic of each architecture, in the order of the study."""

PEAKS = Peaks(LARGE_LINEAR, LARGE_ANGULAR, None, None)
"""Perturbations of 8d."""

LABELS = {
    "reward_rate": "Reward rate (trial/s)",
    "td_error": "TD error",
    "auc": "AUC",
    "auc_sem": "SEM of AUC",
    "error_cm": "Decoding error (cm)",
}
GOOD = ("reward_rate", "auc")
"""Quantities of which more is better; dark is bad in all maps."""


def statistics_of(study: Study, task: Task) -> pd.DataFrame:
    """Return what is compared of all architectures in a task, by seed.

    Returns:
        ``architecture``, ``actor``, ``critic``, ``seed``, ``quantity``, ``value``; quantities are
        ``reward_rate``, ``td_error``, ``auc`` (of all trials) and, but in the task of the
        training, ``error_cm`` (mean decoding error, of test trials).

    Raises:
        Missing: If there are no runs.
    """
    agents, missing = cohort(study, list(ARCHITECTURES), task)
    decoding = task != "training"
    measure, layers = (decoded_trials, (LAYER,)) if decoding else (outcomes, ())
    table = study.measure(agents, conditions(study, task, PEAKS), measure, layers)
    keys = ["architecture", "seed"]
    cut = study.published and task == "gain"
    found = performances(table, keys, cut=cut).rename(columns={"value": "auc"})
    parts = [rows for _, rows in groups(table, keys)]
    found["reward_rate"] = [reward_rate(rows) for rows in parts]
    found["td_error"] = [rows["td_error_abs"].mean() for rows in parts]
    if decoding:
        sums = [rows[["error_sum_cm", "error_count"]].sum() for rows in parts]
        found["error_cm"] = [total / count for total, count in map(tuple, sums)]
    for place, name in enumerate(("actor", "critic")):
        column = found["architecture"].map({k: v[place] for k, v in ARCHITECTURES.items()})
        found.insert(1 + place, name, column)
    keys = ["architecture", "actor", "critic", "seed"]
    found = found.melt(keys, var_name="quantity", value_name="value")
    return with_missing(found, [*missing, *silent(table)])


def compute_maps(study: Study, task: Task, quantities: tuple[str, ...]) -> pd.DataFrame:
    """Return some of :func:`statistics_of`, with ``task``."""
    table = statistics_of(study, task)
    kept = table[table["quantity"].isin(quantities)].reset_index(drop=True)
    return with_missing(kept.assign(task=task), table.attrs["missing"])


def compute_both(study: Study, quantity: str, *, errors: bool = False) -> pd.DataFrame:
    """Return a quantity in both hard tasks; with ``errors`` its SEM over seeds instead."""
    each = [compute_maps(study, task, (quantity,)) for task in ("gain", "perturbation")]
    table = pd.concat(each, ignore_index=True)
    missing = [note for part in each for note in part.attrs["missing"]]
    if errors:
        keys = ["task", "architecture", "actor", "critic"]
        table = table.groupby(keys, sort=False)["value"].sem().reset_index()
        table["quantity"] = f"{quantity}_sem"
        if table["value"].isna().all():
            missing.append("one seed each: no SEM")
    return with_missing(table, missing)


def plot_maps(table: pd.DataFrame, figure: Figure) -> None:
    """Draw a heat map for each task and quantity; the four main architectures are framed."""
    each = list(groups(table, ["task", "quantity"]))
    panels = figure.subplots(1, len(each), squeeze=False, gridspec_kw={"wspace": 0.15})[0]
    both = table["task"].nunique() > 1
    for axes, ((task, quantity), rows) in zip(panels, each, strict=True):
        means = rows.groupby(["critic", "actor"])["value"].mean().unstack("actor")
        means = means.sort_index().sort_index(axis=1)
        places = {name: _place(means, name) for name in MAIN if name in set(rows["architecture"])}
        means.index = [f"Critic {k}" if axes is panels[0] else "" for k in means.index]
        means.columns = [f"A{k}" for k in means.columns]
        digits = 1 if quantity == "error_cm" else 3
        colours = "BuPu_r" if quantity in GOOD else "BuPu"
        label = LABELS[quantity] + (f"\n{task}" if both else "")
        heat_map(axes, means, figure=figure, label=label, cmap=colours, digits=digits)
        for name, (x, y) in places.items():
            corner, colour = (x - 0.47, y - 0.47), colour_of(name)
            frame = Rectangle(corner, 0.94, 0.94, fill=False, ec=colour, lw=1.2)
            frame.set_path_effects([withStroke(linewidth=4, foreground="white")])
            axes.add_patch(frame)


def _place(means: pd.DataFrame, name: str) -> tuple[int, int]:
    """Return column and row of an architecture in a map."""
    actor, critic = ARCHITECTURES[name]
    columns: list[Any] = list(means.columns)
    rows: list[Any] = list(means.index)
    return columns.index(actor), rows.index(critic)


def plot_scatter(
    table: pd.DataFrame, figure: Figure, x: tuple[float, float], y: tuple[float, float]
) -> None:
    """Draw AUC against decoding error of all architectures, with SEMs, and r of the means."""
    axes = figure.subplots()
    names = sorted(table["architecture"].unique(), key=lambda name: name in MAIN)
    means = []
    for name in names:
        rows = table[table["architecture"] == name]
        wide = rows.pivot(index="seed", columns="quantity", values="value")
        cross(axes, wide, "error_cm", "auc", name)
        means.append((wide["error_cm"].mean(), wide["auc"].mean()))
    axes.set_xlabel(LABELS["error_cm"])
    axes.set_ylabel("Performance (AUC)")
    limits(axes, x, y)
    r = pearson(*np.transpose(means)) if len(means) > 2 else float("nan")
    axes.set_title(f"r = {tick_label(round(r, 2))} (n = {len(means)})" if np.isfinite(r) else "")
    main = [name for name in MAIN if name in names]
    legend(axes, main if len(main) == len(names) else [*main, "others"])


# --- S9a: numbers of parameters -------------------------------------------------------------


def compute_s9a(study: Study) -> pd.DataFrame:
    """Return the numbers of parameters of actors and of one critic; they depend on no run."""
    rows = []
    for k in CRITICS:
        critic = build_agent(f"Actor1Critic{k}").critic.first
        rows.append(("critic", k, sum(p.numel() for p in critic.parameters())))
    for k in ACTORS:
        actor = build_agent(f"Actor{k}Critic1").actor
        rows.append(("actor", k, sum(p.numel() for p in actor.parameters())))
    return pd.DataFrame(rows, columns=["part", "number", "value"])


def plot_s9a(table: pd.DataFrame, figure: Figure) -> None:
    """Draw a bar for each network."""
    axes = figure.subplots()
    labels = [f"{part[0].upper()}{number}" for part, number in table[["part", "number"]].values]
    colours = ["gray" if part == "critic" else "lightgray" for part in table["part"]]
    axes.bar(range(len(table)), table["value"] / 1e5, color=colours)
    axes.set_xticks(range(len(table)), labels)
    axes.set_ylabel(r"Parameters ($\times 10^5$)")
    plain_ticks(axes, "y")


PANELS = (
    Panel(
        "8c",
        "Performance and decoding error at gains of 3 to 4",
        (3.2, 2.3),
        partial(compute_maps, task="gain", quantities=("auc", "error_cm")),
        plot_maps,
        value="value",
    ),
    Panel(
        "8d",
        "Performance and decoding error with large perturbations",
        (3.2, 2.3),
        partial(compute_maps, task="perturbation", quantities=("auc", "error_cm")),
        plot_maps,
        value="value",
    ),
    Panel(
        "8e",
        "Performance by decoding error at gains of 3 to 4",
        (3.2, 1.9),
        partial(compute_maps, task="gain", quantities=("auc", "error_cm")),
        partial(plot_scatter, x=(10, 80), y=(0.68, 0.92)),
        published("8c"),
        value="value",
    ),
    Panel(
        "8f",
        "Performance by decoding error with large perturbations",
        (3.2, 1.9),
        partial(compute_maps, task="perturbation", quantities=("auc", "error_cm")),
        partial(plot_scatter, x=(16, 50), y=(0.76, 0.94)),
        published("8d"),
        value="value",
    ),
    Panel("S9a", "Numbers of parameters", (2.0, 1.5), compute_s9a, plot_s9a, value="value"),
    Panel(
        "S9b",
        "Reward rate and TD error in the task of the training",
        (3.2, 2.3),
        partial(compute_maps, task="training", quantities=("reward_rate", "td_error")),
        plot_maps,
        value="value",
    ),
    Panel(
        "S9c",
        "SEM of the AUC over seeds",
        (3.2, 2.3),
        partial(compute_both, quantity="auc", errors=True),
        plot_maps,
        value="value",
    ),
    Panel(
        "S9d",
        "Reward rates in the hard tasks",
        (3.2, 2.3),
        partial(compute_both, quantity="reward_rate"),
        plot_maps,
        value="value",
    ),
)
"""Panels of figure 8."""
