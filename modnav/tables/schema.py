"""Tables of trials, steps and units: one schema for agents and for animals.

Every analysis starts from three tables, kept as Parquet files in a folder:

* ``trials``, one row a trial: who did what under which condition, and how it ended;
* ``steps``, one row a step of a trial: state, observation, action, reward, value, perturbation;
* ``units``, one row a step of a trial: the activity of units, one float32 column each, named by
  their place (``actor.belief.17``). Agents alone have it, but recorded neurons fit too.

:data:`SCHEMA` lists every column with its type, its unit of measure and its meaning. The names
end in the unit where there is one; Parquet files repeat unit and meaning in the metadata of each
column. A step is one sample: 0.1 s for agents, the sampling interval for animals. Entry ``t``
pairs the state before an action with that action. The origin is the start, y points straight
ahead; headings and polar angles are counter-clockwise from x, so 90 deg is straight ahead and
more is left. Columns that are not required are those that only some sessions have: animals have
no value, agents without a filter no ``kalman_...``.
"""

import re
from dataclasses import dataclass

__all__ = ["SCHEMA", "UNIT_NAME", "VERSION", "Column", "unit_column"]

VERSION = 1
"""Version of the schema, kept in the metadata of every file."""

UNIT_NAME = re.compile(r"[A-Za-z_]\w*(\.\w+)*\.\d+")
"""Names of the columns of ``units``: a layer and an index, e.g. ``actor.belief.17``."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name, which ends in the unit of measure.
        dtype: ``int64``, ``float64``, ``float32``, ``bool`` or ``str``.
        unit: Unit of measure; ``1`` for plain numbers, empty for text and flags.
        meaning: What it holds, for the reader.
        required: Whether every table has it.
        nullable: Whether single values may be NaN.
    """

    name: str
    dtype: str
    unit: str
    meaning: str
    required: bool = True
    nullable: bool = False


def _columns(dtype: str, unit: str, required: bool, /, **meanings: str) -> list[Column]:
    return [Column(name, dtype, unit, text, required) for name, text in meanings.items()]


_KEYS = _columns("int64", "1", True, trial="Number of the trial in its session")
_STEP = _columns("int64", "1", True, step="Number of the step in its trial, from 0")

SCHEMA: dict[str, tuple[Column, ...]] = {
    "trials": (
        *_KEYS,
        *_columns("str", "", True, subject="Agent or animal", task="Kind of task"),
        *_columns("str", "", False, session="Session or day of an animal"),
        *_columns("float64", "1", True, gain="Multiple of the default joystick gain"),
        *_columns("float64", "cm/s", True, gain_v_cm_s="Linear velocity at full deflection"),
        *_columns("float64", "deg/s", True, gain_w_deg_s="Angular velocity at full deflection"),
        *_columns(
            "float64",
            "1",
            False,
            process_noise="SD of the velocity noise, in multiples of the joystick gain",
            observation_noise="SD of the noise of observed velocity, likewise",
        ),
        *_columns("float64", "cm/s", False, perturbation_peak_v_cm_s="Peak of the perturbation"),
        *_columns("float64", "deg/s", False, perturbation_peak_w_deg_s="Peak, angular"),
        Column(
            "perturbation_onset_s",
            "float64",
            "s",
            "Start of the perturbation; NaN if none",
            required=False,
            nullable=True,
        ),
        Column(
            "perturbation_nominal_onset_s",
            "float64",
            "s",
            "Start as scheduled, by which trials of animals are matched; NaN if unknown",
            required=False,
            nullable=True,
        ),
        *_columns(
            "float64",
            "cm",
            True,
            target_x_cm="Target",
            target_y_cm="Target",
            target_r_cm="Distance of the target from the start",
        ),
        *_columns("float64", "deg", True, target_theta_deg="Polar angle of the target"),
        *_columns(
            "float64",
            "cm",
            True,
            end_x_cm="Position at the last step",
            end_y_cm="Position at the last step",
            end_r_cm="Its distance from the start",
        ),
        Column(
            "end_theta_deg",
            "float64",
            "deg",
            "Its polar angle; NaN at the start point",
            nullable=True,
        ),
        *_columns(
            "bool",
            "",
            True,
            rewarded="Stopped inside the reward zone",
            terminated="Ended by a stop, not by time-out",
        ),
        *_columns("int64", "1", True, steps="Number of steps"),
        *_columns(
            "float64",
            "s",
            True,
            dt_s="Duration of a step",
            duration_s="Time of the last step: (steps - 1) dt, as published",
        ),
        *_columns("float64", "cm", True, radial_error_cm="Distance from end to target"),
        *_columns(
            "float64",
            "cm",
            True,
            signed_radial_error_cm="The same, negative for an "
            "undershoot; see modnav.task.signed_radial_error",
        ),
        Column(
            "angular_error_deg",
            "float64",
            "deg",
            "Polar angle of the end less that of the target, in [-180, 180)",
            nullable=True,
        ),
        *_columns(
            "float64",
            "1",
            False,
            reward="Sum of rewards",
            value="Mean value of the first critic",
            td_error="Mean TD error",
            td_error_abs="Mean absolute TD error",
        ),
    ),
    "steps": (
        *_KEYS,
        *_STEP,
        *_columns("float32", "s", True, time_s="Time since the start of the trial"),
        *_columns("float32", "cm", True, x_cm="Position", y_cm="Position"),
        *_columns("float32", "deg", False, heading_deg="Heading; 90 at the start"),
        *_columns("float32", "cm/s", False, v_cm_s="Linear velocity"),
        *_columns("float32", "deg/s", False, w_deg_s="Angular velocity"),
        *_columns("float32", "cm/s", False, observed_v_cm_s="Observed linear velocity"),
        *_columns("float32", "deg/s", False, observed_w_deg_s="Observed angular velocity"),
        *_columns("bool", "", False, target_visible="Whether the target is shown"),
        *_columns(
            "float32",
            "1",
            True,
            action_v="Linear joystick axis, in [-1, 1]",
            action_w="Angular joystick axis, in [-1, 1]",
        ),
        *_columns(
            "float32",
            "cm/s",
            False,
            perturbation_v_cm_s="Velocity that the world adds to that of this step's action",
        ),
        *_columns("float32", "deg/s", False, perturbation_w_deg_s="Likewise, angular"),
        *_columns(
            "float32",
            "1",
            False,
            reward="Reward",
            value="Value of the first critic",
            td_error="Its TD error",
        ),
        *_columns(
            "float32",
            "cm",
            False,
            kalman_x_cm="Mean of the Kalman filter, relative to the target",
            kalman_y_cm="Likewise",
        ),
        *_columns("float32", "deg", False, kalman_heading_deg="Mean heading"),
        *_columns("float32", "cm/s", False, kalman_v_cm_s="Mean linear velocity"),
        *_columns("float32", "deg/s", False, kalman_w_deg_s="Mean angular velocity"),
        *_columns(
            "float32",
            "cm^2",
            False,
            kalman_xx_cm2="Variance of x",
            kalman_xy_cm2="Covariance of x and y",
        ),
        *_columns("float32", "cm deg", False, kalman_xh_cm_deg="Covariance of x and heading"),
        *_columns("float32", "cm^2", False, kalman_yy_cm2="Variance of y"),
        *_columns("float32", "cm deg", False, kalman_yh_cm_deg="Covariance of y and heading"),
        *_columns("float32", "deg^2", False, kalman_hh_deg2="Variance of the heading"),
        *_columns("float32", "cm^2/s^2", False, kalman_vv_cm2_s2="Variance of linear velocity"),
        *_columns("float32", "deg^2/s^2", False, kalman_ww_deg2_s2="Variance of angular velocity"),
    ),
    "units": (*_KEYS, *_STEP),
}
"""Columns of each table in order; ``units`` goes on with one float32 column for each unit."""


def unit_column(name: str) -> Column:
    """Return the column of a unit in ``units``."""
    return Column(name, "float32", "1", "Activity of the unit")
