"""Pictures of training: trajectories over the arena, and the learning curve."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Wedge

from modnav.acting import Rollout
from modnav.evaluation import TestTrials
from modnav.files import replacing
from modnav.task import UNIT_CM

SHOWN = 12
"""Trials drawn of each test task."""


def trajectories(conditions: TestTrials, trials: Rollout) -> Figure:
    """Draw the first trials of each test task from above.

    The grey sector is where targets may be; a circle is a reward zone, filled where the trial
    was rewarded; a cross is where the agent ended.

    Args:
        conditions: What was run.
        trials: How it went.

    Returns:
        A figure with a panel for each test task.
    """
    count, far = len(conditions.labels), conditions.task.target_distance_cm[1]
    width = 3.1 * count + 0.7
    # at fixed places, and with all trials as one artist of a kind, it is drawn in a third of the time
    places = {"left": 0.62 / width, "right": 1 - 0.1 / width, "bottom": 0.14, "top": 0.92}
    figure = Figure(figsize=(width, 3.6))
    grid = {**places, "wspace": 0.06}
    panels = np.atleast_1d(figure.subplots(1, count, sharex=True, sharey=True, gridspec_kw=grid))
    panels[0].set(xlim=(-0.75 * far, 0.75 * far), ylim=(-0.15 * far, 1.15 * far), ylabel="y (cm)")
    panels[0].set(xticks=[-far / 2, 0, far / 2], yticks=[0, far / 2, far])
    for k, (axes, label) in enumerate(zip(panels, conditions.labels, strict=True)):
        chosen = (conditions.group == k).nonzero()[:, 0]
        _arena(axes, conditions)
        _trials(axes, conditions, trials, chosen[:SHOWN].tolist())
        axes.set_title(f"{label}: {trials.rewarded[chosen].float().mean():.0%} rewarded", size=9)
        axes.set(aspect="equal", xlabel="x (cm)")
    return figure


def _arena(axes: Axes, conditions: TestTrials) -> None:
    task = conditions.task
    near, far = task.target_distance_cm
    left, right = sorted(90 - angle for angle in task.target_angle_deg)
    axes.add_artist(Wedge((0, 0), far, left, right, width=far - near, color="0.92", lw=0))
    axes.plot(0, 0, marker="^", color="0.3", ms=4)


def _trials(axes: Axes, conditions: TestTrials, trials: Rollout, shown: list[int]) -> None:
    rewarded = [bool(trials.rewarded[k]) for k in shown]
    colours = ["lightseagreen" if r else "salmon" for r in rewarded]
    paths = [UNIT_CM * trials.state[: int(trials.steps[k]), k, :2].cpu().numpy() for k in shown]
    targets = UNIT_CM * trials.trials.target[shown].cpu().numpy()
    radius = conditions.task.reward_zone_radius_cm
    inside = [to_rgba(c, 0.2 if r else 0) for c, r in zip(colours, rewarded, strict=True)]
    edges = [to_rgba(c, 0.2 if r else 0.6) for c, r in zip(colours, rewarded, strict=True)]
    zones = [Circle((x, y), radius) for x, y in targets]
    axes.add_artist(PatchCollection(zones, facecolor=inside, edgecolor=edges, lw=0.6))
    axes.add_artist(LineCollection(paths, colors=colours, lw=0.8))
    ends = np.array([path[-1] for path in paths])
    axes.plot(*ends.T, ls="", marker="x", color="0.2", ms=4, mew=0.8, scalex=False, scaley=False)


def learning_curve(table: pd.DataFrame) -> Figure:
    """Draw rewarded fraction and reward rate of both validations over trials.

    Args:
        table: A row for each validation and test task, as :class:`Monitor` keeps it.

    Returns:
        A figure with two panels; dotted lines mark where phases II and III begin.
    """
    figure = Figure(figsize=(8, 3.2))
    # at fixed places it is drawn in half the time
    places = {"left": 0.09, "right": 0.82, "bottom": 0.16, "top": 0.92, "wspace": 0.3}
    panels = figure.subplots(1, 2, gridspec_kw=places)
    tasks, validations = (list(dict.fromkeys(table[x])) for x in ("task", "validation"))
    colours = colormaps["viridis"](np.linspace(0, 1, len(tasks) + 2)[1:-1])
    labels = {"reward_fraction": "rewarded fraction", "reward_rate": "rewards per second"}
    for axes, (column, label) in zip(panels, labels.items(), strict=True):
        for (task, validation), rows in table.groupby(["task", "validation"], sort=False):
            first = validation == validations[0]
            axes.plot(
                rows["total_trials"],
                rows[column],
                color=colours[tasks.index(task)],
                ls="-" if first else "--",
                marker="o",
                ms=3,
                mec="w",
                mew=0.5,
                label=task if first else None,
            )
        axes.set(xlabel="trials since the start", ylabel=label, ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
        for phase in (2, 3):
            begun = table.loc[table["phase"] >= phase, "total_trials"].min()
            if not math.isnan(begun):
                axes.axvline(begun, color="0.6", ls=":", lw=0.8)
                axes.text(
                    begun, 1.01, "I" * phase, transform=axes.get_xaxis_transform(), ha="center"
                )
    title = "\n".join(map("{}: {}".format, ("solid", "dashed"), validations))
    beside = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False, "fontsize": 8}
    panels[1].legend(title=title, title_fontsize=8, **beside)
    return figure


def learning_curves(table: pd.DataFrame) -> Figure:
    """Draw the selection's reward rate of many runs over trials, with median and quartiles.

    Between validations a run is drawn straight; before its first it counts as at its first, after
    its end as it ended.

    Args:
        table: Rows as :class:`Monitor` keeps them, with a column ``seed``.

    Returns:
        A figure with a panel for each gain; runs are thin and grey.
    """
    chosen = table[table["validation"] == "selection"]
    tasks = list(dict.fromkeys(chosen["task"]))
    figure = Figure(figsize=(3.2 * len(tasks), 3.2), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(tasks), sharex=True, sharey=True))
    trials = np.unique(chosen["total_trials"])
    for axes, task in zip(panels, tasks, strict=True):
        curves = []
        for _, rows in chosen[chosen["task"] == task].groupby("seed"):
            axes.plot(rows["total_trials"], rows["reward_rate"], color="0.75", lw=0.6)
            curves.append(np.interp(trials, rows["total_trials"], rows["reward_rate"]))
        low, middle, high = np.quantile(curves, (0.25, 0.5, 0.75), axis=0)
        axes.fill_between(trials, low, high, color="lightseagreen", alpha=0.3, lw=0)
        axes.plot(trials, middle, color="lightseagreen", lw=1.6)
        axes.set(xlabel="trials since the start", ylim=(0, None))
        axes.set_title(f"{task}: {len(curves)} runs", size=9)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("rewards per second")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG at 150 dpi, making its folder."""
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)
