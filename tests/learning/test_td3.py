import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from golden_agents import PUBLISHED
from torch import nn

import modnav
from modnav.acting import Segment
from modnav.learning import (
    TD3Losses,
    TrialReplay,
    actor_loss,
    critic_loss,
    frozen,
    polyak_update,
    smooth_target_action,
    td_target,
)
from modnav.networks import build_agent
from modnav.task import is_moving, is_stop

DISCOUNT, CLIP, THRESHOLD = 0.97, 0.1, 0.1
CONSTANTS = (DISCOUNT, CLIP, THRESHOLD)


@pytest.fixture
def golden_segment(golden_inputs):
    steps, trials = 7, 3
    reward = torch.zeros(steps, trials, 1)
    reward[-1, :, 0] = torch.tensor([10.0, 0.4, 0.0])
    terminal = torch.zeros(steps, trials, 1)
    terminal[-1] = 1
    inputs = {
        "observation": golden_inputs("state", (steps + 1, trials)),
        "kalman": golden_inputs("ekf_state", (steps + 1, trials)),
    }
    return Segment(inputs, golden_inputs("action", (steps, trials)), reward, terminal)


def single_steps(segment):
    """Return the transitions of whole trials, as memoryless agents draw them."""
    return Segment(
        {
            k: torch.stack((x[:-1].flatten(0, 1), x[1:].flatten(0, 1)))
            for k, x in segment.inputs.items()
        },
        *(x.flatten(0, 1)[None] for x in segment[1:4]),
    )


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_updates_are_the_published_ones(name, golden, golden_segment, set_golden_weights, device):
    entry = golden["td3"]["agents"][name]
    agent = build_agent(name)
    for network, published in zip((agent.actor, agent.critic), PUBLISHED[name], strict=True):
        set_golden_weights(network, published)
    target = copy.deepcopy(agent).to(device)
    agent.to(device)
    options = {"lr": 3e-4, "eps": 1.5e-4}
    actor_optimizer = torch.optim.Adam(agent.actor.parameters(), **options)
    critic_optimizer = torch.optim.Adam(agent.critic.parameters(), **options)
    segment = golden_segment if agent.recurrent else single_steps(golden_segment)
    segment = Segment(
        {k: x.to(device) for k, x in segment.inputs.items()}, *(x.to(device) for x in segment[1:4])
    )
    tolerance = {"cpu": 2e-6, "cuda": 1e-5}[device.type]
    silence = torch.zeros_like(segment.action)
    for update, losses in enumerate(entry["losses"]):
        y = td_target(target.actor, target.critic, segment, silence, *CONSTANTS)
        loss = critic_loss(agent.critic, segment, y)
        assert loss.item() == pytest.approx(losses["critic"], rel=tolerance)
        critic_optimizer.zero_grad()
        loss.backward()
        critic_optimizer.step()
        if update % 2:
            assert losses["actor"] is None
            continue
        loss = actor_loss(agent.actor, agent.critic, segment)
        assert loss.item() == pytest.approx(losses["actor"], rel=tolerance, abs=5e-7)
        actor_optimizer.zero_grad()
        loss.backward()
        actor_optimizer.step()
        polyak_update(target.actor, agent.actor, 0.005)
        polyak_update(target.critic, agent.critic, 0.005)
    networks = {
        "actor": agent.actor,
        "critic": agent.critic,
        "target_actor": target.actor,
        "target_critic": target.critic,
    }
    for key, network in networks.items():
        sums = [
            [p.double().sum().item(), p.double().abs().sum().item()] for p in network.parameters()
        ]
        found = torch.tensor(sums, dtype=torch.float64)
        expected = torch.tensor(list(entry["after"][key].values()), dtype=torch.float64)
        # A sum cancels, so it is compared on the scale of the sum of absolute values.
        error = (found - expected).abs() / expected[:, 1:]
        assert error.max() < tolerance, f"{key}: {error}"


@pytest.mark.parametrize("case", range(4))
def test_target_smoothing_is_the_published_one(golden, case):
    entry = golden["target_smoothing"]
    action = torch.tensor(entry["actions"])
    noise = torch.full_like(action, entry["cases"][case]["noise"])
    smoothed = smooth_target_action(action, noise, CLIP, THRESHOLD)
    expected = torch.tensor(entry["cases"][case]["smoothed"])
    torch.testing.assert_close(smoothed, expected, rtol=0, atol=6e-8)


def grid():
    """Return actions that fill the square, edges of the stop threshold included."""
    axis = torch.cat((torch.linspace(-1, 1, 41), torch.tensor([-0.1, 0.1, -0.0999, 0.1001])))
    return torch.cartesian_prod(axis, axis)


@pytest.mark.parametrize("size", [-1.0, -0.2, -0.1, -0.03, 0.0, 0.03, 0.1, 0.2, 1.0])
def test_smoothing_never_turns_a_stop_into_a_go_or_back(size):
    action = grid()
    for signs in ((1.0, 1.0), (1.0, -1.0)):
        noise = size * torch.tensor(signs).expand_as(action)
        smoothed = smooth_target_action(action, noise, CLIP, THRESHOLD)
        stop = (action.abs() <= THRESHOLD).all(dim=-1)
        assert not is_moving(smoothed[stop], THRESHOLD).any()
        assert not is_stop(smoothed[~stop], THRESHOLD).any()
        beyond = action.abs() > THRESHOLD
        assert torch.equal(smoothed[beyond].sign(), action[beyond].sign())
        assert (smoothed[beyond].abs() >= torch.tensor(THRESHOLD)).all()
        assert smoothed.abs().max() <= 1


def test_smoothing_clips_the_noise_of_moving_actions_alone():
    action = torch.tensor([[0.5, 0.5], [0.08, 0.0]])
    smoothed = smooth_target_action(action, torch.full((2, 2), -0.15), CLIP, THRESHOLD)
    torch.testing.assert_close(smoothed, torch.tensor([[0.4, 0.4], [-0.07, -0.1]]))


def test_without_noise_smoothing_changes_nothing():
    action = grid()
    assert torch.equal(
        smooth_target_action(action, torch.zeros_like(action), CLIP, THRESHOLD), action
    )


def test_td_target_of_a_trial_by_hand():
    """Two steps, value 3 at the second; the smaller of the twins counts."""
    segment = Segment(
        {"observation": torch.tensor([1.0, 2.0, 50.0]).view(3, 1, 1)},
        torch.zeros(2, 1, 2),
        torch.tensor([0.5, 7.0]).view(2, 1, 1),
        torch.tensor([0.0, 1.0]).view(2, 1, 1),
    )

    def actor(inputs):
        return torch.full((3, 1, 2), 0.5), None

    def critic(inputs, action):
        value = inputs["observation"] + action.sum(dim=-1, keepdim=True)
        return torch.stack((value, value + 4))

    y = td_target(actor, critic, segment, torch.zeros(2, 1, 2), *CONSTANTS)
    torch.testing.assert_close(y.flatten(), torch.tensor([0.5 + 0.97 * 3, 7.0]))


def test_losses_by_hand():
    segment = Segment(
        {"observation": torch.tensor([1.0, 2.0, 50.0]).view(3, 1, 1)},
        torch.zeros(2, 1, 2),
        torch.zeros(2, 1, 1),
        torch.zeros(2, 1, 1),
    )

    class Same(nn.Module):
        def forward(self, inputs, action=None):
            return inputs["observation"] + action.sum(dim=-1, keepdim=True)

    class Twins(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = Same()

        def forward(self, inputs, action):
            value = self.first(inputs, action)
            return torch.stack((value, value - 1))

    y = torch.tensor([0.0, 1.0]).view(2, 1, 1)
    assert critic_loss(Twins(), segment, y).item() == pytest.approx(1 + 0)
    assert actor_loss(
        lambda inputs: (torch.full((2, 1, 2), 0.5), None), Twins(), segment
    ).item() == pytest.approx(-2.5)


def test_losses_of_both_critics_add_up(agent, make_segment):
    segment = make_segment(agent.sources, 4, 3)
    y = torch.randn(4, 3, 1)
    values = agent.critic({k: x[:-1] for k, x in segment.inputs.items()}, segment.action)
    expected = sum(nn.functional.mse_loss(value, y) for value in values)
    torch.testing.assert_close(critic_loss(agent.critic, segment, y), expected)


def test_gradients_of_the_critic_loss_reach_the_critics_alone(agent, make_segment):
    segment = make_segment(agent.sources, 4, 3)
    y = td_target(agent.actor, agent.critic, segment, torch.zeros(4, 3, 2), *CONSTANTS)
    assert not y.requires_grad
    critic_loss(agent.critic, segment, y).backward()
    assert all(p.grad is not None and p.grad.any() for p in agent.critic.parameters())
    assert all(p.grad is None for p in agent.actor.parameters())


def test_gradients_of_the_actor_loss_reach_the_actor_alone(agent, make_segment):
    segment = make_segment(agent.sources, 4, 3)
    actor_loss(agent.actor, agent.critic, segment).backward()
    assert all(p.grad is not None and p.grad.any() for p in agent.actor.parameters())
    assert all(p.grad is None for p in agent.critic.parameters())
    assert all(p.requires_grad for p in agent.critic.parameters())


def test_actor_loss_is_the_negative_value_by_the_first_critic(agent, make_segment):
    segment = make_segment(agent.sources, 4, 3)
    inputs = {k: x[:-1] for k, x in segment.inputs.items()}
    expected = -agent.values(inputs, agent.actions(inputs))[0].mean()
    loss = actor_loss(agent.actor, agent.critic, segment)
    torch.testing.assert_close(loss.detach(), expected)


def test_target_of_a_step_needs_only_the_trial_up_to_the_next_input(agent, make_segment):
    segment = make_segment(agent.sources, 5, 2)
    noise = 0.05 * torch.randn(5, 2, 2)
    y = td_target(agent.actor, agent.critic, segment, noise, *CONSTANTS)
    for t in range(5):
        inputs = {k: x[: t + 2] for k, x in segment.inputs.items()}
        action = agent.actions(inputs)[1:]
        action = smooth_target_action(action, noise[: t + 1], CLIP, THRESHOLD)
        action = torch.cat((segment.action[:1], action))
        value = agent.values(inputs, action)[:, -1].amin(dim=0)
        expected = segment.reward[t] + (1 - segment.terminal[t]) * DISCOUNT * value
        torch.testing.assert_close(y[t], expected)


def test_the_target_memory_lives_through_the_first_input(agent, make_segment):
    segment = make_segment(agent.sources, 5, 2)
    silence = torch.zeros(5, 2, 2)
    y = td_target(agent.actor, agent.critic, segment, silence, *CONSTANTS)
    inputs = {k: torch.cat((x[:1] + 1, x[1:])) for k, x in segment.inputs.items()}
    changed = td_target(
        agent.actor, agent.critic, segment._replace(inputs=inputs), silence, *CONSTANTS
    )
    differs = (changed != y)[:-1]
    assert differs.all() if agent.recurrent else not differs.any()
    assert torch.equal(changed[-1], y[-1])


def test_of_the_recorded_actions_the_target_sees_the_first_alone(agent, make_segment):
    segment = make_segment(agent.sources, 5, 2)
    silence = torch.zeros(5, 2, 2)

    def target(action):
        replaced = segment._replace(action=action)
        return td_target(agent.actor, agent.critic, replaced, silence, *CONSTANTS)

    y = target(segment.action)
    later = torch.cat((segment.action[:1], -segment.action[1:]))
    assert torch.equal(target(later), y)
    first = torch.cat((segment.action[:1] + 1, segment.action[1:]))
    critic = agent.critic.first

    remembers = critic.recurrent if critic.action_enters == "belief" else critic.value.recurrent
    differs = (target(first) != y)[:-1]
    assert differs.all() if remembers else not differs.any()


def test_the_last_step_has_no_next_value(agent, make_segment):
    segment = make_segment(agent.sources, 5, 2)
    y = td_target(agent.actor, agent.critic, segment, torch.zeros(5, 2, 2), *CONSTANTS)
    assert torch.equal(y[-1], segment.reward[-1])


def losses_and_gradients(agent, segment, noise):
    target = td_target(agent.actor, agent.critic, segment, noise, *CONSTANTS)
    critic = critic_loss(agent.critic, segment, target)
    actor = actor_loss(agent.actor, agent.critic, segment)
    gradients = [
        *torch.autograd.grad(critic, list(agent.critic.parameters())),
        *torch.autograd.grad(actor, list(agent.actor.parameters())),
    ]
    return [critic.detach(), actor.detach(), *gradients]


def test_padding_and_mask_change_no_loss_and_no_gradient(agent, make_segment):
    """A padded batch equals the average over trials computed one by one, weighed by steps."""
    lengths = (2, 7, 4, 1)
    longest = max(lengths)
    ones = [make_segment(agent.sources, steps, 1) for steps in lengths]
    noise = [0.05 * torch.randn(steps, 1, 2) for steps in lengths]

    def pad(xs, steps, filler):
        rest = [filler * torch.randn(steps - len(x), *x.shape[1:]) for x in xs]
        return torch.cat([torch.cat(pair) for pair in zip(xs, rest, strict=True)], dim=1)

    padded = Segment(
        {k: pad([s.inputs[k] for s in ones], longest + 1, 3.0) for k in ones[0].inputs},
        pad([s.action for s in ones], longest, 1.0),
        pad([s.reward for s in ones], longest, 5.0),
        pad([s.terminal for s in ones], longest, 0.0),
        pad([torch.ones_like(s.reward) for s in ones], longest, 0.0),
    )
    found = losses_and_gradients(agent, padded, pad(noise, longest, 1.0))
    alone = [losses_and_gradients(agent, s, n) for s, n in zip(ones, noise, strict=True)]
    for x, *each in zip(found, *alone, strict=True):
        expected = sum(n * y for n, y in zip(lengths, each, strict=True)) / sum(lengths)
        scale = expected.abs().max()
        torch.testing.assert_close(x, expected, rtol=1e-4, atol=2e-6 * float(1 + scale))


def test_a_full_mask_is_no_mask(agent, make_segment):
    segment = make_segment(agent.sources, 4, 3)
    masked = segment._replace(mask=torch.ones(4, 3, 1))
    noise = 0.05 * torch.randn(4, 3, 2)
    for x, y in zip(
        losses_and_gradients(agent, masked, noise),
        losses_and_gradients(agent, segment, noise),
        strict=True,
    ):
        torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-6 * float(1 + y.abs().max()))


def test_padded_replay_gives_the_masked_loss_of_its_trials(generator):
    """Padding as replay makes it, with leftovers of older trials in its place."""
    agent = build_agent("modular")
    replay = TrialReplay(capacity=6, batch_size=6, padded=True)
    replay.allocate(agent.sources, 9, torch.device("cpu"))
    for lengths in ([9] * 6, [3, 9, 1, 5, 5, 2]):
        finished = SimpleNamespace(
            inputs={"observation": torch.randn(6, 10, 6, generator=generator)},
            action=torch.rand(6, 9, 2, generator=generator),
            reward=torch.rand(6, generator=generator),
            steps=torch.tensor(lengths),
        )
        replay.add_trials(finished, mirror=False)
    segment = replay.sample(np.random.default_rng(0))
    assert segment.mask is not None
    assert segment.mask.sum() == sum(lengths)
    loss = actor_loss(agent.actor, agent.critic, segment)
    total = 0.0
    for k, steps in enumerate(lengths):
        inputs = {"observation": finished.inputs["observation"][k : k + 1, :steps].transpose(0, 1)}
        total += agent.values(inputs, agent.actions(inputs))[0].sum().item()
    assert loss.item() == pytest.approx(-total / sum(lengths), rel=1e-5)


def test_means_count_real_steps_of_each_member():
    x = torch.tensor([1.0, 2.0, 100.0]).view(3, 1, 1)
    mask = torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1)
    segment = Segment({}, x, x, x, mask)
    assert segment.mean(x).item() == 1.5
    assert segment._replace(mask=None).mean(x[:2]).item() == 1.5
    both = segment._replace(mask=torch.cat((mask, 0 * mask), dim=1), members=2)
    assert both.mean(torch.cat((x, x), dim=1)).tolist() == [1.5, 0.0]


def test_polyak_update_moves_a_fraction_of_the_way():
    target, source = nn.Linear(3, 2), nn.Linear(3, 2)
    expected = [
        0.9 * t + 0.1 * s for t, s in zip(target.parameters(), source.parameters(), strict=True)
    ]
    kept = copy.deepcopy(source.state_dict())
    polyak_update(target, source, 0.1)
    for found, wanted in zip(target.parameters(), expected, strict=True):
        torch.testing.assert_close(found, wanted)
    assert all(torch.equal(kept[name], x) for name, x in source.state_dict().items())


def test_frozen_leaves_parameters_as_it_found_them():
    module = nn.Linear(2, 2)
    module.bias.requires_grad_(False)

    def look():
        with frozen(module):
            assert not any(p.requires_grad for p in module.parameters())
            raise KeyError

    with pytest.raises(KeyError):
        look()
    assert module.weight.requires_grad
    assert not module.bias.requires_grad


class Wrong(TD3Losses):
    """Losses whose target has one step alone, or that have no gradient."""

    def target(self, *args, **kwargs):
        return super().target(*args, **kwargs)[:1]


class Flat(TD3Losses):
    def critic(self, critic, segment, target):
        return torch.ones(())


@pytest.mark.parametrize(
    ("losses", "told"), [(Wrong, r"gave \[1, \d+, 1\] as the target"), (Flat, "with a gradient")]
)
def test_losses_that_could_not_teach_are_named(small, losses, told):
    with pytest.raises(ValueError, match=f"model.losses .*{told}"):
        modnav.train(small, overrides={"model.losses": losses})
