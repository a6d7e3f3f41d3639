"""How large differences are: effect sizes over seeds, and a mixed model over trials with seeds as random effect.

The study has neither.
"""

import warnings

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..drawing import Panel, colours_of, label_of, legend, with_missing
from ..measures import hedges_g, mixed_model
from ..study import MAIN, MODULAR, Missing, Study, short
from .gain_task import agent_trials
from .seeds import MEASURES, by_seed, shifted

FORMULA = "radial_error_cm ~ agent * beyond"
"""The mixed model: radial error by agent, gain beyond 1, and both; the modular agent is the reference."""


def compute_sizes(study: Study) -> pd.DataFrame:
    """Return how far the modular agent is from each other one, in standard deviations over seeds.

    Returns:
        ``measure``, ``architecture``, ``value`` (Hedges' g, positive where the modular agent has more),
        ``low``, ``high``, ``modular_seeds``, ``seeds`` (how many, of the modular agent and of the other).

    Raises:
        Missing: If there is no modular agent, or no other.
    """
    table = by_seed(study)
    there = table["architecture"].unique().tolist()
    others = [name for name in there if name != MODULAR]
    if MODULAR not in there or not others:
        raise Missing(
            "; ".join([*table.attrs["missing"], "sizes need the modular agent and another"])
        )
    rows = []
    for measure, part in table.groupby("measure", sort=False):
        values = {name: x["value"].to_numpy(float) for name, x in part.groupby("architecture")}
        for name in others:
            seeds = (len(values[MODULAR]), len(values[name]))
            rows.append((measure, name, *hedges_g(values[MODULAR], values[name]), *seeds))
    columns = ["measure", "architecture", "value", "low", "high", "modular_seeds", "seeds"]
    found = pd.DataFrame(rows, columns=columns)
    unknown = found[found["value"].isna()]
    if len(unknown) == len(found):
        raise Missing("; ".join([*table.attrs["missing"], "seeds are all alike, or one"]))
    sizeless: dict[str, list[str]] = {}
    for measure, part in unknown.groupby("measure", sort=False):
        who = ", ".join(map(short, part["architecture"]))
        sizeless.setdefault(who, []).append(MEASURES[str(measure)])
    alike = [
        f"no size where seeds are all alike or one: {who} ({', '.join(measures)})"
        for who, measures in sizeless.items()
    ]
    return with_missing(found, table.attrs["missing"] + alike)


def plot_sizes(table: pd.DataFrame, figure: Figure) -> None:
    """Draw a dot and its interval for each measure and agent."""
    axes = figure.subplots()
    seeds = table[["architecture", "modular_seeds", "seeds"]].drop_duplicates("architecture")
    counts = {str(name): f"{mine}, {its}" for name, mine, its in seeds.itertuples(index=False)}
    colours, shifts = colours_of(counts), shifted(list(counts))
    for k, measure in enumerate(MEASURES):
        rows = table[table["measure"] == measure].set_index("architecture")
        for name, (value, low, high) in rows[["value", "low", "high"]].astype(float).iterrows():
            at, colour = k + shifts[str(name)], colours[str(name)]
            axes.plot((low, high), (at, at), color=colour)
            axes.plot(value, at, "o", ms=3, color=colour)
    axes.axvline(0, color="gray", ls=":", lw=0.7)
    axes.set_yticks(range(len(MEASURES)), list(MEASURES.values()))
    axes.set_ylim(len(MEASURES) - 0.5, -0.5)
    axes.set_xlabel("Hedges' g, modular less other")
    labels = {name: f"{label_of(name)} (n = {count})" for name, count in counts.items()}
    legend(axes, labels, colours=colours)


def compute_mixed(study: Study) -> pd.DataFrame:
    """Return the fixed effects of :data:`FORMULA`, see :func:`.effects.mixed_model`.

    Raises:
        Missing: If there is no modular agent, there are fewer than two seeds in all, or statsmodels is not
            installed.
    """
    names = study.all_architectures()
    table, missing = agent_trials(study, names)
    there = set(table["architecture"])
    if MODULAR not in there:
        raise Missing("; ".join([*missing, "the model needs the modular agent, its reference"]))
    order = [name for name in dict.fromkeys((MODULAR, *names)) if name in there]
    table = table.assign(
        agent=pd.Categorical(table["architecture"].map(short), [short(name) for name in order]),
        beyond=table["gain"] - 1,
        who=table["architecture"] + " " + table["seed"].astype(str),
    )
    formula = FORMULA if len(order) > 1 else FORMULA.replace("agent * ", "")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = mixed_model(table, formula, "who")
        except ValueError as error:
            raise Missing("; ".join([*missing, str(error)])) from error
    if (found["df"] < 1).any():
        missing.append("one seed each: no intervals, no SD over seeds")
    if any("converge" in str(x.message).lower() for x in told):
        missing.append("the fit did not converge, believe none of it")
    return with_missing(found, missing)


def plot_mixed(table: pd.DataFrame, figure: Figure) -> None:
    """Draw each fixed effect with its interval: at gain 1, and how it changes with the gain."""
    names = {short(name): name for name in MAIN}
    colours = colours_of(names.get(agent, agent) for agent in map(_agent, table["effect"]))
    slope = table["effect"].str.contains("beyond")
    agents = [_agent(effect) for effect in table["effect"][~slope]]
    columns = figure.subplots(1, 2, sharey=True)
    titles = "At gain 1", "Change per 1 of gain"
    for axes, rows, title in zip(columns, (table[~slope], table[slope]), titles, strict=True):
        for effect, estimate, low, high in rows[["effect", "estimate", "low", "high"]].to_numpy():
            agent = _agent(effect)
            at, colour = agents.index(agent), colours[names.get(agent, agent)]
            axes.plot((low, high), (at, at), color=colour)
            axes.plot(estimate, at, "o", ms=3, color=colour)
        axes.axvline(0, color="gray", ls=":", lw=0.7)
        axes.set_title(title)
    ticks = [agent if agent == short(MODULAR) else f"{agent} less it" for agent in agents]
    columns[0].set_yticks(range(len(agents)), ticks)
    columns[0].set_ylim(len(agents) - 0.5, -0.5)
    spread = table[["group_sd", "residual_sd"]].iloc[0]
    named = {"seeds": spread["group_sd"], "trials": spread["residual_sd"]}
    of = ", ".join(f"{name} {sd:.0f}" for name, sd in named.items() if np.isfinite(sd))
    figure.supxlabel(f"Radial error (cm; SD: {of})")


def _agent(effect: str) -> str:
    """Return the agent that a fixed effect is of; the modular one is the reference."""
    return effect.removeprefix("agent[T.").partition("]")[0] if "[" in effect else short(MODULAR)


PANELS = (
    Panel("effects-size", "Sizes of effects over seeds", (4.6, 2.0), compute_sizes, plot_sizes),
    Panel("effects-mixed", "Mixed model of radial errors", (5.4, 1.8), compute_mixed, plot_mixed),
)
"""Panels of effects that the study lacks."""
