"""Learning curves in tasks that agents were not trained on, for figures 4 and 6."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from ..drawing import TRIAL_SCALE, colour_of, label_of, learning_curves, plain_ticks, with_missing
from ..measures import mean_and_sem
from ..study import MAIN, Missing, Selection, Study, Test, short, shortfall

SKILLED, COMPETENT = 0.9, 0.6
"""Rewarded fractions in the task of the training that curves are marked by or begin at."""


def transfer_curves(
    study: Study, test: Test, trained: str, column: str, *, competent_only: bool = False
) -> pd.DataFrame:
    """Return curves over training in the tasks that were not trained.

    Args:
        study: The study.
        test: Kind of test tasks.
        trained: The test task that is as the training.
        column: Column of training curves, averaged over the other tasks.
        competent_only: Whether the curves of an architecture begin at the first checkpoint where
            its seeds' mean rewarded fraction in ``trained`` is above :data:`COMPETENT`.

    Returns:
        ``architecture``, ``seed``, ``episode``, ``value``, and ``skilled_at``: the first episode
        where the mean rewarded fraction in ``trained`` is above :data:`SKILLED`; NaN if none.

    Raises:
        Missing: If there are no runs, or none whose curve begins.
    """
    curves = study.curves(MAIN, Selection(test=test))
    keys = ["architecture", "seed", "episode"]
    others = curves[curves["task"] != trained].groupby(keys, sort=False)[column].mean()
    table = others.rename("value").reset_index()
    own = curves[curves["task"] == trained].groupby(["architecture", "episode"])
    fraction = own["reward_fraction"].mean().reset_index()
    table["skilled_at"] = table["architecture"].map(_first_above(fraction, SKILLED))
    if competent_only:
        start = table["architecture"].map(_first_above(fraction, COMPETENT))
        table = table[table["episode"] >= start].reset_index(drop=True)
    seeds = {name: len(study.members_of(name)) for name in MAIN}
    never = [short(name) for name in table["architecture"].unique() if name in MAIN]
    late = [short(n) for n in MAIN if seeds[n] and competent_only and short(n) not in never]
    notes = [f"{name}: no checkpoint is rewarded in {COMPETENT:.0%} of trials" for name in late]
    missing = [*shortfall(seeds), *notes]
    if table.empty:
        raise Missing("; ".join(missing))
    return with_missing(table, missing)


def _first_above(fraction: pd.DataFrame, bound: float) -> "pd.Series[float]":
    above = fraction[fraction["reward_fraction"] > bound]
    return above.groupby("architecture")["episode"].min().astype(float)


def plot_transfer(
    table: pd.DataFrame,
    figure: Figure,
    label: str,
    limits: tuple[float, float],
    ticks: Sequence[float] = (0, 0.5, 1),
    *,
    marks: bool = False,
) -> None:
    """Draw :func:`transfer_curves`: means with SEM, and seeds as thin lines.

    Args:
        table: The table.
        figure: An empty figure.
        label: What the vertical axis shows.
        limits: Its published range; it is widened where the data go beyond.
        ticks: Ticks of the horizontal axis, in 10^4 trials.
        marks: Whether to mark below the axis where architectures became skilled.
    """
    axes = figure.subplots()
    for (name, _), rows in table.groupby(["architecture", "seed"], sort=False):
        x = rows["episode"] / TRIAL_SCALE
        axes.plot(x, rows["value"], color=colour_of(str(name)), lw=0.3, alpha=0.5)
    means = mean_and_sem(table, ["architecture", "episode"], "value")
    learning_curves(axes, means, {name: label_of(name) for name in MAIN}, ticks=ticks)
    axes.set_ylabel(label)
    low, high = limits
    axes.set_ylim(min(low, table["value"].min()), max(high, 1.02 * table["value"].max()))
    if marks:
        for name, episode in table.groupby("architecture")["skilled_at"].first().dropna().items():
            axes.plot(
                [episode / TRIAL_SCALE] * 2, [0.0, 0.06], color=colour_of(str(name)), lw=2,
                transform=axes.get_xaxis_transform(), clip_on=False, solid_capstyle="butt",
            )  # fmt: skip
    plain_ticks(axes)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), borderaxespad=0.2)
