"""How weights start: as published, as an author says, and anew in each twin."""

import copy

import own_modules
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from modnav.learning import TD3
from modnav.networks import (
    Actor,
    Chain,
    Critic,
    Feedforward,
    Recurrent,
    RecurrentBelief,
    TwinCritic,
    describe_agent,
    draw_weights,
    init_weights,
    rebuild_agent,
)


def constants(make):
    """Names of the weights that are alike in two modules made one after the other."""
    first, second = make().state_dict(), make().state_dict()
    return {name for name in first if torch.equal(first[name], second[name])}


@pytest.mark.parametrize("kind", own_modules.BELIEFS, ids=lambda kind: kind.__name__)
def test_twins_differ_in_every_weight_that_is_drawn(kind):
    def make():
        return Critic(kind(6, 8), own_modules.Gate(10, 1))

    twins = TwinCritic(make())
    first, second = twins.first.state_dict(), twins.second.state_dict()
    alike = {name for name in first if torch.equal(first[name], second[name])}
    assert alike == constants(make)
    assert len(alike) < len(first)
    assert "value.weight" not in alike


def test_twins_differ_inside_of_built_in_modules_too():
    parts = [own_modules.Gate(8, 4), Recurrent(4, 5), own_modules.Gate(5, 1)]
    twins = TwinCritic(draw_weights(Critic(RecurrentBelief(8, 8), Chain(parts), "belief")))
    for (name, x), y in zip(
        twins.first.named_parameters(), twins.second.parameters(), strict=True
    ):
        assert torch.equal(x, y) == ("bias" in name), name


def test_a_module_that_two_parts_share_is_shared_in_the_twin():
    encoder = Feedforward(6, 5, ())
    critic = Critic(own_modules.Encoded(encoder), own_modules.EncodedValue(encoder, 10))
    second = TwinCritic(critic).second
    assert second.belief.encoder is second.value.encoder
    assert second.belief.encoder is not encoder
    assert not torch.equal(second.belief.encoder.mlp[0].weight, encoder.mlp[0].weight)


class ByHand(own_modules.Own):
    """An author's own start: identity, ones, a built-in module that is orthogonal."""

    def make(self):
        self.linear = nn.Linear(self.in_features, self.in_features)
        nn.init.eye_(self.linear.weight)
        nn.init.ones_(self.linear.bias)
        self.units = Recurrent(self.in_features, self.out_features, cell="rnn")
        nn.init.orthogonal_(self.units.rnn.weight_hh_l0)

    def forward(self, x, memory=None):
        return self.units(self.linear(x), memory)


def test_an_authors_start_is_kept():
    belief = ByHand(6, 8)
    orthogonal = belief.units.rnn.weight_hh_l0.clone()
    actor = Actor(belief, Feedforward(8, 2, (5,)))
    learner = TD3(actor, Critic(ByHand(6, 8), Feedforward(10, 1, (5,))))
    assert torch.equal(learner.agent.actor.belief.units.rnn.weight_hh_l0, orthogonal)
    beliefs = (
        learner.agent.actor.belief,
        learner.agent.critic.first.belief,
        learner.agent.critic.second.belief,
        rebuild_agent(describe_agent(learner.agent)).critic.second.belief,
    )
    for belief in beliefs:
        assert torch.equal(belief.linear.weight, torch.eye(6))
        assert torch.equal(belief.linear.bias, torch.ones(6))
        square = belief.units.rnn.weight_hh_l0
        torch.testing.assert_close(square @ square.T, torch.eye(8), atol=1e-5, rtol=0)
    assert not learner.agent.actor.action.mlp[0].bias.any()  # modnav's own start as published


def test_an_author_may_take_the_published_start():
    class Published(own_modules.Leaky):
        def make(self):
            super().make()
            self.apply(init_weights)

    assert not Published(6, 8).rnn.bias_ih_l0.any()
    init_weights(nn.Linear(3, 2, bias=False))


def test_the_draws_of_published_agents_are_those_of_ever(agent):
    """All layers in turn: the actor's, the first critic's, the second's, each once."""
    actor, critic = copy.deepcopy(agent.actor), copy.deepcopy(agent.critic.first)
    torch.manual_seed(5)
    learner = TD3(copy.deepcopy(actor), copy.deepcopy(critic))
    after = torch.get_rng_state()
    torch.manual_seed(5)
    expected = [
        actor.apply(init_weights),
        critic.apply(init_weights),
        copy.deepcopy(critic).apply(init_weights),
    ]
    assert torch.equal(torch.get_rng_state(), after)
    found = (learner.agent.actor, learner.agent.critic.first, learner.agent.critic.second)
    for network, other in zip(found, expected, strict=True):
        for x, y in zip(network.parameters(), other.parameters(), strict=True):
            assert torch.equal(x, y)


@pytest.mark.parametrize(
    "change",
    [
        lambda mlp: parametrizations.weight_norm(mlp[0]),
        lambda mlp: parametrizations.spectral_norm(mlp[2]),
        lambda mlp: prune.random_unstructured(mlp[0], "weight", 0.5),
    ],
)
def test_layers_that_cannot_start_as_published_are_refused(change):
    critic = Critic(RecurrentBelief(6, 8), Feedforward(10, 1, (5,)))
    change(critic.value.mlp)
    with pytest.raises(ValueError, match="do that in the __init__ of a module of your own"):
        draw_weights(critic)
    with pytest.raises(ValueError, match=r"do that in the __init__|there is no twin"):
        TwinCritic(critic)


class Patched(own_modules.Leaky):
    pass


def test_a_module_that_was_changed_after_it_was_made_has_no_twin():
    belief = Patched(6, 8)
    belief.more = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"Patched made anew .* has other weights"):
        TwinCritic(Critic(belief, Feedforward(10, 1)))
