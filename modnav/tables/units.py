"""Columns that seem to be in another unit than they should: metres, radians, milliseconds.

Nothing in a table says so, and all that is computed from it would be wrong in silence. What is looked for
are sizes that no trial of the task has, and quantities that do not follow from others: a path of a hundredth
of what the joystick drives is in metres. These are doubts, not errors: trials of one's own may be as odd.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from modnav.errors import UnitWarning

from .conform import runs
from .schema import SCHEMA

__all__ = ["tell_units", "unit_doubts"]

DEG = 180 / np.pi
"""Degrees in a radian."""


class _Range(NamedTuple):
    """Sizes that a quantity has: another unit is seen below ``least`` or above ``most``.

    ``each``: whether one trial is enough. Else all must be so, as some small ones are to be expected.
    """

    columns: tuple[str, ...]
    least: float
    below: str
    most: float
    above: str
    each: bool = True


_RANGES = (
    _Range(("target_x_cm", "target_y_cm"), 10, "metres", 2000, "millimetres"),
    _Range(("target_r_cm",), 10, "metres", 2000, "millimetres"),
    _Range(("gain_v_cm_s",), 10, "m/s", 2000, "mm/s"),
    _Range(("gain_w_deg_s",), 10, "rad/s", np.inf, ""),
    _Range(("perturbation_peak_v_cm_s",), 4, "m/s", 2000, "mm/s", each=False),
    _Range(("perturbation_peak_w_deg_s",), 4, "rad/s", np.inf, "", each=False),
    _Range(("perturbation_onset_s",), 0, "", 60, "milliseconds or samples"),
    _Range(("perturbation_nominal_onset_s",), 0, "", 60, "milliseconds or samples"),
    _Range(("dt_s",), 0, "", 10, "milliseconds"),
    _Range(("duration_s",), 0, "", 600, "milliseconds"),
)
"""Of ``trials``. The study's: targets at 100 to 400 cm, 200 cm/s and 90 deg/s at gain 1, peaks to 200 and 120."""


class _Driven(NamedTuple):
    """A quantity of steps that follows the joystick.

    Attributes:
        columns: What it is.
        axis: Which axis of the joystick moves it: ``v`` or ``w``.
        units: Units that it may be in, by what one of the right unit is in them, and a bound beyond
            which no noise takes it: in small units the least value, in multiples of what full
            deflection gives in a trial; in large ones the largest.
    """

    columns: tuple[str, ...]
    axis: str
    units: tuple[tuple[str, float, float], ...]


_LENGTHS = (("metres", 0.01, 10.0), ("millimetres", 10.0, 2.5))
_SPEEDS = (("m/s", 0.01, 10.0), ("mm/s", 10.0, 5.0))
_TURNS = (("rad/s", 1 / DEG, 10.0),)
_DRIVEN = (
    _Driven(("x_cm", "y_cm"), "v", _LENGTHS),
    _Driven(("v_cm_s",), "v", _SPEEDS),
    _Driven(("observed_v_cm_s",), "v", _SPEEDS),
    _Driven(("w_deg_s",), "w", _TURNS),
    _Driven(("observed_w_deg_s",), "w", _TURNS),
)
_AXES = ("action_v", "action_w")
_SLACK = 2.5
"""How far from what the joystick drives a quantity may be: noise, inertia, perturbations."""


def tell_units(source: str, trials: pd.DataFrame, steps: pd.DataFrame | None = None) -> None:
    """Warn of each of :func:`unit_doubts` with :class:`modnav.errors.UnitWarning`.

    Args:
        source: What stands before the column: a file, or ``targets``.
        trials: As there.
        steps: As there.
    """
    for doubt in unit_doubts(trials, steps):
        warnings.warn(f"{source}: {doubt}", UnitWarning, stacklevel=3)


def unit_doubts(trials: pd.DataFrame, steps: pd.DataFrame | None = None) -> list[str]:
    """Return which columns seem to be in another unit than :data:`modnav.tables.SCHEMA` says.

    Activity of units has no unit of measure, and is not looked at.

    Args:
        trials: Trials, or targets: any of the columns of ``trials``.
        steps: Their steps, if there are any.

    Returns:
        A line for each quantity: what it looks like, in how many trials.
    """
    if not len(trials):
        return []
    found = [*_out_of_range(trials), *_angles(trials)]
    if steps is not None and len(steps):
        found += _of_steps(trials, steps)
    return found


def _doubt(columns: Sequence[str], like: str, where: Any, more: str = "") -> str:
    """Return a line on columns that are not what they must be in trials where ``where``, ``(N,)``."""
    units = {column.name: column.unit for table in SCHEMA.values() for column in table}
    looks, they = ("look", "they") if len(columns) > 1 else ("looks", "it")
    unit = units[columns[0]].replace("1", "multiples of")
    must = f"{they} must be in {unit}{more}"
    return (
        f"{', '.join(columns)} {looks} like {like} in {where.sum()} of {len(where)} trials; {must}"
    )


def _values(frame: pd.DataFrame, columns: Sequence[str]) -> Any:
    """Return the larger of some columns without their signs, ``(N,)``; NaN where there is no number."""
    numbers = [pd.to_numeric(frame[name], errors="coerce").to_numpy(float) for name in columns]
    return np.abs(numbers).max(axis=0)


def _out_of_range(trials: pd.DataFrame) -> Iterator[str]:
    told = False
    for rule in _RANGES:
        if not set(rule.columns) <= set(trials) or (told and rule.columns == ("target_r_cm",)):
            continue  # the distance is mostly made of the two, which are told
        size = _values(trials, rule.columns)
        small, large = (size > 0) & (size < rule.least), size > rule.most
        if small.any() and (rule.each or small[size > 0].all()):
            yield _doubt(rule.columns, rule.below, small)
        if large.any():
            yield _doubt(rule.columns, rule.above, large)
        told = told or bool((small | large).any())


def _angles(trials: pd.DataFrame) -> Iterator[str]:
    """Yield what polar angles look like; they are counted from x, 90 straight ahead."""
    for angle, points in (
        ("target_theta_deg", ("target_x_cm", "target_y_cm")),
        ("end_theta_deg", ("end_x_cm", "end_y_cm")),
    ):
        if angle not in trials:
            continue
        theta = pd.to_numeric(trials[angle], errors="coerce").to_numpy(float)
        if set(points) <= set(trials):
            x, y = (pd.to_numeric(trials[p], errors="coerce").to_numpy(float) for p in points)
            true = np.arctan2(y, x)
            apart = np.abs(theta - true * DEG) > 2  # rounding, and angles near 0 that are both
            radians = apart & (np.abs(theta - true) < 0.02)
            ahead = apart & (np.abs(np.abs(theta) - np.abs(true * DEG - 90)) < 1)
        else:
            radians = (theta != 0) & (np.abs(theta) <= np.pi)
            ahead = np.full(len(theta), bool((np.abs(theta[~radians]) <= 60).all())) & ~radians
        if radians.any():
            yield _doubt([angle], "radians", radians)
        elif ahead.any():
            like = "degrees from straight ahead, not from x,"
            yield _doubt([angle], like, ahead, ", 90 straight ahead")


def _of_steps(trials: pd.DataFrame, steps: pd.DataFrame) -> Iterator[str]:
    numbers = steps["trial"].to_numpy()
    first, counts = runs(numbers)
    about = trials.set_index("trial").reindex(numbers[first])
    dt, of = about["dt_s"].to_numpy(float), len(first)
    yield from _of_time(steps, first, counts, dt)
    deflected = np.maximum.reduceat(_values(steps, _AXES), first) > 1.5
    if deflected.any():
        like = "percent or volts"
        yield _doubt(_AXES, like, deflected, " full deflection, in [-1, 1]")
    for rule in _DRIVEN:
        if not set(rule.columns) <= set(steps):
            continue
        gain = about[f"gain_{rule.axis}_{'cm' if rule.axis == 'v' else 'deg'}_s"].to_numpy(float)
        joystick = _values(steps, (f"action_{rule.axis}",))
        drive = gain * dt * np.add.reduceat(joystick, first)
        size, way = _size_and_way(steps, rule, first, dt)
        full = gain * (dt * counts if len(rule.columns) > 1 else 1)
        moving = drive > 0.1 * gain * dt * counts
        for like, one, bound in rule.units:
            seen = (way > one * drive / _SLACK) & (way < one * drive * _SLACK)
            seen &= moving & (size < bound if one < 1 else size > bound * full)
            if seen.sum() > 0.05 * of:
                yield _doubt(rule.columns, like, seen)
    yield from _headings(steps, first)


def _size_and_way(steps: pd.DataFrame, rule: _Driven, first: Any, dt: Any) -> tuple[Any, Any]:
    """Return the largest value and the way that is gone of each trial, ``(N,)``."""
    largest = _values(steps, rule.columns)
    if len(rule.columns) == 1:
        way = dt * np.add.reduceat(largest, first)
    else:
        moves = np.diff(steps[list(rule.columns)].to_numpy(float), axis=0, prepend=0)
        moves[first] = 0
        way = np.add.reduceat(np.linalg.norm(moves, axis=1), first)
    return np.maximum.reduceat(largest, first), way


def _of_time(steps: pd.DataFrame, first: Any, counts: Any, dt: Any) -> Iterator[str]:
    """Yield what times look like beside the duration of a step."""
    time = steps["time_s"].to_numpy(float)
    last = first + counts - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        times = (time[last] - time[first]) / (counts - 1) / dt
    for column, factor in (("time_s", 1000.0), ("dt_s", 0.001)):
        seen = (times > factor / 2) & (times < factor * 2)
        if seen.any() and not (column == "dt_s" and (dt > 10).any()):  # which is told already
            yield _doubt([column], "milliseconds", seen)


def _headings(steps: pd.DataFrame, first: Any) -> Iterator[str]:
    """Yield what headings look like, which begin at 90."""
    if "heading_deg" not in steps:
        return
    start = steps["heading_deg"].to_numpy(float)[first]
    radians, ahead = np.abs(start - np.pi / 2) < 0.05, np.abs(start) < 0.05
    if radians.any():
        yield _doubt(["heading_deg"], "radians", radians)
    elif ahead.all():
        like = "degrees from straight ahead"
        yield _doubt(["heading_deg"], like, ahead, ", 90 at the start")
