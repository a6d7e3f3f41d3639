"""The agent: an actor and two critics."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from modnav.task import STREAMS

from .actor_critic import ACTIONS, Actor, Critic, TwinCritic
from .architectures import description_of, name_of
from .description import Description, describe, rebuild
from .initial import draw_weights
from .sequence import Memory, evaluating

__all__ = ["Agent", "build_agent", "describe_agent", "rebuild_agent"]

Numbers: TypeAlias = Tensor | NDArray[Any]
"""What :class:`Agent` reads; an array becomes a tensor of the kind of its weights, where they are."""


class Agent(nn.Module):
    """An actor with its twin critics.

    Its own methods run it in eval mode, without dropout and the like, and make no graph.

    Args:
        actor: Policy.
        critic: Action value and its twin.

    Raises:
        ValueError: If an actor that sees only observations is paired with a critic that is told
            what the Kalman filter knows.
    """

    def __init__(self, actor: Actor, critic: TwinCritic) -> None:
        super().__init__()
        if "kalman" in critic.first.sources and "kalman" not in actor.sources:
            raise ValueError(
                "critic.belief is Kalman but actor.belief is not; "
                "a Kalman critic is allowed with a Kalman actor only"
            )
        self.actor = actor
        self.critic = critic

    @property
    def sources(self) -> set[str]:
        """Names of the streams that the agent reads."""
        return self.actor.sources | self.critic.first.sources

    @property
    def recurrent(self) -> bool:
        """Whether the agent remembers earlier steps."""
        return self.actor.recurrent or self.critic.first.recurrent

    @property
    def architecture(self) -> str:
        """Name of the architecture, e.g. ``"Actor3Critic5"``, see :func:`name_of`."""
        return name_of(describe_agent(self))

    @torch.no_grad()
    def actions(self, inputs: Numbers | Mapping[str, Numbers]) -> Tensor:
        """Return actions in [-1, 1] for whole trials.

        Args:
            inputs: What the agent read, ``(T, B, 6)``, or ``(T, B, 13)`` for the EKF agent; or a
                mapping from stream names to such; tensors or arrays.

        Returns:
            Actions, ``(T, B, 2)``.

        Raises:
            TypeError: If they are neither tensors nor arrays.
            ValueError: If a stream is missing or of the wrong shape.
        """
        with evaluating(self.actor):
            return self.actor(self._read(inputs, self.actor.sources, "T, B"))[0]

    @torch.no_grad()
    def values(self, inputs: Numbers | Mapping[str, Numbers], actions: Numbers) -> Tensor:
        """Return both action values for whole trials.

        Args:
            inputs: As in :meth:`actions`.
            actions: Actions taken, ``(T, B, 2)``.

        Returns:
            Values, ``(2, T, B, 1)``.

        Raises:
            TypeError: If they are neither tensors nor arrays.
            ValueError: If a stream is missing, or it or the actions are of the wrong shape.
        """
        read = self._read(inputs, self.critic.first.sources, "T, B")
        taken = self._tensor(actions, "actions")
        needed = (*next(iter(read.values())).shape[:2], ACTIONS)
        if taken.shape != needed:
            raise ValueError(
                f"actions have shape {tuple(taken.shape)}; with these inputs it must be {needed}"
            )
        with evaluating(self.critic):
            return self.critic(read, taken)

    @torch.no_grad()
    def act(
        self, inputs: Numbers | Mapping[str, Numbers], memory: Memory = None
    ) -> tuple[Tensor, Memory]:
        """Take one step.

        Args:
            inputs: What the agent reads now, ``(B, 6)`` (``(B, 13)`` for the EKF agent), or a
                mapping from stream names to such; tensors or arrays.
            memory: What the last step returned; ``None`` starts a trial.

        Returns:
            Actions in [-1, 1], ``(B, 2)``, and the new memory.

        Raises:
            TypeError: If they are neither tensors nor arrays.
            ValueError: If a stream is missing or of the wrong shape.
        """
        read = self._read(inputs, self.actor.sources, "B")
        with evaluating(self.actor):
            action, memory = self.actor({name: x[None] for name, x in read.items()}, memory)
        return action[0], memory

    def _read(self, inputs: Any, sources: set[str], counts: str) -> dict[str, Tensor]:
        """Return tensors of each stream; ``counts`` names the dimensions before the features."""
        if not isinstance(inputs, Mapping):
            inputs = dict.fromkeys(sources, self._tensor(inputs, "inputs"))
        read = {}
        for name in sorted(sources):
            if name not in inputs:
                raise ValueError(
                    f"the agent reads {name!r}; the inputs hold {', '.join(inputs) or 'nothing'}"
                )
            read[name] = self._tensor(inputs[name], repr(name))
            shape, needed = tuple(read[name].shape), STREAMS[name].features
            if shape and shape[-1] != needed:
                raise ValueError(f"{name!r} inputs have {shape[-1]} features; it must be {needed}")
            # torch's cells would take (T, 6) for one trial, and every other module for T trials
            if len(shape) != len(counts.split(", ")) + 1:
                rule = f"it must be ({counts}, {needed}), also of one trial, where B is 1"
                raise ValueError(f"{name!r} inputs have shape {shape}; {rule}")
        return read

    def _tensor(self, numbers: Any, what: str) -> Tensor:
        if isinstance(numbers, Tensor):
            return numbers
        if isinstance(numbers, np.ndarray) and numbers.dtype.kind in "biuf":
            weight = next(self.parameters())
            return torch.tensor(np.ascontiguousarray(numbers)).to(weight)
        kind = numbers.dtype if isinstance(numbers, np.ndarray) else type(numbers).__name__
        raise TypeError(f"{what} are of kind {kind}; they must be a tensor or an array of numbers")


def describe_agent(agent: Agent) -> Description:
    """Return the names and numbers that rebuild an agent."""
    critic = agent.critic.first
    return {
        "actor": {
            "belief": describe(agent.actor.belief),
            "action": describe(agent.actor.action),
        },
        "critic": {
            "belief": describe(critic.belief),
            "value": describe(critic.value),
            "action_enters": critic.action_enters,
        },
    }


def rebuild_agent(description: Description) -> Agent:
    """Build the agent that :func:`describe_agent` described, with fresh published weights.

    Raises:
        ValueError: As :func:`rebuild`, and if the parts do not fit together.
    """
    actor = {name: rebuild(part) for name, part in description["actor"].items()}
    critic = dict(description["critic"])
    critic |= {name: rebuild(critic[name]) for name in ("belief", "value")}
    built = draw_weights(Actor(**actor))  # type: ignore[arg-type]  # Actor checks its parts
    return Agent(built, TwinCritic(draw_weights(Critic(**critic))))


def build_agent(architecture: str) -> Agent:
    """Build a published agent with fresh weights, drawn from torch's global generator.

    Args:
        architecture: A name such as ``"Actor3Critic5"`` or ``"modular"``.

    Returns:
        The agent.

    Raises:
        ValueError: If the name is unknown; the message lists the known ones.

    Example:
        >>> build_agent("modular").architecture
        'Actor3Critic5'
    """
    return rebuild_agent(description_of(architecture))
