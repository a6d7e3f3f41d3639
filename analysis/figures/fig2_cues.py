"""Figure 2a: how a Kalman filter combines two cues to one state, without agents."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import norm

from ..drawing import BELIEF, Panel, plain_ticks, with_missing
from ..study import Study

CUES = {"prior": (1.5, 1e5), "likelihood": (1e5, 1.0), "posterior": (1.5, 1.0)}
"""Standard deviation of prediction and of observation in each curve of the sketch."""


def cue_filter(process: float, observation: float) -> tuple[float, float]:
    """Return mean and standard deviation of the position in a Kalman filter of the sketch.

    Its state is position and velocity; the action sets the velocity to -3, the velocity that is
    observed is 3, in both of two steps; it begins at 0, without uncertainty.

    Args:
        process: Standard deviation of the velocity that an action gives.
        observation: Standard deviation of the observed velocity.
    """
    motion, control = np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([0.0, 1.0])
    sense = np.array([0.0, 1.0])
    mean, covariance = np.zeros(2), np.zeros((2, 2))
    for _ in range(2):
        mean = motion @ mean + control * -3.0
        covariance = motion @ covariance @ motion.T + np.diag([0.0, process**2])
        gain = covariance @ sense / (sense @ covariance @ sense + observation**2)
        mean = mean + gain * (3.0 - sense @ mean)
        covariance = (np.eye(2) - np.outer(gain, sense)) @ covariance
    return float(mean[0]), float(np.sqrt(covariance[0, 0]))


def compute_2a(study: Study | None = None) -> pd.DataFrame:
    """Return the mean (rounded, as published) and s.d. of prior, likelihood and posterior."""
    found = [(name, *cue_filter(*noises)) for name, noises in CUES.items()]
    table = pd.DataFrame(found, columns=["cue", "mean", "sd"])
    return with_missing(table.assign(mean=table["mean"].round(1)), [])


def plot_2a(table: pd.DataFrame, figure: Figure) -> None:
    """Draw the three densities."""
    axes = figure.subplots()
    styles = {"prior": ("gray", "--"), "likelihood": ("gray", "-"), "posterior": (BELIEF, "-")}
    for name, mean, sd in table[["cue", "mean", "sd"]].itertuples(index=False):
        colour, style = styles[name]
        x = np.linspace(mean - 3 * sd, mean + 3 * sd, 200)
        axes.plot(x, norm.pdf(x, mean, sd), style, color=colour)
        top = norm.pdf(mean, mean, sd)
        axes.plot((mean, mean), (0, top), ":", color=colour, lw=0.7)
        side = {"likelihood": (0.7, "left"), "posterior": (-0.2, "right")}.get(name, (0, "center"))
        axes.text(mean + side[0], top + 0.01, name.capitalize(), ha=side[1], color=colour)
    axes.set(xlim=(-7.5, 6.4), ylim=(0, 0.55), xticks=[], yticks=(0, 0.5))
    axes.set(xlabel="State", ylabel="Probability density")
    plain_ticks(axes, "y")


PANELS = (Panel("2a", "Two cues to one state", (1.7, 1.6), compute_2a, plot_2a),)
"""The panel of the sketch."""
