"""Figure 7, belief half, and S7a to c: training noise, likeness to a Kalman filter, generalisation."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..drawing import (
    MOTOR,
    SENSORY,
    Panel,
    colour_of,
    heat_map,
    matrix_of,
    noise_axes,
    plain_ticks,
    side_by_side,
    with_missing,
)
from ..measures import CELL, bootstrap_correlation, pearson, performance_of, seed_means, shuffled
from ..study import LARGE, STANDARD, Conditions, Missing, Study, short
from .cohorts import TRIALS, noise_grid_of
from .noise_sets import tested
from .training_noise import (
    AGENTS,
    LEVELS,
    TRAINED,
    Stage,
    Trained,
    check_stage,
    missing_of_levels,
    trained_at,
)

FILTERS = {"observation": "EKF", "prediction": "EKF alternative"}
"""What an agent favours that is like one of the EKF agents of figure 2."""


# --- a: likeness to the two Kalman filters ------------------------------------------------


def likeness_table(study: Study, stage: Stage) -> pd.DataFrame:
    """Return how like the two EKF agents the agents of each training noise are.

    Returns:
        ``agent`` (``hol`` or ``mod``), ``favour``, the training noise, ``r`` and ``seeds``.

    Raises:
        Missing: If there are no EKF agents, or no agents.
    """
    check_stage(study, stage)
    references, missing, lacking = {}, [], []
    for favour, name in FILTERS.items():
        try:
            table = tested(study, name)
        except Missing as error:
            lacking.append(str(error))
        else:
            references[favour] = seed_means(table).sort_values(CELL)["auc"].to_numpy()
            missing += table.attrs["missing"]
    if not references:
        raise Missing("; ".join(lacking))
    rows = []
    for agent, architecture in AGENTS.items():
        trained = trained_at(study, architecture, stage, "gain")
        missing += missing_of_levels(trained, architecture, stage)
        for each in trained:
            if each.agents:
                grid = _grid(study, each)
                rows += [
                    (agent, favour, each.observation, each.process, pearson(reference, grid), k)
                    for favour, reference in references.items()
                    for k in [len(each.agents)]
                ]
    if not rows:
        raise Missing("; ".join(missing))
    found = pd.DataFrame(rows, columns=["agent", "favour", *TRAINED, "r", "seeds"])
    return with_missing(found, missing + lacking)


def _grid(study: Study, trained: Trained) -> np.ndarray:
    """Return the mean AUC over seeds in the 25 cells above the training noise, ``(25,)``."""
    table = noise_grid_of(study, trained.agents, trained.process, trained.observation)
    return seed_means(table.assign(set="")).sort_values(CELL)["auc"].to_numpy()


# --- b: generalisation --------------------------------------------------------------------


def generalisation(study: Study, stage: Stage) -> pd.DataFrame:
    """Return the AUC in unseen tasks of the agents of each training noise.

    Gains are 2 (LH: 3 to 4); perturbations start with the trial (LH: large, and at any of the
    first steps).

    Returns:
        ``task``, ``agent``, the training noise, ``auc`` (mean over seeds), ``sem``, ``seeds``.

    Raises:
        Missing: If there are no agents.
    """
    check_stage(study, stage)
    rows, missing = [], []
    for task in ("gain", "perturbation"):
        for agent, architecture in AGENTS.items():
            trained = trained_at(study, architecture, stage, task)
            missing += missing_of_levels(trained, architecture, stage)
            for each in trained:
                if each.agents:
                    conditions = _unseen(study, task, stage, each)
                    auc = study.measure(each.agents, conditions, performance_of)["auc"]
                    place = (task, agent, each.observation, each.process)
                    rows.append((*place, auc.mean(), auc.sem(), len(auc)))
    if not rows:
        raise Missing("; ".join(missing))
    columns = ["task", "agent", *TRAINED, "auc", "sem", "seeds"]
    return with_missing(pd.DataFrame(rows, columns=columns), missing)


def _unseen(study: Study, task: str, stage: Stage, trained: Trained) -> Conditions:
    noise = (trained.process, trained.observation)
    if task == "gain":
        gains = (3.0, 4.0001) if stage == "LH" else (2.0, 2.0001)
        return Conditions("gain", study.prior_targets(TRIALS, gains), *noise)
    drawn = study.prior_perturbations(TRIALS, LARGE if stage == "LH" else STANDARD)[0]
    if stage != "LH":
        drawn = drawn.assign(perturbation_onset_s=0.0)
    # targets are those of the other task, as published; the draws' own are not used
    places = study.prior_targets(TRIALS)[["target_x_cm", "target_y_cm"]]
    return Conditions("perturbation", drawn.assign(**places), *noise, perturbed=True)


# --- c, d: does likeness predict generalisation? ------------------------------------------


def compute_7cd(study: Study) -> pd.DataFrame:
    """Return the correlation over training noises of generalisation and likeness.

    Returns:
        ``task``, ``agent``, ``favour``; ``r``, ``mean``, ``low``, ``high`` of the bootstrap, the
        same of the shuffled control (which the study computes and does not draw), and ``count``,
        the number of training noises.

    Raises:
        Missing: If there are fewer than three training noises.
    """
    likeness, reached = likeness_table(study, "E"), generalisation(study, "E")
    missing = likeness.attrs["missing"] + reached.attrs["missing"]
    both = reached.merge(likeness, on=["agent", *TRAINED])
    rows = []
    for (task, agent, favour), part in both.groupby(["task", "agent", "favour"], sort=False):
        if len(part) > 2:
            ours = bootstrap_correlation(part["auc"], part["r"])
            control = bootstrap_correlation(part["auc"], shuffled(part["r"]))
            extra = {f"shuffled_{k}": v for k, v in control._asdict().items()}
            keys = {"task": task, "agent": agent, "favour": favour, "count": len(part)}
            rows.append({**keys, **ours._asdict(), **extra})
    if not rows:
        found = dict.fromkeys(["fewer than 3 training noises", *missing])
        raise Missing("; ".join(found))
    return with_missing(pd.DataFrame(rows), missing)


def plot_7cd(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the mean and the interval of each correlation."""
    panels = figure.subplots(1, 4, sharey=True)
    places = [(task, agent) for task in ("gain", "perturbation") for agent in AGENTS]
    for axes, (task, agent) in zip(panels, places, strict=True):
        part = table[(table["task"] == task) & (table["agent"] == agent)].set_index("favour")
        for k, favour in enumerate(FILTERS):
            if favour in part.index:
                mean, low, high = part.loc[favour, ["mean", "low", "high"]].astype(float)
                colour = colour_of(AGENTS[agent])
                axes.plot((k - 0.15, k + 0.15), (mean, mean), color=colour)
                axes.fill_between((k - 0.15, k + 0.15), low, high, color=colour, alpha=0.5, lw=0)
        axes.axhline(0, color="gray", lw=0.5, ls=":")
        axes.set(xlim=(-0.5, 1.5), ylim=(-1.04, 1.04), yticks=np.arange(-1, 1.1, 0.5))
        axes.set_xticks((0, 1), ("favor\nobs.", "favor\npred."))
        for label, colour in zip(axes.get_xticklabels(), (SENSORY, MOTOR), strict=True):
            label.set(color=colour)
        n = f"n = {part['count'].max():.0f}" if len(part) else "n < 3"
        axes.set_title(f"{task.capitalize()},\n{short(AGENTS[agent]).lower()}, {n}")
        plain_ticks(axes, "y")
    panels[0].set_ylabel("Correlation")


# --- panels -------------------------------------------------------------------------------


def _maps(
    table: pd.DataFrame, figure: Figure, split: str, names: dict[str, str], value: str
) -> None:
    """Draw a heat map over training noise for each agent and each value of a column."""
    places = [(agent, key) for key in names for agent in AGENTS]
    if split == "favour":
        places = [(agent, key) for agent in AGENTS for key in names]
    known = table.dropna(subset=[value])
    there = set(known[["agent", split]].itertuples(index=False, name=None))
    places = [place for place in places if place in there]
    panels = side_by_side(figure, len(places))
    for axes, (agent, key) in zip(panels, places, strict=True):
        part = known[(known["agent"] == agent) & (known[split] == key)]
        matrix = matrix_of(part, TRAINED[0], TRAINED[1], value)
        matrix = matrix.reindex(index=list(LEVELS), columns=list(LEVELS)).astype(float)
        heat_map(
            axes,
            matrix,
            figure=figure,
            label=names[key],
            title=short(AGENTS[agent]),
            title_colour=colour_of(AGENTS[agent]),
        )
        _draw_diagonal(axes, matrix)
        noise_axes(axes, prefix="")


def _draw_diagonal(axes: Axes, matrix: pd.DataFrame) -> None:
    """Draw a line where both noises are alike, but not over numbers."""
    for k, value in enumerate(np.diag(matrix)):
        for low, high in ((-0.5, -0.22), (0.22, 0.5)) if np.isfinite(value) else ((-0.5, 0.5),):
            axes.plot((k + low, k + high), (k + low, k + high), "--", color="black", lw=0.6)


def plot_likeness(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the likeness to either EKF agent over training noise."""
    names = {"observation": "r, EKF agent", "prediction": "r, EKF alternative"}
    _maps(table, figure, "favour", names, "r")


def plot_generalisation(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the AUC in either unseen task over training noise."""
    _maps(table, figure, "task", {"gain": "AUC, gain", "perturbation": "AUC, perturb."}, "auc")


def compute_7a(study: Study) -> pd.DataFrame:
    """Return :func:`likeness_table` of agents before 10,000 trials."""
    return likeness_table(study, "E")


def compute_S7a(study: Study) -> pd.DataFrame:  # as the panel is called
    """Return :func:`likeness_table` of agents before 100,000 trials."""
    return likeness_table(study, "L")


def compute_7b(study: Study) -> pd.DataFrame:
    """Return :func:`generalisation` of agents before 10,000 trials."""
    return generalisation(study, "E")


def compute_S7b(study: Study) -> pd.DataFrame:  # likewise
    """Return :func:`generalisation` of agents before 100,000 trials."""
    return generalisation(study, "L")


def compute_S7c(study: Study) -> pd.DataFrame:  # likewise
    """Return the same of agents selected on the hardest tasks, in these."""
    return generalisation(study, "LH")


_SIZE = (7.05, 2.3)  # two columns of a journal are 180 mm, 7.09 inches
PANELS = (
    Panel(
        "7a",
        "Likeness to Kalman filters over training noise",
        _SIZE,
        compute_7a,
        plot_likeness,
        value="r",
    ),
    Panel(
        "7b",
        "Generalisation over training noise",
        _SIZE,
        compute_7b,
        plot_generalisation,
        value="auc",
    ),
    Panel("7cd", "Likeness predicts generalisation", (5.2, 1.5), compute_7cd, plot_7cd, value="r"),
    Panel(
        "S7a", "Likeness after extensive training", _SIZE, compute_S7a, plot_likeness, value="r"
    ),
    Panel(
        "S7b",
        "Generalisation after extensive training",
        _SIZE,
        compute_S7b,
        plot_generalisation,
        value="auc",
    ),
    Panel(
        "S7c",
        "Generalisation to the hardest tasks",
        _SIZE,
        compute_S7c,
        plot_generalisation,
        value="auc",
    ),
)
"""Panels of the belief half of figures 7 and S7."""
