"""Whether trainings can be one stacked population; losses of a user's own are tried on one."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.optim import Optimizer
from typing_extensions import override

from modnav.acting import Segment
from modnav.files import one_line
from modnav.networks import (
    ACTIONS,
    Agent,
    check_same,
    check_stack,
    describe_agent,
    different_members,
    example_inputs,
    name_of_class,
    stack_agents,
)
from modnav.task import STREAMS, check_parts

from .experience import Experience
from .learner import TD3
from .precision import autocast_of
from .stack import check_optimizers
from .td3 import PUBLISHED, TD3Losses

__all__ = ["check_losses", "check_stackable", "check_unchanged", "fixed_of"]

SHARED = ("discount", "tau", "policy_delay", "noise_std", "smoothing")
"""What :class:`TD3` must have the same for all members."""

OF_GROUP = ("params", "lr")
"""What of an optimizer's group may change during a training."""

OWN = ("process_noise", "observation_noise", "gain")
"""What of the task may differ between members."""

LENGTHS, TRIALS = (3, 1, 2), 2
"""Steps of the batches of the members that are tried, and trials in each."""

PENALTIES = (0.0, 0.5, 1.0)
"""Their weights of the mean squared action."""

DISCOUNT, SMOOTHING = 0.9, {"noise_clip": 0.1, "stop_threshold": 0.1}


def check_stackable(parts: Sequence[tuple[TD3, Experience, str]]) -> None:
    """Check that trainings can be one stacked population.

    Args:
        parts: Module, data module and precision of each that is not like the first but for its
            seed.

    Raises:
        ValueError: If not; the message says why.
    """
    first = _shared(*parts[0])
    for part in parts[1:]:
        for key, value in _shared(*part).items():
            if first[key] != value:
                raise ValueError(f"{key} is {first[key]} for one member and {value} for another")
    learner, experience, precision = parts[0]
    if check_parts(experience.task):
        raise ValueError("data.task.reward draws random numbers, which members would share")
    check_stack(learner.agent, experience.task.max_steps)
    check_losses(learner.rule, learner.agent)
    if any(True for _ in learner.agent.buffers()):
        raise ValueError("the agent keeps buffers, which have no stacked form")
    autocast_of(precision, torch.device("cpu"))
    check_optimizers([x for other, _, _ in parts for x in other.configure_optimizers()])


class _Tensors(tuple[int, ...]):
    """Which tensors there are, told by their number."""

    __slots__ = ()

    @override
    def __str__(self) -> str:
        return f"{len(self)} tensors"


def fixed_of(learner: TD3, optimizers: Sequence[Optimizer]) -> dict[str, Any]:
    """Return what must stay as it is while a member is stacked."""
    found = {f"model.{key}": getattr(learner, key) for key in SHARED if key != "noise_std"}
    found["model.losses"] = learner.rule
    weights = list(learner.agent.parameters())
    found["the number of weights that learn"] = sum(x.numel() for x in weights if x.requires_grad)
    found["which tensors are its weights"] = _Tensors(map(id, weights))
    for name, optimizer in zip(("actor", "critics"), optimizers, strict=False):
        found[f"the optimizer of the {name}"] = type(optimizer).__name__
        for k, group in enumerate(optimizer.param_groups):
            own = {key: value for key, value in group.items() if key not in OF_GROUP}
            found |= {f"{key} in group {k} of the {name}": value for key, value in own.items()}
    rates = {group["lr"] for optimizer in optimizers for group in optimizer.param_groups}
    return found | {"the number of learning rates": len(rates)}


def check_unchanged(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Check that nobody changed what must stay as it is while members are stacked.

    Raises:
        ValueError: If somebody did; the message says what it was.
    """
    for key, value in before.items():
        if now.get(key) != value:
            raise ValueError(
                f"{key} was changed during the training, from {one_line(str(value))} to "
                f"{one_line(str(now.get(key)))}; stacked members cannot follow that: train it with "
                "--population processes"
            )


def _told(part: object) -> str:
    """Return class and arguments of a part of a user's own; None for none."""
    if part is None:
        return "None"
    known = {k: v for k, v in sorted(vars(part).items()) if not k.startswith("_")}
    return f"{name_of_class(part)}({', '.join(f'{k}={v}' for k, v in known.items())})"


def _shared(learner: TD3, experience: Experience, precision: str) -> dict[str, Any]:
    """Return what members must have the same."""
    task = {k: v for k, v in experience.task.plain().items() if k not in OWN}
    replay = experience.replay
    return {
        "the agent": describe_agent(learner.agent),
        **{f"model.{key}": getattr(learner, key) for key in SHARED},
        **{f"data.task.{key}": value for key, value in task.items()},
        "model.losses": _told(learner.rule),
        "data.exploration": _told(experience.exploration),
        "data.parallel_trials": experience.parallel_trials,
        "data.replay": type(replay).__name__,
        "data.replay.capacity": replay.capacity,
        "data.replay.batch_size": replay.batch_size,
        "trainer.precision": precision,
    }


class _Batch(NamedTuple):
    """A batch, and the noise on its target actions, ``(T, B, 2)``."""

    segment: Segment
    noise: Tensor


class _Learned(NamedTuple):
    """What comes of a batch: the target, losses of critics and actor, and their gradients."""

    target: Tensor
    critic: Tensor
    actor: Tensor
    gradients: list[tuple[nn.Parameter, Tensor]]


def check_losses(rule: TD3Losses, agent: Agent) -> None:
    """Check that losses of stacked members are those that each has alone, and their gradients.

    Three members learn from batches of different lengths, which are padded where they are stacked;
    on the CPU, where no product is rounded to TF32.

    Args:
        rule: What is learned from a batch; it stays as it is.
        agent: The agent that learns; it stays as it is.

    Raises:
        ValueError: If the rule does not say that it may be stacked, or they are others.
    """
    if rule is PUBLISHED:
        return
    what = f"model.losses is {name_of_class(rule)}, which"
    if not rule.stacked:
        raise ValueError(f"{what} does not say stacked = True")
    rule, members = copy.deepcopy(rule), different_members(agent, len(LENGTHS))
    batches = [_batch(agent, k, steps) for k, steps in enumerate(LENGTHS)]
    with torch.random.fork_rng(devices=[]):
        try:
            alone = [
                _learned(rule, member, batch, penalty)
                for member, batch, penalty in zip(members, batches, PENALTIES, strict=True)
            ]
            stacked = stack_agents(members)
            both = _learned(rule, stacked, _together(batches), torch.tensor(PENALTIES))
        except Exception as error:  # a user's code raises many kinds
            told = one_line(str(error)) or type(error).__name__
            raise ValueError(f"{what} says stacked = True, but failed: {told}") from error
    _compare(f"{what} says stacked = True, but", both, alone)


def _batch(agent: Agent, member: int, steps: int) -> _Batch:
    """Return the batch of a member, ``TRIALS`` trials that all have so many steps."""

    def draw(length: int, features: int) -> Tensor:
        return example_inputs(length, features, TRIALS * len(LENGTHS))[:, member :: len(LENGTHS)]

    inputs = {x: draw(steps + 1, STREAMS[x].features) for x in sorted(agent.sources)}
    ends = torch.zeros(steps, TRIALS, 1)
    ends[-1] = 1.0
    segment = Segment(inputs, draw(steps, ACTIONS), ends * draw(steps, 1), ends, ends * 0 + 1)
    return _Batch(segment, draw(steps, ACTIONS))


def _together(batches: Sequence[_Batch]) -> _Batch:
    """Return the batches of all members as one, padded to the longest and masked."""

    def join(parts: Sequence[Tensor], more: int = 0) -> Tensor:
        longest = max(LENGTHS) + more
        return torch.cat([pad(x, (0, 0, 0, 0, 0, longest - len(x))) for x in parts], dim=1)

    segments = [batch.segment for batch in batches]
    inputs = {x: join([s.inputs[x] for s in segments], 1) for x in segments[0].inputs}
    steps = {
        name: join([getattr(s, name) for s in segments])
        for name in ("action", "reward", "terminal", "mask")
    }
    segment = Segment(inputs, **steps, members=len(batches))
    return _Batch(segment, join([x.noise for x in batches]))


def _learned(rule: TD3Losses, agent: Agent, batch: _Batch, penalty: float | Tensor) -> _Learned:
    segment, noise = batch
    agent.eval()
    goal = rule.target(agent.actor, agent.critic, segment, noise, DISCOUNT, **SMOOTHING)
    agent.train()
    gradients: list[tuple[nn.Parameter, Tensor]] = []
    losses = []
    for network, loss in (
        (agent.critic, rule.critic(agent.critic, segment, goal)),
        (agent.actor, rule.actor(agent.actor, agent.critic, segment, penalty)),
    ):
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        if weights:  # a network may be held
            total = loss.sum()
            found = torch.autograd.grad(total, weights, allow_unused=True, materialize_grads=True)
            gradients += zip(weights, found, strict=True)
        losses.append(loss.detach().reshape(-1))
    return _Learned(goal, losses[0], losses[1], gradients)


def _compare(what: str, both: _Learned, alone: Sequence[_Learned]) -> None:
    """Compare what members learn together with what each learns alone."""
    see = "see Losses in docs/extending.md"
    for k, own in enumerate(alone):
        mine = both.target[: len(own.target), TRIALS * k : TRIALS * (k + 1)]
        check_same(
            f"{what} the target of a member is another than alone", mine, own.target, see=see
        )
    for network in ("critic", "actor"):
        found, expected = getattr(both, network), torch.cat([getattr(x, network) for x in alone])
        if len(found) != len(expected):
            raise ValueError(
                f"{what} gives {len(found)} {network} loss for {len(expected)} members; {see}"
            )
        check_same(
            f"{what} the {network} loss of a member is another than alone",
            found,
            expected,
            see=see,
        )
    gradients = {id(weight): gradient for own in alone for weight, gradient in own.gradients}
    for stack, gradient in both.gradients:
        wanted = torch.stack([gradients[id(part)] for part in stack.parts])  # type: ignore[attr-defined]  # by share
        check_same(f"{what} gradients are others than alone", gradient, wanted, see=see)
