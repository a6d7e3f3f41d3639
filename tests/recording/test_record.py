import copy
import sys
from dataclasses import replace

import numpy as np
import own_modules
import pandas as pd
import torch
from sessions import TASK, close, session_for

import modnav
from modnav.acting import greedy, rollout
from modnav.evaluation import gain_conditions, run, score, trial_statistics
from modnav.networks import (
    Actor,
    Agent,
    Critic,
    Feedforward,
    TwinCritic,
    build_agent,
)
from modnav.recording import Session, record, recordings, simulate
from modnav.tables import outcomes, read_tables, write_tables

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


def went(agent, session):
    return rollout(greedy(agent.actor), agent.sources, session.trials, session.noise, session.task)


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


def test_tables_are_the_same_where_tensors_are_double_by_default(modular):
    options = {"task": TASK, "trials": 6, "layers": ["actor.belief"]}
    plain = record(modular, **options)
    torch.set_default_dtype(torch.float64)
    try:
        double = record(modular, **options)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(map(pd.DataFrame.equals, plain, double))


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
