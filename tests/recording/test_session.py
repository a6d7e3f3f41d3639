import numpy as np
import pandas as pd
import pytest
import torch
from sessions import TASK, close

from modnav.networks import build_agent
from modnav.recording import make_session, read_targets, record, simulate
from modnav.task import TaskParameters


def test_the_same_seed_gives_the_same_trials_to_every_agent(modular):
    options = {"trials": 9, "seed": 4, "name": "perturbation"}
    mine, its = (simulate(a, **options).trials for a in (modular, build_agent("ekf")))
    conditions = [c for c in mine if c.startswith(("target", "pert", "gain", "process"))]
    pd.testing.assert_frame_equal(mine[conditions], its[conditions])
    other = simulate(modular, **{**options, "seed": 5}).trials
    assert not np.allclose(mine["target_x_cm"], other["target_x_cm"])


def test_recorded_trials_serve_as_targets(modular, session):
    trials = simulate(modular, session).trials
    again = make_session(TASK, targets=trials, seed=99)
    for found, expected in zip(again.trials, session.trials, strict=True):
        torch.testing.assert_close(found, expected)
    fewer = make_session(targets=trials, trials=4)
    assert len(fewer) == 4
    assert torch.equal(fewer.trials.peak, torch.zeros(4, 2))  # the gain task has none
    close(fewer.trials.gain, trials["gain"][:4])


def test_targets_of_a_recorded_table_are_moved_by_one_pair(modular, session):
    moved = simulate(modular, session).trials.assign(target_x_cm=40.0, target_y_cm=200.0)
    with pytest.raises(ValueError, match="drop the pair that is not so"):
        make_session(targets=moved)
    close(make_session(targets=moved.assign(target_r_cm=np.nan)).trials.target[0], [0.1, 0.5])
    moved = moved.drop(columns=["target_r_cm", "target_theta_deg"])
    close(make_session(targets=moved).trials.target[0], [0.1, 0.5])


def test_targets_may_be_polar():
    polar = pd.DataFrame({"target_r_cm": [200.0, 400.0], "target_theta_deg": [90.0, 60.0]})
    session = make_session(targets=polar, gain=1.5)
    close(400 * session.trials.target, [[0, 200], [200, 400 * np.sin(np.pi / 3)]])
    close(session.trials.gain, [1.5, 1.5])


@pytest.mark.parametrize("task", ["gain", "perturbation"])
def test_a_task_is_named_as_on_the_command_line(task):
    agent = build_agent("ekf")
    named = record(agent, task=task, trials=2)
    given = record(agent, task=TaskParameters(name=task), trials=2)
    for found, expected in zip(named, given, strict=True):
        pd.testing.assert_frame_equal(found, expected)
    assert set(named.trials["task"]) == {task}
    assert list(simulate(agent, task=task, trials=2, gain=1.5).trials["gain"]) == [1.5, 1.5]


def test_a_task_of_another_kind_is_refused():
    agent = build_agent("ekf")
    with pytest.raises(ValueError, match="name is walk; it must be one of gain"):
        record(agent, task="walk", trials=2)
    with pytest.raises(TypeError, match=r"task is 1\.5; it must be TaskParameters or the name"):
        record(agent, task=1.5, trials=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed": 1}, "the task has no speed; it has name, gain"),
        ({"gain": -1.0}, r"task.gain is -1.0; it must be above 0"),
        ({"trials": 0}, r"trials is 0; it must be in \[1, 10,000,000\]"),
        ({"filter_process_noise": -0.1}, "filter_process_noise is -0.1"),
        ({"filter_process_noise": 0.1}, "the agent has no Kalman filter"),
        ({"layers": ["actor.mlp"]}, r"no layer 'actor.mlp'; it has actor.belief \(128\), actor.a"),
        ({"targets": {"x": [1.0]}}, "trials holds unknown columns: x"),
        ({"targets": {"target_x_cm": [1.0]}}, "targets lacks target_x_cm and target_y_cm"),
        ({"targets": {"target_x_cm": [1.0], "target_y_cm": [np.nan]}}, "target_y_cm holds nan"),
        ({"targets": {"target_x_cm": ["a"], "target_y_cm": [1.0]}}, "target_x_cm holds a; it mus"),
        ({"targets": {"target_x_cm": [], "target_y_cm": []}}, "targets has 0 rows; it must have"),
        ({"targets": {"target_x_cm": [1.0], "target_y_cm": [9.0]}, "trials": 2}, "must have 2 or"),
        (
            {"targets": {"target_x_cm": [1.0], "target_y_cm": [9.0], "gain": [0.0]}},
            "targets.gain holds 0.0; it must be above 0",
        ),
        (
            {"targets": {"target_x_cm": [1.0], "target_y_cm": [9.0], "perturbation2_peak": [0.0]}},
            "more perturbation than the schema knows: perturbation2_peak",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(modular, options, message):
    if "targets" in options:
        options = {**options, "targets": pd.DataFrame(options["targets"])}
    with pytest.raises(ValueError, match=message):
        record(modular, **{"trials": 1, **options} if "targets" not in options else options)


def test_targets_with_a_column_twice_are_refused(modular):
    targets = pd.DataFrame(
        [[1.0, 2.0, 3.0]], columns=["target_x_cm", "target_y_cm", "target_x_cm"]
    )
    with pytest.raises(ValueError, match="trials holds target_x_cm more than once"):
        record(modular, targets=targets)


def test_a_session_is_not_changed_by_options(modular, session):
    with pytest.raises(ValueError, match="gain: the session that is given has that already"):
        simulate(modular, session, gain=2.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 2.5}, "trials is 2.5; it must be a whole number"),
        ({"seed": "3"}, "seed is '3'; it must be a whole number"),
        ({"seed": 2**64}, "seed is 18446744073709551616; it must be in"),
        ({"gain": "2"}, "task.gain is '2'; it must be a number or a range"),
    ],
)
def test_what_is_no_number_is_told(options, message):
    with pytest.raises(ValueError, match=message):
        make_session(**options)


def test_what_is_no_table_and_no_agent_is_told(modular):
    for targets in ([[0, 100]], "targets.csv"):
        with pytest.raises(TypeError, match=r"targets is of kind .*; it must be a DataFrame"):
            make_session(targets=targets)
    for agent in ("modular", modular.actor):
        with pytest.raises(TypeError, match=r"agent is of kind .*; it must be a modnav.Agent"):
            simulate(agent, trials=1)


def test_a_table_of_targets_is_read_from_a_path_in_any_form(tmp_path):
    targets = pd.DataFrame({"target_x_cm": [0.0], "target_y_cm": [200.0]})
    targets.to_csv(tmp_path / "targets.csv", index=False)
    pd.testing.assert_frame_equal(read_targets(str(tmp_path / "targets.csv")), targets)
