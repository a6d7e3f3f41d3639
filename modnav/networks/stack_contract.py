"""Whether the stacked form of an agent does what its members do, tried before it is trained."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from modnav.files import one_line
from modnav.task import STREAMS

from .actor_critic import ACTIONS
from .agent import Agent
from .stacked import stack_agents
from .trying import check_same, example_inputs

__all__ = ["check_stack", "different_members"]

MEMBERS, TRIALS = 3, 2
"""Members that are tried, and trials of each."""

STEPS, FIRST = 12, 3
"""Steps of which outputs are compared, and gradients. Over whole trials those of a chaotic network,
such as an LSTM with weights that were moved about, differ by its rounding alone."""


@torch.no_grad()
def check_stack(agent: Agent, max_steps: int = STEPS) -> None:
    """Check that the stacked form of an agent does what its members do, in both modes.

    Three members run the beginning of two trials each, at once and step by step, where one starts
    anew after the first; on the CPU, where no product is rounded to TF32.

    Args:
        agent: The agent; it stays as it is.
        max_steps: Steps of the longest trial that it will see.

    Raises:
        ValueError: If there is none, or it does not; the message says why.
    """
    members = different_members(agent, MEMBERS)
    count = MEMBERS * TRIALS
    steps = min(max_steps + 1, STEPS)
    inputs = {x: example_inputs(steps, STREAMS[x].features, count) for x in agent.sources}
    action, anew = example_inputs(steps, ACTIONS, count), torch.tensor([1, 2, 5])
    with torch.random.fork_rng(devices=[]):
        alone, gradients = _apart(members, inputs, action, anew)
        try:
            stacked = _stacked(members)
            both = _done(stacked, inputs, action, anew)
            learned = [
                (found, torch.stack([gradients[id(part)] for part in stack.parts]))  # type: ignore[attr-defined]  # by share
                for stack, found in _gradients(stacked, inputs, action)
            ]
        except ValueError:
            raise
        except Exception as error:  # a user's code raises many kinds
            told = one_line(str(error)) or type(error).__name__
            raise ValueError(f"the stacked form of the agent failed: {told}") from error
    for found, *expected in zip(both, *alone, strict=True):
        check_same("the stacked form of the agent is another", found, torch.cat(expected, dim=-2))
    for gradient, wanted in learned:
        check_same("the stacked form of the agent has other gradients", gradient, wanted)


@torch.no_grad()
def different_members(agent: Agent, count: int) -> list[Agent]:
    """Return copies of an agent, on the CPU, whose weights differ, also where they are 0."""
    members = [copy.deepcopy(agent).cpu() for _ in range(count)]
    for k, weight in ((k, weight) for k, m in enumerate(members) for weight in m.parameters()):
        weight.mul_(1 - 0.3 * k).add_(0.05 * k)
    return members


def _apart(
    members: Sequence[Agent], inputs: Mapping[str, Tensor], action: Tensor, anew: Tensor
) -> tuple[list[tuple[Tensor, ...]], dict[int, Tensor]]:
    """Return what each member does alone, and the gradient of each of their weights, by its id."""
    alone, gradients = [], dict[int, Tensor]()
    for k, member in enumerate(members):
        own = slice(TRIALS * k, TRIALS * (k + 1))
        mine = {name: x[:, own] for name, x in inputs.items()}
        alone.append(_done(member, mine, action[:, own], anew[k : k + 1] - TRIALS * k))
        gradients |= {id(x): g for x, g in _gradients(member, mine, action[:, own])}
    return alone, gradients


def _stacked(members: Sequence[Agent]) -> Agent:
    """Return the members as one, whose weights must be theirs."""
    stacked = stack_agents(members)
    shared = {id(p) for s in stacked.parameters() for p in getattr(s, "parts", [s])}
    if shared != {id(p) for m in members for p in m.parameters()}:
        raise ValueError("weights of the stacked form are not those of all members (share)")
    return stacked


def _done(
    agent: Agent, inputs: Mapping[str, Tensor], action: Tensor, anew: Tensor
) -> tuple[Tensor, ...]:
    """Return values and actions of whole trials in both modes, and actions step by step."""
    found: list[Tensor] = []
    for mode in (True, False):
        agent.train(mode)
        found += agent.critic(inputs, action), agent.critic.first(inputs, action)
        found.append(agent.actor(inputs)[0])
    first, memory = agent.act({name: x[0] for name, x in inputs.items()})
    memory = agent.actor.reset(memory, anew)
    second, _ = agent.act({name: x[1] for name, x in inputs.items()}, memory)
    return *found, torch.stack((first, second))


def _gradients(
    agent: Agent, inputs: Mapping[str, Tensor], action: Tensor
) -> list[tuple[nn.Parameter, Tensor]]:
    """Return the weights that learn, each with its gradient of the first values and actions."""
    agent.train()
    inputs, action = {name: x[:FIRST] for name, x in inputs.items()}, action[:FIRST]
    weights = [weight for weight in agent.parameters() if weight.requires_grad]
    with torch.enable_grad():
        done = torch.cat(
            [agent.critic(inputs, action).flatten(), agent.actor(inputs)[0].flatten()]
        )
        found = torch.autograd.grad(
            done.square().sum(), weights, allow_unused=True, materialize_grads=True
        )
    return list(zip(weights, found, strict=True))
