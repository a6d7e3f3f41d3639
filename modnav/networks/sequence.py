"""Sequence modules: maps from ``(T, B, F_in)`` to ``(T, B, F_out)`` that may carry a memory.

``T`` counts steps, ``B`` trials, ``F`` features; batches are time first everywhere in modnav.
"""

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from typing_extensions import override

from modnav.errors import require

from .linear import Linear

__all__ = [
    "AbstractSequence",
    "Chain",
    "Feedforward",
    "Memory",
    "Recurrent",
    "cat_memories",
    "check_set",
    "evaluating",
    "is_own",
    "map_memory",
    "name_of_class",
    "own_sequences",
    "restarted",
]

Memory = Any
"""What a module remembers between steps: ``None``, which starts all trials, a tensor whose
dimension 1 counts trials ``(_, B, ...)``, or a tuple, a list or a mapping of memories."""


def map_memory(function: Callable[[Tensor], Tensor], memory: Memory) -> Memory:
    """Apply a function to every tensor of a memory, keeping its structure.

    Raises:
        ValueError: If it holds something else.
    """
    if memory is None:
        return None
    if isinstance(memory, Tensor):
        return function(memory)
    if isinstance(memory, Mapping):
        return {name: map_memory(function, part) for name, part in memory.items()}
    if isinstance(memory, (tuple, list)):
        parts = [map_memory(function, part) for part in memory]
        named = hasattr(memory, "_fields")
        return type(memory)(*parts) if named else type(memory)(parts)
    raise ValueError(
        f"a memory holds a {type(memory).__name__}; it must be None, tensors, or tuples, lists "
        "and dictionaries of these"
    )


def cat_memories(parts: Sequence[Memory], dim: int = 1) -> Memory:
    """Put the memories of several sets of trials together; where one is at its start, zeros are.

    Args:
        parts: Memories of one structure, or ``None``.
        dim: The dimension that counts trials.
    """
    given = [part for part in parts if part is not None]
    if not given:
        return None
    if isinstance(given[0], Tensor):
        return torch.cat([torch.zeros_like(given[0]) if p is None else p for p in parts], dim)
    keys = given[0].keys() if isinstance(given[0], Mapping) else range(len(given[0]))
    joined = [cat_memories([None if p is None else p[k] for p in parts], dim) for k in keys]
    if isinstance(given[0], Mapping):
        return dict(zip(keys, joined, strict=True))
    return type(given[0])(joined)


class AbstractSequence(nn.Module, abc.ABC):
    """A map over sequences, the interface of belief, action and value modules.

    Subclass it to put in a module of your own, see docs/own_modules.md. Keep every constructor
    argument as an attribute of the same name: checkpoints describe a module by them.

    Attributes:
        in_features: Features of the input.
        out_features: Features of the output.
        recurrent: Whether the module remembers earlier steps.
    """

    in_features: int
    out_features: int
    recurrent: bool

    @abc.abstractmethod
    def forward(self, x: Tensor, memory: Memory = None) -> tuple[Tensor, Memory]:
        """Map a sequence, starting from ``memory``.

        Args:
            x: Inputs, ``(T, B, in_features)``.
            memory: Memory before the first step; ``None`` starts a trial.

        Returns:
            Outputs, ``(T, B, out_features)``, and the memory after the last step.
        """

    def reset(self, memory: Memory, which: Tensor) -> Memory:
        """Return a memory in which some trials are at their start; the others go on.

        Zeros are the start here. Override it if they are not the start of your module, or if
        its memory grows and can now be cut.

        Args:
            memory: What :meth:`forward` returned; not ``None``.
            which: Indices of those trials, ``(K,)``.
        """
        return map_memory(lambda x: x.index_fill(1, which, 0), memory)


class Recurrent(AbstractSequence):
    """LSTM, GRU or plain tanh network; it remembers.

    Args:
        in_features: Features of the input.
        out_features: Number of recurrent units.
        num_layers: Number of stacked layers.
        cell: Kind of recurrent unit.
    """

    recurrent = True

    def __init__(
        self,
        in_features: int,
        out_features: int,
        num_layers: int = 1,
        cell: Literal["lstm", "gru", "rnn"] = "lstm",
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.num_layers = num_layers
        self.cell = cell
        for size in (in_features, out_features, num_layers):
            require("features or num_layers of a Recurrent", size, 1, 100_000)
        cells = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
        if cell not in cells:
            raise ValueError(f"cell is {cell!r}; it must be one of {', '.join(cells)}")
        self.rnn = cells[cell](in_features, out_features, num_layers)

    @override
    def forward(self, x: Tensor, memory: Memory = None) -> tuple[Tensor, Memory]:
        return self.rnn(x, memory)


class Feedforward(AbstractSequence):
    """MLP with ReLU, applied at every step; it remembers nothing.

    Args:
        in_features: Features of the input.
        out_features: Features of the output.
        hidden_features: Widths of the hidden layers; empty for a linear map.
    """

    recurrent = False

    def __init__(
        self, in_features: int, out_features: int, hidden_features: Sequence[int] = (300, 300)
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.hidden_features = tuple(hidden_features)
        for size in (in_features, out_features, *self.hidden_features):
            require("features of a Feedforward", size, 1, 100_000)
        layers: list[nn.Module] = []
        for before, after in pairwise((in_features, *hidden_features, out_features)):
            layers += [Linear(before, after), nn.ReLU()]
        self.mlp = nn.Sequential(*layers[:-1])

    @override
    def forward(self, x: Tensor, memory: Memory = None) -> tuple[Tensor, Memory]:
        return self.mlp(x), None


class Chain(AbstractSequence):
    """Apply modules one after the other, each with its own memory.

    Args:
        parts: The modules, first to last.

    Raises:
        ValueError: If there is none, one does not say what it must, or the features of
            neighbouring modules differ.
    """

    def __init__(self, parts: list[AbstractSequence]) -> None:
        super().__init__()
        if not parts:
            raise ValueError("a Chain needs at least one module")
        for part in parts:
            check_set(part)
        for k, (before, after) in enumerate(pairwise(parts)):
            if before.out_features != after.in_features:
                raise ValueError(
                    f"parts[{k + 1}].in_features is {after.in_features}; "
                    f"parts[{k}] gives {before.out_features}"
                )
        self.parts = nn.ModuleList(parts)
        self.in_features = parts[0].in_features
        self.out_features = parts[-1].out_features
        self.recurrent = any(part.recurrent for part in parts)

    @override
    def forward(self, x: Tensor, memory: Memory = None) -> tuple[Tensor, Memory]:
        memories = (None,) * len(self.parts) if memory is None else memory
        after = []
        for part, before in zip(self.parts, memories, strict=True):
            x, new = part(x, before)
            after.append(new)
        return x, tuple(after)

    @override
    def reset(self, memory: Memory, which: Tensor) -> Memory:
        return tuple(restarted(*pair, which) for pair in zip(self.parts, memory, strict=True))


def restarted(module: nn.Module, memory: Memory, which: Tensor) -> Memory:
    """Return what :meth:`AbstractSequence.reset` makes of a memory; ``None`` is a start already."""
    return None if memory is None else module.reset(memory, which)  # type: ignore[operator]


def check_set(module: nn.Module, *more: str) -> None:
    """Check that a module says what a sequence module must, and ``more``.

    Raises:
        ValueError: If it does not; the message names the class and the attribute.
    """
    for name in ("in_features", "out_features", "recurrent", *more):
        if not hasattr(module, name):
            raise ValueError(f"{name_of_class(module)} must set {name}")


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Keep a network in eval mode while the context lasts; then each part is in its own again."""
    training = [part for part in network.modules() if part.training]
    if training:
        network.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def is_own(module: nn.Module) -> bool:
    """Return whether a module's class is a user's own, not one of modnav."""
    return type(module).__module__.split(".")[0] != "modnav"


def own_sequences(network: nn.Module) -> Iterator[AbstractSequence]:
    """Yield the sequence modules in a network that are a user's own, but none within another."""
    for part in network.children():
        if isinstance(part, AbstractSequence) and is_own(part):
            yield part
        else:
            yield from own_sequences(part)


def name_of_class(module: object) -> str:
    """Return the full name of a module's class, as YAML and checkpoints have it.

    Classes of modnav are named by their folder, which hands them on.
    """
    kind = type(module)
    place = kind.__module__
    if place.split(".")[0] == "modnav":
        place = place.rpartition(".")[0]
    return f"{place}.{kind.__qualname__}"
