"""Animations of trials from above: the agent, the target while it is shown, and the belief."""

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse

from modnav.files import replacing
from modnav.task import REWARD_ZONE_CM

from .read_out import BELIEF

__all__ = ["ELLIPSE_SD", "HELD_FRAMES", "PER_ROW", "animate", "movie_writer"]

ELLIPSE_SD = 2.0
"""Radius of the ellipse of a belief, in standard deviations."""

PER_ROW, HELD_FRAMES = 4, 10
"""Panels in a row, and frames for which the last picture stays."""


def animate(
    trials: pd.DataFrame,
    steps: pd.DataFrame,
    path: str | os.PathLike[str],
    *,
    belief: pd.DataFrame | None = None,
    reward_zone_cm: float = REWARD_ZONE_CM,
    dpi: int = 100,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write an animation of trials side by side, in real time.

    Args:
        trials: Table of the trials to show, of agents or animals.
        steps: Their steps.
        path: A ``.gif`` or ``.mp4`` file; mp4 needs ffmpeg.
        belief: Where the agent believed to be, see :mod:`modnav.recording.read_out`; its mean and an ellipse
            of 2 standard deviations are shown.
        reward_zone_cm: Radius of the reward zone, cm.
        dpi: Pixels in an inch; a panel is 2.6 inches wide.
        progress: Told the number of frames done.

    Raises:
        ValueError: As :func:`movie_writer`.
    """
    path = Path(path)
    dt = float(trials["dt_s"].iloc[0])
    writer, settings = movie_writer(path, 1 / dt)
    frames = [*range(int(trials["steps"].max()))]
    frames += [frames[-1]] * HELD_FRAMES
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    panels = _panels(figure, trials, steps, belief, reward_zone_cm)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the panels stay where they are
    with (
        replacing(path) as temporary,
        rc_context(settings),
        writer.saving(figure, temporary, dpi),
    ):
        for done, t in enumerate(frames, 1):
            for panel in panels:
                panel.show(t)
            writer.grab_frame()
            if progress is not None:
                progress(done)


def movie_writer(path: Path, frames_per_second: float) -> tuple[AbstractMovieWriter, Any]:
    """Return what writes a file, and settings of matplotlib to run it under.

    Raises:
        ValueError: If the file is neither ``.gif`` nor ``.mp4``, or there is no ffmpeg for one.
    """
    if path.suffix == ".gif":
        return PillowWriter(fps=round(frames_per_second)), {}
    if path.suffix != ".mp4":
        raise ValueError(f"{path} is neither .gif nor .mp4")
    try:
        program = import_module("imageio_ffmpeg").get_ffmpeg_exe()
    except ImportError:
        if not FFMpegWriter.isAvailable():
            raise ValueError(
                "an mp4 needs ffmpeg: `pip install imageio-ffmpeg`, or write a .gif"
            ) from None
        return FFMpegWriter(fps=round(frames_per_second)), {}
    return FFMpegWriter(fps=round(frames_per_second)), {"animation.ffmpeg_path": program}


def _panels(
    figure: Figure,
    trials: pd.DataFrame,
    steps: pd.DataFrame,
    belief: pd.DataFrame | None,
    reward_zone_cm: float,
) -> "list[_Panel]":
    grid = _grid(figure, trials, steps)
    panels = [
        _Panel(
            axes,
            trial,
            steps[steps["trial"] == trial["trial"]],
            None if belief is None else belief[belief["trial"] == trial["trial"]],
            reward_zone_cm,
        )
        for axes, (_, trial) in zip(grid.flat, trials.iterrows(), strict=False)
    ]
    if belief is not None:
        panels[0].axes.legend(
            [panels[0].mean], ["belief, 2 SD"], loc="lower right", fontsize=7, frameon=False
        )
    return panels


def _grid(figure: Figure, trials: pd.DataFrame, steps: pd.DataFrame) -> Any:
    """Return axes for all trials, of one range that shows every path and target."""
    rows, columns = -(-len(trials) // PER_ROW), min(len(trials), PER_ROW)
    xlim, ylim = (
        (min(low, values.min() - 40), max(high, values.max() + 40))
        for values, low, high in (
            (pd.concat([steps["x_cm"], trials["target_x_cm"]]), -250.0, 250.0),
            (pd.concat([steps["y_cm"], trials["target_y_cm"]]), -50.0, 450.0),
        )
    )
    height = 2.4 * (ylim[1] - ylim[0]) / (xlim[1] - xlim[0]) + 0.8
    figure.set_size_inches(2.6 * columns + 0.4, min(height, 6) * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid[-1]:
        axes.set_xlabel("x (cm)")
    for axes in grid[:, 0]:
        axes.set_ylabel("y (cm)")
    grid[0, 0].set(xlim=xlim, ylim=ylim)
    for axes in grid.flat:
        axes.set_aspect("equal")
    for axes in grid.flat[len(trials) :]:
        axes.set_axis_off()
    return grid


class _Panel:
    """One trial from above."""

    def __init__(
        self,
        axes: Axes,
        trial: "pd.Series[Any]",
        steps: pd.DataFrame,
        belief: pd.DataFrame | None,
        reward_zone_cm: float,
    ) -> None:
        self.trial, self.steps = trial, steps
        self.path = steps[["x_cm", "y_cm"]].to_numpy(float)
        self.belief = None if belief is None else belief[BELIEF].to_numpy(float)
        target = trial["target_x_cm"], trial["target_y_cm"]
        self.axes = axes
        axes.add_patch(Circle(target, reward_zone_cm, color="rosybrown", alpha=0.3, lw=0))
        axes.plot(0, 0, "k*", ms=6)
        (self.target,) = axes.plot(*target, "o", color="rosybrown", ms=6)
        (self.trail,) = axes.plot([], [], color="lightseagreen", lw=1.2)
        (self.agent,) = axes.plot([], [], "o", color="lightseagreen", ms=7)
        (self.nose,) = axes.plot([], [], color="k", lw=1.2)
        (self.mean,) = axes.plot([], [], "+", color="#ff343c", ms=7)
        self.ellipse = Ellipse((0, 0), 0, 0, ec="#ff343c", fc="#ff343c30", visible=False)
        axes.add_patch(self.ellipse)
        self.clock = axes.text(0.03, 0.97, "", transform=axes.transAxes, va="top", size=8)
        axes.set_title(self._condition(), size=9)

    def show(self, t: int) -> None:
        """Show step ``t``, or the last if the trial is over."""
        last = len(self.steps) - 1
        k = min(t, last)
        row = self.steps.iloc[k]
        x, y = self.path[k]
        self.trail.set_data(*self.path[: k + 1].T)
        self.agent.set_data([x], [y])
        if "heading_deg" in row:
            heading = np.deg2rad(row["heading_deg"])
            self.nose.set_data([x, x + 28 * np.cos(heading)], [y, y + 28 * np.sin(heading)])
        self.target.set_visible(bool(row.get("target_visible", True)))
        self.clock.set_text(f"{row['time_s']:.1f} s{self._perturbed(row)}")
        self.axes.set_title(self._outcome() if t >= last else self._condition(), size=9)
        if self.belief is not None:
            self._show_belief(self.belief[k])

    def _perturbed(self, row: "pd.Series[Any]") -> str:
        pulse = abs(row.get("perturbation_v_cm_s", 0.0)), abs(row.get("perturbation_w_deg_s", 0.0))
        return "\nperturbed" if pulse[0] > 5 or pulse[1] > 3 else ""

    def _condition(self) -> str:
        return f"gain {self.trial['gain']:.3g}"

    def _outcome(self) -> str:
        if self.trial["rewarded"]:
            return "rewarded"
        missed = f"missed by {self.trial['radial_error_cm']:.0f} cm"
        return missed if self.trial["terminated"] else f"time out, {missed}"

    def _show_belief(self, belief: Any) -> None:
        x, y, xx, xy, yy = belief
        variance, axes = np.linalg.eigh([[xx, xy], [xy, yy]])
        minor, major = 2 * ELLIPSE_SD * np.sqrt(variance.clip(min=0))
        self.mean.set_data([x], [y])
        self.ellipse.set(
            center=(x, y),
            width=major,
            height=minor,
            angle=float(np.rad2deg(np.arctan2(axes[1, 1], axes[0, 1]))),
            visible=True,
        )
