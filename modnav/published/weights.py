"""Checkpoints of the study: names of its parameters, files with ``actor_dict``, ``critic_dict``.

References:
    Zhang, Pitkow & Angelaki (2024), authors' data, ``agents/`` and ``agents_all/``.
"""

import functools
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from modnav.files import write_atomically
from modnav.networks import (
    ARCHITECTURES,
    Actor,
    Agent,
    Critic,
    build_agent,
    describe_agent,
    description_of,
    misfit,
    name_of,
)

__all__ = [
    "GROUPS",
    "RECURRENT_PARAMETERS",
    "Place",
    "architecture_of",
    "places",
    "published_agent",
    "write_published",
]

GROUPS = ("actor_dict", "critic_dict")
"""Keys of a published checkpoint; others (target networks, optimizers, ...) are not needed."""

RECURRENT_PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Place(NamedTuple):
    """Where modnav keeps a published parameter.

    Attributes:
        key: Name of the parameter in the agent's ``state_dict``.
        shape: Its shape.
    """

    key: str
    shape: torch.Size


@functools.cache
def places(architecture: str) -> dict[str, Place]:
    """Return where modnav keeps each published parameter, e.g. ``"actor_dict.l1.weight"``.

    Args:
        architecture: A name in :data:`~modnav.networks.ARCHITECTURES`.

    Returns:
        A place for each parameter, in the published order.
    """
    agent = _blank(architecture)
    names = [f"actor_dict.{name}" for name in _actor_names(agent.actor)]
    for twin in range(2):
        names += [f"critic_dict.{name}" for name in _critic_names(agent.critic.first, twin)]
    parameters = agent.named_parameters()  # in the same order: the actor, one critic, its twin
    return {
        name: Place(key, parameter.shape)
        for name, (key, parameter) in zip(names, parameters, strict=True)
    }


def _blank(architecture: str) -> Agent:
    with torch.random.fork_rng(devices=[]):  # reading a file takes no random numbers from others
        return build_agent(architecture)


def _actor_names(actor: Actor) -> Iterator[str]:
    """Name the parameters in order: layers of one LSTM, ``rnn``; ``l1``, ``l2``, ..."""
    for layer in range(_count(actor, nn.LSTM)):
        yield from (f"rnn.{kind}_l{layer}" for kind in RECURRENT_PARAMETERS)
    for k in range(_count(actor, nn.Linear)):
        yield from (f"l{k + 1}.weight", f"l{k + 1}.bias")


def _critic_names(critic: Critic, twin: int) -> Iterator[str]:
    """Name the parameters in order; the second twin goes on counting where the first ended.

    Critics whose action enters at the value have an LSTM for each module, the others one LSTM
    with a layer for each.
    """
    cells, linears = _count(critic, nn.LSTM), _count(critic, nn.Linear)
    for k in range(cells):
        apart = critic.action_enters == "value"
        cell, layer = (twin * cells + k + 1, 0) if apart else (twin + 1, k)
        yield from (f"rnn{cell}.{kind}_l{layer}" for kind in RECURRENT_PARAMETERS)
    for k in range(linears):
        number = twin * linears + k + 1
        yield from (f"l{number}.weight", f"l{number}.bias")


def _count(network: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in network.modules())


def architecture_of(weights: Mapping[str, Any]) -> str | None:
    """Return the architecture that weights with published names belong to, None if to none."""
    fits = (name for name in ARCHITECTURES if misfit(weights, _shapes(name)) is None)
    return next(fits, None)


def published_agent(
    content: Any, path: str | os.PathLike[str], architecture: str | None = None
) -> Agent:
    """Build the agent of a published checkpoint that was read.

    Args:
        content: What the file holds.
        path: The file, for messages.
        architecture: What it must hold, any name of an architecture; by default what it is found
            to be.

    Raises:
        ValueError: If the name is unknown, it is not such a checkpoint, or its weights do not fit;
            the message is one line.
    """
    architecture = architecture and name_of(description_of(architecture))
    weights = _weights(content, path)
    found = architecture_of(weights)
    if architecture and found != architecture:
        reason, known = misfit(weights, _shapes(architecture)), found or "none of the study"
        raise ValueError(f"{path} does not hold {architecture}, but {known}: {reason}")
    if not found:
        nearest = max(ARCHITECTURES, key=lambda name: _fitting(weights, name))
        reason = misfit(weights, _shapes(nearest))
        raise ValueError(f"{path} holds no agent of the study; for {nearest}, {reason}")
    agent = _blank(found)
    agent.load_state_dict({place.key: weights[k] for k, place in places(found).items()})
    return agent


def _weights(content: Any, path: str | os.PathLike[str]) -> dict[str, Any]:
    groups = content if isinstance(content, Mapping) else {}
    lacking = [group for group in GROUPS if not isinstance(groups.get(group), Mapping)]
    if lacking:
        raise ValueError(f"{path} is not a checkpoint of the study: no weights in {lacking[0]}")
    return {f"{group}.{name}": value for group in GROUPS for name, value in groups[group].items()}


def _shapes(architecture: str) -> dict[str, torch.Size]:
    return {name: place.shape for name, place in places(architecture).items()}


def _fitting(weights: Mapping[str, Any], architecture: str) -> int:
    shapes = _shapes(architecture).items()
    return sum(getattr(weights.get(name), "shape", None) == shape for name, shape in shapes)


def write_published(agent: Agent, path: Path) -> None:
    """Write a checkpoint as the study did, with the very same weights.

    Raises:
        ValueError: If the agent is of no published architecture.
        OSError: If the file cannot be written; it is then as before.
    """
    architecture = name_of(describe_agent(agent))
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"the agent is of architecture {architecture}; only those of the study can be "
            f"exported: {', '.join(ARCHITECTURES)}"
        )
    state = agent.state_dict()
    content: dict[str, OrderedDict[str, Tensor]] = {group: OrderedDict() for group in GROUPS}
    for name, place in places(architecture).items():
        group, _, parameter = name.partition(".")
        content[group][parameter] = state[place.key].detach().cpu().clone()
    write_atomically(content, path)
