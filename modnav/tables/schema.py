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


# A row is a column: its name, with ? if only some sessions have it; its type, with ? if single
# values may be NaN; its unit, - for text and flags; its meaning. Two spaces or more part them.
_TRIALS = """
trial                          int64     1          Number of the trial in its session
subject                        str       -          Agent or animal
seed?                          int64     1          Seed of the agent's training
task                           str       -          Kind of task
session?                       str       -          Session or day of an animal
category?                      str       -          Kind of trial, as an animal's file says it; empty if it does not
gain                           float64   1          Multiple of the default joystick gain
gain_v_cm_s                    float64   cm/s       Linear velocity at full deflection
gain_w_deg_s                   float64   deg/s      Angular velocity at full deflection
process_noise?                 float64   1          SD of the velocity noise, in multiples of the joystick gain
observation_noise?             float64   1          SD of the noise of observed velocity, likewise
perturbation_peak_v_cm_s?      float64   cm/s       Peak of the perturbation
perturbation_peak_w_deg_s?     float64   deg/s      Peak, angular
perturbation_onset_s?          float64?  s          Start of the perturbation; NaN if none
perturbation_nominal_onset_s?  float64?  s          Start as scheduled, by which trials of animals are matched; NaN if unknown
target_x_cm                    float64   cm         Target
target_y_cm                    float64   cm         Target
target_r_cm                    float64   cm         Distance of the target from the start
target_theta_deg               float64   deg        Polar angle of the target
end_x_cm                       float64   cm         Position at the last step
end_y_cm                       float64   cm         Position at the last step
end_r_cm                       float64   cm         Its distance from the start
end_theta_deg                  float64?  deg        Its polar angle; NaN at the start point
rewarded                       bool      -          Stopped inside the reward zone
terminated                     bool      -          Ended by a stop, not by time-out
steps                          int64     1          Number of steps
dt_s                           float64   s          Duration of a step
duration_s                     float64   s          Time of the last step: (steps - 1) dt, as published
radial_error_cm                float64   cm         Distance from end to target
signed_radial_error_cm         float64   cm         The same, negative for an undershoot; see modnav.task.signed_radial_error
angular_error_deg              float64?  deg        Polar angle of the end less that of the target, in [-180, 180)
reward?                        float64   1          Sum of rewards
value?                         float64   1          Mean value of the first critic
td_error?                      float64   1          Mean TD error
td_error_abs?                  float64   1          Mean absolute TD error
"""
_STEPS = """
trial                          int64     1          Number of the trial in its session
step                           int64     1          Number of the step in its trial, from 0
time_s                         float32   s          Time since the start of the trial
x_cm                           float32   cm         Position
y_cm                           float32   cm         Position
heading_deg?                   float32   deg        Heading; 90 at the start
v_cm_s?                        float32   cm/s       Linear velocity
w_deg_s?                       float32   deg/s      Angular velocity
observed_v_cm_s?               float32   cm/s       Observed linear velocity
observed_w_deg_s?              float32   deg/s      Observed angular velocity
target_visible?                bool      -          Whether the target is shown
action_v                       float32   1          Linear joystick axis, in [-1, 1]
action_w                       float32   1          Angular joystick axis, in [-1, 1]
perturbation_v_cm_s?           float32   cm/s       Velocity that the world adds to that of this step's action
perturbation_w_deg_s?          float32   deg/s      Likewise, angular
reward?                        float32   1          Reward
value?                         float32   1          Value of the first critic
td_error?                      float32   1          Its TD error
kalman_x_cm?                   float32   cm         Mean of the Kalman filter, relative to the target
kalman_y_cm?                   float32   cm         Likewise
kalman_heading_deg?            float32   deg        Mean heading
kalman_v_cm_s?                 float32   cm/s       Mean linear velocity
kalman_w_deg_s?                float32   deg/s      Mean angular velocity
kalman_xx_cm2?                 float32   cm^2       Variance of x
kalman_xy_cm2?                 float32   cm^2       Covariance of x and y
kalman_xh_cm_deg?              float32   cm deg     Covariance of x and heading
kalman_yy_cm2?                 float32   cm^2       Variance of y
kalman_yh_cm_deg?              float32   cm deg     Covariance of y and heading
kalman_hh_deg2?                float32   deg^2      Variance of the heading
kalman_vv_cm2_s2?              float32   cm^2/s^2   Variance of linear velocity
kalman_ww_deg2_s2?             float32   deg^2/s^2  Variance of angular velocity
"""
_UNITS = """
trial                          int64     1          Number of the trial in its session
step                           int64     1          Number of the step in its trial, from 0
"""


def _column(row: str) -> Column:
    name, dtype, unit, meaning = re.split(" {2,}", row, maxsplit=3)
    return Column(
        name.rstrip("?"),
        dtype.rstrip("?"),
        "" if unit == "-" else unit,
        meaning,
        required=not name.endswith("?"),
        nullable=dtype.endswith("?"),
    )


SCHEMA: dict[str, tuple[Column, ...]] = {
    table: tuple(map(_column, rows.strip().splitlines()))
    for table, rows in (("trials", _TRIALS), ("steps", _STEPS), ("units", _UNITS))
}
"""Columns of each table in order; ``units`` goes on with one float32 column for each unit."""


def unit_column(name: str) -> Column:
    """Return the column of a unit in ``units``."""
    return Column(name, "float32", "1", "Activity of the unit")
