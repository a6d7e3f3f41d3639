"""Trials of the study's monkeys as tables of modnav.

The study keeps the trials of its two monkeys in pickled pandas tables, one row a trial, with
scalars and with trajectories sampled at 833 Hz: cm, s, deg, joystick axes in [-1, 1], the origin
at the start and y straight ahead. They become ``trials`` and ``steps`` of
:data:`modnav.tables.SCHEMA`, with one step a sample and without what only agents have.

None of these files was at hand: their columns are those that the study's analyses use, and tests
make small files of that form. Not known, hence assumed: there is one kind of task in a file; all
trials end by a stop, at the last sample; a trial is perturbed if one of its peaks is not 0 and its
perturbation has an onset. Of a column ``category`` it is assumed that it says the kind of each trial, and of
``spikes`` that it holds the spikes of units that were recorded, in one of the forms of :func:`.spikes.spike_counts`.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from modnav.files import read_columns
from modnav.tables import Recording, conform, outcomes, tell_units
from modnav.task import REWARD_ZONE_CM, TaskParameters

from .spikes import spike_counts

__all__ = [
    "ARRAYS",
    "BLOCK",
    "EXTRA",
    "NOMINAL_ONSET",
    "PEAKS",
    "PULSES",
    "SAMPLING_HZ",
    "SCALARS",
    "inside",
    "monkey_recordings",
    "read_monkey",
]

SAMPLING_HZ = 833.0
"""Samples per second of the published trajectories."""

BLOCK = 500
"""Trials whose steps are held in memory at a time."""

SCALARS = ("target_x", "target_y", "gain_v", "gain_w")
"""Columns of each file with one number a trial: cm, and velocity at full deflection."""

ARRAYS = ("pos_x", "pos_y", "action_v", "action_w")
"""Columns of each file with one array a trial."""

PEAKS = ("perturb_vpeak", "perturb_wpeak", "perturb_start_time")
"""Columns of perturbation files: cm/s, deg/s, and s since the first sample."""

PULSES = ("perturb_v", "perturb_w")
"""Likewise, one array a trial: the velocity that the perturbation added, cm/s and deg/s."""

NOMINAL_ONSET = "perturb_start_time_ori"
"""Column of perturbation files, where they have it: the onset as scheduled, s, for matching."""

EXTRA = ("relative_radius_end",)
"""Columns that no table has: the radial error, cm."""

CATEGORY, SPIKES = "category", "spikes"
"""Columns that some files have: a text a trial; what neurons did, see :func:`.spikes.spike_counts`."""

_STEPS = {"pos_x": "x_cm", "pos_y": "y_cm", "action_v": "action_v", "action_w": "action_w"}


def read_monkey(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a published file of a monkey's trials; nothing in it is run.

    Args:
        path: The file, ``..._trajectory_paper.pkl``.

    Returns:
        The columns that :func:`monkey_recordings` uses and :data:`EXTRA`, under their published
        names, arrays in their cells; a row for each trial, in the order of the file. Its ``attrs``
        name the columns that were ``"left_out"``.

    Raises:
        ValueError: If the file cannot be read, is refused (see :mod:`modnav.files.pandas_pickles`), or
            lacks columns, which the message names.
    """
    known = ("time", "rewarded", *PEAKS, *PULSES, NOMINAL_ONSET, *EXTRA, CATEGORY, SPIKES)
    wanted = (*SCALARS, *ARRAYS, *known)
    found, others = read_columns(path, wanted)
    needed = [*SCALARS, *ARRAYS]
    if any(name in found for name in PEAKS):
        needed += [*PEAKS, *PULSES]
    missing = [name for name in needed if name not in found]
    if missing:
        raise ValueError(f"{path} lacks the columns {', '.join(missing)}")
    frame = pd.DataFrame({name: found[name] for name in wanted if name in found})
    if not len(frame):
        raise ValueError(f"{path} holds no trials")
    frame.attrs["left_out"] = others
    return frame


def monkey_recordings(
    frame: pd.DataFrame, subject: str, block: int = BLOCK, *, doubts: bool = True
) -> Iterator[Recording]:
    """Yield the tables of a monkey's trials, in parts of ``block`` trials.

    Trials are numbered from 0 in the order of the frame. The multiple of the default gain is that
    of the linear one. Without a column ``rewarded`` those trials are rewarded that end less than
    65 cm from the target. Perturbations start at ``perturb_start_time``, on the clock of the
    steps; one without that did not fire, and has peaks of 0.

    ``spikes`` become ``units``, see :func:`.spikes.spike_counts`.

    Args:
        frame: What :func:`read_monkey` returned.
        subject: Name of the animal.
        block: Number of trials in a part.
        doubts: Whether to warn (:class:`modnav.errors.UnitWarning`) of columns of the first part
            that seem to be in another unit of measure.

    Raises:
        ValueError: If a value makes no sense; the message names column and trial.
    """
    perturbed = "perturb_vpeak" in frame and bool(_peaks(frame).any())
    neurons: int | None = None
    for first in range(0, len(frame), block):
        part = frame.iloc[first : first + block].reset_index(drop=True)
        numbers = np.arange(first, first + len(part))
        steps = _steps(part, numbers, perturbed)
        trials = _trials(part, numbers, perturbed).assign(subject=subject)
        trials = trials.join(outcomes(trials, steps))
        if "rewarded" not in part:
            trials["rewarded"] = inside(trials)
        if doubts and first == 0:
            tell_units(subject, trials, steps)
        units = None
        if SPIKES in part:
            samples = [np.size(cell) for cell in part["pos_x"]]
            units = spike_counts(part[SPIKES], numbers, samples, SAMPLING_HZ, neurons)
            neurons = units.shape[1] - 2
        yield Recording(conform(trials, "trials"), steps, units)


def inside(trials: pd.DataFrame) -> Any:
    """Return whether each trial of a table ended inside the reward zone of 65 cm, ``(N,)``."""
    return (trials["radial_error_cm"] < REWARD_ZONE_CM).to_numpy()


def _numbers(frame: pd.DataFrame, name: str, numbers: Any) -> Any:
    values = pd.to_numeric(frame[name], errors="coerce").to_numpy(float)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} of trial {numbers[~np.isfinite(values)][0]} is not a number")
    return values


def _peaks(frame: pd.DataFrame) -> Any:
    """Return the peaks that were delivered, ``(N, 2)``; 0 where there was no perturbation.

    One without an onset did not fire, whatever its peaks were to be.
    """
    columns = [pd.to_numeric(frame[name], errors="coerce") for name in PEAKS]
    peaks = np.stack(columns, axis=1).astype(float)
    return np.nan_to_num(np.where(np.isnan(peaks[:, 2:]), 0, peaks[:, :2]))


def _trials(frame: pd.DataFrame, numbers: Any, perturbed: bool) -> pd.DataFrame:
    x, y, gain_v, gain_w = (_numbers(frame, name, numbers) for name in SCALARS)
    found: dict[str, Any] = {
        "trial": numbers,
        "task": "perturbation" if perturbed else "gain",
        "gain": gain_v / TaskParameters.linear_gain_cm_s,
        "gain_v_cm_s": gain_v,
        "gain_w_deg_s": gain_w,
        "target_x_cm": x,
        "target_y_cm": y,
        "target_r_cm": np.hypot(x, y),
        "target_theta_deg": np.rad2deg(np.arctan2(y, x)),
        "terminated": True,
        "dt_s": 1 / SAMPLING_HZ,
    }
    if CATEGORY in frame:
        texts = frame[CATEGORY]
        found["category"] = texts.where(texts.notna(), "").astype(str)
    if perturbed:
        peaks = _peaks(frame)
        known = frame["perturb_start_time"].notna()
        onset = np.full(len(frame), np.nan)
        onset[known] = _numbers(frame[known], "perturb_start_time", numbers[known])
        disturbed = peaks.any(axis=1)
        found["perturbation_peak_v_cm_s"], found["perturbation_peak_w_deg_s"] = peaks.T
        found["perturbation_onset_s"] = np.where(disturbed, onset, np.nan)
        if NOMINAL_ONSET in frame:
            nominal = pd.to_numeric(frame[NOMINAL_ONSET], errors="coerce")
            found["perturbation_nominal_onset_s"] = nominal.to_numpy(float)
    if "rewarded" in frame:
        flags = _numbers(frame, "rewarded", numbers)
        if not np.isin(flags, (0, 1)).all():
            raise ValueError("rewarded holds other values than true and false")
        found["rewarded"] = flags == 1
    return pd.DataFrame(found)


def _steps(frame: pd.DataFrame, numbers: Any, perturbed: bool) -> pd.DataFrame:
    count = [np.size(cell) for cell in frame["pos_x"]]
    step = np.concatenate([np.arange(n) for n in count])
    found = {"trial": np.repeat(numbers, count), "step": step, "time_s": step / SAMPLING_HZ}
    for name, column in _STEPS.items():
        found[column] = _samples(frame, name, numbers, count)
    if "time" in frame:
        found["time_s"] = _samples(frame, "time", numbers, count)
        _check_sampling(found["time_s"], step)
    if perturbed:
        delivered = frame.assign(**{name: _delivered(frame, name, count) for name in PULSES})
        found["perturbation_v_cm_s"] = _samples(delivered, "perturb_v", numbers, count)
        found["perturbation_w_deg_s"] = _samples(delivered, "perturb_w", numbers, count)
    return conform(pd.DataFrame(found), "steps")


def _delivered(frame: pd.DataFrame, name: str, count: Sequence[int]) -> "pd.Series[Any]":
    """Return the arrays of a perturbation; trials without one need not have any."""
    cells = np.empty(len(frame), object)
    for k, (cell, peaks) in enumerate(zip(frame[name], _peaks(frame), strict=True)):
        cells[k] = cell if peaks.any() else np.zeros(count[k])
    return pd.Series(cells)


def _samples(frame: pd.DataFrame, name: str, numbers: Any, count: Sequence[int]) -> Any:
    """Return the arrays of a column, one after the other."""
    arrays = []
    for cell, trial, n in zip(frame[name], numbers, count, strict=True):
        try:
            array = np.asarray(cell, float)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} of trial {trial} is not an array of numbers") from error
        if array.shape != (n,) or not n:
            raise ValueError(
                f"{name} of trial {trial} has shape {array.shape}; it must have as many samples "
                f"as pos_x, {n}, and at least one"
            )
        if not (abs(array) < np.finfo(np.float32).max).all():
            raise ValueError(f"{name} of trial {trial} holds values that are not finite")
        arrays.append(array)
    return np.concatenate(arrays)


def _check_sampling(time: Any, step: Any) -> None:
    intervals = np.diff(time)[step[1:] > 0]
    found = np.median(intervals) * SAMPLING_HZ if len(intervals) else 1.0
    if abs(found - 1) > 0.01:
        raise ValueError(
            f"trials are sampled every {found / SAMPLING_HZ:.5g} s; it must be {1 / SAMPLING_HZ:.5g}"
            f" s ({SAMPLING_HZ:g} Hz)"
        )
