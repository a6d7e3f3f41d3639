"""Sessions: the trials that an agent runs in one go, drawn from a task or taken from a table."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from modnav.acting import Noise, draw_noise
from modnav.errors import require, require_kind, whole
from modnav.tables import refuse_unknown, tell_units
from modnav.task import UNIT_CM, TaskParameters, Trials, make_trials, sample_trials

__all__ = ["TRIALS", "Session", "make_session", "read_targets"]

TRIALS = 500
"""Trials of a session unless said otherwise."""


@dataclass(frozen=True)
class Session:
    """Trials ready to run, the same for every agent.

    Attributes:
        task: Constants of the task.
        trials: What is fixed during each trial.
        noise: Noise of each of their steps.
        filter_process_noise: Process noise that a Kalman filter assumes, in multiples of the
            joystick gain; the trial's own if None.
        filter_observation_noise: Observation noise that it assumes, likewise.
    """

    task: TaskParameters
    trials: Trials
    noise: Noise
    filter_process_noise: float | None = None
    filter_observation_noise: float | None = None

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self.trials.target)

    def to(self, device: torch.device) -> "Session":
        """Return the same session on another device."""
        return replace(
            self,
            trials=Trials(*(x.to(device) for x in self.trials)),
            noise=Noise(*(x.to(device) for x in self.noise)),
        )

    def blocks(self, size: int) -> Iterator["Session"]:
        """Yield the session in parts of ``size`` trials or fewer, in order."""
        for k in range(0, len(self), size):
            trials = Trials(*(x[k : k + size] for x in self.trials))
            noise = Noise(*(x[:, k : k + size] for x in self.noise))
            yield replace(self, trials=trials, noise=noise)


def make_session(
    task: TaskParameters | str | None = None,
    *,
    trials: int | None = None,
    targets: pd.DataFrame | None = None,
    seed: int = 0,
    filter_process_noise: float | None = None,
    filter_observation_noise: float | None = None,
    **constants: Any,
) -> Session:
    """Draw the trials and the noise of a session.

    Args:
        task: Constants of the task, or its kind, whose published constants are then taken:
            ``"gain"``, the default, or ``"perturbation"``.
        trials: Number of trials: 500 by default, or as many as ``targets`` has.
        targets: Targets to take in order instead of drawing them: ``target_x_cm`` and
            ``target_y_cm`` (or ``target_r_cm`` and ``target_theta_deg``). Where it has both, both
            must be the same place: to move targets of a recorded table, change one pair and drop
            the other. Its columns ``gain``,
            ``process_noise``, ``observation_noise`` and, in a perturbation task,
            ``perturbation_...``, where it has them, come before those of the task. Other columns
            of ``trials`` are not used, so a recorded table can be given as it is.
        seed: Seed of all draws; the same seed gives the same trials to every agent.
        filter_process_noise: Process noise that a Kalman filter assumes, in multiples of the
            joystick gain; that of each trial by default.
        filter_observation_noise: Observation noise that it assumes, likewise.
        constants: Constants of the task to change, e.g. ``gain=1.5``.

    Returns:
        The session, on the CPU.

    Raises:
        TypeError: If the task is neither, or targets are no table.
        ValueError: If a constant is unknown or not allowed, or the targets cannot be used.
    """
    task = _task_of(task, constants)
    seed = whole("seed", seed)
    require("seed", seed, -(2**63), 2**64 - 1)  # those that torch takes
    if trials is not None:
        trials = whole("trials", trials)
        require("trials", trials, 1, 10_000_000)
    for key, value in (
        ("filter_process_noise", filter_process_noise),
        ("filter_observation_noise", filter_observation_noise),
    ):
        if value is not None:
            require(key, value, 0)
    if targets is not None:
        require_kind("targets", targets, pd.DataFrame, "a DataFrame, such as read_targets returns")
        targets = _checked(targets, trials)
        trials = len(targets)
    count = TRIALS if trials is None else trials
    generator = torch.Generator().manual_seed(seed)
    drawn = sample_trials(task, count, generator)
    if targets is not None:
        drawn = _taken(targets, drawn, task)
    noise = draw_noise(task.max_steps, count, generator)
    return Session(task, drawn, noise, filter_process_noise, filter_observation_noise)


def _task_of(task: TaskParameters | str | None, constants: Mapping[str, Any]) -> TaskParameters:
    if isinstance(task, str):
        task = TaskParameters(name=task)  # type: ignore[arg-type]  # refuses other names
    elif not isinstance(task, TaskParameters | None):
        raise TypeError(
            f"task is {task!r}; it must be TaskParameters or the name of a kind of task"
        )
    known = [field.name for field in fields(TaskParameters)]
    unknown = sorted(set(constants) - set(known))
    if unknown:
        raise ValueError(f"the task has no {', '.join(unknown)}; it has {', '.join(known)}")
    return replace(task or TaskParameters(), **constants)


def read_targets(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table of targets, see :func:`make_session`.

    Args:
        path: A ``.csv`` or ``.parquet`` file.

    Raises:
        ValueError: If it cannot be read.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path} is not a .csv or .parquet file")
    try:
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except Exception as error:  # damaged metadata of Parquet raise many kinds
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read: {reason}") from error


def _checked(targets: pd.DataFrame, count: int | None) -> pd.DataFrame:
    refuse_unknown(targets.columns, "trials")
    has_xy = {"target_x_cm", "target_y_cm"} <= set(targets)
    if not has_xy and not {"target_r_cm", "target_theta_deg"} <= set(targets):
        raise ValueError(
            "targets lacks target_x_cm and target_y_cm (or target_r_cm and target_theta_deg); "
            f"it has {', '.join(map(str, targets.columns))}"
        )
    needed = count or max(len(targets), 1)
    if len(targets) < needed:
        raise ValueError(f"targets has {len(targets)} rows; it must have {needed} or more")
    return targets.iloc[:needed].reset_index(drop=True)


def _taken(targets: pd.DataFrame, drawn: Trials, task: TaskParameters) -> Trials:
    """Return the trials with what a table of targets says in place of what was drawn."""
    fraction = drawn.joystick_gain[:, 0]
    gain = _numbers(targets, "gain", drawn.gain, above=True)
    process, observation = (
        _numbers(targets, name, std[:, 0] / fraction, above=False)
        for name, std in (
            ("process_noise", drawn.process_noise_std),
            ("observation_noise", drawn.observation_noise_std),
        )
    )
    peak, onset = drawn.peak, drawn.onset
    if task.perturbed:
        linear = _numbers(targets, "perturbation_peak_v_cm_s", UNIT_CM * peak[:, 0]) / UNIT_CM
        angular = _numbers(targets, "perturbation_peak_w_deg_s", torch.rad2deg(peak[:, 1]))
        peak = torch.stack((linear, torch.deg2rad(angular)), dim=-1)
        start = _numbers(targets, "perturbation_onset_s", onset * task.dt, above=False)
        if len(start) and float(start.min()) > task.dt * task.max_steps:
            raise ValueError(
                f"targets.perturbation_onset_s is {float(start.min()):g} or more; trials end after "
                f"{task.dt * task.max_steps:g} s, and none would be perturbed"
            )
        onset = (start / task.dt).round().long()
    target = _points(targets)
    tell_units("targets", targets)
    return make_trials(task, target, gain, process, observation, peak, onset)


def _points(targets: pd.DataFrame) -> Tensor:
    """Return the targets, ``(N, 2)``, in units of the task; where both are given both must agree."""
    nothing = torch.zeros(len(targets))
    polar = {"target_r_cm", "target_theta_deg"} <= set(targets)
    if not {"target_x_cm", "target_y_cm"} <= set(targets):
        radius = _numbers(targets, "target_r_cm", nothing)
        theta = torch.deg2rad(_numbers(targets, "target_theta_deg", nothing))
        return torch.stack((radius * theta.cos(), radius * theta.sin()), dim=-1) / UNIT_CM
    place = torch.stack([_numbers(targets, f"target_{a}_cm", nothing) for a in "xy"], dim=-1)
    if polar:
        names = ("target_r_cm", "target_theta_deg")
        r, deg = (pd.to_numeric(targets[name], errors="coerce").to_numpy(float) for name in names)
        other = np.stack((r * np.cos(np.deg2rad(deg)), r * np.sin(np.deg2rad(deg))), axis=-1)
        far = np.linalg.norm(place.numpy() - other, axis=-1)  # NaN where r or angle is not known
        apart = far > 1 + 0.01 * place.norm(dim=-1).numpy()  # rounding
        if apart.any():
            raise ValueError(
                f"targets holds in row {apart.argmax()} another place by target_x_cm and "
                "target_y_cm than by target_r_cm and target_theta_deg (deg, 90 straight ahead); "
                "drop the pair that is not so"
            )
    return place / UNIT_CM


def _numbers(
    targets: pd.DataFrame, name: str, otherwise: Tensor, above: bool | None = None
) -> Tensor:
    """Return a column, or ``otherwise`` where there is none.

    ``above`` asks for numbers above 0 (true), or of 0 or more (false).
    """
    if name not in targets:
        return otherwise
    column = pd.to_numeric(targets[name], errors="coerce")
    if name == "perturbation_onset_s":
        column = column.fillna(0.0)  # no perturbation, which starts at no time
    values = torch.tensor(column.to_numpy(float), dtype=torch.float32)
    rule, wrong = "finite", ~torch.isfinite(values)
    if above is not None:
        rule = "above 0" if above else "0 or more"
        wrong |= values <= 0 if above else values < 0
    if wrong.any():
        first = targets[name].iloc[int(wrong.nonzero()[0])]
        raise ValueError(f"targets.{name} holds {first}; it must be {rule}")
    return values
