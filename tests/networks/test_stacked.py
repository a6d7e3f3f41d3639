"""Stacked networks: each member's part is what its own network gives."""

import copy

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from modnav.networks import (
    Chain,
    Critic,
    Feedforward,
    Recurrent,
    RecurrentBelief,
    StackedFeedforward,
    StackedLinear,
    TwinCritic,
    build_agent,
    cat_memories,
    check_stack,
    stack_agents,
    stack_sequences,
    stacked,
)
from modnav.task import STREAMS

P, B, T = 3, 4, 9


def members(make):
    """Return modules of one form with weights of their own, away from 0."""
    made = [make() for _ in range(P)]
    for parameter in (p for module in made for p in module.parameters()):
        nn.init.uniform_(parameter, -0.3, 0.3)
    return made


def of(member, x, dim=1):
    return x.narrow(dim, member * B, B)


def test_stacked_agents_act_and_value_as_each_does_alone(architecture, device):
    agents = [a.to(device) for a in members(lambda: build_agent(architecture))]
    inputs = {
        name: torch.randn(T, P * B, STREAMS[name].features, device=device)
        for name in agents[0].sources
    }
    action = torch.rand(T, P * B, 2, device=device) * 2 - 1
    alone = [
        (agent.actions(mine), agent.values(mine, of(k, action)))
        for k, agent in enumerate(agents)
        for mine in [{name: of(k, x) for name, x in inputs.items()}]
    ]
    kept = [copy.deepcopy(agent.state_dict()) for agent in agents]
    stacked = stack_agents(agents)
    close = {"rtol": 1e-5, "atol": {"cpu": 2e-6, "cuda": 1e-5}[device.type]}
    actions, values = stacked.actions(inputs), stacked.values(inputs, action)
    for k, (own_actions, own_values) in enumerate(alone):
        torch.testing.assert_close(of(k, actions), own_actions, **close)
        torch.testing.assert_close(of(k, values, 2), own_values, **close)
    for agent, before in zip(agents, kept, strict=True):
        assert all(torch.equal(x, before[name]) for name, x in agent.state_dict().items())


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_stacked_memories_go_on_and_restart_as_each_does_alone(cell, layers):
    own = members(lambda: Recurrent(5, 7, layers, cell))
    stacked = stack_sequences(own)
    x = torch.randn(T, P * B, 5)
    first, memory = stacked(x[:4])
    memory = stacked.reset(memory, torch.tensor([1, 6]))
    second, after = stacked(x[4:], memory)
    for k, module in enumerate(own):
        y, mine = module(of(k, x[:4]))
        torch.testing.assert_close(of(k, first), y, rtol=0, atol=1e-6)
        mine = module.reset(mine, torch.tensor([{0: 1, 1: 2}[k]] if k < 2 else []).long())
        y, ended = module(of(k, x[4:]), mine)
        torch.testing.assert_close(of(k, second), y, rtol=0, atol=1e-6)
        pairs = zip(*((m if cell == "lstm" else (m,)) for m in (after, ended)), strict=True)
        for theirs, alone in pairs:
            torch.testing.assert_close(of(k, theirs), alone, rtol=0, atol=1e-6)


def test_chains_are_stacked_part_by_part():
    own = members(lambda: Chain([Recurrent(5, 6, cell="gru"), Feedforward(6, 2, (4,))]))
    x = torch.randn(T, P * B, 5)
    outputs, memory = stack_sequences(own)(x)
    assert memory[0].shape == (1, P * B, 6)
    for k, module in enumerate(own):
        torch.testing.assert_close(of(k, outputs), module(of(k, x))[0], rtol=0, atol=1e-6)


def test_an_update_of_the_stack_is_one_of_each_member():
    agents = members(lambda: build_agent("modular"))
    before = [p.clone() for agent in agents for p in agent.parameters()]
    stacked = stack_agents(agents)
    with torch.no_grad():
        for parameter in stacked.parameters():
            parameter.mul_(2)
    after = (p for agent in agents for p in agent.parameters())
    assert all(torch.equal(p, 2 * old) for p, old in zip(after, before, strict=True))


class Scaled(Feedforward):
    """A module of a user's own, with a stacked form."""

    @classmethod
    def stack(cls, members):
        return _Scaled([member.mlp[0] for member in members])


class _Scaled(nn.Module):
    recurrent = False
    in_features, out_features = 5, 2

    def __init__(self, layers):
        super().__init__()
        self.layer = StackedLinear(layers)

    def forward(self, x, memory=None):
        parts = x.reshape(len(x), P, -1, 5).transpose(0, 1).flatten(1, 2)
        y = self.layer(parts).reshape(P, len(x), -1, 2)
        return y.transpose(0, 1).flatten(1, 2), None


def test_a_class_of_ones_own_takes_part_by_a_method_and_is_refused_without():
    own = members(lambda: Scaled(5, 2, ()))
    x = torch.randn(T, P * B, 5)
    outputs, _ = stack_sequences(own)(x)
    for k, module in enumerate(own):
        torch.testing.assert_close(of(k, outputs), module(of(k, x))[0], rtol=0, atol=1e-6)

    class Unknown(Feedforward):
        pass

    with pytest.raises(ValueError, match=r"Unknown has no stacked form"):
        stack_sequences([Unknown(5, 2, ())] * 2)


def test_weights_that_two_parts_share_are_refused():
    agents = members(lambda: build_agent("modular"))
    for agent in agents:
        agent.critic.first.belief = agent.actor.belief
    with pytest.raises(ValueError, match="share weights"):
        stack_agents(agents)


def test_memories_are_put_together_and_none_is_the_start():
    memory = (torch.ones(1, 2, 3), {"x": torch.ones(1, 2)})
    joined = cat_memories([memory, None])
    assert torch.equal(joined[0], torch.cat((torch.ones(1, 2, 3), torch.zeros(1, 2, 3)), dim=1))
    assert joined[1]["x"].shape == (1, 4)
    assert cat_memories([None, None]) is None


def one_weight(members):
    """Stack members as if all had the weights of the first."""
    return copy.deepcopy(members[0])


def no_stack(members):
    raise TypeError("takes 2\npositional arguments")


class Cells(TorchDispatchMode):
    """Stands in for the kernel of a GPU, which this machine may lack, and notes what it is given."""

    def __init__(self):
        super().__init__()
        self.given = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._thnn_fused_lstm_cell.default:
            self.given += [x.dtype for x in args[:3]]
            return *(torch.empty_like(args[2]) for _ in range(2)), torch.empty_like(args[0])
        return function(*args, **(kwargs or {}))


@torch.no_grad()
def test_cells_of_a_gpu_stay_in_float32_under_autocast():
    """Torch's autocast would give that kernel bfloat16, and round the states at each step."""
    torch.set_autocast_enabled("cuda", True)
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    try:
        with FakeTensorMode(), Cells() as cells:
            x, h, *state = (torch.empty(P, B, n, device="cuda") for n in (8, 8, 2, 2))
            torch.ops.aten._thnn_fused_lstm_cell(*(y.flatten(0, 1) for y in (x, h, state[1])))
            after = stacked._fused_lstm(x, h.bfloat16(), tuple(state))
    finally:
        torch.set_autocast_enabled("cuda", False)
    assert cells.given == [torch.bfloat16] * 3 + [torch.float32] * 3
    assert [y.dtype for y in after] == [torch.float32] * 2


class Own(Feedforward):
    """A class of one's own whose stacked form a test sets."""

    @classmethod
    def stack(cls, members):
        return StackedFeedforward(members)


class Heir(Own):
    """Inherits a stacked form that knows nothing of what it does anew."""

    def forward(self, x, memory=None):
        y, memory = super().forward(x, memory)
        return 0.5 * y, memory


def of_own(kind):
    agent = build_agent("modular")
    agent.actor.action = kind(128, 2, (8,))
    return agent


def test_stacked_forms_of_all_architectures_pass_the_comparison(agent):
    before = copy.deepcopy(agent.state_dict())
    check_stack(agent)
    assert all(torch.equal(x, before[name]) for name, x in agent.state_dict().items())
    check_stack(of_own(Own))


@pytest.mark.parametrize(
    ("stack", "told"),
    [
        (one_weight, "weights of the stacked form are not those of all members"),
        (no_stack, "the stacked form of the agent failed: takes 2"),
        (lambda members: members, "list must set in_features"),
    ],
)
def test_wrong_stacked_forms_are_refused(stack, told, monkeypatch):
    monkeypatch.setattr(Own, "stack", stack)
    with pytest.raises(ValueError, match=told) as refusal:
        check_stack(of_own(Own))
    assert "\n" not in str(refusal.value)


def test_a_stacked_form_that_does_something_else_is_refused(monkeypatch):
    def doubled(members):
        made = StackedFeedforward(members)
        forward = made.forward
        made.forward = lambda x, memory=None: (2 * forward(x, memory)[0], None)
        return made

    monkeypatch.setattr(Own, "stack", doubled)
    with pytest.raises(ValueError, match="the stacked form of the agent is another"):
        check_stack(of_own(Own))


def test_a_stacked_form_is_compared_in_train_mode_and_with_three_members(monkeypatch):
    class Doubled(StackedFeedforward):
        def forward(self, x, memory=None):
            y, memory = super().forward(x, memory)
            return (2 * y if self.training else y), memory

    monkeypatch.setattr(Own, "stack", Doubled)
    with pytest.raises(ValueError, match="the stacked form of the agent is another"):
        check_stack(of_own(Own))
    monkeypatch.setattr(Own, "stack", lambda members: StackedFeedforward(members[:2]))
    with pytest.raises(ValueError, match=r"weights of the stacked form|the stacked form of the"):
        check_stack(of_own(Own))


def test_a_stacked_form_that_learns_otherwise_is_refused(monkeypatch):
    class Deaf(StackedFeedforward):
        def forward(self, x, memory=None):
            y, memory = super().forward(x, memory)
            return y.detach() + 0 * y, memory

    monkeypatch.setattr(Own, "stack", Deaf)
    with pytest.raises(ValueError, match="the stacked form of the agent has other gradients"):
        check_stack(of_own(Own))


def test_a_stacked_form_that_is_wrong_later_in_a_trial_is_refused(monkeypatch):
    class Tired(StackedFeedforward):
        def forward(self, x, memory=None):
            y, memory = super().forward(x, memory)
            return torch.cat((y[:8], 0.9 * y[8:])), memory

    monkeypatch.setattr(Own, "stack", Tired)
    with pytest.raises(ValueError, match="the stacked form of the agent is another"):
        check_stack(of_own(Own), max_steps=35)
    check_stack(of_own(Own), max_steps=6)


def test_a_stacked_form_that_keeps_weights_elsewhere_is_refused(monkeypatch):
    """The first critics alone are the form of all, with other weights."""

    class Keeping(StackedFeedforward):
        def __init__(self, members):
            super().__init__(members)
            self.kept = [layer.weight for layer in self.layers]

        def forward(self, x, memory=None):
            y, memory = super().forward(x, memory)
            return y + 0 * self.kept[0].sum(), memory

    monkeypatch.setattr(Own, "stack", Keeping)
    agent = build_agent("modular")
    agent.critic = TwinCritic(*(Critic(RecurrentBelief(), Own(130, 1, (8,))) for _ in range(2)))
    with pytest.raises(ValueError, match="the stacked form of the agent is another"):
        check_stack(agent)


def test_an_inherited_stacked_form_counts_for_nothing():
    with pytest.raises(ValueError, match="Heir has no stacked form"):
        check_stack(of_own(Heir))
