"""Sequence modules: maps from ``(T, B, F_in)`` to ``(T, B, F_out)`` that may carry a memory.

``T`` counts steps, ``B`` trials, ``F`` features; batches are time first everywhere in modnav.
"""

import abc
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

from torch import Tensor, nn
from typing_extensions import override

from .linear import Linear

__all__ = [
    "AbstractSequence",
    "Chain",
    "Feedforward",
    "Memory",
    "Recurrent",
    "init_weights",
    "map_memory",
]

Memory = Any
"""What a module remembers between steps: ``None``, a tensor whose dimension 1 counts trials
``(_, B, _)``, or a tuple of memories. ``None`` and zeros both mean the start of a trial."""


def map_memory(function: Callable[[Tensor], Tensor], memory: Memory) -> Memory:
    """Apply a function to every tensor of a memory, keeping its structure."""
    if memory is None:
        return None
    if isinstance(memory, Tensor):
        return function(memory)
    return tuple(map_memory(function, part) for part in memory)


class AbstractSequence(nn.Module, abc.ABC):
    """A map over sequences, the interface of belief, action and value modules.

    Subclass it to put in a module of your own. Keep every constructor argument as an attribute of
    the same name: checkpoints describe a module by them.

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
        ValueError: If there is none, or the features of neighbouring modules differ.
    """

    def __init__(self, parts: list[AbstractSequence]) -> None:
        super().__init__()
        if not parts:
            raise ValueError("a Chain needs at least one module")
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


def init_weights(module: nn.Module) -> None:
    """Initialise a layer as published; use as ``network.apply(init_weights)``.

    Linear weights are normal with standard deviation 0.1, recurrent weights Xavier uniform (drawn
    on the stacked matrix of all gates), biases 0.
    """
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.1)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.RNNBase):
        for name, parameter in module.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)
