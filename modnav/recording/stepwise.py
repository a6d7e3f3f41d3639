"""Run torch's recurrent modules layer by layer, and step by step where units are changed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from modnav.networks import Memory

__all__ = ["Change", "Stack", "stacked"]

Change = Callable[[Tensor], Tensor]
"""From a layer's output ``(T, B, size)`` to the one that takes its place."""


@contextmanager
def stacked(rnn: nn.RNNBase) -> Iterator["Stack"]:
    """Let a recurrent module run layer by layer while the context lasts.

    Contexts may be nested; each adds to what the outer ones watch and change.

    Yields:
        What runs it.
    """
    former = rnn.__dict__.get("forward")
    stack = Stack(rnn, former if isinstance(former, Stack) else None)
    rnn.__dict__["forward"] = stack  # found before that of the class
    try:
        yield stack
    finally:
        if former is None:
            del rnn.__dict__["forward"]
        else:
            rnn.__dict__["forward"] = former


class Stack:
    """Takes the place of the forward of a recurrent module and runs it layer by layer.

    Args:
        rnn: The module; its parameters are shared.
        former: What took its place already.

    Attributes:
        changes: For each layer, functions that its hidden units go through at each step before
            the next. Only with one of them does it run step by step, which is slower.
        watchers: For each layer, functions that are told its hidden units, ``(T, B, H)``.
    """

    def __init__(self, rnn: nn.RNNBase, former: "Stack | None") -> None:
        levels = range(rnn.num_layers)
        self.parts: list[nn.RNNBase] = (
            former.parts if former else [_single(rnn, k) for k in levels]
        )
        self.changes: list[list[Change]] = [
            list(former.changes[k]) if former else [] for k in levels
        ]
        self.watchers: list[list[Callable[[Tensor], None]]] = [
            list(former.watchers[k]) if former else [] for k in levels
        ]

    def __call__(self, x: Tensor, memory: Memory = None) -> tuple[Tensor, Memory]:
        """Do what the module's forward does."""
        after = []
        for k, part in enumerate(self.parts):
            before = None
            if memory is not None:
                whole = memory if isinstance(memory, tuple) else (memory,)
                before = tuple(m[k : k + 1] for m in whole)
            x, state = self._run(k, part, x, before)
            for watch in self.watchers[k]:
                watch(x)
            after.append(state)
        joined = tuple(torch.cat(states) for states in zip(*after, strict=True))
        return x, joined if isinstance(self.parts[0], nn.LSTM) else joined[0]

    def _run(
        self, k: int, part: nn.RNNBase, x: Tensor, state: tuple[Tensor, ...] | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        if not self.changes[k]:
            return _call(part, x, state)
        outputs = []
        for t in range(len(x)):
            output, state = _call(part, x[t : t + 1], state)
            for change in self.changes[k]:
                output = change(output)
            state = (output, *state[1:])  # the first is the hidden state, the same numbers
            outputs.append(output)
        return torch.cat(outputs), state or ()


def _call(
    part: nn.RNNBase, x: Tensor, state: tuple[Tensor, ...] | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    lstm = isinstance(part, nn.LSTM)
    output, after = part(x, state if state is None or lstm else state[0])
    return output, after if lstm else (after,)


def _single(rnn: nn.RNNBase, level: int) -> nn.RNNBase:
    """Return one layer of a stacked recurrent module, sharing its parameters."""
    kind: Any = type(rnn)
    options = {"nonlinearity": rnn.nonlinearity} if isinstance(rnn, nn.RNN) else {}
    size = rnn.input_size if level == 0 else rnn.hidden_size
    # on "meta" no weights are drawn, which would move torch's global generator
    part = kind(size, rnn.hidden_size, bias=rnn.bias, device="meta", **options)
    for name in ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if rnn.bias else ())):
        setattr(part, f"{name}_l0", getattr(rnn, f"{name}_l{level}"))
    return part
