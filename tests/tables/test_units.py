"""Columns in another unit than they should be are told of, those of true trials are not."""

import warnings

import numpy as np
import pandas as pd
import pytest
from analysis_runs import steering_agent
from monkey_files import monkey

import modnav
from modnav import build_agent
from modnav.errors import UnitWarning
from modnav.published import monkey_recordings
from modnav.recording import make_session
from modnav.tables import read_tables, unit_doubts, write_tables

METRES, SECONDS, RADIANS = 0.01, 1000.0, np.pi / 180


@pytest.fixture(scope="module")
def recording():
    """Perturbed trials of an agent that steers."""
    return modnav.record(
        steering_agent("Actor3Critic5"), task="perturbation", trials=40, layers=[]
    )


def changed(recording, factors):
    trials, steps, _ = recording
    known = {name: factors[name] for name in factors if name in trials}
    trials = trials.assign(**{name: trials[name] * factor for name, factor in known.items()})
    known = {name: factors[name] for name in factors if name in steps}
    return trials, steps.assign(**{name: steps[name] * factor for name, factor in known.items()})


@pytest.mark.parametrize(
    ("factors", "told"),
    [
        (
            {"target_x_cm": METRES, "target_y_cm": METRES},
            "target_x_cm, target_y_cm look like metres",
        ),
        ({"target_x_cm": 10, "target_y_cm": 10}, "target_x_cm, target_y_cm look like millimetres"),
        ({"target_r_cm": METRES}, "target_r_cm looks like metres"),
        ({"target_theta_deg": RADIANS}, "target_theta_deg looks like radians"),
        ({"end_theta_deg": RADIANS}, "end_theta_deg looks like radians"),
        ({"gain_v_cm_s": METRES}, "gain_v_cm_s looks like m/s"),
        ({"gain_v_cm_s": 10}, "gain_v_cm_s looks like mm/s"),
        ({"gain_w_deg_s": RADIANS}, "gain_w_deg_s looks like rad/s"),
        ({"perturbation_peak_v_cm_s": METRES}, "perturbation_peak_v_cm_s looks like m/s"),
        ({"perturbation_peak_w_deg_s": RADIANS}, "perturbation_peak_w_deg_s looks like rad/s"),
        ({"perturbation_onset_s": SECONDS}, "perturbation_onset_s looks like milliseconds"),
        ({"dt_s": SECONDS}, "dt_s looks like milliseconds"),
        ({"duration_s": SECONDS}, "duration_s looks like milliseconds"),
        ({"time_s": SECONDS}, "time_s looks like milliseconds"),
        ({"x_cm": METRES, "y_cm": METRES}, "x_cm, y_cm look like metres"),
        ({"x_cm": 10, "y_cm": 10}, "x_cm, y_cm look like millimetres"),
        ({"v_cm_s": METRES}, "v_cm_s looks like m/s"),
        ({"v_cm_s": 10}, "v_cm_s looks like mm/s"),
        ({"w_deg_s": RADIANS}, "w_deg_s looks like rad/s"),
        ({"observed_w_deg_s": RADIANS}, "observed_w_deg_s looks like rad/s"),
        ({"heading_deg": RADIANS}, "heading_deg looks like radians"),
        ({"action_v": 100, "action_w": 100}, "action_v, action_w look like percent"),
    ],
)
def test_each_column_in_another_unit_is_named_with_it(recording, factors, told):
    # positions and velocities hang on gains and joystick: these alone are told
    (doubt,) = unit_doubts(*changed(recording, factors))
    assert doubt.startswith(told)


def test_headings_and_angles_from_straight_ahead_are_told(recording):
    trials, steps, _ = recording
    (doubt,) = unit_doubts(trials, steps.assign(heading_deg=steps["heading_deg"] - 90))
    assert "heading_deg looks like degrees from straight ahead" in doubt
    (doubt,) = unit_doubts(trials.assign(target_theta_deg=90 - trials["target_theta_deg"]))
    assert "target_theta_deg looks like degrees from straight ahead" in doubt


def test_targets_without_anything_beside_them_are_judged_by_size():
    metres = {"target_r_cm": [2.0, 3, 1.5, 4, 2], "target_theta_deg": [1.5, 1, 2, 1.6, 1.7]}
    first, second = unit_doubts(pd.DataFrame(metres))
    assert "target_r_cm looks like metres in 5 of 5 trials; it must be in cm" in first
    assert "target_theta_deg looks like radians in 5 of 5 trials" in second
    millimetres = {"target_x_cm": [50.0, -900, 20, 800, 3], "target_y_cm": 3500.0}
    (doubt,) = unit_doubts(pd.DataFrame(millimetres))
    assert doubt.startswith("target_x_cm, target_y_cm look like millimetres")
    (doubt,) = unit_doubts(pd.DataFrame({"target_theta_deg": [-30, 20, -5, 35, 12, 1]}))
    assert doubt.startswith("target_theta_deg looks like degrees from straight ahead")


def test_few_odd_trials_are_passed_over():
    assert not unit_doubts(pd.DataFrame({"target_r_cm": [2.0, 3, 1.5, 4]}))  # too few to say
    odd = {
        "target_r_cm": [200, 3, 300, 250, 150, 400],
        "target_theta_deg": [3, 90, 150, 80, 1, 91],
    }
    assert not unit_doubts(pd.DataFrame(odd))
    ring = {"target_theta_deg": [10, 30, 60, 45, 5, 20]}  # to the right, and behind it
    assert not unit_doubts(pd.DataFrame(ring))


def test_angles_are_compared_around_the_circle_and_not_at_the_start():
    x, y = np.array([-50.0, -80, -60, -40, -70]), np.array([-50.0, -10, -30, -70, -2])
    theta = np.rad2deg(np.arctan2(y, x)) % 360
    assert not unit_doubts(
        pd.DataFrame({"target_x_cm": x, "target_y_cm": y, "target_theta_deg": theta})
    )
    still = {"end_x_cm": np.zeros(6), "end_y_cm": 0.0, "end_theta_deg": 90.0}
    assert not unit_doubts(pd.DataFrame(still))


GAINS_OF_ONES_OWN = {"linear_gain_cm_s": 5.0, "angular_gain_deg_s": 5.0}
HONEST = [
    {"gain": 0.04},
    {"gain": 0.1},
    {"gain": 4.0},
    {"gain": (0.04, 4.0), "process_noise": 1.0},
    {"gain": 0.04, "task": "perturbation"},
    {"gain": 1.0, "task": "perturbation", "peak_linear_cm_s": (-3.0, 3.0)},
    {"task": "perturbation", "peak_linear_cm_s": (-5000.0, 5000.0), "gain": 0.1},
    {"target_distance_cm": (5.0, 40.0)},
    {"target_distance_cm": (1000.0, 2500.0)},
    {"target_distance_cm": (1000.0, 2500.0), "gain": 4.0, "task": "perturbation"},
    {"target_angle_deg": (-180.0, 180.0)},
    {"dt": 30.0, "task": "perturbation"},
    {"dt": 0.001, "gain": 4.0},
    GAINS_OF_ONES_OWN,
]


@pytest.mark.parametrize("trials", [1, 4, 20])
def test_what_modnav_simulates_is_never_warned_of(trials):
    agents = (steering_agent("Actor3Critic5"), build_agent("Actor1Critic1"))
    for constants in HONEST:
        for seed, agent in enumerate(agents):
            options = {"layers": [], "trials": trials, "seed": seed, **constants}
            recording = modnav.record(agent, **options)
            assert not unit_doubts(*recording[:2]), constants
            assert not unit_doubts(recording.trials), constants


def test_one_trial_is_never_warned_of_whatever_its_seed():
    agent = steering_agent("Actor3Critic5")
    trials, steps, _ = modnav.record(agent, task="perturbation", trials=100, layers=[])
    for k in range(100):
        assert not unit_doubts(trials[trials["trial"] == k], steps[steps["trial"] == k])


def test_gains_of_animals_are_judged_by_what_they_drive():
    """Their multiple of the default gain is made of it, and says nothing."""
    frame = monkey(trials=8).assign(gain_v=2.0)
    with pytest.warns(UnitWarning, match="^Bruno: gain_v_cm_s looks like m/s in 8 of 8"):
        list(monkey_recordings(frame, "Bruno"))


def test_columns_that_are_not_there_are_not_judged_by(recording):
    trials, steps, _ = recording
    for name in ("trial", "dt_s", "gain_v_cm_s", "gain_w_deg_s", "duration_s", "steps", "gain"):
        assert not unit_doubts(trials.drop(columns=name), steps)
    for name in ("trial", "time_s", "x_cm", "action_v", "action_w", "perturbation_v_cm_s"):
        assert not unit_doubts(trials, steps.drop(columns=name))


@pytest.mark.parametrize("name", ["modular", "holistic", "EKF"])
@pytest.mark.parametrize("task", ["gain", "perturbation"])
def test_nothing_is_told_of_agents_that_learned_nothing(name, task):
    """They hardly move, or turn on the spot; their noise may be large."""
    agent = build_agent(name)
    for more in ({}, {"gain": 4.0, "process_noise": 1.0, "observation_noise": 1.0}):
        assert not unit_doubts(*modnav.record(agent, task=task, trials=50, layers=[], **more)[:2])


def test_readers_warn_once_and_nobody_warns_of_true_trials(recording, tmp_path):
    trials, steps = changed(recording, {"x_cm": METRES, "y_cm": METRES})
    write_tables(tmp_path / "metres", recording._replace(trials=trials, steps=steps))
    with pytest.warns(UnitWarning, match=r"metres: x_cm, y_cm look like metres in 40 of 40"):
        read_tables(tmp_path / "metres")
    with pytest.warns(UnitWarning, match="^targets: target_r_cm looks like metres"):
        make_session(targets=pd.DataFrame({"target_r_cm": [2.5] * 5, "target_theta_deg": 90}))
    frame = monkey(trials=8, perturbed=True)
    shrunk = frame.assign(target_x=frame["target_x"] / 100, target_y=frame["target_y"] / 100)
    with pytest.warns(
        UnitWarning, match="^Bruno: target_x_cm, target_y_cm look like metres"
    ) as seen:
        list(monkey_recordings(shrunk, "Bruno", block=5))
    assert len(seen) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnitWarning)
        list(monkey_recordings(frame, "Bruno"))
        make_session("perturbation", targets=recording.trials)
