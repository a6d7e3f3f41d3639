"""Checkpoints: the one reader of them, agents from files and to files."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from modnav.files import is_plain_name, one_line, read_weights, refuse_endless, write_atomically
from modnav.networks import (
    FORMAT,
    Agent,
    check_saved,
    describe_agent,
    misfit,
    own_classes,
    plain_tensors,
    rebuild_agent,
)
from modnav.published import GROUPS, published_agent

__all__ = ["Checkpoint", "read", "save_agent"]

_PREFIX = "agent."
"""How the names of an agent's weights begin in a checkpoint of modnav."""

_STATE: dict[str, type] = {
    "callbacks": Mapping,
    "experience": Mapping,
    "loops": Mapping,
    "lr_schedulers": list,
    "optimizer_states": list,
    "processes": int,
    "random": Mapping,
    "state_dict": Mapping,
}
"""What a checkpoint holds if a run can go on from it, and of which kind."""

_LARGEST = 10**15
"""Above any number of steps that a run can make."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read, one of modnav or of the study.

    Attributes:
        path: The file.
        content: All that it holds, tensors on the CPU.
        digest: What tells its bytes from those of other files.
    """

    path: Path
    content: Mapping[str, Any] = field(repr=False)
    digest: str

    @property
    def about(self) -> Mapping[str, Any]:
        """What it says about its agent: ``architecture``, the description ``agent``, ...

        Raises:
            ValueError: If it is not one of modnav's, or cannot be printed.
        """
        about = self.content.get("modnav")
        if not isinstance(about, Mapping) or not {"architecture", "agent"} <= set(about):
            raise ValueError(f"{self.path} is not a checkpoint of modnav")
        self._refuse_endless(about)
        if not is_plain_name(about["architecture"]):
            told = one_line(about["architecture"])
            raise ValueError(f"{self.path}: the architecture is {told}; it must be a plain name")
        return about

    def agent(self, architecture: str | None = None) -> Agent:
        """Build the agent, in evaluation mode, in float32 on the CPU; no random numbers are drawn.

        Args:
            architecture: Name of what a file of the study must hold.

        Raises:
            ValueError: If the file is damaged, or its weights do not fit its description or are
                not finite.
        """
        with plain_tensors():
            if "modnav" not in self.content:
                agent = published_agent(self.content, self.path, architecture)
            else:
                agent = _own_agent(self.content, self.path)
        for key, weight in agent.named_parameters():
            if not weight.isfinite().all():
                raise ValueError(f"{self.path}: {key} holds numbers that are not finite")
        return agent.eval()

    def check_whole(self) -> None:
        """Check that a run can go on from it.

        Raises:
            ValueError: If it cannot.
        """
        if "experience" not in self.content:
            raise ValueError(
                f"{self.path} holds weights only; a run is resumed from its last.ckpt"
            )
        for key, kind in _STATE.items():
            part = self.content.get(key)
            if not isinstance(part, kind) or (kind is Mapping and not part):
                raise ValueError(
                    f"{self.path} lacks part of a run's state ({key}); it is damaged, or of "
                    "another version of modnav"
                )
        if not all(map(self._is_optimizer, optimizers := self.content["optimizer_states"])) or (
            len(optimizers) != 2
        ):
            raise ValueError(
                f"{self.path} is damaged: it holds no whole states of actor and critic optimizers"
            )
        for key in ("state_dict", "optimizer_states"):
            self._refuse_endless(self.content[key])
            if any(x.is_floating_point() and x.isnan().any() for x in _tensors(self.content[key])):
                raise ValueError(
                    f"{self.path} is damaged: {key} holds numbers that are none (NaN)"
                )
        for key, least, value in self._counters():
            if not isinstance(value, int) or not least <= value < _LARGEST:
                plain = isinstance(value, (int, float, str, type(None)))
                told = one_line(repr(value) if plain else type(value).__name__)
                raise ValueError(
                    f"{self.path} is damaged: {one_line(key)} is {told}; it must be a whole "
                    f"number, {least} or more and below {_LARGEST:,}"
                )

    def _is_optimizer(self, state: Any) -> bool:
        """Return whether a state of an optimizer has all that its kind has after two updates."""
        groups = state.get("param_groups") if isinstance(state, Mapping) else None
        if not isinstance(groups, list) or not groups or not isinstance(groups[0], Mapping):
            return False
        learned = self.about.get("updates") not in (0, 1)  # the actor learns at every second
        held = state.get("state")
        return isinstance(held, Mapping) and bool(held or not learned or "betas" not in groups[0])

    def _refuse_endless(self, part: Any) -> None:
        try:
            refuse_endless(part)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error

    def _counters(self) -> Iterator[tuple[str, int, Any]]:
        """Yield what is counted beside experience, with least values: Lightning's loops count."""
        yield "updates", 0, self.about.get("updates")
        for key, least in {"epoch": 0, "global_step": 0, "processes": 1}.items():
            yield key, least, self.content.get(key)
        self._refuse_endless(self.content["loops"])
        todo = list(self.content["loops"].items())
        while todo:
            key, value = todo.pop()
            if isinstance(value, Mapping):
                todo += value.items()
            else:
                yield f"loops: {key}", 0, value


def read(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint of modnav or of the study; code in it is not run.

    Raises:
        ValueError: If there is no such file, or it is damaged or of another kind; the message is
            one line.
    """
    content, digest = read_weights(path)
    if not isinstance(content, Mapping) or not {"modnav", *GROUPS} & content.keys():
        raise ValueError(f"{path} is neither a checkpoint of modnav nor one of the study")
    return Checkpoint(Path(path), content, digest)


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
        ValueError: If no file would bring the agent back, e.g. since a module does not keep one of
            its arguments, or the agent was compiled or is not in float32.
        OSError: If the file cannot be written; it is then as before.
    """
    check_saved(agent)
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


def _own_agent(content: Mapping[str, Any], path: str | os.PathLike[str]) -> Agent:
    try:
        about, state = content["modnav"], content["state_dict"]
        refuse_endless(about)
        if about["format"] != FORMAT:
            raise ValueError(f"it is of format {about['format']}; it must be {FORMAT}")
        weights = {k[len(_PREFIX) :]: v for k, v in state.items() if k.startswith(_PREFIX)}
        _check_layers(about["agent"], len(weights))
        _check_size(weights, about["agent"])
        with torch.random.fork_rng(devices=[]):
            agent = rebuild_agent(about["agent"])
        _check_fit(weights, agent)
        agent.load_state_dict(weights)
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}") from error
    except (LookupError, TypeError, AttributeError, RuntimeError, MemoryError) as error:
        raise ValueError(f"{path} does not describe an agent that can be built") from error
    return agent


def _tensors(part: Any) -> Iterator[Tensor]:
    """Yield every tensor in a part of a state."""
    if isinstance(part, Tensor):
        yield part
    elif isinstance(part, (Mapping, list, tuple)):
        for value in part.values() if isinstance(part, Mapping) else part:
            yield from _tensors(value)


def _check_size(weights: Mapping[str, Any], description: dict[str, Any]) -> None:
    """Refuse an agent that is not that of the weights before it takes memory: it may be of any size.

    A user's own module may have other tensors when it is made without memory, as torch's
    ``orthogonal`` has, or cannot be made so; one no larger than the file is compared when it is made.
    """
    own = any(own_classes(description))
    try:
        with torch.device("meta"):
            sketch = rebuild_agent(description)
    except (RuntimeError, TypeError, ValueError) as error:
        computes = not isinstance(error, ValueError) or isinstance(error.__cause__, TypeError)
        if computes and own:
            return
        raise
    needed = sum(x.numel() * x.element_size() for x in _tensors(sketch.state_dict()))
    stores = {x.untyped_storage().data_ptr(): x.untyped_storage() for x in _tensors(weights)}
    if not own or needed > sum(
        store.nbytes() for store in stores.values()
    ):  # as many may share one
        _check_fit(weights, sketch)


def _check_fit(weights: Mapping[str, Any], agent: Agent) -> None:
    needed = {k: x for k, x in agent.state_dict().items() if isinstance(x, Tensor)}
    shapes = {name: x.shape for name, x in needed.items()}
    if reason := misfit(weights, shapes, {name: x.dtype for name, x in needed.items()}):
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
