import re

import pytest
import torch

from modnav.networks import Actor, Critic, Feedforward, KalmanBelief, RecurrentBelief, TwinCritic

ACTORS = {
    "Actor1": "Actor1Critic1",
    "Actor2": "Actor2Critic1",
    "Actor3": "Actor3Critic1",
    "ActorEKF": "EKF",
}
CRITICS = {**{f"Critic{c}": f"Actor1Critic{c}" for c in range(1, 6)}, "CriticEKF": "EKF"}
ROUNDING = {"cpu": 5e-7, "cuda": 5e-6}


def shapes(module):
    return [list(p.shape) for p in module.parameters()]


@pytest.fixture
def build():
    from modnav.networks import build_agent

    return build_agent


@pytest.mark.parametrize("name", list(ACTORS))
def test_actors_are_the_published_ones(
    name, golden, golden_inputs, set_golden_weights, build, device
):
    entry = golden["actors"][name]
    actor = build(ACTORS[name]).actor
    assert shapes(actor) == list(entry["parameters"].values())
    set_golden_weights(actor, name)
    inputs = {"observation": golden_inputs("state"), "kalman": golden_inputs("ekf_state")}
    action, _ = actor.to(device)({k: x.to(device) for k, x in inputs.items()})
    torch.testing.assert_close(
        action.cpu(), torch.tensor(entry["action"]), rtol=1e-5, atol=ROUNDING[device.type]
    )


@pytest.mark.parametrize("name", list(CRITICS))
def test_critics_are_the_published_ones(
    name, golden, golden_inputs, set_golden_weights, build, device
):
    entry = golden["critics"][name]
    critic = build(CRITICS[name]).critic
    assert shapes(critic) == list(entry["parameters"].values())
    set_golden_weights(critic, name)
    inputs = {"observation": golden_inputs("state"), "kalman": golden_inputs("ekf_state")}
    inputs = {k: x.to(device) for k, x in inputs.items()}
    values = critic.to(device)(inputs, golden_inputs("action").to(device))
    expected = torch.tensor([entry["q1"], entry["q2"]])
    torch.testing.assert_close(values.cpu(), expected, rtol=1e-5, atol=2 * ROUNDING[device.type])


def test_an_actor_acts_within_bounds(agent, make_segment):
    segment = make_segment(agent.sources, 5, 3)
    inputs = {name: 100 * x for name, x in segment.inputs.items()}
    action, _ = agent.actor(inputs)
    assert action.shape == (6, 3, 2)
    assert action.abs().max() <= 1


def test_twins_have_weights_of_their_own(agent, make_segment):
    segment = make_segment(agent.sources, 5, 3)
    inputs = {name: x[:-1] for name, x in segment.inputs.items()}
    first, second = agent.critic(inputs, segment.action)
    assert first.shape == second.shape == (5, 3, 1)
    assert not torch.allclose(first, second)
    assert shapes(agent.critic.first) == shapes(agent.critic.second)
    assert not {id(p) for p in agent.critic.first.parameters()} & {
        id(p) for p in agent.critic.second.parameters()
    }


def test_values_depend_on_the_past_alone(agent, make_segment):
    """A step reads no later input or action; earlier ones only if the critic remembers."""
    segment = make_segment(agent.sources, 5, 1)
    inputs = {name: x[:-1].clone() for name, x in segment.inputs.items()}
    before = agent.critic(inputs, segment.action)[:, :, 0, 0]
    changed = segment.action.clone()
    changed[2] = -changed[2]
    for x in inputs.values():
        x[2] += 1
    after = agent.critic(inputs, changed)[:, :, 0, 0]
    assert torch.equal(after[:, :2], before[:, :2])
    assert (after[:, 2] != before[:, 2]).all()
    assert (after[:, 3:] != before[:, 3:]).all() == agent.critic.first.recurrent


def test_the_action_enters_where_it_says():
    at_value = Critic(RecurrentBelief(6, 8), Feedforward(10, 1), "value")
    at_belief = Critic(RecurrentBelief(8, 8), Feedforward(8, 1), "belief")
    inputs = {"observation": torch.randn(4, 2, 6)}
    action = torch.randn(4, 2, 2)
    changed = torch.cat((action[:1] + 1, action[1:]))
    for critic, remembers in ((at_value, False), (at_belief, True)):
        before, after = critic(inputs, action), critic(inputs, changed)
        assert (before[0] != after[0]).all()
        assert torch.equal(before[1:], after[1:]) != remembers


def test_sources_and_memory_follow_the_parts():
    actor = Actor(KalmanBelief(), Feedforward(13, 2))
    critic = Critic(RecurrentBelief(8, 8), Feedforward(8, 1), "belief")
    assert actor.sources == {"kalman"}
    assert critic.sources == {"observation"}
    assert not actor.recurrent
    assert critic.recurrent


@pytest.mark.parametrize(
    ("build_it", "message"),
    [
        (
            lambda: Actor(RecurrentBelief(8, 16), Feedforward(16, 2)),
            "actor.belief.in_features is 8; it must be 6",
        ),
        (
            lambda: Actor(RecurrentBelief(6, 16), Feedforward(15, 2)),
            "actor.action.in_features is 15; it must be 16",
        ),
        (
            lambda: Actor(RecurrentBelief(6, 16), Feedforward(16, 3)),
            "actor.action.out_features is 3; it must be 2",
        ),
        (
            lambda: Critic(RecurrentBelief(8, 16), Feedforward(18, 1), "value"),
            "critic.belief.in_features is 8; it must be 6",
        ),
        (
            lambda: Critic(RecurrentBelief(6, 16), Feedforward(16, 1), "belief"),
            "critic.belief.in_features is 6; it must be 8",
        ),
        (
            lambda: Critic(RecurrentBelief(6, 16), Feedforward(16, 1), "value"),
            "critic.value.in_features is 16; it must be 18",
        ),
        (
            lambda: Critic(RecurrentBelief(8, 16), Feedforward(16, 2), "belief"),
            "critic.value.out_features is 2; it must be 1",
        ),
        (
            lambda: Critic(RecurrentBelief(6, 16), Feedforward(18, 1), "policy"),
            "critic.action_enters is 'policy'; it must be 'belief' or 'value'",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(build_it, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build_it()


def test_a_twin_starts_as_published():
    critic = Critic(RecurrentBelief(6, 64), Feedforward(66, 1, (200,)), "value")
    second = TwinCritic(critic).second
    assert not any(p.any() for name, p in second.named_parameters() if "bias" in name)
    assert second.value.mlp[0].weight.std().item() == pytest.approx(0.1, rel=0.05)
