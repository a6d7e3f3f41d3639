import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from modnav.acting import Noise, Rollout, draw_noise, rollout
from modnav.evaluation import td_error, trial_statistics
from modnav.evaluation.metrics import RewardFraction, RewardRate, TrialMetrics
from modnav.networks import build_agent
from modnav.task import TaskParameters, arc_length, make_trials, sample_trials, signed_radial_error

TASK = TaskParameters()


def scripted(inputs, memory):
    """The reference agent: turns for 6 steps, drives on, stops."""
    x = inputs["observation"]
    if memory is None:
        far = x[:, 4:].norm(dim=-1)
        steps = torch.tensor([2 + int(d / 0.05 / 0.9) for d in far.tolist()])
        memory = 0, steps, torch.atan2(x[:, 5], x[:, 4]) - math.pi / 2
    t, steps, angle = memory
    turn = (angle / (math.pi / 2 * 0.1 * 6)).clamp(-0.9, 0.9)
    turn = turn if t < 6 else torch.full_like(turn, 0.05)
    action = torch.stack((torch.full_like(turn, 0.9), turn), dim=-1)
    action = torch.where((t < steps)[:, None], action, torch.tensor([0.02, -0.03]))
    return action, (t + 1, steps, angle)


def linear_value(inputs, action):
    """The reference critic."""
    return (0.5 + 0.3 * inputs["observation"].sum(dim=-1) + 0.2 * action[..., 0])[..., None]


def valued_by(value):
    """Return an agent that needs its critic only, with a function in the critic's place."""
    critic = nn.Module()
    critic.first = value
    return SimpleNamespace(critic=critic)


SCRIPTED = valued_by(linear_value)


def scripted_trials(golden, gain):
    target = torch.tensor(golden["metrics"]["targets"])
    one = torch.ones(len(target))
    trials = make_trials(TASK, target, gain * one, 0 * one, 0 * one)
    silence = torch.zeros(2, TASK.max_steps, len(target), 2)
    return rollout(scripted, {"observation"}, trials, Noise(*silence), TASK)


@pytest.mark.parametrize(("case", "gain"), [(0, 1.0), (1, 1.5), (2, 2.0)])
def test_metrics_are_the_published_ones(golden, case, gain):
    row = golden["metrics"]["rows"][case]
    statistics = trial_statistics(SCRIPTED, scripted_trials(golden, gain), TASK)
    metrics = TrialMetrics(TASK.dt)
    metrics.add(statistics, torch.ones(12, dtype=torch.bool))
    found = {name: float(x) for name, x in metrics.compute().items()}
    expected = {k: v for k, v in row.items() if k not in ("task", "episode", "ordered_episode")}
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=3e-6, abs=1e-7)


def test_reward_rate_counts_the_time_of_the_last_step_index():
    rewarded = torch.tensor([True, False, True])
    steps = torch.tensor([11, 35, 21])
    assert float(RewardFraction()(rewarded, steps)) == pytest.approx(2 / 3)
    assert float(RewardRate(0.1)(rewarded, steps)) == pytest.approx(2 / (1.0 + 3.4 + 2.0))


def test_arc_length_of_known_arcs():
    r, angle = 0.7, torch.tensor([0.2, 0.9, 1.5])
    points = torch.stack((r * (1 - angle.cos()), r * angle.sin()), dim=-1)
    torch.testing.assert_close(arc_length(points), r * angle)
    left = points * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(arc_length(left), r * angle)


def test_arc_length_of_a_straight_line_and_of_no_way():
    points = torch.tensor([[0.0, 0.5], [1e-4, 0.5], [0.0, 0.0]])
    arcs = arc_length(points)
    assert float(arcs[0]) == 0.5
    assert float(arcs[1]) == pytest.approx(0.5, rel=1e-3)
    assert arcs[2].isnan()


def test_undershoots_are_negative():
    target = torch.tensor([[0.2, 0.6]]).expand(4, 2)
    end = target * torch.tensor([[0.5], [1.5], [0.9], [0.0]])
    distance = torch.tensor([0.3, 0.3, 0.1, 0.6])
    error = signed_radial_error(distance, end, target)
    torch.testing.assert_close(error, torch.tensor([-0.3, 0.3, -0.1, 0.6]))


def hand_made(steps, terminated, state):
    """Return a rollout of one trial with given ways, its other entries being simple."""
    length = len(state) - 1
    one = torch.ones(1)
    trials = make_trials(TASK, torch.tensor([[0.0, 0.5]]), one, one, one)
    positions = torch.zeros(length + 1, 1, 5)
    positions[:, 0, 1] = torch.tensor(state)
    reward = torch.zeros(length, 1)
    reward[steps - 1] = 4.0
    reward[steps:] = 99.0
    return Rollout(
        trials,
        {"observation": torch.arange(length + 1.0).view(-1, 1, 1).expand(-1, 1, 6)},
        torch.zeros(length, 1, 2),
        positions,
        torch.zeros(length, 1, 2),
        torch.zeros(length, 1, 2),
        reward,
        torch.tensor([steps]),
        torch.tensor([terminated]),
        torch.tensor([False]),
        (positions[steps - 1, :, :2] - trials.target).norm(dim=-1),
    )


@pytest.mark.parametrize(("terminated", "sign"), [(True, -1), (False, 1)])
def test_the_sign_of_a_time_out_is_that_of_the_state_after_it(terminated, sign):
    """The last motion passes the target; its distance is taken before, in either case."""
    trial = hand_made(3, terminated, [0.0, 0.2, 0.45, 0.6, 0.9])
    statistics = trial_statistics(SCRIPTED, trial, TASK)
    assert float(statistics["error_distance"]) == pytest.approx(20, rel=1e-5)
    assert float(statistics["error_distance_shoot"]) == pytest.approx(sign * 20, rel=1e-5)


def test_td_error_by_hand():
    """Values 0, 1, 2, ... of the step; what follows the last step does not count."""
    agent = valued_by(lambda inputs, action: inputs["observation"][..., :1])
    trial = hand_made(3, True, [0.0, 0.1, 0.2, 0.3, 0.4])
    error, value = td_error(agent, trial, 0.5)
    torch.testing.assert_close(value[:3, 0], torch.tensor([0.0, 1, 2]))
    torch.testing.assert_close(error[:3, 0], torch.tensor([0.5, 0.5 * 2 - 1, 4 - 2]))
    statistics = trial_statistics(agent, trial, TASK, discount=0.25)
    assert float(statistics["value_est"]) == pytest.approx(1)
    assert float(statistics["TD_error"]) == pytest.approx((0.25 - 0.5 + 2) / 3)
    assert float(statistics["TD_error_abs"]) == pytest.approx((0.25 + 0.5 + 2) / 3)


@pytest.mark.parametrize("name", ["modular", "holistic", "EKF", "holistic_ekf"])
def test_statistics_of_a_trial_do_not_depend_on_the_others(name, generator, stopping):
    agent = build_agent(name)
    task = TaskParameters(gain=(1.0, 2.0))
    trials = sample_trials(task, 6, generator)
    noise = draw_noise(35, 6, generator)
    policy = stopping(agent.actor)
    sources = agent.sources | {"observation"}
    played = rollout(policy, sources, trials, noise, task)
    assert len(played.steps.unique()) > 2
    together = trial_statistics(agent, played, task)
    for k in range(6):
        alone = rollout(
            policy,
            sources,
            type(trials)(*(x[k : k + 1] for x in trials)),
            Noise(*(x[:, k : k + 1] for x in noise)),
            task,
        )
        for key, x in trial_statistics(agent, alone, task).items():
            torch.testing.assert_close(x[0], together[key][k], rtol=1e-4, atol=1e-3)


def test_statistics_do_not_depend_on_how_many_trials_are_valued_together(golden, monkeypatch):
    trials = scripted_trials(golden, 1.5)
    assert len(trials.steps.unique()) > 3
    together = trial_statistics(SCRIPTED, trials, TASK)
    monkeypatch.setattr("modnav.evaluation.scores.TOGETHER", 5)
    for name, x in trial_statistics(SCRIPTED, trials, TASK).items():
        torch.testing.assert_close(x, together[name])


def test_what_is_not_a_number_shows(golden):
    statistics = trial_statistics(SCRIPTED, scripted_trials(golden, 1.5), TASK)
    statistics["value_est"][3] = math.nan
    metrics = TrialMetrics(TASK.dt)
    metrics.add(statistics, torch.ones(12, dtype=torch.bool))
    found = metrics.compute()
    assert found["value_est"].isnan()
    assert found["error_distance"].isfinite()


def test_metrics_do_not_depend_on_batches(golden):
    statistics = trial_statistics(SCRIPTED, scripted_trials(golden, 1.5), TASK)
    whole, parts = TrialMetrics(TASK.dt), TrialMetrics(TASK.dt)
    everything = torch.ones(12, dtype=torch.bool)
    whole.add(statistics, everything)
    first = torch.arange(12) < 5
    parts.add(statistics, first)
    parts.add(statistics, ~first)
    expected, found = whole.compute(), parts.compute()
    for name, x in expected.items():
        torch.testing.assert_close(found[name], x)
    parts.reset()
    parts.add(statistics, first)
    assert float(parts.compute()["error_distance"]) != float(expected["error_distance"])
    assert float(parts.compute()["reward_fraction"]) == pytest.approx(
        float(statistics["rewarded"][:5].float().mean())
    )
