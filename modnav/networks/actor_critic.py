"""Actor and critic: a belief module followed by an action or a value module."""

import inspect
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from modnav.task import STREAMS

from .belief import AbstractBelief
from .initial import twin_of
from .sequence import AbstractSequence, Memory, check_set, name_of_class, restarted

__all__ = ["ACTIONS", "Actor", "Critic", "Inputs", "TwinCritic"]

Inputs = Mapping[str, Tensor]
"""What networks read, by stream: ``"observation"`` ``(T, B, 6)``, ``"kalman"`` ``(T, B, 13)``."""

ACTIONS = 2
"""Components of an action: linear and angular joystick axis."""


class Actor(nn.Module):
    """Policy: belief module, action module, tanh.

    Args:
        belief: From inputs to belief.
        action: From belief to 2 joystick axes.

    Raises:
        ValueError: If a part does not say what it must, or their sizes do not fit; the message
            names what.
    """

    def __init__(self, belief: AbstractBelief, action: AbstractSequence) -> None:
        super().__init__()
        _check_parts(belief, action)
        _fit(
            "actor.belief.in_features",
            belief,
            STREAMS[belief.source].features,
            f"the {belief.source} stream gives",
        )
        _fit(
            "actor.action.in_features",
            action,
            belief.out_features,
            "actor.belief gives",
        )
        _fit("actor.action.out_features", action, ACTIONS, "the joystick has")
        self.belief = belief
        self.action = action

    @property
    def recurrent(self) -> bool:
        """Whether the actor remembers earlier steps."""
        return self.belief.recurrent or self.action.recurrent

    @property
    def sources(self) -> set[str]:
        """Names of the streams that the actor reads."""
        return {self.belief.source}

    def forward(self, inputs: Inputs, memory: Memory = None) -> tuple[Tensor, Memory]:
        """Return actions in [-1, 1], ``(T, B, 2)``, and the memory after the last step."""
        belief_memory, action_memory = (None, None) if memory is None else memory
        belief, belief_memory = self.belief(inputs[self.belief.source], belief_memory)
        action, action_memory = self.action(belief, action_memory)
        return torch.tanh(action.float()), (belief_memory, action_memory)

    def reset(self, memory: Memory, which: Tensor) -> Memory:
        """Return a memory in which the trials ``which`` ``(K,)`` are at their start."""
        belief, action = memory
        return restarted(self.belief, belief, which), restarted(self.action, action, which)


class Critic(nn.Module):
    """Action value: belief module, value module, with the action joined at one of the two.

    Args:
        belief: From inputs (and action) to belief.
        value: From belief (and action) to 1 value.
        action_enters: ``"belief"`` (holistic) or ``"value"`` (modular).

    Raises:
        ValueError: If a part does not say what it must, or their sizes do not fit; the message
            names what.
    """

    def __init__(
        self,
        belief: AbstractBelief,
        value: AbstractSequence,
        action_enters: Literal["belief", "value"] = "value",
    ) -> None:
        super().__init__()
        if action_enters not in ("belief", "value"):
            raise ValueError(
                f"critic.action_enters is {action_enters!r}; it must be 'belief' or 'value'"
            )
        _check_parts(belief, value)
        at_belief = ACTIONS if action_enters == "belief" else 0
        _fit(
            "critic.belief.in_features",
            belief,
            STREAMS[belief.source].features + at_belief,
            f"with the action entering at {action_enters}, the {belief.source} stream gives",
        )
        _fit(
            "critic.value.in_features",
            value,
            belief.out_features + ACTIONS - at_belief,
            f"with the action entering at {action_enters}, critic.belief gives",
        )
        _fit("critic.value.out_features", value, 1, "an action value has")
        self.belief = belief
        self.value = value
        self.action_enters = action_enters

    @property
    def recurrent(self) -> bool:
        """Whether the critic remembers earlier steps."""
        return self.belief.recurrent or self.value.recurrent

    @property
    def sources(self) -> set[str]:
        """Names of the streams that the critic reads."""
        return {self.belief.source}

    def forward(self, inputs: Inputs, action: Tensor) -> Tensor:
        """Return action values, float32, ``(T, B, 1)``, for sequences that start a trial."""
        x = inputs[self.belief.source]
        if self.action_enters == "belief":
            x = torch.cat((x, action), dim=-1)
        belief, _ = self.belief(x)
        if self.action_enters == "value":
            belief = torch.cat((belief, action.to(belief.dtype)), dim=-1)
        value, _ = self.value(belief)
        return value.float()


class TwinCritic(nn.Module):
    """Two critics of the same form with their own weights.

    Args:
        critic: The first.
        second: The second; one like the first, with weights of its own draws, if omitted.

    Raises:
        ValueError: If a module of a user's own cannot be made anew; the message names it.
    """

    def __init__(self, critic: Critic, second: Critic | None = None) -> None:
        super().__init__()
        self.first = critic
        self.second = twin_of(critic) if second is None else second

    def forward(self, inputs: Inputs, action: Tensor) -> Tensor:
        """Return both action values, ``(2, T, B, 1)``."""
        return torch.stack((self.first(inputs, action), self.second(inputs, action)))


def _check_parts(belief: AbstractBelief, other: AbstractSequence) -> None:
    check_set(belief, "source")
    check_set(other)
    if belief.source not in STREAMS:
        raise ValueError(
            f"{name_of_class(belief)}.source is {belief.source!r}; "
            f"it must be one of {', '.join(STREAMS)}, or the path of a modnav.task.AbstractStream "
            "in an imported module"
        )


def _fit(key: str, part: nn.Module, needed: int, why: str) -> None:
    """Check a size of a part; the refusal names the option that gives another, if there is one."""
    module, place, name = key.split(".")
    found = getattr(part, name)
    if found != needed:
        option = f"; --model.{module}.init_args.{place}.init_args.{name} {needed} sets it"
        taken = name in inspect.signature(type(part)).parameters
        raise ValueError(
            f"{key} is {found}; it must be {needed} ({why} {needed}){option if taken else ''}"
        )
