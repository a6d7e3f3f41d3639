"""Networks of many agents as one: modules whose weights have a leading axis of members ``P``.

A stacked module is an ordinary sequence module. It reads ``(T, P * B, F)``, the trials of the
first member first, and does with those of each member what that member's own module does. So
actors, critics, TD3, collector and rollout need not know that there are members.

Weights are shared: after :func:`stack_agents` those of each agent are views of the stack, so an
update of the stack is one of every agent, and agents are saved and validated as ever.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call
from typing_extensions import override

from .actor_critic import Actor, Critic, Inputs, TwinCritic
from .agent import Agent
from .belief import AbstractBelief, KalmanBelief, RecurrentBelief
from .sequence import (
    AbstractSequence,
    Chain,
    Feedforward,
    Memory,
    Recurrent,
    name_of_class,
    restarted,
)

__all__ = [
    "StackedFeedforward",
    "StackedLinear",
    "StackedRecurrent",
    "apart",
    "share",
    "stack_agents",
    "stack_sequences",
    "together",
]


def share(parameters: Sequence[Any]) -> nn.Parameter:
    """Stack a parameter of all members; those of the members are views of the stack from now on.

    The stack knows them as its ``parts``.

    Args:
        parameters: One of each member, all of one shape.

    Returns:
        The stack, ``(P, ...)``.
    """
    stack = nn.Parameter(
        torch.stack([p.detach() for p in parameters]), requires_grad=parameters[0].requires_grad
    )
    for parameter, part in zip(parameters, stack.detach(), strict=True):
        parameter.data = part
    stack.parts = list(parameters)  # type: ignore[attr-defined]  # who shares it
    return stack


def apart(x: Tensor, members: int) -> Tensor:
    """Return ``(T, P * B, F)`` as a matrix for each member, ``(P, T * B, F)``."""
    return x.reshape(len(x), members, -1, x.shape[-1]).transpose(0, 1).flatten(1, 2)


def together(x: Tensor, steps: int) -> Tensor:
    """Return what :func:`apart` took, ``(T, P * B, F)``, from ``(P, T * B, F)``."""
    return x.reshape(len(x), steps, -1, x.shape[-1]).transpose(0, 1).flatten(1, 2)


class StackedLinear(nn.Module):
    """Affine maps of many members, ``(P, N, F_in)`` to ``(P, N, F_out)``.

    Args:
        layers: Those of the members.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__()
        self.weight = share([layer.weight for layer in layers])
        self.bias = share([layer.bias for layer in layers])

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias[:, None], x, self.weight.transpose(1, 2))


class StackedFeedforward(AbstractSequence):
    """The MLPs of many members, see :class:`Feedforward`.

    Args:
        members: Those of the members, all of one form.
    """

    recurrent = False

    def __init__(self, members: Sequence[Feedforward]) -> None:
        super().__init__()
        self.members = len(members)
        self.in_features, self.out_features = members[0].in_features, members[0].out_features
        depth = range(0, len(members[0].mlp), 2)  # every other one is a ReLU
        self.layers = nn.ModuleList(
            StackedLinear([member.mlp[k] for member in members]) for k in depth
        )

    @override
    def forward(self, x: Tensor, memory: Memory = None) -> tuple[Tensor, Memory]:
        h = apart(x, self.members)
        for layer in self.layers[:-1]:
            h = torch.relu(layer(h))
        return together(self.layers[-1](h), len(x)), None


class StackedRecurrent(AbstractSequence):
    """LSTM, GRU or plain tanh networks of many members, see :class:`Recurrent`.

    Its memory is that of :class:`Recurrent` with ``P * B`` trials.

    Args:
        members: Those of the members, all of one form.
    """

    recurrent = True

    def __init__(self, members: Sequence[Recurrent]) -> None:
        super().__init__()
        first = members[0]
        self.members, self.cell, self.num_layers = len(members), first.cell, first.num_layers
        self.in_features, self.out_features = first.in_features, first.out_features
        for name, _ in first.rnn.named_parameters():
            self.register_parameter(name, share([getattr(m.rnn, name) for m in members]))

    @override
    def forward(self, x: Tensor, memory: Memory = None) -> tuple[Tensor, Memory]:
        shape = (self.num_layers, self.members, x.shape[1] // self.members, self.out_features)
        if memory is None:
            zeros = torch.zeros(shape, device=x.device)
            states = (zeros, zeros) if self.cell == "lstm" else (zeros,)
        else:
            states = tuple(s.view(shape) for s in (memory if self.cell == "lstm" else (memory,)))
        after = []
        for k in range(self.num_layers):
            x, state = self._layer(k, x, tuple(s[k] for s in states))
            after.append(state)
        ended = tuple(torch.stack(s).flatten(1, 2) for s in zip(*after, strict=True))
        return x, ended if self.cell == "lstm" else ended[0]

    def _layer(
        self, k: int, x: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run a layer over ``x`` ``(T, P * B, F)`` from states ``(P, B, H)``."""
        w_x, w_h, b_x, b_h = (
            getattr(self, f"{name}_l{k}")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        summed = self.cell != "gru"  # gates are functions of what inputs and memory give together
        bias = b_x + b_h if summed else b_x
        given = torch.baddbmm(bias[:, None], apart(x, self.members), w_x.transpose(1, 2))
        given = given.reshape(self.members, len(x), -1, given.shape[-1]).transpose(0, 1)
        w_h = w_h.transpose(1, 2).to(given.dtype)  # here, or autocast would do it at each step
        fused = self.cell == "lstm" and given.is_cuda
        if fused:  # takes all in one precision, which for cells is the full one
            given = given.float().contiguous()
        cell = _fused_lstm if fused else _CELLS[self.cell]
        before: list[Tensor] = []
        if summed:
            given, w_h = _WeightGradient.apply(given, w_h, before), w_h.detach()  # type: ignore[no-untyped-call]  # so is torch's apply
        outputs = []
        for g in given:
            before.append(state[0].detach())
            product = state[0] @ w_h if summed else torch.baddbmm(b_h[:, None], state[0], w_h)
            state = cell(g, product, state)
            outputs.append(state[0])
        return torch.stack(outputs).flatten(1, 2), state


class _WeightGradient(torch.autograd.Function):
    """Pass on what inputs give to the gates; the gradient of it makes that of recurrent weights.

    That takes one product for all steps, where autograd would make one for each and add them up.
    """

    @staticmethod
    @override
    def forward(ctx: Any, given: Tensor, weight: Tensor, before: list[Tensor]) -> Tensor:
        """Take gates ``(T, P, B, gates * H)``, weights ``(P, H, gates * H)``, outputs before each step."""
        ctx.before, ctx.dtype = before, weight.dtype
        return given.view_as(given)

    @staticmethod
    @override
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        if not ctx.needs_input_grad[1]:
            return grad, None, None
        of_gates, outputs = (
            x.to(ctx.dtype).transpose(0, 1).flatten(1, 2) for x in (grad, torch.stack(ctx.before))
        )
        return grad, outputs.transpose(1, 2) @ of_gates, None


def _lstm(x: Tensor, h: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    i, f, g, o = (x + h).chunk(4, dim=-1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _fused_lstm(x: Tensor, h: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Do the same by the kernel of ``nn.LSTMCell`` on GPUs, which takes matrices."""
    flat = (y.flatten(0, 1) for y in (x, h.float(), state[1]))
    with torch.autocast("cuda", enabled=False):  # it would round the cells' states at each step
        after = torch.ops.aten._thnn_fused_lstm_cell(*flat)[:2]
    return tuple(y.view(state[1].shape) for y in after)


def _gru(x: Tensor, h: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, dim=-1), h.chunk(3, dim=-1)
    new = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
    return (new + torch.sigmoid(x_z + h_z) * (state[0] - new),)


def _rnn(x: Tensor, h: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (torch.tanh(x + h),)


_CELLS = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}
"""From what inputs and memory give to all gates ``(P, B, gates * H)`` and the state before, to the
state after; the first of it is the output. Equations as in ``torch.nn``."""


class _StackedBelief(AbstractBelief):
    """Learned beliefs of many members."""

    recurrent = True

    def __init__(self, units: AbstractSequence, source: str) -> None:
        super().__init__()
        self.units = units
        self.source = source  # type: ignore[misc]  # of the class, elsewhere
        self.in_features, self.out_features = units.in_features, units.out_features

    @override
    def forward(self, x: Tensor, memory: Memory = None) -> tuple[Tensor, Memory]:
        return self.units(x, memory)

    @override
    def reset(self, memory: Memory, which: Tensor) -> Memory:
        return restarted(self.units, memory, which)


def stack_sequences(members: Sequence[Any]) -> Any:
    """Return one module for those of many members, all of one form.

    A class of a user's own takes part by a class method ``stack(members)``, see
    docs/own_modules.md.

    Raises:
        ValueError: If the class has no stacked form; the message names it.
    """
    first = members[0]
    kind = type(first)
    if "stack" in vars(kind):  # an inherited one knows nothing of what a class does anew
        return kind.stack(members)
    if kind is Feedforward:
        return StackedFeedforward(members)
    if kind is Recurrent:
        return StackedRecurrent(members)
    if kind is KalmanBelief:
        return first
    if kind is RecurrentBelief:
        units = stack_sequences([m.units for m in members])
        return _StackedBelief(units, "observation")
    if kind is Chain:
        parts = zip(*(m.parts for m in members), strict=True)
        return Chain([stack_sequences(part) for part in parts])
    raise ValueError(f"{name_of_class(first)} has no stacked form (a class method `stack`)")


def stack_agents(agents: Sequence[Agent]) -> Agent:
    """Return one agent whose modules do for ``P * B`` trials what those agents do for ``B`` each.

    Of a lone agent on a processor the modules are its own: ``nn.LSTM`` is faster there, and so
    nothing changes. On a GPU it wants its weights in a storage of their own. The weights of the
    agents are parts of its weights from now on.

    Args:
        agents: Agents of one architecture, on one device.

    Raises:
        ValueError: If a class has no stacked form.
    """
    if len(agents) == 1 and next(agents[0].parameters()).device.type == "cpu":
        return agents[0]
    _check_once(agents[0])
    actor = Actor(
        stack_sequences([a.actor.belief for a in agents]),
        stack_sequences([a.actor.action for a in agents]),
    )
    return Agent(actor, _StackedTwin([a.critic for a in agents]))


class _StackedTwin(TwinCritic):
    """The twin critics of ``P`` members, as a stack of ``2 P``: all firsts, then all seconds.

    They read the same, so one pass does both.

    Args:
        twins: Those of the members.
    """

    def __init__(self, twins: Sequence[TwinCritic]) -> None:
        firsts, seconds = [t.first for t in twins], [t.second for t in twins]
        form = _stack_critics(firsts)
        both = _stack_critics([*firsts, *seconds])
        count = len(twins)
        halves = [_Half(both, form, slice(k, k + count)) for k in (0, count)]
        super().__init__(*halves)  # type: ignore[arg-type]  # called as critics are
        self.both = both

    @override
    def forward(self, inputs: Inputs, action: Tensor) -> Tensor:
        twice = {name: x.repeat(1, 2, 1) for name, x in inputs.items()}
        values = self.both(twice, action.repeat(1, 2, 1))
        return values.unflatten(1, (2, -1)).transpose(0, 1)


class _Half(nn.Module):
    """The first or the second critics of a stack of both; freezing one freezes both.

    Args:
        both: The stack, with ``2 P`` members.
        form: A stack of ``P`` members, which gets its weights from the other and loses its own.
        rows: Which of the members it has.
    """

    def __init__(self, both: Critic, form: Critic, rows: slice) -> None:
        super().__init__()
        self.both, self.form, self.rows = both, form, rows
        self.sources, self.recurrent = form.sources, form.recurrent
        for weight in form.parameters():
            weight.data.fill_(float("nan"))  # who keeps it elsewhere will be noticed
        for module in form.modules():
            module._parameters.update(dict.fromkeys(module._parameters))

    @override
    def forward(self, inputs: Inputs, action: Tensor) -> Tensor:
        weights = {name: x[self.rows] for name, x in self.both.named_parameters()}
        return functional_call(self.form, weights, (inputs, action))


def _stack_critics(critics: Sequence[Critic]) -> Critic:
    return Critic(
        stack_sequences([c.belief for c in critics]),
        stack_sequences([c.value for c in critics]),
        critics[0].action_enters,
    )


def _check_once(agent: Agent) -> None:
    """Refuse agents in which two parts share weights, which stacks would not."""
    held = [id(p) for p in agent.parameters()]
    if len(list(agent.named_parameters(remove_duplicate=False))) != len(held):
        raise ValueError("parts of the agent share weights, which has no stacked form")
