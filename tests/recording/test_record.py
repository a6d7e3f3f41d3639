import copy
import sys
from dataclasses import replace

import numpy as np
import own_modules
import pandas as pd
import pytest
import torch

import modnav
from modnav.acting import greedy, rollout
from modnav.evaluation import gain_conditions, run, score, trial_statistics
from modnav.networks import (
    AbstractBelief,
    Actor,
    Agent,
    Critic,
    Feedforward,
    RecurrentBelief,
    TwinCritic,
    build_agent,
)
from modnav.recording import Session, layers_of, make_session, record, recordings, simulate
from modnav.tables import outcomes, read_tables, write_tables
from modnav.task import TaskParameters

TASK = TaskParameters(
    name="perturbation", gain=(1.0, 2.0), stop_threshold=0.95, reward_zone_radius_cm=280.0
)
"""A task in which untrained agents get rewards; none of them stops before time is over."""

STATISTICS = {
    "rewarded": "rewarded",
    "steps": "steps",
    "radial_error_cm": "error_distance",
    "signed_radial_error_cm": "error_distance_shoot",
    "td_error": "TD_error",
    "td_error_abs": "TD_error_abs",
    "value": "value_est",
}
"""Columns of trials, and what modnav.evaluation.scores calls them."""


def session_for(agent, task=TASK, trials=12):
    """Return trials that the agent ends at different times, and some not at all."""
    steps = simulate(agent, make_session(task, trials=trials, seed=3)).steps
    most = steps[["action_v", "action_w"]].abs().max(axis=1).groupby(steps["trial"]).max()
    task = replace(task, stop_threshold=0.7 * float(most.median()))
    return make_session(task, trials=trials, seed=3)


@pytest.fixture
def modular():
    return build_agent("modular")


@pytest.fixture
def session(modular):
    return session_for(modular)


def went(agent, session):
    return rollout(greedy(agent.actor), agent.sources, session.trials, session.noise, session.task)


def close(found, expected, tolerance=2e-4):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), tolerance, tolerance)


def test_trials_are_measured_as_evaluations_are(agent):
    session = session_for(agent)
    trials, _, _ = simulate(agent, session)
    assert trials["steps"].nunique() > 2
    assert trials["terminated"].any()
    assert trials["rewarded"].nunique() == 2
    statistics = trial_statistics(agent, went(agent, session), session.task)
    for name, published in STATISTICS.items():
        close(trials[name], statistics[published])


def test_means_of_trials_are_the_columns_of_an_evaluation(modular, generator):
    task = session_for(modular, replace(TASK, name="gain")).task
    conditions = gain_conditions(task, (1.0, 2.0), 20, generator, "test")
    trials, _, _ = simulate(modular, Session(task, conditions.trials, conditions.noise))
    assert trials["terminated"].nunique() == 2
    scores = score(modular, conditions, run(modular, conditions))
    for gain, columns in zip((1.0, 2.0), scores.values(), strict=True):
        chosen = trials[trials["gain"] == gain]
        for name in list(STATISTICS)[2:]:
            close(chosen[name].mean(), columns[STATISTICS[name]])
        assert chosen["rewarded"].mean() == columns["reward_fraction"]
        rate = chosen["rewarded"].sum() / chosen["duration_s"].sum()
        close(rate, columns["reward_rate"])


def test_what_is_measured_follows_from_the_steps_on_disk(modular, session, tmp_path):
    write_tables(tmp_path, record(modular, session))
    trials, steps, _ = read_tables(tmp_path)
    again = outcomes(trials.drop(columns=[*STATISTICS, "end_x_cm", "end_theta_deg"][1:]), steps)
    pd.testing.assert_frame_equal(again, trials[list(again)], check_exact=True)
    last = steps.groupby("trial").last()
    close(last["time_s"], trials["duration_s"])
    error = np.hypot(last.x_cm - trials.target_x_cm, last.y_cm - trials.target_y_cm)
    close(error, trials["radial_error_cm"])


def test_errors_of_hand_made_trials():
    """Ends at 3 m ahead, beyond the target to the right, and a time-out that still moves on."""
    trials = pd.DataFrame(
        {
            "trial": [5, 6, 7],
            "target_x_cm": [0.0, 100.0, 0.0],
            "target_y_cm": [320.0, 100.0, 100.0],
            "dt_s": 0.1,
            "terminated": [True, True, False],
        }
    )
    steps = pd.DataFrame(
        {
            "trial": [5, 6, 7, 7],
            "x_cm": [0.0, 200.0, 0.0, 0.0],
            "y_cm": [300.0, 200.0, 0.0, 98.0],
            "heading_deg": 90.0,
            "v_cm_s": 50.0,
            "td_error": [0.5, 1.0, -1.0, 2.0],
        }
    )
    found = outcomes(trials, steps)
    close(found["radial_error_cm"], [20, np.hypot(100, 100), 2])
    close(found["signed_radial_error_cm"], [-20, np.hypot(100, 100), 2])
    close(found["angular_error_deg"], [0, 0, 0])
    close(found["end_theta_deg"], [90, 45, 90])
    close(found["duration_s"], [0, 0, 0.1])
    close(found["td_error"], [0.5, 1.0, 0.5])
    close(found["td_error_abs"], [0.5, 1.0, 1.5])


def test_steps_hold_what_happened(modular, session):
    trials, steps, _ = simulate(modular, session)
    rolled = went(modular, session)
    scale = np.array([400, 400, np.rad2deg(1), 400, np.rad2deg(1)])
    for k in range(len(session)):
        rows, count = steps[steps["trial"] == k], int(rolled.steps[k])
        assert list(rows["step"]) == list(range(count))
        state = rolled.state[:count, k].numpy() * scale
        close(rows[["x_cm", "y_cm", "heading_deg", "v_cm_s", "w_deg_s"]], state, 1e-3)
        observed = rolled.observed[:count, k].numpy() * scale[3:]
        close(rows[["observed_v_cm_s", "observed_w_deg_s"]], observed, 1e-3)
        close(rows[["action_v", "action_w"]], rolled.action[:count, k])
        close(rows["reward"], rolled.reward[:count, k])
        assert list(rows["target_visible"]) == [t < 4 for t in range(count)]
        pulse = np.exp(-(((np.arange(35) - int(session.trials.onset[k]) - 5) / 2) ** 2) / 2)
        pulse[abs(np.arange(35) - int(session.trials.onset[k]) - 5) > 5] = 0
        peak = trials["perturbation_peak_v_cm_s"][k]
        close(rows["perturbation_v_cm_s"], peak * pulse[:count], 1e-3)
    close(trials["gain_v_cm_s"], 200 * trials["gain"])
    close(trials[["process_noise", "observation_noise"]], [[0.2, 0.1]] * 12)
    close(trials["perturbation_onset_s"], 0.1 * session.trials.onset)


def test_units_give_the_actions_and_values(agent):
    """The last layer of units, through the last linear map, is what the agent did."""
    _, steps, units = record(agent, session_for(agent))
    for part, column in ((agent.actor.action, "action"), (agent.critic.first.value, "value")):
        linear = [module for module in part.modules() if isinstance(module, torch.nn.Linear)][-1]
        prefix = "actor" if column == "action" else "critic"
        names = [name for name in layers_of(agent) if name.startswith(prefix)]
        last = units[[c for c in units if c.rpartition(".")[0] == names[-1]]].to_numpy(copy=True)
        assert last.shape[1] == linear.in_features
        output = linear(torch.from_numpy(last)).detach().numpy()
        if column == "action":
            close(steps[["action_v", "action_w"]], np.tanh(output))
        else:
            close(steps["value"], output[:, 0])


def test_belief_units_are_the_hidden_states_of_the_lstm(modular, session):
    _, _, units = record(modular, session, layers=["actor.belief"])
    assert list(units)[2:] == [f"actor.belief.{k}" for k in range(128)]
    assert all(units.dtypes[2:] == np.float32)
    rolled, rnn = went(modular, session), modular.actor.belief.units.rnn
    cell = torch.nn.LSTMCell(6, 128)
    for name, parameter in cell.named_parameters():
        parameter.data = getattr(rnn, f"{name}_l0").data
    for k in (0, 5, 11):
        memory = None
        seen = units[units["trial"] == k].iloc[:, 2:].to_numpy()
        for t in range(int(rolled.steps[k])):
            memory = cell(rolled.inputs["observation"][t, k : k + 1], memory)
            close(seen[t], memory[0].detach()[0])


def test_a_filter_is_recorded_in_centimetres_and_degrees():
    ekf = build_agent("holistic_ekf")
    session = session_for(ekf)
    trials, steps, _ = simulate(ekf, session)
    inputs = went(ekf, session).inputs["kalman"]
    rows = steps[steps["trial"] == 4]
    belief = inputs[: len(rows), 4].numpy()
    cm, deg = 400, np.rad2deg(1)
    scale = [
        cm,
        cm,
        deg,
        cm,
        deg,
        cm * cm,
        cm * cm,
        cm * deg,
        cm * cm,
        cm * deg,
        deg * deg,
        cm * cm,
        deg * deg,
    ]
    close(rows[[c for c in rows if c.startswith("kalman")]], belief * scale, 1e-3)
    start = steps[steps["step"] == 0]
    close(start["kalman_x_cm"], -trials["target_x_cm"])
    close(start["kalman_heading_deg"], 90.0 + 0 * trials["gain"])
    assert "kalman_x_cm" not in simulate(build_agent("modular"), trials=1).steps


def test_the_world_may_be_noisier_than_the_filter_assumes():
    ekf = build_agent("ekf")
    trials, steps, _ = simulate(
        ekf, trials=40, observation_noise=0.9, filter_observation_noise=0.1
    )
    second = steps[steps["step"] == 1]
    close(second["kalman_vv_cm2_s2"], np.full(40, 1600 * 400 / (1600 + 400)))
    error = second["observed_v_cm_s"] - second["v_cm_s"]
    assert 120 < error.std() < 240  # 0.9 of 200 cm/s
    assert (trials["observation_noise"] - 0.9).abs().max() < 1e-6
    told = simulate(ekf, trials=40, observation_noise=0.9).steps
    q, r = 1600, 180**2
    close(told[told["step"] == 1]["kalman_vv_cm2_s2"], np.full(40, q * r / (q + r)))


def test_parts_of_a_session_are_the_whole(modular, session, monkeypatch):
    whole, heard = record(modular, session), []
    monkeypatch.setattr(sys.modules[recordings.__module__], "BLOCK", 5)
    parts = list(recordings(modular, session, progress=heard.append))
    assert [len(part.trials) for part in parts] == [5, 5, 2]
    assert heard == [5, 10, 12]
    for found, expected in zip(record(modular, session), whole, strict=True):
        pd.testing.assert_frame_equal(found, expected, rtol=1e-4, atol=1e-4)


def test_recording_leaves_agent_and_random_state_alone(modular, session):
    before, random = copy.deepcopy(modular.state_dict()), torch.get_rng_state()
    record(modular, session)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(x, before[name]) for name, x in modular.state_dict().items())


def test_simulate_is_record_without_units(modular, session):
    trials, steps, nothing = modnav.simulate(modular, session)
    assert nothing is None
    recorded = modnav.record(modular, session, subject="me")
    pd.testing.assert_frame_equal(steps, recorded.steps)
    assert list(trials["subject"].unique()) == ["Actor3Critic5"]
    pd.testing.assert_frame_equal(trials.assign(subject="me"), recorded.trials)


class Smoothed(AbstractBelief):
    """A belief of one's own, without a layer that torch knows."""

    source = "observation"
    recurrent = False
    in_features = 6
    out_features = 9

    def __init__(self):
        super().__init__()
        self.map = torch.nn.Linear(6, 9)

    def forward(self, x, memory=None):
        return self.map(x), None


def test_layers_of_other_agents():
    gru = RecurrentBelief(6, 7, num_layers=2, cell="gru")
    plain = RecurrentBelief(6, 5, cell="rnn")
    critic = Critic(plain, Feedforward(7, 1, (4,)))
    agent = Agent(Actor(gru, Feedforward(7, 2, (3,))), TwinCritic(critic))
    sizes = {name: layer.size for name, layer in layers_of(agent).items()}
    assert sizes == {
        "actor.belief.layer0": 7,
        "actor.belief.layer1": 7,
        "actor.action.mlp.1": 3,
        "critic.belief": 5,
        "critic.value.mlp.1": 4,
    }
    _, steps, units = record(agent, trials=3, max_steps=6)
    last = units[[f"actor.belief.layer1.{k}" for k in range(7)]].to_numpy(copy=True)
    action = torch.tanh(agent.actor.action(torch.from_numpy(last)[:, None])[0][:, 0])
    close(steps[["action_v", "action_w"]], action.detach())
    own = Agent(Actor(Smoothed(), Feedforward(9, 2, ())), TwinCritic(critic))
    assert {n: layer.size for n, layer in layers_of(own).items()}["actor.belief"] == 9


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


def test_tables_are_the_same_where_tensors_are_double_by_default(modular):
    options = {"task": TASK, "trials": 6, "layers": ["actor.belief"]}
    plain = record(modular, **options)
    torch.set_default_dtype(torch.float64)
    try:
        double = record(modular, **options)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(map(pd.DataFrame.equals, plain, double))


def test_targets_with_a_column_twice_are_refused(modular):
    targets = pd.DataFrame(
        [[1.0, 2.0, 3.0]], columns=["target_x_cm", "target_y_cm", "target_x_cm"]
    )
    with pytest.raises(ValueError, match="trials holds target_x_cm more than once"):
        record(modular, targets=targets)


def test_a_session_is_not_changed_by_options(modular, session):
    with pytest.raises(ValueError, match="gain: the session that is given has that already"):
        simulate(modular, session, gain=2.0)


def test_a_fresh_agent_is_recorded_in_eval_mode():
    """Dropout and batch norm: the same tables each time, and nothing of the agent moves."""
    actor = Actor(own_modules.Noisy(6, 8), Feedforward(8, 2, (4,)))
    critic = Critic(own_modules.Noisy(6, 8), Feedforward(10, 1, (4,)))
    agent = Agent(actor, TwinCritic(critic))
    before = copy.deepcopy(agent.state_dict())
    first, second = (record(agent, trials=20) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(one, other)
    pd.testing.assert_frame_equal(first.steps, modnav.simulate(agent, trials=20).steps)
    assert all(module.training for module in agent.modules())
    assert all(torch.equal(before[name], x) for name, x in agent.state_dict().items())


def test_numbers_of_numpy_and_a_single_layer_will_do(modular):
    one = record(modular, trials=np.int32(2), seed=np.int64(3), layers="actor.belief")
    other = record(modular, trials=2, seed=3, layers=["actor.belief"])
    pd.testing.assert_frame_equal(one.units, other.units)


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


def test_what_is_no_architecture_is_told():
    with pytest.raises(ValueError, match="architecture is None; it must be one of"):
        modnav.build_agent(None)
