"""Figure 1f to h and S1c: agents learn to steer to remembered targets, and do."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Circle
from scipy.interpolate import UnivariateSpline

from modnav.task import REWARD_ZONE_CM

from ..drawing import (
    REWARDED,
    TRIAL_SCALE,
    UNREWARDED,
    Panel,
    colour_of,
    learning_curves,
    legend,
    plain_ticks,
    widened,
    with_missing,
)
from ..measures import mean_and_sem
from ..study import HOLISTIC, MAIN, MODULAR, NAMES, Chosen, Study, short, shortfall
from .cohorts import animals_or_none, normal_conditions, trained_cohort

SHOWN = 500
"""Trials of the panels that draw every trial."""

EXAMPLE_CM = (180.0, 265.0)
"""Target of the published example trial, cm."""

EXAMPLE_ROW, EXAMPLE_SEEDS = 925, {MODULAR: 7, HOLISTIC: 5}
"""Row of the published example and places of its agents in the list of seeds."""

MAP_SEEDS = {MODULAR: 3, HOLISTIC: 6}
"""Places in the list of seeds of the published agents of 1h and S1c."""


# --- 1f: learning curves ------------------------------------------------------------------


def learning_table(
    study: Study,
    column: str,
    architectures: Sequence[str] = MAIN,
    task: str = "gain1x",
) -> pd.DataFrame:
    """Return mean and SEM over seeds of a column of training curves at each checkpoint.

    Args:
        study: The study.
        column: Measured column, e.g. ``reward_fraction``.
        architectures: Which architectures.
        task: Test task.

    Returns:
        ``architecture``, ``episode``, ``mean``, ``sem``, ``count``.

    Raises:
        Missing: If none of them was trained.
    """
    found = study.curves(architectures)
    found = found[found["task"] == task]
    table = mean_and_sem(found, ["architecture", "episode"], column)
    seeds = found.groupby("architecture")["seed"].nunique()
    counts = {name: int(seeds.get(name, 0)) for name in architectures}
    last = found.groupby(["architecture", "seed"])["episode"].max() + 1
    short_runs = last[last < TRIAL_SCALE]
    missing = shortfall(counts)
    if len(short_runs):
        longest = f"{int(short_runs.min()):,}"
        missing.append(f"some runs end before 10,000 trials, the first at {longest}")
    return with_missing(table, missing)


def compute_1f(study: Study) -> pd.DataFrame:
    """Return the rewarded fraction over training, see :func:`learning_table`."""
    return learning_table(study, "reward_fraction")


def plot_1f(table: pd.DataFrame, figure: Figure) -> None:
    """Draw rewarded fraction against training trials."""
    axes = figure.subplots()
    learning_curves(axes, table, NAMES)
    axes.set(ylim=(0, 1), ylabel="Rewarded fraction", yticks=np.arange(0, 1.1, 0.2))
    plain_ticks(axes)
    legend(axes, list(dict.fromkeys(table["architecture"])))


# --- 1g: an example trial -----------------------------------------------------------------


def _at_place(agents: Sequence[Chosen], places: dict[str, int], *, best: bool) -> list[Chosen]:
    """Return one agent of each architecture: that at its published place, or the best."""
    found = []
    for name in dict.fromkeys(agent.architecture for agent in agents):
        seeds = [agent for agent in agents if agent.architecture == name]
        place = places[name]
        chosen = max(seeds, key=lambda a: a.score)
        found.append(chosen if best or place >= len(seeds) else seeds[place])
    return found


def compute_1g(study: Study) -> pd.DataFrame:
    """Return the paths of a trial: modular and holistic agent, and animals where there are any.

    The published row and agents are taken with ``published``; otherwise the trial whose target is
    nearest to that of the published example, and the best agents.

    Returns:
        ``subject``, ``x_cm``, ``y_cm`` (with ``published``, paths of agents are smoothed), and the
        trial's ``target_x_cm``, ``target_y_cm``.
    """
    agents, missing = trained_cohort(study, (MODULAR, HOLISTIC))
    agents = _at_place(agents, EXAMPLE_SEEDS, best=not study.published)
    conditions, absent = normal_conditions(study)
    targets = conditions.targets[["target_x_cm", "target_y_cm"]].to_numpy(float)
    row = int(np.linalg.norm(targets - EXAMPLE_CM, axis=1).argmin())
    if study.published and len(targets) > EXAMPLE_ROW:
        row = EXAMPLE_ROW
    paths: list[tuple[str, Any]] = []
    recordings = study.simulate(agents, conditions)
    for agent, recording in zip(agents, recordings, strict=True):
        path = recording.steps[recording.steps["trial"] == row]
        paths.append((agent.architecture, _smooth(path) if study.published else path))
    for name, recording in animals_or_none(study).items():
        path = recording.steps[recording.steps["trial"] == row]
        paths.append((name, path.iloc[:: max(1, len(path) // 60)]))
    parts = [path[["x_cm", "y_cm"]].assign(subject=name) for name, path in paths]
    table = pd.concat(parts, ignore_index=True)[["subject", "x_cm", "y_cm"]]
    table = table.assign(target_x_cm=targets[row, 0], target_y_cm=targets[row, 1])
    return with_missing(table, missing + absent)


def _smooth(path: pd.DataFrame) -> pd.DataFrame:
    """Return x as a smoothing spline of y; a path that turns back is drawn as it is."""
    before = path["y_cm"].cummax().shift(fill_value=-np.inf)
    forward = path[path["y_cm"] > before]  # a spline needs an increasing abscissa
    if len(forward) < 5 or len(forward) < len(path) - 2:
        return path
    y = forward["y_cm"].to_numpy(float)
    spline = UnivariateSpline(y, forward["x_cm"].to_numpy(float))
    at = np.linspace(y[0], y[-1], 50)
    return pd.DataFrame({"x_cm": spline(at), "y_cm": at})


def plot_1g(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the paths from above, with the reward zone, and beside them what is measured."""
    axes, beside = figure.subplots(1, 2, width_ratios=(3, 2))
    x, y = table[["target_x_cm", "target_y_cm"]].iloc[0]
    axes.add_patch(Circle((x, y), REWARD_ZONE_CM, color=REWARDED, alpha=0.4, lw=0))
    axes.plot(0, 0, "*", color="black", ms=6, mew=0, clip_on=False, zorder=4)
    for name, path in table.groupby("subject", sort=False):
        axes.plot(path["x_cm"], path["y_cm"], color=colour_of(str(name)), label=short(str(name)))
        axes.plot(*path[["x_cm", "y_cm"]].iloc[-1], ".", color=colour_of(str(name)), ms=4)
    _sketch(beside, x, y, table)
    for each in (axes, beside):
        each.set(aspect="equal", anchor="S")
        each.set_axis_off()
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _sketch(axes: Axes, x: float, y: float, table: pd.DataFrame) -> None:
    """Draw how distance and angle of target and stop are measured, the latter of the last subject."""
    path = table[table["subject"] == table["subject"].iloc[-1]]
    axes.plot(path["x_cm"], path["y_cm"], color=colour_of(str(path["subject"].iloc[0])), lw=0.7)
    stop = path[["x_cm", "y_cm"]].iloc[-1].to_numpy(float)
    far = max(np.hypot(x, y), np.hypot(*stop))
    near = np.hypot(*stop) < 0.35 * far  # where the angles stand, on the right
    left = near or np.arctan2(*stop[::-1]) > np.arctan2(y, x)  # on which side its name stands
    of_stop, of_target = (r"\tilde{r}", r"\tilde{\theta}"), ("r", r"\theta")
    for end, (distance, angle), radius, place, turn in (
        (np.array((x, y)), of_target, 0.28 * far, 0.16 * far, -1 if left else 1),
        (stop, of_stop, 0.5 * far, 0.62 * far, 1 if left else -1),
    ):
        if np.hypot(*end) < 0.02 * far:
            continue  # a stop at the start has neither
        axes.plot((0, end[0]), (0, end[1]), "--", color="gray", lw=0.6)
        theta = np.arctan2(end[1], end[0])
        aside = 6 * np.array((-np.sin(theta), np.cos(theta))) * turn
        axes.annotate(
            f"${distance}$", tuple(end), tuple(aside), textcoords="offset points", **_CENTRED
        )
        span = np.rad2deg(sorted((0, theta)))
        axes.add_patch(
            Arc((0, 0), 2 * radius, 2 * radius, theta1=span[0], theta2=span[1], **_THIN)
        )
        axes.text(place * np.cos(theta / 2), place * np.sin(theta / 2), f"${angle}$", **_CENTRED)
    axes.plot((0, 0.55 * far), (0, 0), color="gray", lw=0.4)


_THIN: dict[str, Any] = {"lw": 0.5, "color": "gray"}
_CENTRED: dict[str, Any] = {"ha": "center", "va": "center"}


# --- 1h, S1c: trajectories to many targets ------------------------------------------------


def _target_map(architecture: str) -> Callable[[Study], pd.DataFrame]:
    def compute(study: Study) -> pd.DataFrame:
        agents, missing = trained_cohort(study, (architecture,))
        agents = _at_place(agents, MAP_SEEDS, best=not study.published)
        conditions, absent = normal_conditions(study)
        trials, steps, _ = study.simulate(agents, conditions)[0]
        about = trials.head(SHOWN)[["trial", "target_x_cm", "target_y_cm", "rewarded"]]
        path = steps[["trial", "x_cm", "y_cm"]].merge(about, on="trial")
        note = [f"seed {agents[0].seed}"] if study.published else []
        found = with_missing(path.assign(architecture=architecture), missing + absent)
        found.attrs["notes"] = note
        return found

    compute.__doc__ = (
        """Return paths to 500 targets, with the target and whether it was reached."""
    )
    return compute


compute_1h = _target_map(MODULAR)
compute_S1c = _target_map(HOLISTIC)  # as the panel is called


def plot_1h(table: pd.DataFrame, figure: Figure) -> None:
    """Draw trajectories from above, and each target by whether it was rewarded."""
    axes = figure.subplots()
    colour = colour_of(str(table["architecture"].iloc[0]))
    for _, path in table.groupby("trial"):
        axes.plot(path["x_cm"], path["y_cm"], color=colour, lw=0.3, alpha=0.2)
    targets = table.groupby("trial").first()
    for rewarded, dot in ((True, REWARDED), (False, UNREWARDED)):
        part = targets[targets["rewarded"] == rewarded]
        text = "target, rewarded" if rewarded else "not rewarded"
        place = part["target_x_cm"], part["target_y_cm"]
        axes.scatter(*place, s=1 if rewarded else 4, color=dot, lw=0, zorder=3, label=text)
    axes.plot(0, 0, "*", color="black", ms=4, mew=0, clip_on=False, zorder=4)
    axes.add_patch(Arc((0, 0), 840, 840, theta1=55, theta2=125, lw=0.6, color="black"))
    axes.text(0, 424, "70\N{DEGREE SIGN}", ha="center", va="bottom")
    angle = np.deg2rad(55)
    axes.text(250 * np.cos(angle) + 14, 250 * np.sin(angle), "400 cm", rotation=55, va="center")
    axes.plot((-240, -240, -140), (110, 10, 10), color="black", lw=0.8)
    axes.text(-190, 4, "100 cm", ha="center", va="top")
    ends = widened((-250, 250), table["x_cm"]), widened((-30, 460), table["y_cm"])
    axes.set(xlim=ends[0], ylim=ends[1], aspect="equal")
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0.02),
        ncols=2,
        markerscale=2.5,
        columnspacing=1,
        handletextpad=0,
    )
    axes.set_title(short(str(table["architecture"].iloc[0])), color=colour)
    axes.set_axis_off()


PANELS = (
    Panel("1f", "Rewarded fraction at gain 1 over training", (3.2, 1.8), compute_1f, plot_1f),
    Panel("1g", "An example trial", (2.6, 1.8), compute_1g, plot_1g, example=True),
    Panel("1h", "Trajectories of the modular agent", (2.2, 2.2), compute_1h, plot_1h),
    Panel("S1c", "Trajectories of the holistic agent", (2.2, 2.2), compute_S1c, plot_1h),
)
"""Panels of figure 1 that show training and trials, and S1c."""
