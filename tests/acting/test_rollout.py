import numpy as np
import pytest
import torch

from modnav.acting import Noise, draw_noise, greedy, rollout
from modnav.networks import build_agent
from modnav.task import STREAMS, KalmanStream, TaskParameters, sample_trials

EASY_STOP = TaskParameters(name="perturbation", gain=(1.0, 2.0), stop_threshold=0.3)
"""A task in which untrained agents stop at different times."""


def cruise(inputs, memory):
    """Drive for as many steps as the first input's target is far, then stop."""
    t, steps = (0, None) if memory is None else memory
    if steps is None:
        steps = (inputs["observation"][:, 4:].norm(dim=-1) / 0.05).long()
    on = (t < steps)[:, None]
    return torch.where(on, torch.tensor([0.9, 0.1]), torch.tensor([0.02, -0.03])), (t + 1, steps)


def steer(scale):
    """Return a policy that works on the memory of its own as well as on the inputs."""

    def act(inputs, memory):
        x = inputs["observation"]
        memory = torch.zeros(1, len(x), 2) if memory is None else memory
        memory = 0.8 * memory + x[None, :, :2] + 0.3 * x[None, :, 4:]
        return torch.tanh(scale * memory[0] + 0.35), memory

    return act


def one_by_one(policy, sources, trials, noise, task):
    for k in range(len(trials.gain)):
        alone = type(trials)(*(x[k : k + 1] for x in trials))
        own = Noise(*(x[:, k : k + 1] for x in noise))
        yield rollout(policy, sources, alone, own, task)


def check_alone(policy, sources, trials, noise, task):
    together = rollout(policy, sources, trials, noise, task)
    close = torch.testing.assert_close
    for k, alone in enumerate(one_by_one(policy, sources, trials, noise, task)):
        steps = int(alone.steps)
        assert together.steps[k] == steps == len(alone.action)
        for key in ("action", "observed", "perturbation", "reward"):
            found, expected = getattr(together, key)[:steps, k], getattr(alone, key)[:, 0]
            close(found, expected, rtol=1e-4, atol=1e-5)
        close(together.state[: steps + 1, k], alone.state[:, 0], rtol=1e-4, atol=1e-5)
        for name, x in alone.inputs.items():
            close(together.inputs[name][: steps + 1, k], x[:, 0], rtol=1e-4, atol=1e-5)
        assert together.terminated[k] == alone.terminated
        assert together.rewarded[k] == alone.rewarded
        close(together.distance[k], alone.distance[0], rtol=1e-4, atol=1e-5)
    return together


@pytest.mark.parametrize("policy", [cruise, steer(-0.5), steer(0.4)])
def test_trials_that_end_at_different_times_equal_trials_alone(policy, generator):
    trials = sample_trials(EASY_STOP, 12, generator)
    noise = draw_noise(35, 12, generator)
    together = check_alone(policy, {"observation", "kalman"}, trials, noise, EASY_STOP)
    if policy is cruise:
        assert len(together.steps.unique()) > 4


def test_agents_run_together_as_they_run_alone(agent, generator, stopping):
    trials = sample_trials(EASY_STOP, 6, generator)
    noise = draw_noise(35, 6, generator)
    sources = agent.sources | {"observation"}
    together = check_alone(stopping(agent.actor), sources, trials, noise, EASY_STOP)
    assert len(together.steps.unique()) > 3


def test_dropping_ended_trials_changes_nothing_of_the_others(agent, generator, stopping):
    trials = sample_trials(EASY_STOP, 8, generator)
    noise = draw_noise(35, 8, generator)
    sources = {"observation", "kalman"}
    policy, asked = stopping(agent.actor), []

    def counted(inputs, memory):
        asked.append(len(inputs["observation"]))
        return policy(inputs, memory)

    kept = rollout(policy, sources, trials, noise, EASY_STOP)
    dropped = rollout(counted, sources, trials, noise, EASY_STOP, drop_ended=True)
    assert sum(asked) == kept.steps.sum() < 8 * len(asked)
    for key in ("steps", "terminated", "rewarded"):
        assert torch.equal(getattr(dropped, key), getattr(kept, key))
    close = torch.testing.assert_close
    close(dropped.distance, kept.distance, rtol=1e-4, atol=1e-5)
    for key in ("action", "observed", "perturbation", "reward"):
        found, expected = getattr(dropped, key), getattr(kept, key)
        close(found[kept.mask], expected[kept.mask], rtol=1e-4, atol=1e-5)
        assert not found[~kept.mask].any()
    real = torch.arange(len(kept.state))[:, None] <= kept.steps
    for found, expected in (
        (dropped.state, kept.state),
        *((dropped.inputs[name], kept.inputs[name]) for name in sources),
    ):
        close(found[real], expected[real], rtol=1e-4, atol=1e-5)
        assert not found[~real].any()


def test_chosen_trials_are_cut_to_the_longest_of_them(generator):
    trials = sample_trials(EASY_STOP, 12, generator)
    played = rollout(cruise, STREAMS, trials, draw_noise(35, 12, generator), EASY_STOP)
    rows = played.steps.argsort()[:4].flip(0)
    chosen = played.choose(rows)
    longest = int(played.steps[rows].max())
    assert longest < len(played.action)
    assert torch.equal(chosen.steps, played.steps[rows])
    assert torch.equal(chosen.distance, played.distance[rows])
    assert torch.equal(chosen.rewarded, played.rewarded[rows])
    assert torch.equal(chosen.terminated, played.terminated[rows])
    assert torch.equal(chosen.trials.target, trials.target[rows])
    assert torch.equal(chosen.mask, played.mask[:longest, rows])
    assert torch.equal(chosen.state, played.state[: longest + 1, rows])
    for key in ("action", "observed", "perturbation", "reward"):
        assert torch.equal(getattr(chosen, key), getattr(played, key)[:longest, rows])
    for name, x in played.inputs.items():
        assert torch.equal(chosen.inputs[name], x[: longest + 1, rows])


def test_the_stored_actions_are_the_learners_pass_over_the_stored_inputs(agent, generator):
    task = TaskParameters(name="perturbation")
    trials = sample_trials(task, 5, generator)
    played = rollout(
        greedy(agent.actor), agent.sources, trials, draw_noise(35, 5, generator), task
    )
    inputs = {name: x[:-1] for name, x in played.inputs.items()}
    torch.testing.assert_close(agent.actions(inputs), played.action, rtol=1e-4, atol=1e-5)


def test_shapes_and_mask(generator):
    trials = sample_trials(EASY_STOP, 12, generator)
    played = rollout(cruise, STREAMS, trials, draw_noise(35, 12, generator), EASY_STOP)
    longest = int(played.steps.max())
    assert played.action.shape == (longest, 12, 2)
    assert played.state.shape == (longest + 1, 12, 5)
    assert {k: x.shape for k, x in played.inputs.items()} == {
        "observation": (longest + 1, 12, 6),
        "kalman": (longest + 1, 12, 13),
    }
    assert played.mask.shape == (longest, 12)
    assert torch.equal(played.mask.sum(dim=0), played.steps)
    assert played.mask[0].all()


def test_only_the_last_step_of_a_stopped_trial_is_rewarded(generator):
    task = TaskParameters(gain=1.0)
    trials = sample_trials(task, 40, generator)
    played = rollout(cruise, {"observation"}, trials, draw_noise(35, 40, generator), task)
    which = torch.arange(40)
    given = played.reward * played.mask
    assert (given[played.steps - 1, which] > 0).all()
    assert torch.equal(given.sum(dim=0), given[played.steps - 1, which])
    assert torch.equal(played.rewarded, given.amax(dim=0) == 10)
    assert 0 < played.rewarded.sum() < 40


def test_a_trial_that_never_stops_lasts_35_steps(generator):
    task = TaskParameters()
    trials = sample_trials(task, 3, generator)

    def go(inputs, memory):
        return torch.full((3, 2), 0.5), None

    played = rollout(go, {"observation"}, trials, draw_noise(35, 3, generator), task)
    assert played.steps.tolist() == [35] * 3
    assert not played.terminated.any()
    assert not played.rewarded.any()
    assert not played.reward.any()
    distance = (played.state[34, :, :2] - trials.target).norm(dim=-1)
    torch.testing.assert_close(played.distance, distance)


def test_observations_precede_actions(generator):
    task = TaskParameters()
    trials = sample_trials(task, 3, generator)
    played = rollout(cruise, {"observation"}, trials, draw_noise(35, 3, generator), task)
    length = len(played.action)
    assert torch.equal(played.observed, played.inputs["observation"][:length, :, :2])
    assert torch.equal(played.action, played.inputs["observation"][1:, :, 2:4])


def test_a_stream_may_be_replaced(generator):
    task = TaskParameters()
    trials = sample_trials(task, 3, generator)
    actor, noise = build_agent("EKF").actor, draw_noise(35, 3, generator)
    usual, assumed, quiet = (
        rollout(greedy(actor), {"kalman"}, trials, noise, task, streams)
        for streams in (None, {"kalman": KalmanStream(0.2, 0.1)}, {"kalman": KalmanStream(0, 0)})
    )
    torch.testing.assert_close(usual.inputs["kalman"], assumed.inputs["kalman"])
    assert not torch.allclose(usual.inputs["kalman"][:5], quiet.inputs["kalman"][:5])


def test_noise_can_be_drawn_again():
    first, again = (draw_noise(35, 4, torch.Generator().manual_seed(1)) for _ in range(2))
    assert all(map(torch.equal, first, again))
    assert first.process.shape == first.observation.shape == (35, 4, 2)
    assert not torch.equal(first.process, first.observation)
    assert torch.cat(first).std().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            torch.zeros(2, 2),
            r"returned a tensor \(2, 2\) of torch.float32; it must return a tensor",
        ),
        ((torch.zeros(2), None), r"a tensor \(2,\) of torch.float32 and a memory; it must"),
        ((torch.zeros(2, 2).double(), None), "float64 and a memory; it must return a tensor"),
        ((np.zeros((2, 2)), None), "returned ndarray and a memory; it must return a tensor"),
        (None, "returned NoneType; it must return a tensor"),
    ],
)
def test_a_policy_that_returns_something_else_is_told(given, told, generator):
    task = TaskParameters()
    trials, noise = sample_trials(task, 2, generator), draw_noise(35, 2, generator)
    with pytest.raises(ValueError, match=told):
        rollout(lambda inputs, memory: given, ["observation"], trials, noise, task)


def test_streams_are_named(generator):
    task = TaskParameters()
    trials, noise = sample_trials(task, 2, generator), draw_noise(35, 2, generator)
    lone = rollout(cruise, "observation", trials, noise, task)
    assert torch.equal(lone.state, rollout(cruise, ["observation"], trials, noise, task).state)
    unknown = (
        "sources has 'my_lab.Sight'; it must be of observation, kalman, or the path of a .* in an"
    )
    with pytest.raises(ValueError, match=unknown):
        rollout(cruise, ["observation", "sight", "my_lab.Sight"], trials, noise, task)
    with pytest.raises(ValueError, match="sources has 'sight'"):
        rollout(cruise, ["sight"], trials, noise, task, {"sight": None})
