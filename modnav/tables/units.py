"""Columns that seem to be in another unit than they should: metres, radians, milliseconds.

Nothing in a table says so, and all that is computed from it would be wrong in silence. A quantity is compared
with what other columns make of it, as a path of a hundredth of what the joystick drives is in metres; only where
nothing stands beside it by its size, and that not in tables that modnav simulated, which may be of any size. Whole
columns are doubted, in five trials or more: a warning of true data is worse than none.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from modnav.errors import UnitWarning

from .conform import runs
from .schema import SCHEMA

__all__ = ["tell_units", "unit_doubts"]

FEWEST, MOST = 5, 0.8
"""Trials that must be odd, and share of those that can be judged: fewer may be so by chance."""

SLACK = 2.5
"""How far from what the joystick drives a way may be: noise, inertia."""

SIMULATED = {"process_noise", "steps"}
"""Columns of trials that modnav simulated: animals have no noise, drawn targets no steps."""

_DEG = 180 / np.pi
_PULSES = ("perturbation_v_cm_s", "perturbation_w_deg_s")
_JOYSTICK = ("action_v", "action_w")
_GAINS = {"v": "gain_v_cm_s", "w": "gain_w_deg_s"}
_SPEEDS, _TURNS = (("m/s", 0.01), ("mm/s", 10.0)), (("rad/s", 1 / _DEG),)
_DRIVEN = (
    (("x_cm", "y_cm"), "v", (("metres", 0.01), ("millimetres", 10.0))),
    (("v_cm_s",), "v", _SPEEDS),
    (("observed_v_cm_s",), "v", _SPEEDS),
    (("w_deg_s",), "w", _TURNS),
    (("observed_w_deg_s",), "w", _TURNS),
)
"""What an axis of the joystick drives, and how many times as large it is in other units."""

Seen = tuple[tuple[str, ...], str, Any, Any]
"""Columns, what they look like, in which trials they do, ``(N,)``, and which can be judged, ``(N,)``."""


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
        trials: Trials, or targets: any of the columns of ``trials``.
        steps: Their steps, if there are any, in order; looked at if both tables have ``trial``.

    Returns:
        A line for each quantity: what it looks like, in how many trials.
    """
    if len(trials) < FEWEST:
        return []
    seen, about = [*_targets(trials), *_angles(trials)], trials
    if (
        steps is not None
        and len(steps)
        and "trial" in steps
        and trials.get("trial", steps["trial"]).is_unique
    ):
        first, counts = runs(steps["trial"].to_numpy())
        about = trials.set_index("trial").reindex(steps["trial"].iloc[first]).reset_index()
        seen += [*_starts(steps, first), *_driven(about, steps, first)]
        about = about.assign(**_known(steps, first, counts))
    found: dict[tuple[str, ...], str] = {}
    for columns, like, odd, judged in [*seen, *_pulses(about), *_times(about)]:
        count = int((odd & judged).sum())
        if columns not in found and count >= FEWEST and count >= MOST * judged.sum():
            found[columns] = _line(columns, like, f"{count} of {len(judged)} trials")
    return list(found.values())


def _line(columns: tuple[str, ...], like: str, trials: str) -> str:
    units = {column.name: column.unit for table in SCHEMA.values() for column in table}
    unit = units[columns[0]].replace("1", "multiples of full deflection")
    looks, they = ("look", "they") if len(columns) > 1 else ("looks", "it")
    return f"{', '.join(columns)} {looks} like {like} in {trials}; {they} must be in {unit}"


def _column(frame: pd.DataFrame, name: str) -> Any:
    """Return a column as numbers, ``(N,)``; NaN where there is none."""
    if name not in frame:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[name], errors="coerce").to_numpy(float)


def _near(ratio: Any, value: float, factor: float) -> Any:
    return (ratio > value / factor) & (ratio < value * factor)


def _ratio(x: Any, y: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.divide(x, y)


def _known(steps: pd.DataFrame, first: Any, counts: Any) -> dict[str, Any]:
    """Return number of steps, time from first to last, and the largest perturbation of each trial."""
    time = _column(steps, "time_s")
    known = {"steps": counts, "time_s": time[first + counts - 1] - time[first]}
    return known | {n: np.maximum.reduceat(np.abs(_column(steps, n)), first) for n in _PULSES}


def _targets(trials: pd.DataFrame) -> Iterator[Seen]:
    points, radius = ("target_x_cm", "target_y_cm"), ("target_r_cm",)
    way, size = np.hypot(*(_column(trials, name) for name in points)), _column(trials, *radius)
    ratio = _ratio(size, way)
    for like, factor in (("metres", 0.01), ("millimetres", 10.0)):
        yield points, like, _near(ratio, 1 / factor, 1.1), ratio > 0
        yield radius, like, _near(ratio, factor, 1.1), ratio > 0
    if set(trials) >= SIMULATED:
        return
    columns = points if set(points) <= set(trials) else radius
    size = way if columns == points else size
    far = np.nanmedian(size) > 2500 if (size > 0).any() else False
    yield columns, "metres", size < 10, size > 0
    yield columns, "millimetres", (size >= 500) & far, size > 0


def _angles(trials: pd.DataFrame) -> Iterator[Seen]:
    """Yield what polar angles look like; they are counted from x, 90 straight ahead."""
    ahead = "degrees from straight ahead, which is 90 here,"
    for where in ("target", "end"):
        columns = (f"{where}_theta_deg",)
        theta = _column(trials, *columns)
        x, y = (_column(trials, f"{where}_{axis}_cm") for axis in "xy")
        true = np.where((x != 0) | (y != 0), np.arctan2(y, x) * _DEG, np.nan)
        if {f"{where}_x_cm", f"{where}_y_cm"} <= set(trials):
            judged = np.isfinite(theta) & np.isfinite(true)
            wrong = judged & (_apart(theta, true) > 2)  # rounding, and near 0 both are so
            judged = wrong if wrong.sum() >= MOST * judged.sum() else wrong & False
            turned = (_apart(theta, true - 90) < 1) | (_apart(theta, 90 - true) < 1)
            yield columns, "radians", _apart(theta * _DEG, true) < 1, judged
            yield columns, ahead, turned, judged
        else:
            judged = np.isfinite(theta) & (theta != 0)
            both = min((theta < 0).sum(), (theta > 0).sum()) >= judged.sum() / 4  # on both hands
            yield columns, "radians", np.abs(theta) <= np.pi, judged
            yield columns, ahead, (np.abs(theta) <= 60) & both, judged


def _apart(angle: Any, other: Any) -> Any:
    """Return how far two angles are apart, deg, in [0, 180]."""
    return np.abs((angle - other + 180) % 360 - 180)


def _starts(steps: pd.DataFrame, first: Any) -> Iterator[Seen]:
    """Yield what headings look like, which begin at 90, and the axes of the joystick."""
    start = _column(steps, "heading_deg")[first]
    yield ("heading_deg",), "radians", np.abs(start - np.pi / 2) < 0.05, np.isfinite(start)
    ahead = "degrees from straight ahead, which is 90 here,"
    yield ("heading_deg",), ahead, np.abs(start) < 0.05, np.isfinite(start)
    size = np.abs([_column(steps, name) for name in _JOYSTICK]).max(axis=0)
    largest = np.maximum.reduceat(size, first)
    yield _JOYSTICK, "percent or volts", largest > 1.5, largest > 0


def _driven(about: pd.DataFrame, steps: pd.DataFrame, first: Any) -> Iterator[Seen]:
    """Yield what positions, velocities, gains and the step look like beside what the joystick drives.

    Steps that a perturbation moves are left out.
    """
    peaks = [_column(about, name.replace("_", "_peak_", 1)) for name in _PULSES]
    if not set(_PULSES) <= set(steps) and np.nan_to_num(peaks).any():
        return
    calm = ~np.nan_to_num([_column(steps, name) for name in _PULSES]).any(axis=0)
    calm[1:] &= calm[:-1].copy()  # a perturbation moves what the next step holds
    calm[first] = False

    def total(values: Any) -> Any:
        return np.add.reduceat(np.where(calm, np.abs(values), 0.0), first)

    dt, count = _column(about, "dt_s"), total(1)
    noise = sum(np.nan_to_num(_column(about, f"{x}_noise")) for x in ("process", "observation"))
    scales: dict[str, float] = {}
    for columns, axis, units in _DRIVEN:
        pushes = total(_column(steps, f"action_{axis}"))
        judged = (pushes > 0.1 * count) & (pushes < 1.5 * count) & (count > 1)
        values = np.stack([_column(steps, name) for name in columns])
        way = dt * total(values[0])
        if len(columns) > 1:
            way = total(np.linalg.norm(np.diff(values, axis=1, prepend=0), axis=0))
        drive = dt * _column(about, _GAINS[axis]) * (pushes + noise * count)
        scale = _middle(_ratio(way, drive)[judged])
        if np.isfinite(scale):
            scales.setdefault(axis, scale)
        for like, factor in units:
            yield columns, like, judged & _near(scale, factor, SLACK), judged
    all_of_them = np.ones(len(about), bool)
    for axis, like, factor, least in (
        ("v", "m/s", 100, 0),
        ("v", "mm/s", 0.1, 1500),
        ("w", "rad/s", _DEG, 0),
    ):
        odd = _near(scales.get(axis, np.nan), factor, SLACK) & (
            _column(about, _GAINS[axis]) > least
        )
        yield (_GAINS[axis],), like, odd, all_of_them
    odd = all_of_them & _near(scales.get("v", np.nan), 0.001, SLACK)
    yield ("dt_s",), "milliseconds", odd, all_of_them


def _middle(ratio: Any) -> float:
    found = ratio[np.isfinite(ratio)]
    return float(np.median(found)) if len(found) >= FEWEST else np.nan


def _pulses(trials: pd.DataFrame) -> Iterator[Seen]:
    """Yield what perturbations look like by their size, and beside what was added in steps."""
    late = np.fmax(60, 500 * _column(trials, "dt_s"))
    for name in ("perturbation_onset_s", "perturbation_nominal_onset_s"):
        onset = _column(trials, name)
        yield (name,), "milliseconds or samples", onset > late, onset > 0
    for name, like in zip(_PULSES, ("m/s", "rad/s"), strict=True):
        peak, most = name.replace("_", "_peak_", 1), _column(trials, name)
        size = np.abs(_column(trials, peak))
        small = (size < 4) & (not set(trials) >= SIMULATED)
        yield (peak,), like, np.where(np.isfinite(most), most > 10 * size, small), size > 0


def _times(trials: pd.DataFrame) -> Iterator[Seen]:
    """Yield what times look like beside the duration of a step."""
    steps = _column(trials, "steps")
    for name in ("time_s", "duration_s"):
        ratio = _ratio(_column(trials, name), (steps - 1) * _column(trials, "dt_s"))
        yield ("dt_s",), "milliseconds", _near(ratio, 0.001, 2), steps > 1
        yield (name,), "milliseconds", _near(ratio, 1000, 2), steps > 1
