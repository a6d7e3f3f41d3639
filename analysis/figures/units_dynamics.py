"""How belief units go on in time: their dynamics beside others', and their paths with slow points.

The study has none of these. Everything is of the actor's belief units.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..drawing import (
    Panel,
    colour_of,
    groups,
    heat_map,
    label_of,
    legend,
    plain_ticks,
    with_missing,
)
from ..measures import LAYER, RANK, dynamical_distance, kept_dynamics, leading_plane, units_of
from ..study import GAINS, HOLISTIC, MAIN, MODULAR, Conditions, Missing, Standstill, Study, short
from .cohorts import best_agents

TRIALS = 200
"""Trials that linear maps are fitted to, half of them each."""

HALVES = "halves"
"""Column of the distances between halves of one agent's trials."""

SHOWN = 12
"""Trials of each gain in the leading plane."""

DARK = {1.0: 1.0, 1.5: 0.6, 2.0: 0.3}
"""Opacity of the paths of each gain."""


# --- dynamical similarity --------------------------------------------------------------------


def compute_dynamics(study: Study) -> pd.DataFrame:
    """Return how far the dynamics of agents' units are apart, and those of halves of one agent's trials.

    Between two agents it is the mean over the four pairs of their halves, so that all maps are of as many
    trials.

    Returns:
        A row for each pair of agents, and of each agent for its halves: ``first``, ``first_seed``, ``second``,
        ``second_seed``, ``value`` (see :func:`.measures.dynamical_distance`).

    Raises:
        Missing: If ``dsa-metric`` is not installed, or no agent's units fill enough directions.
    """
    agents, missing = study.cohort(MAIN)
    conditions = Conditions("gain 1", study.prior_targets(TRIALS))
    try:
        dynamical_distance(np.eye(1), np.eye(1))  # is the package there?
    except ValueError as error:
        raise Missing("; ".join([*missing, str(error)])) from error
    table = study.measure(agents, conditions, kept_dynamics, (LAYER,))
    maps = {
        key: [half[list(map(str, range(RANK)))].to_numpy() for _, half in rows.groupby("half")]
        for key, rows in table.groupby(["architecture", "seed"], sort=False)
    }
    absent = [a for a in agents if (a.architecture, a.seed) not in maps]
    missing += [
        f"{short(a.architecture)}, seed {a.seed}: too few steps, or units fill fewer than {RANK} directions"
        for a in absent
    ]
    if not maps:
        raise Missing("; ".join(missing))
    pairs = [((key, key), [(a, b)]) for key, (a, b) in maps.items()]
    for one, other in combinations(maps, 2):
        pairs.append(((one, other), [(a, b) for a in maps[one] for b in maps[other]]))
    rows = [
        (*one, *other, float(np.mean([dynamical_distance(a, b) for a, b in each])))
        for (one, other), each in pairs
    ]
    names = ["first", "first_seed", "second", "second_seed", "value"]
    return with_missing(pd.DataFrame(rows, columns=names), missing)


def plot_dynamics(table: pd.DataFrame, figure: Figure) -> None:
    """Draw means over pairs of agents, those of one architecture on the diagonal, halves of agents before."""
    order = [name for name in MAIN if name in {*table["first"], *table["second"]}]
    matrix = pd.DataFrame(np.nan, index=order, columns=[HALVES, *order])
    same = (table["first"] == table["second"]) & (table["first_seed"] == table["second_seed"])
    for name, value in table[same].groupby("first")["value"].mean().items():
        matrix.loc[name, HALVES] = value
    mirrored = table.rename(columns={"first": "second", "second": "first"})
    both = pd.concat([table[~same], mirrored[~same]])
    between = both.groupby(["first", "second"], as_index=False)["value"].mean()
    for first, second, value in between.to_numpy():
        matrix.loc[first, second] = value
    axes = figure.subplots()
    heat_map(axes, matrix, figure=figure, digits=3, label="Mean squared distance of eigenvalues")
    axes.xaxis.tick_bottom()
    labels = ["Halves of one", *map(label_of, order)]
    axes.set_xticks(range(len(labels)), labels, rotation=55, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(order)), [label_of(name) for name in order])
    axes.axvline(0.5, color="white", lw=3)


# --- the leading plane -----------------------------------------------------------------------


def compute_plane(study: Study) -> pd.DataFrame:
    """Return trials of the best agents in the leading plane of their units, and slow points.

    Returns:
        ``architecture``, ``kind`` (``trial`` or ``point``), ``pc1``, ``pc2``; of trials ``gain``, ``trial``
        and ``step``, of points ``speed``, ``radius`` and ``outside``; ``explained``, the share of the plane.
    """
    agents, missing = best_agents(study, (HOLISTIC, MODULAR))
    targets = study.prior_targets(SHOWN)
    trials = pd.concat([targets.assign(gain=gain) for gain in GAINS], ignore_index=True)
    conditions = Conditions("plane", trials)
    recordings = study.simulate(agents, conditions, (LAYER,))
    still = study.cache.results([Standstill(a, Conditions("start", targets)) for a in agents])
    parts = []
    for agent, recording, points in zip(agents, recordings, still, strict=True):
        plane = leading_plane(recording)
        gain = plane["trial"].map(recording.trials.set_index("trial")["gain"])
        units = units_of(recording, LAYER)
        places = _projected(points.iloc[:, 3:].to_numpy(float), units, plane[["pc1", "pc2"]])
        found = points[["speed", "radius", "outside"]].assign(kind="point")
        found[["pc1", "pc2"]] = places
        both = pd.concat([plane.assign(kind="trial", gain=gain), found], ignore_index=True)
        about = {"architecture": agent.architecture, "explained": sum(plane.attrs["explained"])}
        parts.append(both.assign(**about))
        if points.empty:
            missing.append(f"{short(agent.architecture)}: no slow point was found")
    return with_missing(pd.concat(parts, ignore_index=True), missing)


def _projected(points: np.ndarray, units: np.ndarray, plane: pd.DataFrame) -> np.ndarray:
    """Return points in the plane that units were projected to, ``(points, 2)``."""
    middle = units.mean(axis=0)
    along = np.linalg.lstsq(units - middle, plane.to_numpy(float), rcond=None)[0]
    return (points - middle) @ along


def plot_plane(table: pd.DataFrame, figure: Figure) -> None:
    """Draw trials as lines, darker at lower gains, and slow points as diamonds."""
    order = table["architecture"].unique().tolist()
    panels = figure.subplots(1, len(order), squeeze=False)[0]
    for axes, name in zip(panels, order, strict=True):
        rows = table[table["architecture"] == name]
        for (_, gain), path in groups(rows[rows["kind"] == "trial"], ["trial", "gain"]):
            axes.plot(path["pc1"], path["pc2"], color=colour_of(name), lw=0.7, alpha=DARK[gain])
        _draw_points(axes, rows[rows["kind"] == "point"])
        axes.set_title(f"{short(name)}: {rows['explained'].iloc[0]:.0%} of the variance")
        axes.set_xlabel("PC 1")
        plain_ticks(axes)
    panels[0].set_ylabel("PC 2")
    legend(panels[-1], [], {"slow point": "D"})


def _draw_points(axes: Axes, points: pd.DataFrame) -> None:
    for steady, fill in ((True, "black"), (False, "none")):
        part = points[(points["outside"] == 0) == steady]
        axes.plot(part["pc1"], part["pc2"], "D", ms=3.5, mew=0.8, mec="black", mfc=fill, zorder=3)


PANELS = (
    Panel(
        "units-dynamics",
        "Dynamics of units beside others'",
        (3.4, 3.2),
        compute_dynamics,
        plot_dynamics,
    ),
    Panel("units-plane", "Units in their leading plane", (5.0, 2.2), compute_plane, plot_plane),
)
"""Panels of units in time that the study lacks."""
