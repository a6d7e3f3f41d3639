"""Recordings as neurophysiologists keep them: NWB files and pynapple objects.

Trials follow one another on one clock, with a pause between them. Positions are in metres, angles in
radians, as NWB wants them; activity of units has no unit. Needs ``pip install 'modnav[neuro]'``.

References:
    Ruebel et al., "The Neurodata Without Borders ecosystem for neurophysiological data science",
    eLife 11, e78362 (2022).
    Viejo et al., "Pynapple, a toolbox for data analysis in neuroscience", eLife 12, RP85786 (2023).
"""

import os
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modnav.files import replacing
from modnav.tables import SCHEMA, Recording, refuse_others

__all__ = ["PAUSE", "to_pynapple", "trial_times", "write_nwb"]

PAUSE = 0.5
"""Time between the end of a trial and the start of the next, s."""

_CM, _DEG = 0.01, np.pi / 180

_SERIES = {
    "position": (
        ("x_cm", "y_cm"),
        _CM,
        "meters",
        "Position; the origin is the start of the trial",
    ),
    "heading": (("heading_deg",), _DEG, "radians", "Heading, counter-clockwise from x"),
    "linear_velocity": (("v_cm_s",), _CM, "meters per second", "Linear velocity"),
    "angular_velocity": (("w_deg_s",), _DEG, "radians per second", "Angular velocity"),
    "action": (("action_v", "action_w"), 1.0, "a.u.", "Joystick, linear and angular, in [-1, 1]"),
    "reward": (("reward",), 1.0, "a.u.", "Reward of the step"),
    "value": (("value",), 1.0, "a.u.", "Value that the first critic gives the step"),
}
"""What of ``steps`` becomes a series: columns, factor to SI, unit, and what it is."""

_NEEDS = "exports for neurophysiology need pynwb and pynapple: pip install 'modnav[neuro]'"


def trial_times(recording: Recording, pause: float = PAUSE) -> pd.DataFrame:
    """Return when trials take place on one clock.

    Args:
        recording: Tables.
        pause: Time between trials, s.

    Returns:
        ``trial``, ``start_time`` and ``stop_time`` (of the last step's end), s; rows as in
        ``recording.trials``. Time goes in the order of steps, which that of the table need not be;
        trials without a step take no place, and have NaN.

    Raises:
        ValueError: If the pause is not a positive number.
    """
    if not 0 < pause < np.inf:
        raise ValueError(f"pause is {pause}; it must be a number above 0")
    rows, trials = recording.trials["trial"], _in_order(recording).trials
    taken = (trials["steps"] * trials["dt_s"]).to_numpy(float)
    start = np.concatenate(([0.0], np.cumsum(taken + pause)[:-1]))
    times = {"start_time": start, "stop_time": start + taken}
    found = pd.DataFrame(times, index=trials["trial"]).reindex(rows)
    return found.reset_index(names="trial").set_index(rows.index)


def _in_order(recording: Recording) -> Recording:
    """Return a recording whose trials stand in the order of their steps: the clock goes forward.

    Those without a step are left out.
    """
    refuse_others(recording.trials, recording.steps)
    order = recording.steps["trial"].unique()
    trials = recording.trials.set_index("trial", drop=False).loc[order].reset_index(drop=True)
    return recording._replace(trials=trials)


def _layers(recording: Recording) -> dict[str, list[str]]:
    """Return the recorded layers, and the columns of each."""
    found: dict[str, list[str]] = {}
    if recording.units is not None:
        for name in recording.units.columns:
            layer = name.rpartition(".")[0]
            if layer:
                found.setdefault(layer, []).append(name)
    return found


def _clock(recording: Recording, times: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the time of each step."""
    start = times.set_index("trial")["start_time"]
    steps = recording.steps
    dt = recording.trials.set_index("trial")["dt_s"]
    return (steps["trial"].map(start) + steps["step"] * steps["trial"].map(dt)).to_numpy(float)


def _series(recording: Recording) -> dict[str, tuple[npt.NDArray[np.float64], str, str]]:
    """Return values, unit and description of each series that the tables have."""
    steps, found = recording.steps, {}
    for name, (columns, factor, unit, meaning) in _SERIES.items():
        if set(columns) <= set(steps.columns):
            values = factor * steps[list(columns)].to_numpy(float)
            found[name] = (values if len(columns) > 1 else values[:, 0], unit, meaning)
    return found


def write_nwb(
    recording: Recording,
    path: str | os.PathLike[str],
    *,
    description: str = "Trials of an agent of modnav",
    started: datetime | None = None,
    pause: float = PAUSE,
) -> None:
    """Write a recording as an NWB file; trials in the order of their steps, without those that have none.

    Args:
        recording: Tables of one session of one subject.
        path: The file, ``.nwb``; a former one is replaced once the new one is whole.
        description: What the session is.
        started: When it began, with a time zone; now by default.
        pause: Time between trials, s.

    Raises:
        ValueError: If pynwb is not installed, there is no trial, or trials are of several subjects.
        OSError: If the file cannot be written.
    """
    pynwb, recording = _pynwb(), _in_order(recording)
    subjects = recording.trials["subject"].unique()
    if len(subjects) != 1:
        raise ValueError(f"the recording has {len(subjects)} subjects; a file is of one")
    file = pynwb.NWBFile(
        session_description=f"{description}: {subjects[0]}",
        identifier=str(uuid.uuid4()),
        session_start_time=started or datetime.now(timezone.utc),
        experiment_description="Steering to a remembered target (firefly task)",
        keywords=["modnav", "navigation", "reinforcement learning"],
    )
    file.subject = pynwb.file.Subject(
        subject_id=str(subjects[0]).replace("/", "_"),
        description="An agent of modnav has no species, sex or age; the format wants the latter two",
        sex="U",
        age="P0D",
    )
    times = trial_times(recording, pause)
    _add_trials(file, recording, times)
    _add_series(file, recording, _clock(recording, times))
    with replacing(Path(path)) as temporary, pynwb.NWBHDF5IO(temporary, "w") as out:
        out.write(file)


def _pynwb() -> Any:
    """Return the package, which is of an extra."""
    try:
        import pynwb  # type: ignore[import-not-found,import-untyped,unused-ignore]  # of an extra
    except ImportError as error:
        raise ValueError(_NEEDS) from error
    return pynwb


def _add_trials(file: Any, recording: Recording, times: pd.DataFrame) -> None:
    """Add the table of trials, all columns with what they mean."""
    trials = recording.trials
    meaning = {column.name: column.meaning for column in SCHEMA["trials"]}
    named = [name for name in trials.columns if name in meaning and trials[name].notna().any()]
    for name in named:
        file.add_trial_column(name, meaning[name])
    bounds = times[["start_time", "stop_time"]].to_numpy()
    for (start, stop), row in zip(bounds, trials[named].to_dict("records"), strict=True):
        file.add_trial(
            start_time=float(start),
            stop_time=float(stop),
            **{str(name): value for name, value in row.items()},
        )


def _add_series(file: Any, recording: Recording, clock: npt.NDArray[np.float64]) -> None:
    """Add what was done and felt at each step, and the activity of each layer."""
    pynwb = _pynwb()
    kinds = {"meters": pynwb.behavior.SpatialSeries, "radians": pynwb.behavior.SpatialSeries}
    behavior = file.create_processing_module("behavior", "Kinematics, actions and rewards")
    for name, (values, unit, meaning) in _series(recording).items():
        kind = kinds.get(unit, pynwb.TimeSeries)
        more = {"reference_frame": "start of the trial"} if unit in kinds else {}
        told = {"unit": unit, "description": meaning, **more}
        behavior.add(kind(name=name, data=values, timestamps=clock, **told))
    units = file.create_processing_module("units", "Activity of units of the agent's networks")
    for layer, columns in _layers(recording).items():
        assert recording.units is not None
        data = recording.units[columns].to_numpy(np.float32)
        about = f"Units {columns[0]} to {columns[-1]}"
        told = {"unit": "a.u.", "description": about}
        units.add(pynwb.TimeSeries(name=layer, data=data, timestamps=clock, **told))


def to_pynapple(recording: Recording, pause: float = PAUSE) -> dict[str, Any]:
    """Return a recording as pynapple objects on one clock; trials as in :func:`write_nwb`.

    Args:
        recording: Tables of one session.
        pause: Time between trials, s.

    Returns:
        ``trials``, an ``IntervalSet`` with the columns of the table as metadata; each series as a
        ``Tsd`` or ``TsdFrame``; and a ``TsdFrame`` for each layer, all supported by the trials.

    Raises:
        ValueError: If pynapple is not installed.
    """
    try:
        import pynapple as nap  # type: ignore[import-not-found,import-untyped,unused-ignore]  # of an extra
    except ImportError as error:
        raise ValueError(_NEEDS) from error
    recording = _in_order(recording)
    times = trial_times(recording, pause)
    about = recording.trials.drop(columns="subject").reset_index(drop=True)
    trials = nap.IntervalSet(times["start_time"], times["stop_time"], metadata=about)
    clock = _clock(recording, times)
    found: dict[str, Any] = {"trials": trials}
    for name, (values, _, _) in _series(recording).items():
        columns = [column.removesuffix("_cm") for column in _SERIES[name][0]]
        of_one = values.ndim == 1
        found[name] = (
            nap.Tsd(clock, values, time_support=trials)
            if of_one
            else nap.TsdFrame(clock, values, time_support=trials, columns=columns)
        )
    for layer, columns in _layers(recording).items():
        assert recording.units is not None
        data = recording.units[columns].to_numpy(float)
        found[layer] = nap.TsdFrame(clock, data, time_support=trials, columns=columns)
    return found
