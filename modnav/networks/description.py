"""Plain descriptions, names and numbers, that rebuild modules from checkpoints."""

import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modnav.files import one_line

from .sequence import AbstractSequence, name_of_class

__all__ = ["FORMAT", "Description", "describe", "misfit", "own_classes", "own_modules", "rebuild"]

FORMAT = 1
"""Version of what a checkpoint says about its agent, under the key ``modnav``."""

Description = dict[str, Any]
"""Names and numbers that rebuild a module: ``class_path`` and ``init_args``."""


def describe(module: nn.Module) -> Description:
    """Return the names and numbers that rebuild a module (not its weights).

    Each constructor argument is read from the attribute of the same name.

    Raises:
        ValueError: If it is no sequence module, its class cannot be found again by its name, or it
            does not keep one of its arguments.
    """
    name, kind = name_of_class(module), type(module)
    if reason := _why_not_found(kind):
        raise ValueError(f"{name} {reason}, so checkpoints cannot rebuild it")
    arguments = {}
    taken = {} if kind.__init__ is nn.Module.__init__ else inspect.signature(kind).parameters
    for key, parameter in taken.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ValueError(
                f"{name} takes {parameter}, which checkpoints cannot keep; name each argument of "
                "__init__"
            )
        if not hasattr(module, key):
            raise ValueError(
                f"{name} does not keep its argument {key!r}; set self.{key} in "
                "__init__, so that checkpoints can rebuild the module"
            )
        arguments[key] = _plain(getattr(module, key), f"{name}.{key}")
    return {"class_path": name, "init_args": arguments}


def _why_not_found(kind: type) -> str | None:
    """Return why :func:`rebuild` could not build modules of a class; None if it can."""
    if not issubclass(kind, AbstractSequence):
        return "is no subclass of modnav.networks.AbstractSequence"
    module = sys.modules.get(kind.__module__)
    if getattr(module, kind.__qualname__, None) is not kind:
        return "is not found by its name at the top of a module"
    return None


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, nn.ModuleList):
        return [describe(part) for part in value]
    if isinstance(value, nn.Module):
        return describe(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item, where) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, int, float, str):  # not kinds of them, as enums are
        return value
    raise ValueError(
        f"{where} is a {type(value).__name__}; checkpoints hold names, numbers and modules only"
    )


def own_classes(description: Any) -> Iterator[str]:
    """Yield the names of the classes in a description that are not modnav's, in their order."""
    if isinstance(description, Mapping):
        path = description.get("class_path")
        if isinstance(path, str) and path.split(".")[0] != "modnav":
            yield path
        description = list(description.values())
    if isinstance(description, list):
        for part in description:
            yield from own_classes(part)


def own_modules(description: Any) -> set[str]:
    """Return the modules that a description names classes of, but for those of modnav."""
    return {path.rpartition(".")[0] for path in own_classes(description) if "." in path}


def rebuild(description: Description) -> nn.Module:
    """Build the module that a description names, with fresh weights.

    Only subclasses of :class:`~modnav.networks.AbstractSequence` are built, and only modules of
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


def misfit(
    found: Mapping[str, Any],
    shapes: Mapping[str, torch.Size],
    dtypes: Mapping[str, torch.dtype] | None = None,
) -> str | None:
    """Return what is wrong with the first weight that is, None if all fit.

    Args:
        found: Weights by name.
        shapes: Shape that each must have, by name.
        dtypes: Kind of numbers that it must hold, by name; float32 by default.
    """
    for name, shape in shapes.items():
        if name not in found:
            return f"{name} is missing; its shape must be {list(shape)}"
        value = found[name]
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        needed = (dtypes or {}).get(name, torch.float32)
        if kind != needed or value.layout != torch.strided or value.is_meta:
            plain = f"a plain tensor of {str(needed).removeprefix('torch.')}"
            return f"{name} is of kind {kind}; it must be {plain}"
        if value.shape != shape:
            return f"{name} has shape {list(value.shape)}; it must be {list(shape)}"
    surplus = next((name for name in found if name not in shapes), None)
    return f"{one_line(surplus)} is none of its parameters" if surplus is not None else None


def _rebuilt(value: Any) -> Any:
    if isinstance(value, Mapping) and "class_path" in value:
        return rebuild(dict(value))
    if isinstance(value, list):
        return [_rebuilt(item) for item in value]
    return value
