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


def test_some_trials_in_another_unit_are_counted():
    targets = pd.DataFrame({"target_r_cm": [200, 3, 300], "target_theta_deg": [1.5, 90, 1.7]})
    first, second = unit_doubts(targets)
    assert "target_r_cm looks like metres in 1 of 3 trials; it must be in cm" in first
    assert "target_theta_deg looks like radians in 2 of 3 trials" in second


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
        make_session(targets=pd.DataFrame({"target_r_cm": [2.5], "target_theta_deg": [90]}))
    frame = monkey(trials=8, perturbed=True)
    shrunk = frame.assign(target_x=frame["target_x"] / 100, target_y=frame["target_y"] / 100)
    with pytest.warns(
        UnitWarning, match="^Bruno: target_x_cm, target_y_cm look like metres"
    ) as seen:
        list(monkey_recordings(shrunk, "Bruno", block=3))
    assert len(seen) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnitWarning)
        list(monkey_recordings(frame, "Bruno"))
        make_session("perturbation", targets=recording.trials)
