"""Updates of several members at once: those that each would make alone."""

import copy
from functools import partial

import pytest
import torch
from golden_agents import PUBLISHED

from modnav.acting import Segment
from modnav.learning import (
    FlatWeights,
    JointUpdates,
    StackedAdam,
    TD3Losses,
    Turn,
    check_optimizers,
    frozen,
)
from modnav.networks import StackedLinear, build_agent, stack_agents

CONSTANTS = (0.97, 0.005, {"noise_clip": 0.1, "stop_threshold": 0.1})
PLAIN = partial(torch.autocast, "cpu", enabled=False)


def column(*numbers):
    return torch.tensor(numbers)[:, None]


def adams(agents, kind=torch.optim.Adam):
    options = {"lr": 3e-4, "eps": 1.5e-4}
    return [[kind(part.parameters(), **options) for part in (a.actor, a.critic)] for a in agents]


def padded(segment, members, more):
    """Return a segment of all members: trials of others about it, padded by ``more`` steps."""

    def widened(x):
        x = torch.nn.functional.pad(x, (0, 0, 0, 0, 0, more))
        return torch.cat([torch.rand_like(x), x, torch.rand_like(x)][:members], dim=1)

    first = {name: widened(x) for name, x in segment.inputs.items()}
    rest = [widened(x) for x in segment[1:4]]
    mask = torch.nn.functional.pad(torch.ones_like(segment[2]), (0, 0, 0, 0, 0, more))
    return Segment(first, *rest, torch.cat([mask] * members, dim=1), members)


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_updates_of_a_member_are_the_published_ones(
    name, golden, golden_inputs, set_golden_weights
):
    """As tests of td3.py, with the golden member between two others, in padded batches."""
    entry = golden["td3"]["agents"][name]
    agents = [build_agent(name) for _ in range(3)]
    for network, published in zip(
        (agents[1].actor, agents[1].critic), PUBLISHED[name], strict=True
    ):
        set_golden_weights(network, published)
    targets = copy.deepcopy(agents)
    joint = JointUpdates(agents, targets, adams(agents), *CONSTANTS, PLAIN)
    steps, trials = 7, 3
    reward, terminal = torch.zeros(steps, trials, 1), torch.zeros(steps, trials, 1)
    reward[-1, :, 0] = torch.tensor([10.0, 0.4, 0.0])
    terminal[-1] = 1
    inputs = {
        "observation": golden_inputs("state", (steps + 1, trials)),
        "kalman": golden_inputs("ekf_state", (steps + 1, trials)),
    }
    segment = Segment(inputs, golden_inputs("action", (steps, trials)), reward, terminal)
    if not agents[1].recurrent:
        pairs = {
            k: torch.stack((x[:-1].flatten(0, 1), x[1:].flatten(0, 1))) for k, x in inputs.items()
        }
        segment = Segment(pairs, *(x.flatten(0, 1)[None] for x in segment[1:4]))
    batch = padded(segment, 3, 2 if agents[1].recurrent else 0)
    silence = torch.zeros_like(batch.action)
    for update, losses in enumerate(entry["losses"]):
        acts = update % 2 == 0
        turn = Turn(
            column(1.0, 1.0, 1.0),
            column(float(acts), float(acts), 0.0),
            column(1e-3, 3e-4, 1e-5),
            column(0.5, 0.0, 0.1),
        )
        critic, actor = joint.update(batch, silence, turn, acting=acts)
        assert critic[1].item() == pytest.approx(losses["critic"], rel=2e-6)
        if acts:
            assert actor[1].item() == pytest.approx(losses["actor"], rel=2e-6, abs=5e-7)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RAdam])
def test_the_optimizer_is_torchs_with_rates_and_turns_of_each(kind):
    """Eighty steps: past the start of RAdam, which rectifies nothing."""
    alone, members = ([torch.nn.Linear(4, 3) for _ in range(2)] for _ in range(2))
    for one, member in zip(alone, members, strict=True):
        member.load_state_dict(one.state_dict())
    rates = (1e-2, 3e-3)
    theirs = [kind(m.parameters(), lr=lr, eps=1.5e-4) for m, lr in zip(alone, rates, strict=True)]
    ours = [kind(m.parameters(), lr=1.0, eps=1.5e-4) for m in members]

    def stack():
        from modnav.networks import StackedLinear

        stacked = StackedLinear(members)
        weights = FlatWeights(stacked)
        return stacked, StackedAdam(weights, ours)

    stacked, optimizer = stack()
    for k in range(80):
        if k == 40:  # as when a member ends: states are taken up from torch's
            stacked, optimizer = stack()
        x = torch.randn(2, 5, 4)
        turns = [1.0, float(k % 3 != 0)]
        stacked(x).square().sum().backward()
        optimizer.step(column(*turns), column(*rates))
        for parameter in stacked.parameters():
            parameter.grad = None
        for one, other, mine, turn in zip(alone, theirs, x, turns, strict=True):
            if turn:
                other.zero_grad()
                one(mine).square().sum().backward()
                other.step()
    for one, member, other, own in zip(alone, members, theirs, ours, strict=True):
        for p, q in zip(one.parameters(), member.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-4, atol=2e-6)
            for key in ("step", "exp_avg", "exp_avg_sq"):
                expected, found = other.state[p][key], own.state[q][key]
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_gradients_of_either_twin_alone_are_those_of_both():
    """Losses of one's own may ask the first or the second critic, which are halves of one stack."""
    agents = [build_agent("modular") for _ in range(3)]
    critic = stack_agents(agents).critic
    weights = FlatWeights(critic)
    inputs, action = {"observation": torch.randn(5, 6, 6)}, torch.rand(5, 6, 2)
    scale = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    (scale * critic(inputs, action)).sum().backward()
    both = weights.gradient()
    weights.forget_gradient()
    (critic.first(inputs, action) + 3 * critic.second(inputs, action)).sum().backward()
    torch.testing.assert_close(weights.gradient(), both)
    weights.forget_gradient()
    with frozen(critic.first):
        action.requires_grad_()
        critic.first(inputs, action).sum().backward()
    assert not weights.gradient().any()
    assert action.grad.any()
    for k, agent in enumerate(agents):
        own = slice(2 * k, 2 * k + 2)
        mine = {name: x[:, own] for name, x in inputs.items()}
        for which in ("first", "second"):
            alone = getattr(agent.critic, which)(mine, action[:, own])
            together = getattr(critic, which)(inputs, action)[:, own]
            torch.testing.assert_close(together, alone, rtol=1e-5, atol=2e-6)


def test_weights_lie_where_kernels_want_them():
    agents = [build_agent("modular") for _ in range(2)]
    for network in stack_agents(agents).children():
        weights = FlatWeights(network)
        for stack in weights.stacks:
            assert not stack.storage_offset() % 4
            assert not stack.stride(0) % 4


def test_a_gradient_that_is_not_finite_is_that_members_own():
    """A lone run takes it, and its next loss tells."""

    class Steep(TD3Losses):
        def critic(self, critic, segment, target):
            loss = super().critic(critic, segment, target)
            return loss + torch.sqrt(loss * segment.mean(segment.terminal))

    agents = [build_agent("Actor2Critic4") for _ in range(2)]
    joint = JointUpdates(agents, copy.deepcopy(agents), adams(agents), *CONSTANTS, PLAIN, Steep())
    terminal = torch.zeros(5, 6, 1)
    terminal[:, 3:] = 1  # a root of 0, and of another number
    steps = (torch.rand(5, 6, 2), torch.rand(5, 6, 1), terminal, torch.ones(5, 6, 1), 2)
    segment = Segment({"observation": torch.randn(6, 6, 6)}, *steps)
    zeros = column(0.0, 0.0)
    turn = Turn(column(1.0, 1.0), zeros, column(1e-3, 1e-3), zeros)
    losses, _ = joint.update(segment, torch.zeros(5, 6, 2), turn, acting=False)
    assert losses.isfinite().all()
    finite = [all(x.isfinite().all() for x in a.critic.parameters()) for a in agents]
    assert finite == [False, True]


def test_a_loss_that_is_not_finite_leaves_its_member_as_it_was_and_the_others_go_on():
    agents = [build_agent("Actor2Critic4") for _ in range(2)]
    before = copy.deepcopy([a.state_dict() for a in agents])
    joint = JointUpdates(agents, copy.deepcopy(agents), adams(agents), *CONSTANTS, PLAIN)
    reward = torch.rand(5, 6, 1)
    reward[0, 0] = float("nan")
    segment = Segment(
        {"observation": torch.randn(6, 6, 6)},
        torch.rand(5, 6, 2),
        reward,
        torch.zeros(5, 6, 1),
        torch.ones(5, 6, 1),
        2,
    )
    ones = column(1.0, 1.0)
    turn = Turn(ones, column(0.0, 0.0), column(1e-3, 1e-3), column(0.0, 0.0))
    losses, _ = joint.update(segment, torch.zeros(5, 6, 2), turn, acting=False)
    assert losses.isfinite().tolist() == [False, True]
    same = [
        all(torch.equal(x, old[name]) for name, x in agent.state_dict().items())
        for agent, old in zip(agents, before, strict=True)
    ]
    assert same == [True, False]


@pytest.mark.parametrize(
    "other",
    [
        partial(torch.optim.SGD, lr=0.1),
        partial(torch.optim.Adam, weight_decay=0.1),
        partial(torch.optim.Adam, eps=1e-3),
        torch.optim.RAdam,
    ],
)
def test_optimizers_that_cannot_be_one_are_refused(other):
    layer = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="must be Adam or RAdam"):
        check_optimizers([torch.optim.Adam(layer.parameters()), other(layer.parameters())])


@pytest.mark.parametrize("which", ["weights", "targets", "moments", "memory", "nothing"])
def test_it_is_seen_whether_a_member_still_learns_what_all_do(which):
    agents = [build_agent("modular") for _ in range(2)]
    targets, optimizers = copy.deepcopy(agents), adams(agents)
    joint = JointUpdates(agents, targets, optimizers, *CONSTANTS, PLAIN)
    weight = next(agents[1].critic.second.parameters())
    if which == "weights":
        weight.data = weight.data.clone()
    elif which == "targets":
        targets[1].actor.apply(lambda m: [setattr(x, "data", 2 * x) for x in m.parameters()])
    elif which == "moments":
        optimizers[1][1].load_state_dict(copy.deepcopy(optimizers[1][1].state_dict()))
    elif which == "memory":
        optimizers[1][0].state.clear()
    assert joint.holds(0, optimizers[0])
    assert joint.holds(1, optimizers[1]) == (which == "nothing")


def test_optimizers_are_taken_with_the_constants_of_their_states():
    """A resumed run has those of its checkpoint, whatever its configuration says."""
    layers = [torch.nn.Linear(2, 2) for _ in range(2)]
    optimizers = [torch.optim.Adam(x.parameters(), eps=1e-3) for x in layers]
    for optimizer in optimizers:
        optimizer.param_groups[0].update(betas=(0.5, 0.7), eps=0.1)
    check_optimizers(optimizers)
    stepping = StackedAdam(FlatWeights(StackedLinear(layers)), optimizers)
    assert (stepping.betas, stepping.eps) == ((0.5, 0.7), 0.1)
    optimizers[1].param_groups[0]["eps"] = 0.2
    with pytest.raises(ValueError, match="optimizers that are stacked must be"):
        check_optimizers(optimizers)
    groups = [{"params": [x], "lr": 10.0**-k} for k, x in enumerate(layers[0].parameters())]
    with pytest.raises(ValueError, match="with one group of parameters"):
        check_optimizers([torch.optim.Adam(groups)])
