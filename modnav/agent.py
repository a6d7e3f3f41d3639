"""The agent: an actor and two critics, and the plain description that rebuilds them."""

import importlib
import inspect
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from modnav.networks import Actor, Critic, Inputs, TwinCritic
from modnav.sequence import AbstractSequence, Memory, init_weights
from modnav.streams import STREAMS

FORMAT = 1
"""Version of what a checkpoint says about its agent, under the key ``modnav``."""

Description = dict[str, Any]
"""Names and numbers that rebuild a module: ``class_path`` and ``init_args``."""


class Agent(nn.Module):
    """An actor with its twin critics.

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
        """Name of the architecture, e.g. ``"Actor3Critic5"``; ``"custom"`` for others."""
        from modnav.architectures import name_of

        return name_of(describe_agent(self))

    @torch.no_grad()
    def actions(self, inputs: Tensor | Inputs) -> Tensor:
        """Return actions in [-1, 1] for whole trials.

        Args:
            inputs: What the agent read, ``(T, B, 6)``, or ``(T, B, 13)`` for the EKF agent; or a
                mapping from stream names to such tensors.

        Returns:
            Actions, ``(T, B, 2)``.

        Raises:
            ValueError: If a stream is missing or of the wrong size.
        """
        return self.actor(self._read(inputs, self.actor.sources))[0]

    @torch.no_grad()
    def values(self, inputs: Tensor | Inputs, actions: Tensor) -> Tensor:
        """Return both action values for whole trials.

        Args:
            inputs: As in :meth:`actions`.
            actions: Actions taken, ``(T, B, 2)``.

        Returns:
            Values, ``(2, T, B, 1)``.

        Raises:
            ValueError: If a stream is missing or of the wrong size.
        """
        return self.critic(self._read(inputs, self.critic.first.sources), actions)

    @torch.no_grad()
    def act(self, inputs: Tensor | Inputs, memory: Memory = None) -> tuple[Tensor, Memory]:
        """Take one step.

        Args:
            inputs: What the agent reads now, ``(B, 6)`` (``(B, 13)`` for the EKF agent), or a
                mapping from stream names to such tensors.
            memory: What the last step returned; ``None`` starts a trial.

        Returns:
            Actions in [-1, 1], ``(B, 2)``, and the new memory.

        Raises:
            ValueError: If a stream is missing or of the wrong size.
        """
        read = self._read(inputs, self.actor.sources)
        action, memory = self.actor({name: x[None] for name, x in read.items()}, memory)
        return action[0], memory

    def _read(self, inputs: Tensor | Inputs, sources: set[str]) -> Inputs:
        if isinstance(inputs, Tensor):
            inputs = {name: inputs for name in sources}
        for name in sorted(sources):
            if name not in inputs:
                raise ValueError(
                    f"the agent reads {name!r}; the inputs hold {', '.join(inputs) or 'nothing'}"
                )
            found, needed = inputs[name].shape[-1], STREAMS[name].features
            if found != needed:
                raise ValueError(f"{name!r} inputs have {found} features; it must be {needed}")
        return inputs


def describe(module: nn.Module) -> Description:
    """Return the names and numbers that rebuild a module (not its weights).

    Each constructor argument is read from the attribute of the same name.

    Raises:
        ValueError: If a module does not keep one of its arguments.
    """
    kind = type(module)
    arguments = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if not hasattr(module, name):
            raise ValueError(
                f"{kind.__qualname__} does not keep its argument {name!r}; set self.{name} in "
                "__init__, so that checkpoints can rebuild the module"
            )
        arguments[name] = _plain(getattr(module, name), f"{kind.__qualname__}.{name}")
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": arguments}


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, nn.ModuleList):
        return [describe(part) for part in value]
    if isinstance(value, nn.Module):
        return describe(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item, where) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(
        f"{where} is a {type(value).__name__}; checkpoints hold names, numbers and modules only"
    )


def rebuild(description: Description) -> nn.Module:
    """Build the module that a description names, with fresh weights.

    Only subclasses of :class:`~modnav.sequence.AbstractSequence` are built, and only modules of
    modnav are imported for it: a checkpoint cannot make Python run something else.

    Raises:
        ValueError: If the class is unknown, is not such a subclass, or refuses its arguments.
    """
    path = description["class_path"]
    module_name, _, name = path.rpartition(".")
    if module_name.split(".")[0] == "modnav":
        try:
            importlib.import_module(module_name)
        except ImportError as error:
            raise ValueError(f"the checkpoint names {path}, which does not exist") from error
    elif module_name not in sys.modules:
        raise ValueError(
            f"the checkpoint names {path}; if you trust it, import {module_name} first "
            f"(on the command line: --import {module_name})"
        )
    kind = getattr(sys.modules[module_name], name, None)
    is_sequence = isinstance(kind, type) and issubclass(kind, AbstractSequence)
    if kind is None or not is_sequence:
        raise ValueError(f"the checkpoint names {path}, which is not a modnav sequence module")
    arguments = {k: _rebuilt(v) for k, v in description["init_args"].items()}
    try:
        return kind(**arguments)
    except TypeError as error:
        raise ValueError(f"the checkpoint names {path}, which cannot be made: {error}") from error


def _rebuilt(value: Any) -> Any:
    if isinstance(value, Mapping) and "class_path" in value:
        return rebuild(dict(value))
    if isinstance(value, list):
        return [_rebuilt(item) for item in value]
    return value


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
    built = Actor(**actor).apply(init_weights)  # type: ignore[arg-type]  # Actor checks its parts
    return Agent(built, TwinCritic(Critic(**critic).apply(init_weights)))
