"""What steps of a trial say of their units of measure, beside the joystick that drives them; see :mod:`.units`."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .conform import runs
from .schema import SCHEMA

__all__: list[str] = []  # what is for others is in units

DEG = 180 / np.pi
"""Degrees in a radian."""

FEWEST = 5
"""Trials that must be so before a column is doubted; fewer may be odd by chance."""

MOST = 0.8
"""Share of those trials that can be judged which must be so."""

GAINS = {"v": "gain_v_cm_s", "w": "gain_w_deg_s"}
"""Columns of the gains of the axes of the joystick."""


class _Driven(NamedTuple):
    """A quantity of steps that follows the joystick.

    Attributes:
        columns: What it is.
        axis: Which axis of the joystick moves it: ``v`` or ``w``.
        units: Units that it may be in, by what one of the right unit is in them, and a size that no
            value has in them.
    """

    columns: tuple[str, ...]
    axis: str
    units: tuple[tuple[str, float, float], ...]


_LENGTHS = (("metres", 0.01, 10.0), ("millimetres", 10.0, np.inf))
_SPEEDS = (("m/s", 0.01, 10.0), ("mm/s", 10.0, np.inf))
_TURNS = (("rad/s", 1 / DEG, 10.0),)
_DRIVEN = (
    _Driven(("x_cm", "y_cm"), "v", _LENGTHS),
    _Driven(("v_cm_s",), "v", _SPEEDS),
    _Driven(("observed_v_cm_s",), "v", _SPEEDS),
    _Driven(("w_deg_s",), "w", _TURNS),
    _Driven(("observed_w_deg_s",), "w", _TURNS),
)
_AXES = ("action_v", "action_w")
_PULSES = ("perturbation_v_cm_s", "perturbation_w_deg_s")
SLACK = 2.5
"""How far from what the joystick drives a quantity may be: noise, inertia."""


def look(
    trials: pd.DataFrame, steps: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, tuple[Any, Any]], list[str]]:
    """Return the trials that have steps, with what is known of these; what was moved; doubts.

    Args:
        trials: Trials, with ``trial`` and ``dt_s``.
        steps: Steps, with ``trial``.

    Returns:
        The trials with ``time_s`` (from the first step to the last), ``steps`` and the largest
        perturbations; for each axis the way that was gone in each trial and what joystick and noise
        drive, ``(N,)``; lines on columns of steps.
    """
    numbers = steps["trial"].to_numpy()
    first, counts = runs(numbers)
    about = trials.set_index("trial").reindex(numbers[first]).reset_index()
    found = [*_of_joystick(steps, first), *_headings(steps, first)]
    moved: dict[str, tuple[Any, Any]] = {}
    for rule in _DRIVEN:
        if {*rule.columns, f"action_{rule.axis}"} <= set(steps) and GAINS[rule.axis] in about:
            way, drive, doubts = _driven(about, steps, rule, first, counts)
            moved.setdefault(rule.axis, (way, drive))
            found += doubts
    time = column(steps, "time_s")
    known = {"time_s": time[first + counts - 1] - time[first], "steps": counts}
    for name in _PULSES:
        known[name] = np.maximum.reduceat(np.abs(column(steps, name)), first)
    return about.assign(**known), moved, found


def doubt(columns: Sequence[str], like: str, where: Any, more: str = "") -> str:
    """Return a line on columns that are not what they must be in trials where ``where``, ``(N,)``."""
    units = {column.name: column.unit for table in SCHEMA.values() for column in table}
    looks, they = ("look", "they") if len(columns) > 1 else ("looks", "it")
    unit = units[columns[0]].replace("1", "multiples of")
    must = f"{they} must be in {unit}{more}"
    return (
        f"{', '.join(columns)} {looks} like {like} in {where.sum()} of {len(where)} trials; {must}"
    )


def most(seen: Any, judged: Any) -> bool:
    """Return whether most trials that can be judged are so, ``(N,)`` both, and enough of them."""
    count = int((seen & judged).sum())
    return count >= FEWEST and count >= MOST * int(judged.sum())


def column(frame: pd.DataFrame, name: str) -> Any:
    """Return a column as numbers, ``(N,)``; NaN where there is none."""
    if name not in frame:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[name], errors="coerce").to_numpy(float)


def near(ratio: Any, value: float, factor: float) -> Any:
    return (ratio > value / factor) & (ratio < value * factor)


def ratio_of(x: Any, y: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.divide(x, y)


def _of_joystick(steps: pd.DataFrame, first: Any) -> Iterator[str]:
    if set(_AXES) <= set(steps):
        size = np.abs([column(steps, name) for name in _AXES]).max(axis=0)
        largest = np.maximum.reduceat(size, first)
        if most(largest > 1.5, largest > 0):
            like = "percent or volts"
            yield doubt(_AXES, like, largest > 1.5, " full deflection, in [-1, 1]")


def _driven(
    about: pd.DataFrame, steps: pd.DataFrame, rule: _Driven, first: Any, counts: Any
) -> tuple[Any, Any, list[str]]:
    """Return the way gone in each trial, what joystick and noise drive, ``(N,)``, and doubts.

    Steps in which the world adds a perturbation are left out of both.
    """
    dt, gain = column(about, "dt_s"), column(about, GAINS[rule.axis])
    calm = _calm(about, steps, first, counts)
    joystick = calm * np.abs(column(steps, f"action_{rule.axis}"))
    largest = np.abs([column(steps, name) for name in rule.columns]).max(axis=0)
    if len(rule.columns) == 1:
        way = dt * np.add.reduceat(calm * largest, first)
    else:
        moves = np.diff(steps[list(rule.columns)].to_numpy(float), axis=0, prepend=0)
        moves[first] = 0
        way = np.add.reduceat(calm * np.linalg.norm(moves, axis=1), first)
    size = np.maximum.reduceat(calm * largest, first)
    noise = sum(
        np.nan_to_num(column(about, f"{kind}_noise")) for kind in ("process", "observation")
    )
    active = np.add.reduceat(calm, first)
    drive = gain * dt * np.add.reduceat(joystick, first)
    noisy = drive + gain * dt * active * noise
    moving = (drive > 0.1 * gain * dt * active) & (active > 1)
    doubts = []
    for like, one, bound in rule.units:
        reach = drive if one < 1 else noisy
        seen = near(ratio_of(way, one * reach), 1, SLACK) & moving
        seen &= size < bound
        if most(seen, moving):
            doubts.append(doubt(rule.columns, like, seen))
    return np.where(moving, way, np.nan), noisy, doubts


def _calm(about: pd.DataFrame, steps: pd.DataFrame, first: Any, counts: Any) -> Any:
    """Return 1 for steps that no perturbation moved, and that were not the first of a trial; else 0."""
    pushed = np.zeros(len(steps), bool)
    for name in _PULSES:
        if name in steps:
            pushed |= np.nan_to_num(column(steps, name)) != 0
        else:
            peak = np.nan_to_num(column(about, name.replace("_", "_peak_", 1)))
            pushed |= np.repeat(peak != 0, counts)
    pushed[1:] |= pushed[:-1].copy()  # it moves what the next step holds
    pushed[first] = True
    return (~pushed).astype(float)


def _headings(steps: pd.DataFrame, first: Any) -> Iterator[str]:
    """Yield what headings look like, which begin at 90."""
    start = column(steps, "heading_deg")[first]
    judged = np.isfinite(start)
    radians, ahead = np.abs(start - np.pi / 2) < 0.05, np.abs(start) < 0.05
    if most(radians, judged):
        yield doubt(["heading_deg"], "radians", radians)
    elif most(ahead, judged):
        like = "degrees from straight ahead"
        yield doubt(["heading_deg"], like, ahead, ", 90 at the start")
