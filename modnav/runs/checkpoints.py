"""Agents from files and to files."""

import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from modnav.files import one_line, read_weights, refuse_endless
from modnav.networks import FORMAT, Agent, describe_agent, description_of, name_of, rebuild_agent
from modnav.published import GROUPS, misfit, published_agent

__all__ = ["load_agent", "read_checkpoint", "save_agent"]

_PREFIX = "agent."
"""How the names of an agent's weights begin in a checkpoint of modnav."""


def load_agent(path: str | os.PathLike[str], architecture: str | None = None) -> Agent:
    """Read a trained agent; code in the file is not run, and no random numbers are drawn.

    Args:
        path: A checkpoint of modnav, with weights only or with all (``last.ckpt``), or one of the
            study (``.pth.tar``).
        architecture: Name that the agent must have, such as ``"Actor3Critic5"`` or ``"modular"``;
            needless, as every such file tells.

    Returns:
        The agent, in evaluation mode, on the CPU.

    Raises:
        ValueError: If the architecture is unknown or another, or the file is damaged or no such
            checkpoint, or its weights do not fit; the message is one line.

    Example:
        >>> agent = load_agent("runs/quickstart/seed0/last.ckpt")  # doctest: +SKIP
        >>> agent.architecture  # doctest: +SKIP
        'Actor3Critic5'
    """
    expected = architecture and name_of(description_of(architecture))
    content = read_weights(path)
    if not isinstance(content, Mapping) or not {"modnav", *GROUPS} & content.keys():
        raise ValueError(f"{path} is neither a checkpoint of modnav nor one of the study")
    if "modnav" not in content:
        return published_agent(content, path, expected).eval()
    agent = _own_agent(content, path)
    if expected and agent.architecture != expected:
        raise ValueError(f"{path} holds {agent.architecture}, not {expected}")
    return agent.eval()


def _own_agent(content: Mapping[str, Any], path: str | os.PathLike[str]) -> Agent:
    try:
        about, state = content["modnav"], content["state_dict"]
        refuse_endless(about)
        if about["format"] != FORMAT:
            raise ValueError(f"it is of format {about['format']}; it must be {FORMAT}")
        weights = {k[len(_PREFIX) :]: v for k, v in state.items() if k.startswith(_PREFIX)}
        _check_layers(about["agent"], len(weights))
        _check_fit(weights, _weightless(about["agent"]))  # sizes may be beyond all memory
        with torch.random.fork_rng(devices=[]):
            agent = rebuild_agent(about["agent"])
        _check_fit(weights, agent)
        agent.load_state_dict(weights)
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}") from error
    except (LookupError, TypeError, AttributeError, RuntimeError, MemoryError) as error:
        raise ValueError(f"{path} does not describe an agent that can be built") from error
    return agent


def _weightless(description: dict[str, Any]) -> Agent | None:
    """Return the agent without memory for its weights; None if its modules cannot be made so."""
    try:
        with torch.device("meta"):
            return rebuild_agent(description)
    except (RuntimeError, TypeError):  # a module of one's own that computes while it is made
        return None


def _check_fit(weights: Mapping[str, Any], agent: Agent | None) -> None:
    if agent is not None:
        shapes = {name: value.shape for name, value in agent.state_dict().items()}
        if reason := misfit(weights, shapes):
            raise ValueError(f"it does not fit its own description: {reason}")


def _check_layers(description: Any, tensors: int) -> None:
    """Refuse more layers than there are weights for: making them would never end."""
    if isinstance(description, Mapping):
        layers = description.get("num_layers", 0)
        if not isinstance(layers, int) or layers > tensors:
            raise ValueError(f"num_layers is {layers}; there are weights for {tensors} at most")
        description = list(description.values())
    if isinstance(description, (list, tuple)):
        for part in description:
            _check_layers(part, tensors)


def save_agent(
    agent: Agent,
    path: str | os.PathLike[str],
    *,
    task: Mapping[str, Any] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write an agent as a checkpoint of modnav with weights only, for ``--ckpt_path``.

    Args:
        agent: The agent.
        path: The file; a former one is replaced once the new one is whole.
        task: What the agent was trained on, as names and numbers: fields of
            :class:`~modnav.task.TaskParameters`.
        origin: Where it comes from, as names and numbers.

    Raises:
        ValueError: If a module of the agent does not keep one of its arguments.
        OSError: If the file cannot be written; it is then as before.
    """
    from modnav.files import write_atomically

    about = {
        "format": FORMAT,
        "architecture": agent.architecture,
        "agent": describe_agent(agent),
        "updates": 0,
    }
    about |= {"task": dict(task)} if task else {}
    about |= {"origin": dict(origin)} if origin else {}
    state = {f"{_PREFIX}{name}": value.cpu() for name, value in agent.state_dict().items()}
    checkpoint = {
        "epoch": 0,
        "global_step": 0,
        "pytorch-lightning_version": version("pytorch-lightning"),
        "state_dict": state,
        "modnav": about,
    }
    write_atomically(checkpoint, Path(path))


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint of modnav onto the CPU; code in it is not run.

    Raises:
        ValueError: If there is no such file, or it is not a checkpoint of modnav.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path} is not a file; a checkpoint is expected")
    checkpoint = read_weights(path)
    if not isinstance(checkpoint, dict) or "modnav" not in checkpoint:
        raise ValueError(f"{path} is not a checkpoint of modnav")
    return checkpoint
