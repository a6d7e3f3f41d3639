"""Plain descriptions, names and numbers, that rebuild modules from checkpoints."""

import importlib
import inspect
import sys
from collections.abc import Mapping
from typing import Any

from torch import nn

from .sequence import AbstractSequence

__all__ = ["FORMAT", "Description", "describe", "own_modules", "rebuild"]

FORMAT = 1
"""Version of what a checkpoint says about its agent, under the key ``modnav``."""

Description = dict[str, Any]
"""Names and numbers that rebuild a module: ``class_path`` and ``init_args``."""


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
    return {"class_path": _address(kind), "init_args": arguments}


def own_modules(description: Any) -> set[str]:
    """Return the modules that a description names classes of, but for those of modnav."""
    found, todo = set(), [description]
    while todo:
        part = todo.pop()
        if isinstance(part, Mapping):
            found.add(str(part.get("class_path", "")).rpartition(".")[0])
            todo += part.values()
        elif isinstance(part, (list, tuple)):
            todo += part
    return {name for name in found if name.split(".")[0] not in ("", "modnav")}


def _address(kind: type) -> str:
    """Return where a class is found: of modnav's own its folder, which hands it on."""
    module = kind.__module__
    if module.split(".")[0] == "modnav":
        module = module.rpartition(".")[0]
    return f"{module}.{kind.__qualname__}"


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


def _rebuilt(value: Any) -> Any:
    if isinstance(value, Mapping) and "class_path" in value:
        return rebuild(dict(value))
    if isinstance(value, list):
        return [_rebuilt(item) for item in value]
    return value
