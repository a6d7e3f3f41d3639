"""Losses of one's own are tried on stacked members before a training."""

from contextlib import nullcontext
from dataclasses import dataclass

import pytest
import torch
from own_parts import Huber, Hurried

from modnav.learning import (
    TD3,
    Experience,
    TD3Losses,
    check_losses,
    check_stackable,
    check_unchanged,
    fixed_of,
    td_target,
)
from modnav.networks import build_agent
from modnav.task import AbstractReward, TaskParameters


class Silent(TD3Losses):
    """Does not say that it may be stacked."""


class OverAll(Huber):
    """One mean over all members."""

    def critic(self, critic, segment, target):
        return self.values(critic, segment, target).mean()

    @staticmethod
    def values(critic, segment, target):
        inputs = {name: x[:-1] for name, x in segment.inputs.items()}
        return ((critic(inputs, segment.action) - target) ** 2).sum(dim=0)


class Padding(OverAll):
    """A mean of each member, over what only fills up as well."""

    def critic(self, critic, segment, target):
        squares = self.values(critic, segment, target)
        return squares.view(len(squares), segment.members, -1).mean(dim=(0, 2))


class OfOthers(Huber):
    """Targets that depend on those of the other members."""

    def target(self, *given, **smoothing):
        found = td_target(*given, **smoothing)
        return found - found.mean()


class Unpenalised(Huber):
    """Takes the penalty of the first member for all."""

    def actor(self, actor, critic, segment, action_penalty):
        first = action_penalty.flatten()[0] if torch.is_tensor(action_penalty) else action_penalty
        return super().actor(actor, critic, segment, first)


class Attached(Huber):
    """The right numbers, with gradients that depend on how many members there are."""

    def critic(self, critic, segment, target):
        loss = super().critic(critic, segment, target)
        return loss.detach() + (loss - loss.detach()) / segment.members


class Choosing(Huber):
    """Fails where there are several members."""

    def critic(self, critic, segment, target):
        loss = super().critic(critic, segment, target)
        return loss if loss > -1 else -loss


class Broken(Huber):
    """Fails with one member, too."""

    def critic(self, critic, segment, target):
        raise KeyError("no\nsuch key")


@pytest.fixture(scope="module", params=["modular", "ekf"])
def agent(request):
    torch.manual_seed(0)
    return build_agent(request.param)


@pytest.mark.parametrize("rule", [Huber(), Huber(0.1)])
def test_right_ones_are_taken_and_nothing_changes(agent, rule):
    before = torch.get_rng_state(), [x.clone() for x in agent.parameters()]
    check_losses(rule, agent)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert all(map(torch.equal, agent.parameters(), before[1]))


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Silent, "does not say stacked"),
        (OverAll, "gives 1 critic loss for 3 members"),
        (OfOthers, "the target of a member is another than alone"),
        (Unpenalised, "the actor loss of a member is another than alone"),
        (Attached, "gradients are others than alone"),
        (Choosing, "failed: Boolean value"),
        (Broken, r"^[^\n]*failed: [^\n]*such key[^\n]*$"),
    ],
)
def test_wrong_ones_are_refused(agent, rule, told):
    with pytest.raises(ValueError, match=told):
        check_losses(rule(), agent)


def test_a_network_that_is_held_has_no_gradients():
    agent = build_agent("modular")
    agent.actor.requires_grad_(False)
    check_losses(Huber(), agent)


def test_padding_counts_for_nothing():
    with pytest.raises(ValueError, match="the critic loss of a member is another than alone"):
        check_losses(Padding(), build_agent("modular"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m, o: setattr(m, "tau", 0.1), "model.tau was changed during the training, from"),
        (lambda m, o: setattr(m, "rule", Huber()), "model.losses was changed"),
        (lambda m, o: m.agent.actor.requires_grad_(False), "number of weights that learn was"),
        (lambda m, o: o[1].param_groups[0].update(eps=1.0), "eps in group 0 of the critics was"),
        (lambda m, o: o[1].param_groups[0].update(lr=1.0), "the number of learning rates was"),
        (lambda m, o: o.pop(), "the optimizer of the critics was changed"),
    ],
)
def test_what_must_stay_as_it_is_is_known(change, told):
    agent = build_agent("modular")
    learner = TD3(agent.actor, agent.critic.first)
    optimizers = learner.configure_optimizers()
    before = fixed_of(learner, optimizers)
    for optimizer in optimizers:
        optimizer.param_groups[0]["lr"] = 1e-5
    learner.noise_std, learner.action_penalty = 0.2, 1.0
    check_unchanged(before, fixed_of(learner, optimizers))
    change(learner, optimizers)
    with pytest.raises(ValueError, match=told):
        check_unchanged(before, fixed_of(learner, optimizers))


@dataclass(frozen=True)
class Lucky(AbstractReward):
    """A reward that is given now and then."""

    def at_stop(self, distance, world, trials):
        return (torch.rand_like(distance) < 0.5).float()


def test_members_do_not_share_the_chances_of_a_reward():
    agent = build_agent("modular")
    learner = TD3(agent.actor, agent.critic.first)
    for reward, refused in ((Hurried(), False), (Lucky(), True)):
        part = (learner, Experience(TaskParameters(reward=reward)), "32-true")
        with pytest.raises(ValueError, match="reward draws") if refused else nullcontext():
            check_stackable([part, part])
