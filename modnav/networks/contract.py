"""What a module of a user's own must keep to, tried before it is trained or saved."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from modnav.files import one_line
from modnav.task import STREAMS

from .actor_critic import ACTIONS, Actor, Critic, TwinCritic
from .agent import Agent, describe_agent, rebuild_agent
from .description import describe, misfit
from .sequence import (
    AbstractSequence,
    evaluating,
    map_memory,
    name_of_class,
    own_sequences,
    restarted,
)
from .trying import (
    SEE,
    called,
    check_same,
    eager,
    example_inputs,
    kept_draws,
    plain_tensors,
    seed_draws,
    size_of,
)

__all__ = [
    "check_agent",
    "check_saved",
    "check_sequence",
]

LONGEST = 100
"""Steps of a trial beyond which modules are not tried."""


def check_agent(agent: Agent, max_steps: int) -> None:
    """Check that an agent can be trained: its modules keep to theirs, its files bring it back.

    Args:
        agent: The agent, on the CPU.
        max_steps: Most steps of a trial.

    Raises:
        ValueError: If not; the message names the class and what is wrong.
    """
    for module in (*own_sequences(agent.actor), *own_sequences(agent.critic.first)):
        check_sequence(module, max_steps + 1)  # targets read the input after the last step
    check_saved(agent)


def check_saved(agent: Agent) -> None:
    """Check that a file brings an agent back: the same weights, actions and values.

    Raises:
        ValueError: If not; the message says why.
    """
    critic = agent.critic
    _check_kind("actor", agent.actor, Actor)
    _check_kind("critic", critic, TwinCritic)
    _check_kind("critic.first", critic.first, Critic)
    _check_kind("critic.second", critic.second, Critic)
    with plain_tensors(), torch.random.fork_rng(devices=[]):
        again = rebuild_agent(describe_agent(agent))
        _check_arguments(agent, again)
        found, needed = agent.state_dict(), again.state_dict()
        shapes = {name: x.shape for name, x in needed.items() if isinstance(x, Tensor)}
        dtypes = {name: x.dtype for name, x in needed.items() if isinstance(x, Tensor)}
        if reason := misfit(found, shapes, dtypes):
            raise ValueError(
                f"no file would bring the agent back: {reason}. Undo what was done to it since it "
                "was built (.half(), .double(), torch.compile, weight_norm and the like)"
            )
        again.load_state_dict(found)
        _check_alike(agent, again.to(next(agent.parameters()).device))


def _check_kind(key: str, part: nn.Module, kind: type[nn.Module]) -> None:
    if type(part) is not kind:
        raise ValueError(
            f"agent.{key} is a {name_of_class(part)}, which no file would bring back; it must be a "
            f"modnav.networks.{kind.__name__} (of what torch.compile returned, its _orig_mod)"
        )


def _check_arguments(agent: Agent, again: Agent) -> None:
    """Refuse modules that keep an argument otherwise than it was given: built anew, they differ."""
    for old, new in zip(own_sequences(agent), own_sequences(again), strict=False):
        kept, found = (describe(module)["init_args"] for module in (old, new))
        for key, value in kept.items():
            if repr(value) != repr(found.get(key)):  # nan is no other than nan
                raise ValueError(
                    f"{name_of_class(old)} does not keep its argument {key!r} as it is given: "
                    f"{one_line(value)} becomes {one_line(found.get(key))}; set self.{key} = {key} "
                    f"in __init__, {SEE}"
                )


@torch.no_grad()
def _check_alike(agent: Agent, again: Agent) -> None:
    what = "built anew from arguments and weights gives other"
    device = next(agent.parameters()).device
    with evaluating(agent), evaluating(again), eager():
        for old, new in zip(own_sequences(agent), own_sequences(again), strict=True):
            name, x = name_of_class(old), example_inputs(2, old.in_features).to(device)
            outputs = [called(module, name, x)[0] for module in (old, new)]
            check_same(f"{name} {what} outputs: keep its tensors by register_buffer", *outputs)
        inputs = {x: example_inputs(2, STREAMS[x].features).to(device) for x in agent.sources}
        action = example_inputs(2, ACTIONS).to(device)
        for key in ("actions", "values"):
            more = () if key == "actions" else (action,)
            pair = [getattr(x, key)(inputs, *more) for x in (agent, again)]
            check_same(f"the agent {what} {key}: undo what was done to it since", *pair)


@torch.no_grad()
def check_sequence(module: AbstractSequence, steps: int) -> None:
    """Check that a module does step by step what it does with whole trials.

    Three trials are run side by side; they restart at times of their own, and one is dropped, as
    happens when an agent acts. Each of them is then run again, as a whole and alone.

    Args:
        module: The module; it stays as it is.
        steps: Most steps of a trial.

    Raises:
        ValueError: If outputs differ, or the memory is not as it must be; the message names the
            class and what is wrong.
    """
    name, steps = name_of_class(module), min(steps, LONGEST)
    for key, weight in module.named_parameters():
        if weight.is_meta or weight.dtype != torch.float32:
            kind = "without numbers (meta)" if weight.is_meta else str(weight.dtype)
            raise ValueError(f"{name}.{key} is {kind}; weights must be torch.float32, {SEE}")
    if type(module.recurrent) is not bool:
        told = one_line(module.recurrent)
        raise ValueError(f"{name}.recurrent is {told}; it must be True or False, {SEE}")
    try:
        copied = copy.deepcopy(module)
    except (RuntimeError, TypeError) as error:
        told = one_line(error)  # such as that of the former torch.nn.utils.weight_norm
        raise ValueError(f"{name} cannot be copied, as targets must be ({told}); {SEE}") from error
    if copied.train() is None:
        raise ValueError(f"{name}.train returns None; it must return the module, {SEE}")
    given, module = module, copy.deepcopy(module).eval()
    lengths = (steps, max(1, steps // 2), max(1, steps // 3))
    x = example_inputs(3 * steps, module.in_features, len(lengths))
    x = x.to(next(module.parameters(), x))
    with kept_draws(), eager():
        apart = _step_by_step(module, name, x, lengths)
        for trial, length in enumerate(lengths):
            until = 2 * steps if trial == 1 else len(x)
            for start in range(0, until, length):
                span = slice(start, min(start + length, until)), slice(trial, trial + 1)
                whole, _ = called(module, name, x[span])
                check_same(_why(module, name, again=start > 0), apart[span], whole)
        _check_learning(copy.deepcopy(given).train(), name, x[:steps])
        _check_kept(copy.deepcopy(given).train(), name, x[:steps])


@torch.enable_grad()
def _check_learning(module: AbstractSequence, name: str, x: Tensor) -> None:
    """Check that a module in train mode returns what it must, and that gradients reach it."""
    y, _ = called(module, f"{name} in train mode", x)
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    if not weights:
        return
    try:
        reached = torch.autograd.grad(y.square().sum(), weights, allow_unused=True)
    except RuntimeError as error:
        reason = one_line(error)
        raise ValueError(
            f"{name} cannot learn, no gradient comes back: {reason}; {SEE}"
        ) from error
    if all(gradient is None for gradient in reached):
        raise ValueError(f"{name} cannot learn: no gradient reaches its weights; {SEE}")


def _check_kept(module: AbstractSequence, name: str, x: Tensor) -> None:
    """Check that files keep all that a module in train mode changes."""
    again = copy.deepcopy(module)
    why = (
        f"{name} changes something in train mode that no file keeps, so that a resumed run would be "
        "another: keep it in a buffer of one shape, and draw from torch's own generator"
    )
    for _ in range(2):
        called(module, name, x)
    try:
        again.load_state_dict(module.state_dict())
    except RuntimeError as error:
        told = " ".join(str(error).split())  # which buffers is in its later lines
        raise ValueError(f"{why} ({told}); {SEE}") from error
    outputs = []
    for each in (module, again):
        seed_draws()
        outputs.append(called(each, name, x)[0])
    check_same(why, *outputs)


def _why(module: AbstractSequence, name: str, *, again: bool) -> str:
    if not module.recurrent:
        return f"{name} says recurrent = False, but its outputs depend on other steps"
    if again:
        return f"{name} does not start a trial anew with the memory that its reset returns"
    return f"{name} gives other outputs step by step than for a whole trial"


def _step_by_step(
    module: AbstractSequence, name: str, x: Tensor, lengths: Sequence[int]
) -> Tensor:
    """Return outputs ``(T, B, F)`` as in acting; those of the dropped trial end before."""
    steps, memory = lengths[0], None
    rows = torch.arange(len(lengths), device=x.device)
    outputs = x.new_full((*x.shape[:2], module.out_features), float("nan"))
    kept, sizes = rows[[0, 2]], []
    for t in range(len(x)):
        if t == 2 * steps:
            rows = rows[kept]
            memory = map_memory(lambda m: m.index_select(1, kept), memory)
        ended = [k for k, row in enumerate(rows.tolist()) if t and t % lengths[row] == 0]
        if ended:
            memory = restarted(module, memory, torch.tensor(ended, device=x.device))
        y, memory = called(module, name, x[t : t + 1, rows], memory)
        memory = memory if module.recurrent else None
        outputs[t, rows] = y[0].to(outputs)
        sizes.append(size_of(name, memory, len(rows)) // len(rows))
    if max(sizes) > 2 * sizes[steps - 1]:
        raise ValueError(
            f"the memory of {name} grows beyond one trial: {sizes[steps - 1]} numbers for each "
            f"after {steps} steps, {max(sizes)} after {len(x)} in trials of {steps} or fewer; let "
            f"its reset drop what no trial needs, {SEE}"
        )
    return outputs
