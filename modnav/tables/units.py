"""Columns that seem to be in another unit than they should: metres, radians, milliseconds.

Nothing in a table says so, and all that is computed from it would be wrong in silence. Whole columns are
looked for: sizes that most trials of the task do not have, and quantities that do not follow from others, as
a path of a hundredth of what the joystick drives is in metres. What agrees with the rest of its table is
passed over, as is all of fewer than five trials: a warning of true data is worse than none.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from modnav.errors import UnitWarning

from .driven import DEG, FEWEST, GAINS, MOST, SLACK, column, doubt, look, most, near, ratio_of

__all__ = ["tell_units", "unit_doubts"]

SIMULATED = {"process_noise", "steps"}
"""Columns of trials that modnav simulated: animals have no noise, drawn targets no steps."""


def tell_units(source: str, trials: pd.DataFrame, steps: pd.DataFrame | None = None) -> None:
    """Warn of each of :func:`unit_doubts` with :class:`modnav.errors.UnitWarning`.

    Args:
        source: What stands before the column: a file, or ``targets``.
        trials: As there.
        steps: As there.
    """
    for line in unit_doubts(trials, steps):
        warnings.warn(f"{source}: {line}", UnitWarning, stacklevel=3)


def unit_doubts(trials: pd.DataFrame, steps: pd.DataFrame | None = None) -> list[str]:
    """Return which columns seem to be in another unit than :data:`modnav.tables.SCHEMA` says.

    Fewer than five trials are not judged, nor is the activity of units, which has no unit of measure.

    Args:
        trials: Trials, or targets: any of the columns of ``trials``. What is judged by columns that
            are not there is left out.
        steps: Their steps, if there are any, in order; looked at if they have ``trial``, and trials
            ``trial`` and ``dt_s``. Times need ``time_s``; positions and velocities the axis of the
            joystick that moves them and its gain (``action_v`` and ``gain_v_cm_s``, or ``..w..``).

    Returns:
        A line for each quantity: what it looks like, in how many trials.
    """
    if len(trials) < FEWEST:
        return []
    about = trials
    moved: dict[str, tuple[Any, Any]] = {}
    found: list[str] = []
    known = {"trial", "dt_s"} <= set(trials) and trials["trial"].is_unique
    if known and steps is not None and len(steps) and "trial" in steps:
        about, moved, found = look(trials, steps)
    of_trials = [*_targets(trials), *_angles(trials), *_gains(trials, moved)]
    return [*of_trials, *_pulses(about), *_times(about, moved.get("v")), *found]


def _targets(trials: pd.DataFrame) -> Iterator[str]:
    """Yield what targets look like beside their other coordinates, where trials ended, and by size."""
    points = ("target_x_cm", "target_y_cm")
    way = np.hypot(column(trials, points[0]), column(trials, points[1]))
    radius = column(trials, "target_r_cm")
    ratio = ratio_of(radius, way)
    for columns, like, value in (
        (points, "metres", 100),
        (points, "millimetres", 0.1),
        (("target_r_cm",), "metres", 0.01),
        (("target_r_cm",), "millimetres", 10),
    ):
        if most(near(ratio, value, 1.1), ratio > 0):
            yield doubt(columns, like, near(ratio, value, 1.1))
            return
    columns = points if set(points) <= set(trials) else ("target_r_cm",)
    size = way if len(columns) == 2 else radius
    stopped = column(trials, "terminated") == 1
    ends = np.hypot(column(trials, "end_x_cm"), column(trials, "end_y_cm"))
    middle = np.nanmedian(size[size > 0]) if (size > 0).any() else np.nan
    reach = ratio_of(ends, size)
    reach = reach[stopped & np.isfinite(reach)]
    for like, scale, seen in (
        ("metres", 100, size < 10),
        ("millimetres", 0.1, (size >= 500) & (middle > 2500)),
    ):
        if np.isfinite(ends).any():  # the agent's ends say where it was to go
            seen = seen & stopped & bool(len(reach) and near(np.median(reach), scale, 3))
        if most(seen & (size > 0), size > 0):
            yield doubt(columns, like, seen & (size > 0))


def _pulses(trials: pd.DataFrame) -> Iterator[str]:
    """Yield what perturbations look like by their size; modnav draws those of any."""
    dt, longest = column(trials, "dt_s"), np.nanmax([0, *column(trials, "duration_s")])
    for name in ("perturbation_onset_s", "perturbation_nominal_onset_s"):
        onset = column(trials, name)
        middle = np.nanmedian(onset[onset > 0]) if (onset > 0).any() else 0.0
        judged = onset > 0
        late = judged & (middle > max(60, 20 * longest)) & ~(middle < 1000 * dt)
        if most(late, judged):
            yield doubt([name], "milliseconds or samples", late)
    for name, like in (
        ("perturbation_peak_v_cm_s", "m/s"),
        ("perturbation_peak_w_deg_s", "rad/s"),
    ):
        size = np.abs(column(trials, name))
        small = (size < 4) & (size > 0)
        if set(trials) >= SIMULATED:
            small &= column(trials, name.replace("_peak", "")) > 10 * size
        if most(small, size > 0):
            yield doubt([name], like, small)


def _angles(trials: pd.DataFrame) -> Iterator[str]:
    """Yield what polar angles look like; they are counted from x, 90 straight ahead."""
    for angle, points in (
        ("target_theta_deg", ("target_x_cm", "target_y_cm")),
        ("end_theta_deg", ("end_x_cm", "end_y_cm")),
    ):
        theta = column(trials, angle)
        if set(points) <= set(trials):
            x, y = (column(trials, name) for name in points)
            true = np.arctan2(y, x)
            judged = np.isfinite(theta) & np.isfinite(true) & ((x != 0) | (y != 0))
            apart = judged & (_turn(theta, true * DEG) > 2)  # rounding, and near 0 both are so
            radians = apart & (_turn(theta * DEG, true * DEG) < 1)
            left, right = (_turn(theta, sign * (true * DEG - 90)) < 1 for sign in (1, -1))
            ahead = apart & (left | right)
            judged = apart if apart.sum() >= MOST * judged.sum() else apart & False
        else:
            judged = np.isfinite(theta) & (theta != 0)
            radians = judged & (np.abs(theta) <= np.pi)
            both = min((theta < 0).sum(), (theta > 0).sum()) >= judged.sum() / 4
            ahead = judged & (np.abs(theta) <= 60) & both  # targets on both hands
        if most(radians, judged):
            yield doubt([angle], "radians", radians)
        elif most(ahead, judged):
            like = "degrees from straight ahead, not from x,"
            yield doubt([angle], like, ahead, ", 90 straight ahead")


def _turn(angle: Any, other: Any) -> Any:
    """Return how far two angles are apart, deg, in [0, 180]."""
    return np.abs((angle - other + 180) % 360 - 180)


def _gains(trials: pd.DataFrame, moved: dict[str, tuple[Any, Any]]) -> Iterator[str]:
    """Yield what the joystick's gains look like beside ``gain``, and what they drive."""
    own = set(trials) >= SIMULATED  # may be drawn with gains of any size
    for axis, name in GAINS.items():
        unit, factor = ("m/s", 100.0) if axis == "v" else ("rad/s", DEG)
        base = ratio_of(column(trials, name), column(trials, "gain"))
        judged, small, large = base > 0, base < 10, (base > 1500) & (axis == "v")
        scale = _scale(moved.get(axis))
        if near(scale, factor, SLACK):
            yield doubt([name], unit, np.ones(len(trials), bool))
        elif most(small, judged) and not own:
            yield doubt([name], unit, small)
        elif most(large, judged) and (not own or near(scale, 0.1, SLACK)):
            yield doubt([name], "mm/s", large)


def _scale(moved: tuple[Any, Any] | None) -> float:
    """Return how many times what the joystick drives was gone, the median of trials that moved."""
    if moved is None or np.isfinite(moved[0]).sum() < FEWEST:
        return np.nan
    return float(np.nanmedian(ratio_of(*moved)))


def _times(trials: pd.DataFrame, moved: tuple[Any, Any] | None) -> Iterator[str]:
    """Yield what times look like beside the duration of a step, and what the joystick drives."""
    dt, duration, steps = (column(trials, name) for name in ("dt_s", "duration_s", "steps"))
    time = ratio_of(column(trials, "time_s"), (steps - 1) * dt)
    ratio, judged = ratio_of(duration, (steps - 1) * dt), steps > 1
    slow = (near(ratio, 0.001, 2) | near(time, 0.001, 2)) & judged
    if most(slow, judged):
        yield doubt(["dt_s"], "milliseconds", slow)
    elif not set(trials) >= SIMULATED and near(_scale(moved), 0.001, SLACK):
        yield doubt(["dt_s"], "milliseconds", np.ones(len(trials), bool))
    for name, found in (("time_s", time), ("duration_s", ratio)):
        if most(near(found, 1000, 2), judged):
            yield doubt([name], "milliseconds", near(found, 1000, 2))
