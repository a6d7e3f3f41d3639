"""Functions as graphs: what is captured does nothing that a CUDA graph cannot hold.

The device is torch's ``meta``, which every machine has: there is nothing to read from it, and numbers
made on the host are on another device. Graphs themselves need a GPU, see whole_runs/test_gpu.py.
"""

import copy
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from modnav.acting import Segment
from modnav.learning import Captured, JointUpdates, Turn
from modnav.networks import Agent, build_agent
from modnav.task import STREAMS

META = torch.device("meta")
FORBIDDEN = {
    torch.Tag.data_dependent_output,
    torch.Tag.dynamic_output_shape,
    torch.Tag.nondeterministic_seeded,
}
STEPS, TRIALS = 3, 2


class Refuse(TorchDispatchMode):
    """Refuses operations that wait for the device, draw numbers, or take numbers from the host."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        assert not FORBIDDEN & set(function.tags), f"{function} waits or draws"
        result = function(*args, **(kwargs or {}))
        made = [x for x in tree_leaves(result) if isinstance(x, Tensor)]
        where = {x.device.type for x in given + made}
        assert where <= {"meta"}, f"{function} meets numbers of the host"
        return result


def joint(agents: list[Agent], kind: type[torch.optim.Optimizer] = torch.optim.Adam):
    agents = [a.to(META) for a in agents]
    optimizers = [[kind(p.parameters(), lr=1e-3) for p in (a.actor, a.critic)] for a in agents]
    smoothing = {"noise_clip": 0.1, "stop_threshold": 0.1}
    context = partial(torch.autocast, "cpu", enabled=False)
    targets = copy.deepcopy(agents)
    return JointUpdates(agents, targets, optimizers, 0.97, 0.005, smoothing, context)


def batch(agent: Agent, members: int) -> Segment:
    count = members * TRIALS
    steps = STEPS if agent.recurrent else 1

    def empty(extra: int, features: int) -> Tensor:
        return torch.empty(steps + extra, count, features, device=META)

    inputs = {name: empty(1, STREAMS[name].features) for name in agent.sources}
    return Segment(inputs, empty(0, 2), *(empty(0, 1) for _ in range(3)), members)


def updated(agents: list[Agent], **more) -> None:
    members, updates = len(agents), joint(agents, **more)
    segment, column = batch(agents[0], members), torch.empty(members, 1, device=META)
    turn = Turn(*[column] * 4)
    with Refuse():
        for acting in (True, False):
            updates.update(segment, torch.empty_like(segment.action), turn, acting=acting)


@pytest.mark.parametrize("members", [1, 3])
def test_updates_can_be_captured(architecture: str, members: int):
    updated([build_agent(architecture) for _ in range(members)])


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RAdam])
def test_either_optimizer_can_be_captured(kind: type[torch.optim.Optimizer]):
    updated([build_agent("modular") for _ in range(2)], kind=kind)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x[x > 0],
        lambda x: x + torch.randn(2, device=META),
        lambda x: x + torch.tensor([1.0, 2.0]).to(META),
        lambda x: x * 2 if x.sum() else x,
    ],
)
def test_what_cannot_be_captured_is_noticed(wrong):
    refused = (AssertionError, NotImplementedError, RuntimeError)  # the second is what meta raises
    with pytest.raises(refused), Refuse():
        wrong(torch.empty(2, device=META))


def test_without_graphs_inputs_still_go_through_buffers():
    seen = []

    def double(form, x):
        seen.append((form, x))
        return [2 * x]

    captured = Captured(double, graphs=False)
    for k in range(3):
        assert captured("a", [torch.tensor([float(k)])])[0].item() == 2 * k
    captured("a", [torch.ones(2)])
    captured("b", [torch.ones(2)])
    buffers = [x for _, x in seen]
    assert buffers[0] is buffers[1] is buffers[2]  # a graph would read them where they are
    assert len({id(x) for x in buffers}) == 3
