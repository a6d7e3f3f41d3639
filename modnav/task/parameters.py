"""Constants of the steering task.

Lengths are in units of 4 m (400 cm), angles in radians; names that end in ``_cm``, ``_deg``, ``_s``
carry other units.
"""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from .parts import AbstractMotion, AbstractReward, describe_part, why_not_a_part

__all__ = ["REWARD_ZONE_CM", "UNIT_CM", "Range", "TaskParameters", "bounds"]

UNIT_CM = 400.0
"""Centimetres in one internal unit of length."""

LARGEST = 1_000_000
"""Largest constant of a task; far beyond it positions would overflow."""

REWARD_ZONE_CM = 65.0
"""Radius of the reward zone of the published task, cm."""

Range = float | tuple[float, float]
"""A number, or the bounds of a uniform distribution from which each trial draws one."""


@dataclass(frozen=True)
class TaskParameters:
    """Constants of the task. Every range is drawn anew, uniformly, for each trial.

    Attributes:
        name: Kind of task; the ``perturbation`` kinds add a velocity pulse to each trial.
        gain: Multiple of the default joystick gain.
        excluded_gain: Interval of gains that is never drawn.
        process_noise: Standard deviation of the velocity noise, in multiples of the joystick gain.
        observation_noise: Standard deviation of the noise of the observed velocity, likewise.
        reward: ``mixed`` is 1 inside the reward zone and falls off outside, ``gauss`` falls off
            everywhere, ``const`` is 1 inside and 0 outside; or a reward of your own.
        reward_scale: Factor on the reward.
        target_always_visible: Whether the target stays in the input for the whole trial.
        visible_steps: Number of first inputs that show the target otherwise.
        linear_gain_cm_s: Default joystick gain, cm/s at full deflection.
        angular_gain_deg_s: Default joystick gain, deg/s at full deflection.
        target_distance_cm: Range of target distances, cm; uniform in area.
        target_angle_deg: Range of target angles from straight ahead, deg, positive to the right.
        reward_zone_radius_cm: Radius of the reward zone, cm.
        stop_threshold: The agent stops when both action components are smaller than this.
        dt: Duration of a step, s.
        max_steps: Steps after which a trial times out.
        peak_linear_cm_s: Range of peaks of the perturbation, cm/s.
        peak_angular_deg_s: Range of peaks of the perturbation, deg/s.
        excluded_peak_linear_cm_s: Interval of linear peaks that is never drawn, cm/s.
        excluded_peak_angular_deg_s: Interval of angular peaks that is never drawn, deg/s.
        onset_steps: First and last step at which a perturbation may start, both included.
        motion: How the target moves; it rests if None, as published.

    Raises:
        ValueError: If a value is not allowed; the message names the key, the value and the rule.
    """

    name: Literal["gain", "gain_control", "perturbation", "perturbation_control"] = "gain"
    gain: Range = 1.0
    excluded_gain: tuple[float, float] | None = None
    process_noise: Range = 0.2
    observation_noise: Range = 0.1
    reward: Literal["mixed", "gauss", "const"] | AbstractReward = "mixed"
    reward_scale: float = 10.0
    target_always_visible: bool = False
    visible_steps: int = 4
    linear_gain_cm_s: float = 200.0
    angular_gain_deg_s: float = 90.0
    target_distance_cm: tuple[float, float] = (100.0, 400.0)
    target_angle_deg: tuple[float, float] = (-35.0, 35.0)
    reward_zone_radius_cm: float = REWARD_ZONE_CM
    stop_threshold: float = 0.1
    dt: float = 0.1
    max_steps: int = 35
    peak_linear_cm_s: Range = (-200.0, 200.0)
    peak_angular_deg_s: Range = (-120.0, 120.0)
    excluded_peak_linear_cm_s: tuple[float, float] | None = None
    excluded_peak_angular_deg_s: tuple[float, float] | None = None
    onset_steps: tuple[int, int] = (0, 10)
    motion: AbstractMotion | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        for field in fields(self):
            object.__setattr__(self, field.name, _plain(getattr(self, field.name)))
        kinds = ("gain", "gain_control", "perturbation", "perturbation_control")
        _require(self.name in kinds, "name", self.name, f"one of {', '.join(kinds)}")
        self._check_parts()
        for field in fields(self):
            if field.name not in ("name", "reward", "motion", "target_always_visible"):
                self._check_numbers(field.name, getattr(self, field.name))
        for key in (
            "gain",
            "dt",
            "linear_gain_cm_s",
            "angular_gain_deg_s",
            "max_steps",
            "visible_steps",
            "reward_zone_radius_cm",
            "reward_scale",
            "target_distance_cm",
        ):
            value = getattr(self, key)
            _require(bounds(value)[0] > 0, key, value, "above 0")
            _require(bounds(value)[0] > 1 / LARGEST, key, value, f"above {1 / LARGEST}")
        _require(self.max_steps > 1, "max_steps", self.max_steps, "2 or more: a start and a stop")
        for key in (
            "process_noise",
            "observation_noise",
            "stop_threshold",
            "onset_steps",
        ):
            value = getattr(self, key)
            _require(bounds(value)[0] >= 0, key, value, "0 or more")
        _require(self.stop_threshold < 1, "stop_threshold", self.stop_threshold, "below 1")
        for key in ("gain", "peak_linear_cm_s", "peak_angular_deg_s"):
            excluded = getattr(self, f"excluded_{key}")
            lo, hi = bounds(getattr(self, key))
            some_left = excluded is None or lo < excluded[0] or hi > excluded[1]
            _require(some_left, f"excluded_{key}", excluded, f"less than all of [{lo}, {hi}]")

    def __hash__(self) -> int:
        """Return a number for caches; fields of parts of one's own may be lists, which have none."""
        return hash((self.name, self.gain, self.process_noise, self.observation_noise))

    def _check_parts(self) -> None:
        rewards = ("mixed", "gauss", "const")
        for key, part in (("reward", self.reward), ("motion", self.motion)):
            if isinstance(part, (AbstractReward, AbstractMotion)):
                rule = why_not_a_part(part)
                _require(rule is None, key, type(part).__name__, str(rule))
            else:
                known = rewards if key == "reward" else (None,)
                _require(part in known, key, part, f"one of {', '.join(map(str, known))}")

    def plain(self) -> dict[str, Any]:
        """Return all constants as names and numbers; no motion where the target rests."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if self.motion is None:
            del values["motion"]
        parts = (AbstractReward, AbstractMotion)
        return {k: describe_part(v) if isinstance(v, parts) else v for k, v in values.items()}

    def _check_numbers(self, key: str, value: object) -> None:
        """Check that a value is a number or a range, as its default is."""
        numbers = value if isinstance(value, (tuple, list)) else (value,)
        if key.startswith("excluded") and value is None:
            return
        whole = key in ("max_steps", "visible_steps", "onset_steps")
        kind = int if whole else (int, float)
        right = all(isinstance(n, kind) and not isinstance(n, bool) for n in numbers)
        shown = repr(value) if isinstance(value, str) else value  # "2" looks like a number
        _require(right, key, shown, "whole" if whole else "a number or a range of numbers")
        _require(all(math.isfinite(n) for n in numbers), key, value, "finite")
        _require(all(abs(n) <= LARGEST for n in numbers), key, value, f"within {LARGEST:,}")
        if key.startswith(("target_d", "target_angle", "onset", "excluded")):
            _require(len(numbers) == 2, key, value, "a range: its low end and its high end")
        if isinstance(value, (tuple, list)):
            _require(len(value) == 2, key, value, "a range: its low end and its high end")
            _require(
                value[0] <= value[1], key, value, "a range whose low end is not above its high"
            )

    @property
    def perturbed(self) -> bool:
        """Whether trials carry a perturbation."""
        return self.name.startswith("perturbation")

    @property
    def reward_zone_radius(self) -> float:
        """Radius of the reward zone, units."""
        return self.reward_zone_radius_cm / UNIT_CM

    @property
    def default_joystick_gain(self) -> tuple[float, float]:
        """Velocities at full deflection and gain 1, unit/s and rad/s."""
        return self.linear_gain_cm_s / UNIT_CM, math.radians(self.angular_gain_deg_s)


def bounds(value: Range) -> tuple[float, float]:
    """Return the low and the high end of a range; a number is a range of its own."""
    if isinstance(value, (tuple, list)):
        return value[0], value[1]
    return value, value


def _plain(value: Any) -> Any:
    """Return numbers of NumPy as those of Python, and a list as a tuple: tasks are compared by them."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    return tuple(map(_plain, value)) if isinstance(value, (list, tuple)) else value


def _require(condition: bool, key: str, value: object, allowed: str) -> None:
    if not condition:
        shown = list(value) if isinstance(value, tuple) else value
        raise ValueError(f"task.{key} is {shown}; it must be {allowed}")
