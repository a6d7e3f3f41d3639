"""Parts of the task that a user may make anew: what a stop is worth, how the target moves."""

import abc
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

from torch import Tensor

from .state import Trials, World

__all__ = ["AbstractMotion", "AbstractReward", "describe_part", "given_by", "rebuild_part"]


@dataclass(frozen=True)
class AbstractReward(abc.ABC):
    """Reward of one's own: a frozen dataclass whose fields are its constants, plain numbers.

    Only a stop is rewarded: replay keeps one reward of each trial, that of its end.
    """

    @abc.abstractmethod
    def at_stop(self, distance: Tensor, world: World, trials: Trials) -> Tensor:
        """Return what a stop is worth, before ``reward_scale``, ``(B,)``.

        Args:
            distance: Distance to the target, unit, ``(B,)``.
            world: Where each trial stands: its state, and its step.
            trials: What is fixed during them: target, gain, noises.
        """


@dataclass(frozen=True)
class AbstractMotion(abc.ABC):
    """Motion of the target: a frozen dataclass whose fields are its constants, plain numbers."""

    @abc.abstractmethod
    def position(self, trials: Trials, time: Tensor) -> Tensor:
        """Return where targets are, unit, ``(B, 2)``; ``trials.target`` at time 0.

        Args:
            trials: What is fixed during the trials; ``trials.target`` is where it appeared.
            time: Time since the start of each trial, s, ``(B,)``.
        """


Part = TypeVar("Part", AbstractReward, AbstractMotion)


def describe_part(part: AbstractReward | AbstractMotion) -> dict[str, Any]:
    """Return the names and numbers that rebuild a part, as configurations have them."""
    kind = type(part)
    arguments = {field.name: getattr(part, field.name) for field in fields(part)}
    return {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": arguments}


def rebuild_part(description: Mapping[str, Any], kind: type[Part]) -> Part:
    """Make the part that a description names; nothing is imported for it.

    Raises:
        ValueError: If its class is not of that kind, or of a module that was not imported.
    """
    path = str(description.get("class_path"))
    module, _, name = path.rpartition(".")
    if module not in sys.modules:
        raise ValueError(
            f"the task names {path}; if you trust it, import {module} first (on the command line: "
            f"--import {module})"
        )
    found = getattr(sys.modules[module], name, None)
    is_part = isinstance(found, type) and issubclass(found, kind)
    if found is None or not is_part:
        raise ValueError(f"the task names {path}, which is no {kind.__name__}")
    # files have lists alone, and a part with a list would equal none with the tuple it was
    tuples = {field.name for field in fields(found) if _TUPLE.match(str(field.type))}
    given = description.get("init_args") or {}
    return found(**{key: _as_tuple(x) if key in tuples else x for key, x in given.items()})


_TUPLE = re.compile(r"(<class '|typing\.|Optional\[)*[Tt]uple\b")
"""How the type of a field is told that holds a tuple, as a class, generic or text."""


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def given_by(part: str, found: object, like: Tensor) -> Tensor:
    """Return what a part of a user's own gave as numbers like others, without a graph.

    Args:
        part: Key of the part.
        found: What it gave.
        like: A tensor of the shape that it must have; it is given the same precision and device.

    Raises:
        ValueError: If it is no tensor of that shape, or not finite.
    """
    if not isinstance(found, Tensor) or found.shape != like.shape:
        kind = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"{part} gave {kind}; it must be {list(like.shape)}")
    if found.is_complex() or not bool(found.isfinite().all()):
        raise ValueError(f"{part} gave numbers that are not finite, or complex")
    return found.detach().to(like)


def why_not_a_part(part: object) -> str | None:
    """Return what is wrong with the class of a part; None if nothing is."""
    own = "__dataclass_fields__" in vars(type(part)) and is_dataclass(part)
    if not own:
        return "an object of a frozen dataclass: put @dataclass(frozen=True) on it"
    if "." in type(part).__qualname__:
        return "of a class at the top of its module, so that checkpoints can name it"
    return None
