"""The layers of an agent by name, what their units do, and how to hold units at a value.

A layer is the output of a recurrent module (its hidden units) or of a non-linearity, named by its
place in the agent: ``actor.belief``, ``actor.action.mlp.1``, ``critic.value.mlp.3``. The names
``units`` and ``rnn`` of modnav's own wrappers are left out, ``critic`` is the first of the two
critics, and the layers of one stacked recurrent module are ``.layer0``, ``.layer1``, ... A belief
without any of these, such as the Kalman filter's, is a layer itself. A unit is a layer and an
index: ``actor.belief.17``.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from modnav.networks import AbstractSequence, Agent, evaluating
from modnav.task import STREAMS

from .stepwise import Change, stacked

__all__ = ["NONLINEARITIES", "Layer", "captured", "changed", "layers_of"]

NONLINEARITIES = (
    nn.ReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.ELU,
    nn.GELU,
    nn.SiLU,
    nn.LeakyReLU,
    nn.Softplus,
    nn.Mish,
)
"""Modules whose output is a layer."""


@dataclass(frozen=True)
class Layer:
    """A layer of an agent.

    Attributes:
        name: Its name.
        module: What computes it.
        size: Number of its units.
        level: Its place among the layers of a stacked recurrent module, from 0.
    """

    name: str
    module: nn.Module
    size: int
    level: int = 0

    @property
    def columns(self) -> list[str]:
        """Names of its units."""
        return [f"{self.name}.{k}" for k in range(self.size)]


def layers_of(agent: Agent, names: Sequence[str] | str | None = None) -> dict[str, Layer]:
    """Return the layers of an agent by name, from input to output, the actor's first.

    Args:
        agent: The agent.
        names: The layers wanted, or the name of one; all by default.

    Raises:
        ValueError: If it has no such layer; the message lists those that it has.
    """
    names = [names] if isinstance(names, str) else names
    critic = agent.critic.first
    parts = {
        "actor.belief": agent.actor.belief,
        "actor.action": agent.actor.action,
        "critic.belief": critic.belief,
        "critic.value": critic.value,
    }
    candidates = [layer for name, part in parts.items() for layer in _layers_in(name, part)]
    sizes = _sizes(agent, candidates)
    found = {
        layer.name: Layer(layer.name, layer.module, sizes[layer.name], layer.level)
        for layer in candidates
        if layer.name in sizes
    }
    for name in names or ():
        if name not in found:
            known = ", ".join(f"{layer.name} ({layer.size})" for layer in found.values())
            raise ValueError(f"the agent has no layer {name!r}; it has {known}")
    return found if names is None else {name: found[name] for name in names}


def _layers_in(prefix: str, part: AbstractSequence) -> list[Layer]:
    found = []
    for path, module in part.named_modules(prefix=prefix):
        if isinstance(module, nn.RNNBase) and _plain(module):
            name = re.sub(r"(\.units)?\.rnn$", "", path)
            stacked = module.num_layers > 1
            found += [
                Layer(f"{name}.layer{k}" if stacked else name, module, module.hidden_size, k)
                for k in range(module.num_layers)
            ]
        elif isinstance(module, NONLINEARITIES):
            found.append(Layer(path, module, 0))
    if not found and prefix.endswith("belief"):
        found.append(Layer(prefix, part, part.out_features))
    return found


def _plain(rnn: nn.RNNBase) -> bool:
    return not (rnn.bidirectional or rnn.batch_first or rnn.proj_size or rnn.dropout)


@torch.no_grad()
def _sizes(agent: Agent, layers: Sequence[Layer]) -> dict[str, int]:
    """Return the number of units of each layer that one step calls once, ``(1, 1, size)``."""
    shapes: dict[str, tuple[int, ...]] = {}
    calls: Counter[str] = Counter()

    def note(name: str, output: Tensor) -> None:
        shapes[name] = tuple(output.shape)
        calls[name] += 1

    weight = next(agent.parameters())
    inputs = {name: weight.new_zeros(1, 1, STREAMS[name].features) for name in agent.sources}
    with ExitStack() as stack:
        stack.enter_context(evaluating(agent))
        for layer in layers:
            stack.enter_context(_watched(layer, note))
        agent.actor(inputs)
        agent.critic.first(inputs, weight.new_zeros(1, 1, 2))
    return {
        name: shape[2]
        for name, shape in shapes.items()
        if calls[name] == 1 and len(shape) == 3 and shape[:2] == (1, 1)
    }


@contextmanager
def captured(layers: Mapping[str, Layer]) -> Iterator[dict[str, Tensor]]:
    """Catch the activity of layers while the agent runs.

    Yields:
        The output of each layer in its latest call, ``(T, B, size)``, by name.
    """
    activity: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        activity[name] = output.detach()

    with ExitStack() as stack:
        for layer in layers.values():
            stack.enter_context(_watched(layer, keep))
        yield activity


@contextmanager
def changed(layer: Layer, change: Change) -> Iterator[None]:
    """Change the output of a layer while the context lasts, at each step before the next.

    A recurrent layer runs step by step, so that what it remembers is what was changed.

    Raises:
        ValueError: If the layer is a belief that remembers in a way of its own.
    """
    module = layer.module
    if isinstance(module, nn.RNNBase):
        with stacked(module) as rnn:
            rnn.changes[layer.level].insert(0, change)
            yield
        return
    if isinstance(module, AbstractSequence) and module.recurrent:
        raise ValueError(
            f"{layer.name} is a {type(module).__name__}, which remembers in a way of its own; "
            "units can be held in torch's recurrent modules and in non-linearities"
        )

    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    handle = module.register_forward_hook(hook, prepend=True)  # who watches sees the change
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _watched(layer: Layer, note: Callable[[str, Tensor], None]) -> Iterator[None]:
    if isinstance(layer.module, nn.RNNBase):
        with stacked(layer.module) as rnn:
            rnn.watchers[layer.level].append(lambda output: note(layer.name, output))
            yield
        return

    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        note(layer.name, output[0] if isinstance(output, tuple) else output)

    handle = layer.module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
