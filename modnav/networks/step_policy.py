"""An actor for other runtimes: one step, tensors alone, memory in and out."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from typing_extensions import override

from .actor_critic import Actor
from .linear import Linear
from .sequence import Memory, map_memory

__all__ = ["StepPolicy"]


class StepPolicy(nn.Module):
    """One step of an actor, in eval mode, as a map from tensors to tensors.

    Args:
        actor: The actor; it is copied.

    Attributes:
        source: Name of the stream that it reads.
        features: Numbers in one input.
        start: Memory at the start of a trial, tensors ``(_, 1, ...)``: zeros.

    Raises:
        ValueError: If zeros are not the start of its memory, or the memory grows.
    """

    def __init__(self, actor: Actor) -> None:
        super().__init__()
        self.actor = copy.deepcopy(actor).requires_grad_(False)
        self.eval()  # the whole: exporters put it back into the mode in which they found it
        for module in self.actor.modules():
            if isinstance(module, Linear):  # other runtimes have products of their own
                module.__class__ = nn.Linear  # type: ignore[assignment]  # its own base
        self.source, self.features = self.actor.belief.source, self.actor.belief.in_features
        x = torch.zeros(1, 1, self.features)
        action, self._form = self._run(x, None)
        self.start = [torch.zeros_like(part) for part in _tensors(self._form)]
        again, after = self._run(x, self._memory(self.start))
        if not torch.equal(action, again):
            raise ValueError(
                "the memory of the actor does not start at zeros; an export needs one that does"
            )
        if [x.shape for x in _tensors(after)] != [x.shape for x in self.start]:
            raise ValueError("the memory of the actor grows; an export needs one of fixed size")

    @override
    def forward(self, inputs: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        """Take a step.

        Args:
            inputs: What the actor reads now, ``(B, F)``.
            memory: What the last step returned, or :attr:`start` for each trial; dimension 1
                counts trials.

        Returns:
            Actions in [-1, 1], ``(B, 2)``, and the new memory.
        """
        action, after = self._run(inputs[None], self._memory(list(memory)))
        return (action[0], *_tensors(after))

    def _run(self, x: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        return self.actor({self.source: x}, memory)

    def _memory(self, parts: list[Tensor]) -> Memory:
        """Return tensors as the actor has them: in the structure of its memory."""
        left = iter(parts)
        return map_memory(lambda _: next(left), self._form)


def _tensors(memory: Memory) -> Iterator[Tensor]:
    found: list[Tensor] = []
    map_memory(lambda x: found.append(x) or x, memory)  # type: ignore[func-returns-value]
    return iter(found)
