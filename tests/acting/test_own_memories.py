"""Memories of users' own modules while trials end, restart and are dropped."""

import copy
import io

import own_modules
import pytest
import torch

from modnav.acting import ROLES, Collector, draw_noise, greedy, rollout
from modnav.networks import Actor, Feedforward, map_memory
from modnav.task import TaskParameters, sample_trials

LIVELY = TaskParameters(name="perturbation", gain=(1.0, 2.0), stop_threshold=0.3)
"""A task in which untrained agents stop at different times."""


@pytest.fixture(params=own_modules.BELIEFS, ids=lambda kind: kind.__name__)
def actor(request):
    """An actor with each belief of a user's own, that drives on at about 0.4."""
    actor = Actor(request.param(6, 8), Feedforward(8, 2, ())).eval()
    with torch.no_grad():
        actor.action.mlp[0].weight.mul_(0.5)
        actor.action.mlp[0].bias.copy_(torch.tensor([0.45, 0.0]))
    return actor


def collector_of(seed=0):
    generators = {role: torch.Generator().manual_seed(seed + k) for k, role in enumerate(ROLES)}
    return Collector(LIVELY, {"observation"}, 5, generators)


class Spied:
    """An actor whose actions before exploration are kept."""

    def __init__(self, actor):
        self.actor, self.reset, self.raw = actor, actor.reset, []

    def __call__(self, inputs, memory):
        action, memory = self.actor(inputs, memory)
        self.raw.append(action[0])
        return action, memory


@torch.no_grad()
def test_each_trial_in_the_collector_is_as_alone(actor):
    collector, spied, lengths = collector_of(), Spied(actor), []
    for _ in range(120):
        sweep = collector.sweep(spied, 0.4)
        done, slots = sweep.finished, sweep.terminal.nonzero()[:, 0].tolist()
        for trial, slot in enumerate(slots):
            steps = int(done.steps[trial])
            alone, _ = actor({"observation": done.inputs["observation"][trial, :steps, None]})
            found = torch.stack(spied.raw[-steps:])[:, slot : slot + 1]
            torch.testing.assert_close(found, alone, rtol=1e-4, atol=2e-5)
            lengths.append(steps)
    assert len(lengths) >= 10
    assert len(set(lengths)) >= 3


@torch.no_grad()
def test_the_cache_of_attention_stays_within_a_trial():
    belief = own_modules.Attention(6, 8)
    actor = Actor(belief, Feedforward(8, 2, ())).eval()
    collector, longest = collector_of(), 0
    for _ in range(200):
        collector.sweep(actor, 0.4)
        (cache, lived), _ = collector.memory
        longest = max(longest, len(cache))
        assert len(cache) <= LIVELY.max_steps
        assert lived.sum(dim=0).tolist() == collector.world.step.tolist()
    assert longest > 5


def test_dropped_trials_change_no_other(actor, stopping):
    generator = torch.Generator().manual_seed(0)
    task = TaskParameters()
    trials = sample_trials(task, 12, generator)
    noise = draw_noise(task.max_steps, 12, generator)
    whole, dropped = (
        rollout(stopping(actor), {"observation"}, trials, noise, task, drop_ended=drop)
        for drop in (False, True)
    )
    assert len(set(whole.steps.tolist())) > 3
    assert torch.equal(whole.steps, dropped.steps)
    mask = whole.mask[..., None]
    torch.testing.assert_close(mask * whole.action, mask * dropped.action, rtol=1e-4, atol=2e-5)


def test_a_restored_memory_goes_on_bit_by_bit(actor):
    collector = collector_of()
    for _ in range(23):
        collector.sweep(actor, 0.4)
    file = io.BytesIO()
    generators = {role: g.get_state() for role, g in collector.generators.items()}
    torch.save(collector.state_dict(), file)
    file.seek(0)
    restored = collector_of(50)
    restored.load_state_dict(torch.load(file, weights_only=True))
    for role, generator in restored.generators.items():
        generator.set_state(generators[role])
    for _ in range(40):
        first, second = (c.sweep(actor, 0.4) for c in (collector, restored))
        assert torch.equal(first.action, second.action)
    parts = [[], []]
    for found, one in zip(parts, (collector, restored), strict=True):
        map_memory(found.append, one.memory)
    assert all(torch.equal(x, y) for x, y in zip(*parts, strict=True))


def test_greedy_acts_in_eval_mode_and_leaves_the_actor_as_it_was():
    actor = Actor(own_modules.Noisy(6, 8), Feedforward(8, 2, ()))
    before, x = copy.deepcopy(actor.state_dict()), {"observation": torch.randn(7, 6)}
    actions = [greedy(actor)(x, None)[0] for _ in range(2)]
    assert torch.equal(*actions)
    assert actor.training
    assert actor.belief.training
    assert all(torch.equal(before[name], y) for name, y in actor.state_dict().items())
