"""Train and eval mode, and buffers, while a user's own modules learn."""

import copy
from pathlib import Path

import own_modules
import pytest
import torch
from torch import nn

import modnav
from modnav.acting import Collector
from modnav.cli import main
from modnav.learning import TD3, polyak_update, td3
from modnav.networks import Actor, Critic, own_sequences


class Alone(TD3):
    """A learner without a trainer."""

    def optimizers(self):
        if not hasattr(self, "made"):
            self.made = self.configure_optimizers()
        return self.made

    def manual_backward(self, loss):
        loss.backward()


@pytest.fixture
def learner():
    actor = Actor(own_modules.Noisy(6, 8), own_modules.Gate(8, 2))
    learner = Alone(actor, Critic(own_modules.Noisy(6, 8), own_modules.Gate(10, 1)))
    learner.generator = torch.Generator().manual_seed(0)
    return learner


def test_targets_are_computed_without_dropout(learner, make_segment, monkeypatch):
    segment, twice = make_segment({"observation"}, 6, 4), []
    original = td3.td_target

    def watching(actor, critic, *rest, **more):
        twice.extend(original(actor, critic, *rest, **more) for _ in range(2))
        assert not any(x.training for x in (*actor.modules(), *critic.modules()))
        return twice[-1]

    monkeypatch.setattr(td3, "td_target", watching)
    for _ in range(3):
        learner.update(segment)
    assert len(twice) == 6
    assert all(torch.equal(a, b) for a, b in zip(twice[::2], twice[1::2], strict=True))


def test_buffers_follow_into_the_targets(learner, make_segment):
    for k in range(5):
        learner.update(make_segment({"observation"}, 6, 4))
        moved = k % learner.policy_delay == 0
        pairs = zip(learner.target.buffers(), learner.agent.buffers(), strict=True)
        assert all(torch.equal(x, y) for x, y in pairs) == moved
    belief = learner.agent.actor.belief
    assert belief.norm.running_mean.abs().max() > 1e-3
    assert belief.calls == 3  # a loss of the actor at every other update
    assert learner.agent.critic.second.belief.calls == 5
    assert learner.agent.critic.first.belief.calls == 8  # the actor's loss asks it too


def test_own_modules_are_in_train_mode_in_losses_alone(learner, make_segment, monkeypatch):
    def modes():
        return {module.training for module in own_sequences(learner.agent)}

    seen = []
    for name in ("td_target", "critic_loss", "actor_loss"):
        original = getattr(td3, name)

        def watching(*rest, name=name, original=original, **more):
            seen.append((name, modes()))
            return original(*rest, **more)

        monkeypatch.setattr(td3, name, watching)
    learner.on_train_start()
    assert modes() == {False}
    learner.update(make_segment({"observation"}, 6, 4))
    assert seen == [("td_target", {False}), ("critic_loss", {True}), ("actor_loss", {True})]
    assert modes() == {False}


def test_a_module_may_keep_parts_of_its_own_in_eval_mode(make_segment):
    actor = Actor(Frozen(6, 8), own_modules.Gate(8, 2))
    learner = Alone(actor, Critic(Frozen(6, 8), own_modules.Gate(10, 1)))
    learner.generator = torch.Generator().manual_seed(0)
    learner.on_train_start()
    learner.update(make_segment({"observation"}, 6, 4))
    assert learner.agent.actor.belief.calls == 1
    assert not learner.agent.actor.belief.norm.running_mean.any()


class Frozen(own_modules.Noisy):
    def train(self, mode: bool = True) -> "Frozen":
        super().train(mode)
        self.norm.eval()
        return self


def test_polyak_update_copies_buffers():
    target, source = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    source(torch.randn(5, 3))
    polyak_update(target, source, 0.1)
    assert torch.equal(target.running_mean, source.running_mean)
    assert torch.equal(target.running_var, source.running_var)
    assert target.num_batches_tracked == source.num_batches_tracked == 1
    source(torch.randn(5, 3))
    assert not torch.equal(target.running_mean, source.running_mean)


OWN = [
    *("--model.actor.init_args.belief", "own_modules.Noisy"),
    *("--model.critic.init_args.belief", "own_modules.Noisy"),
]


def test_a_run_acts_and_validates_in_eval_mode(small: Path, monkeypatch):
    seen = {"act": set(), "validate": set()}
    sweep, step = Collector.sweep, TD3.validation_step

    def acting(collector, actor, std):
        seen["act"].add(actor.belief.training)
        return sweep(collector, actor, std)

    def validating(learner, *rest):
        seen["validate"] |= {module.training for module in learner.agent.modules()}
        before = copy.deepcopy(learner.state_dict())
        step(learner, *rest)
        assert all(torch.equal(before[name], x) for name, x in learner.state_dict().items())

    monkeypatch.setattr(Collector, "sweep", acting)
    monkeypatch.setattr(TD3, "validation_step", validating)
    main(["fit", "--config", str(small), *OWN, "--phases.trials", "40"])
    assert seen == {"act": {False}, "validate": {False}}
    agent = modnav.load_agent("runs/small/seed0/last.ckpt")
    assert agent.actor.belief.calls > 5
    assert agent.actor.belief.norm.running_mean.abs().max() > 1e-3
    first, second = (modnav.simulate(agent, trials=5, max_steps=8) for _ in range(2))
    assert first.steps.equals(second.steps)
