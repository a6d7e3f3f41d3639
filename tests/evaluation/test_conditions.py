import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from modnav.acting import greedy, rollout
from modnav.evaluation import (
    fixed_gain_conditions,
    fixed_perturbation_conditions,
    gain_conditions,
    perturbation_conditions,
    run,
    score,
    trial_statistics,
)
from modnav.learning import Experience, Validation
from modnav.networks import build_agent
from modnav.task import STREAMS, UNIT_CM, TaskParameters, Trials, advance, begin

LOOSE = TaskParameters(stop_threshold=0.35)
"""A task in which restless untrained agents stop now and then."""

RECURRENT, KALMAN = ("modular", "holistic", "Actor2Critic4"), ("EKF", "holistic_ekf")


def restless(name, seed=0):
    """Return an untrained agent that stops at times of its own in each trial.

    A recurrent one follows its noisy inputs up and down; one with a Kalman filter drives ahead
    until it is near the target, and never starts where it is near at once.
    """
    torch.manual_seed(seed)
    agent = build_agent(name)
    with torch.no_grad():
        for layer in agent.actor.modules():
            if isinstance(layer, torch.nn.LSTM):
                for weights in (layer.weight_ih_l0, layer.weight_hh_l0):
                    weights.mul_(6)
            elif isinstance(layer, torch.nn.Linear):
                layer.weight.mul_(0.8)
        if name in KALMAN:
            first, second, last = (x for x in agent.actor.action.mlp if hasattr(x, "weight"))
            for layer in (first, second, last):
                layer.weight.mul_(0.05)
            first.weight[0, 1] = -1.0  # how far the target is ahead
            second.weight[0, 0] = last.weight[0, 0] = 0.9
    return agent


def conditions_of(kind, generator, count=10):
    if kind == "gain":
        return gain_conditions(LOOSE, (1.0, 1.5, 2.0), count, generator, "test")
    return perturbation_conditions(LOOSE, (0, 1, 2), count, generator, "test")


def plain_trial(agent, conditions, k, discount):
    """Run one trial alone, step by step, and measure it step by step."""
    task, trials = conditions.task, Trials(*(x[k : k + 1] for x in conditions.trials))
    streams = {name: STREAMS[name]() for name in agent.sources}
    world, sensation = begin(trials)
    now = {name: stream.start(trials, sensation) for name, stream in streams.items()}
    memory, inputs, actions, states = None, [], [], [world.state[0]]
    for t in range(task.max_steps):
        inputs.append({name: x for name, (x, _) in now.items()})
        action, memory = agent.act(inputs[-1], memory)
        actions.append(action)
        noise = (
            conditions.noise.process[t, k : k + 1],
            conditions.noise.observation[t, k : k + 1],
        )
        world, sensation, outcome = advance(task, trials, world, action, action, *noise)
        now = {n: s.step(trials, sensation, now[n][1], task) for n, s in streams.items()}
        states.append(world.state[0])
        if outcome.terminated or outcome.truncated:
            break
    whole = {name: torch.stack([x[name] for x in inputs]) for name in streams}
    values = agent.values(whole, torch.stack(actions))[0, :, 0, 0].tolist()
    following = [*values[1:], 0.0]
    errors = [discount * b - a for a, b in zip(values, following, strict=True)]
    errors[-1] += float(outcome.reward)
    return {
        "actions": torch.cat(actions),
        "states": torch.stack(states),
        "steps": len(actions),
        "terminated": bool(outcome.terminated),
        "rewarded": bool(outcome.rewarded),
        "error_distance": UNIT_CM * float(outcome.distance),
        "TD_error": sum(errors) / len(errors),
        "TD_error_abs": sum(map(abs, errors)) / len(errors),
        "value_est": sum(values) / len(values),
    }


@pytest.mark.parametrize("kind", ["gain", "perturbation"])
@pytest.mark.parametrize("name", RECURRENT + KALMAN)
def test_all_trials_at_once_equal_one_trial_at_a_time(name, kind, generator):
    agent, conditions = restless(name), conditions_of(kind, generator)
    together = run(agent, conditions)
    statistics = trial_statistics(agent, together, conditions.task, discount=0.9)
    assert len(together.steps.unique()) > 4
    assert {True, False} == set(together.terminated.tolist())
    for k in range(len(conditions.group)):
        alone = plain_trial(agent, conditions, k, 0.9)
        steps = alone["steps"]
        assert together.steps[k] == steps
        assert bool(together.terminated[k]) == alone["terminated"]
        assert bool(together.rewarded[k]) == alone["rewarded"]
        close = {"rtol": 2e-4, "atol": 2e-5}
        torch.testing.assert_close(together.action[:steps, k], alone["actions"], **close)
        torch.testing.assert_close(together.state[: steps + 1, k], alone["states"], **close)
        for key in ("error_distance", "TD_error", "TD_error_abs", "value_est"):
            expected = pytest.approx(alone[key], rel=2e-4, abs=2e-4)
            assert float(statistics[key][k]) == expected


@pytest.mark.parametrize("name", ["modular", "Actor2Critic4", "holistic_ekf"])
def test_dropping_ended_trials_changes_nothing_but_what_follows_their_end(name, generator):
    agent, conditions = restless(name), conditions_of("perturbation", generator, 20)
    given = (agent.sources, conditions.trials, conditions.noise, conditions.task)
    whole = rollout(greedy(agent.actor), *given)
    dropped = rollout(greedy(agent.actor), *given, drop_ended=True)
    assert torch.equal(whole.steps, dropped.steps)
    after = torch.arange(len(whole.state))[:, None] <= whole.steps
    for key in ("action", "observed", "perturbation", "reward", "state"):
        mask = after if key == "state" else whole.mask
        found, expected = getattr(dropped, key), getattr(whole, key)
        torch.testing.assert_close(found[mask], expected[mask], rtol=1e-4, atol=1e-5)
        assert not found[~mask].any()
    for source, x in whole.inputs.items():
        torch.testing.assert_close(dropped.inputs[source][after], x[after], rtol=1e-4, atol=1e-5)
        assert not dropped.inputs[source][~after].any()


def test_an_actor_is_asked_about_running_trials_only(generator):
    agent, conditions = restless("modular"), conditions_of("gain", generator, 20)
    asked = []

    def policy(inputs, memory):
        asked.append(len(inputs["observation"]))
        return greedy(agent.actor)(inputs, memory)

    given = (agent.sources, conditions.trials, conditions.noise, conditions.task)
    steps = rollout(policy, *given, drop_ended=True).steps
    assert asked == [int((steps > t).sum()) for t in range(int(steps.max()))]
    asked.clear()
    rollout(policy, *given)
    assert set(asked) == {60}


def test_a_part_of_a_rollout_is_those_trials(generator):
    agent, conditions = restless("EKF"), conditions_of("gain", generator)
    whole = run(agent, conditions)
    rows = whole.steps.argsort()[:5]
    part = whole.choose(rows)
    longest = int(whole.steps[rows].max())
    assert longest < len(whole.action)
    assert len(part.action) == longest
    for k, row in enumerate(rows.tolist()):
        steps = int(whole.steps[row])
        assert part.steps[k] == steps
        assert part.distance[k] == whole.distance[row]
        assert part.rewarded[k] == whole.rewarded[row]
        assert torch.equal(part.trials.target[k], whole.trials.target[row])
        assert torch.equal(part.state[: steps + 1, k], whole.state[: steps + 1, row])
        assert torch.equal(part.action[:steps, k], whole.action[:steps, row])
        assert torch.equal(
            part.inputs["kalman"][: steps + 1, k], whole.inputs["kalman"][: steps + 1, row]
        )


def test_an_evaluation_does_not_depend_on_the_precision_of_training(generator):
    agent, conditions = restless("modular"), conditions_of("gain", generator)
    expected = score(agent, conditions, run(agent, conditions))
    with torch.autocast("cpu", torch.bfloat16):
        found = score(agent, conditions, run(agent, conditions))
    assert found == expected


def test_what_is_not_a_number_shows(generator):
    agent, conditions = restless("modular"), conditions_of("gain", generator)
    with torch.no_grad():
        agent.critic.first.belief.units.rnn.weight_ih_l0[0, 0] = math.nan
    rows = score(agent, conditions, run(agent, conditions))
    assert all(math.isnan(row["TD_error"]) for row in rows.values())
    assert not any(math.isnan(row["error_distance"]) for row in rows.values())


def test_fixed_trials_are_the_same_at_any_time_and_noise():
    one, again = (fixed_gain_conditions(TaskParameters(), count=20) for _ in range(2))
    control = TaskParameters(name="gain_control", process_noise=0.0, observation_noise=0.3)
    other = fixed_gain_conditions(control, count=20)
    assert all(map(torch.equal, one.trials, again.trials))
    assert all(map(torch.equal, one.noise, again.noise))
    assert torch.equal(one.trials.target, other.trials.target)
    assert all(map(torch.equal, one.noise, other.noise))
    assert one.labels == ("gain1x", "gain1.5x", "gain2x")
    assert torch.equal(one.trials.target[:20], one.trials.target[40:])
    assert not other.trials.process_noise_std.any()
    torch.testing.assert_close(
        other.trials.observation_noise_std, 0.3 * other.trials.joystick_gain
    )


def test_fixed_perturbations_have_process_noise_of_two_tenths():
    control = TaskParameters(process_noise=0.0, observation_noise=0.3)
    default = fixed_perturbation_conditions(TaskParameters(), (0, 1, 2), 20)
    found = fixed_perturbation_conditions(control, (0, 1, 2), 20)
    for key in ("target", "peak", "onset", "process_noise_std"):
        assert torch.equal(getattr(found.trials, key), getattr(default.trials, key))
    torch.testing.assert_close(found.trials.process_noise_std, 0.2 * found.trials.joystick_gain)
    torch.testing.assert_close(
        found.trials.observation_noise_std, 0.3 * found.trials.joystick_gain
    )
    assert found.labels == ("perturbation0", "perturbation1", "perturbation2")
    assert not found.trials.peak[:20].any()
    assert found.trials.peak[20:].all()


@pytest.mark.parametrize("levels", [(0, 1, 2), (2, 1)])
def test_a_trial_has_one_onset_and_one_target_at_all_levels(levels):
    trials = fixed_perturbation_conditions(TaskParameters(), levels, 40).trials
    for key in ("onset", "target"):
        first, *others = getattr(trials, key).split(40)
        assert all(torch.equal(first, other) for other in others)
    assert len(trials.onset.unique()) > 5
    peaks = dict(zip(levels, trials.peak.split(40), strict=True))
    assert not torch.equal(peaks[1], peaks[2])


def test_gain_tests_of_agents_trained_with_perturbations_have_none():
    found = fixed_gain_conditions(TaskParameters(name="perturbation"), count=5)
    assert not found.trials.peak.any()


@pytest.mark.parametrize("noise", [{}, {"process_noise": 0.1, "observation_noise": 0.3}])
def test_selection_while_training_is_on_the_fixed_trials(noise):
    task = TaskParameters(**noise)
    experience = Experience(task, validation=Validation((1.0, 3.0), selection_trials=9))
    experience.setup("validate")
    _, selection = experience.validations()
    fixed = fixed_gain_conditions(replace(task), (1.0, 3.0), 9)
    assert selection.name == fixed.name == "selection"
    assert selection.labels == fixed.labels
    assert selection.task == fixed.task
    for found, expected in zip(
        (selection.group, *selection.trials, *selection.noise),
        (fixed.group, *fixed.trials, *fixed.noise),
        strict=True,
    ):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("gain", [-1.0, 0.0, float("nan"), float("inf")])
def test_gains_are_those_of_a_joystick(gain):
    with pytest.raises(ValueError, match=r"task.gain is .*; it must be"):
        fixed_gain_conditions(TaskParameters(), (1.0, gain), 5)


@pytest.mark.parametrize("conditions", [fixed_gain_conditions, fixed_perturbation_conditions])
def test_there_is_a_condition_and_a_trial(conditions):
    with pytest.raises(ValueError, match="is empty; it must be one or more"):
        conditions(TaskParameters(), (), 5)
    for count in (0, -1, 2.5):
        with pytest.raises(ValueError, match=f"count is {count}; it must be"):
            conditions(TaskParameters(), (1,), count)
    plain = conditions(TaskParameters(), (1, 2), 3)
    for given in (np.array([1, 2]), torch.tensor([1, 2]), iter([1, 2])):
        again = conditions(TaskParameters(), given, 3)
        assert again.labels == plain.labels
        assert all(torch.equal(x, y) for x, y in zip(again.trials, plain.trials, strict=True))


def test_levels_are_whole_numbers():
    with pytest.raises(ValueError, match=r"a level is 0\.5; it must be a whole number"):
        fixed_perturbation_conditions(TaskParameters(), (0.5,), 3)
