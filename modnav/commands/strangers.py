"""What the configuration of a run may say: a run from elsewhere must not choose what is run.

The file that lies in a run's folder is read only if it is such as modnav writes: known sections, numbers,
plain words, and classes of modnav, Lightning and torch or of modules that the user named. Other
texts could be paths of further configurations, or configurations themselves; but what a class that
the user named takes as text, by its annotation, is that and no more.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from modnav.files import one_line, read_yaml

from .own import import_own
from .run_options import OPTIONS

TRUSTED = ("modnav.", "pytorch_lightning.", "torch.optim.", "torch.nn.")
"""Where classes may come from without being named by the user."""

_SECTIONS = {"trainer", "model", "data", "phases", "checkpoint", "last", "seed_everything"}
_OPTIONS = {*(name.lstrip("-") for name in OPTIONS), "ckpt_path", "weights_only"}
"""Options at the top; where the run lies and what it goes on from is said on the command line."""

_ADDRESS = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_WORD = re.compile(r"[\w+:,\- ]*")
_METRIC = re.compile(r"\w+(/\w+)+")
_FOLDERS = {"dirpath", "save_dir", "root_dir", "log_dir"}
"""Keys, of Lightning's loggers and checkpoints, that name folders to write in."""

_TEXTS = (str, int, float, bool, NoneType)
_HOLDERS = (Union, UnionType, list, tuple, dict, Sequence, Mapping)
"""Annotations that hold others, for which no address is imported: those of classes and functions are."""


def check_run_config(path: Path, imported: Sequence[str]) -> None:
    """Refuse a run's configuration that names code which the user did not name.

    Raises:
        ValueError: If it does; the message says which, and how to allow it.
    """
    _check(read_yaml(path), path, imported)


def own_imports(config: Mapping[str, Any]) -> list[str]:
    """Return the modules, not modnav's, Lightning's or torch's, whose classes a configuration names."""
    paths = (text for key, text, _ in _texts(config) if key == "class_path")
    own = (x for x in paths if not x.startswith(TRUSTED) and _ADDRESS.fullmatch(x))
    return list(dict.fromkeys(map(_module_of, own)))


def _module_of(class_path: str) -> str:
    """Return the module of a class, which may stand within another; the classes are imported by now."""
    outer = name = class_path.rpartition(".")[0]
    while name and name not in sys.modules:
        name = name.rpartition(".")[0]
    return name or outer


def why_not_resumed(config: Mapping[str, Any], path: Path) -> str | None:
    """Return why no command would read a configuration once it is a run's, ``path``; None if they would.

    The modules that it names count as named by the user.
    """
    try:
        _check(config, path, own_imports(config))
    except ValueError as error:
        return str(error)
    return None


def _check(config: Mapping[str, Any], path: Path, imported: Sequence[str]) -> None:
    if unknown := sorted(map(str, config.keys() - _SECTIONS - _OPTIONS)):
        raise ValueError(f"{path} has a part {one_line(unknown[0])}, which modnav does not write")
    if config.get("ckpt_path") is not None:
        raise ValueError(
            f"{path} has a ckpt_path, which modnav does not write: what a run goes on from "
            "is said on the command line"
        )
    own = tuple(f"{module}." for module in imported)
    folder = path.absolute().parent.resolve()  # the file may be a link
    for key, text, owner in _texts({name: config[name] for name in config.keys() & _SECTIONS}):
        if _ADDRESS.fullmatch(text) and key == "class_path":
            if not text.startswith((*TRUSTED, *own)):
                raise ValueError(
                    f"{path} names {one_line(text)}, which is not of modnav; if you trust it, "
                    f"allow it with --import {one_line(text.rpartition('.')[0])}"
                )
        elif key in _FOLDERS:
            if not Path(text).resolve().is_relative_to(folder):
                raise ValueError(
                    f"{path}: {key} is {one_line(text)}; it must be in the run's own folder, not by a link"
                )
        elif not (_is_word(text, folder) or (key == "monitor" and _METRIC.fullmatch(text))):
            if owner[0].startswith(own) and _takes_text(*owner):
                continue
            raise ValueError(
                f"{path}: {one_line(key)} is {one_line(text)}; the configuration of a run must hold "
                "numbers, plain words, class_path, and what a class of your own annotates as str"
            )


def _takes_text(class_path: str, argument: str) -> bool:
    """Return whether a class that the user named takes plain texts, numbers or lists of them there."""
    module, _, name = class_path.rpartition(".")
    try:
        import_own(module)
        made_by = inspect.unwrap(getattr(sys.modules[module], name).__init__)

        def alone() -> None:
            """Stand for its maker with this annotation only: the others may not be there."""

        alone.__annotations__ = {argument: made_by.__annotations__[argument]}
        return _is_plain(get_type_hints(alone, made_by.__globals__)[argument])
    except (AttributeError, KeyError, NameError, SyntaxError, TypeError, ValueError):
        return False  # it has no such annotation, or names there what cannot be found


def _is_plain(hint: Any) -> bool:
    if get_origin(hint) in _HOLDERS:
        return all(part is ... or _is_plain(part) for part in get_args(hint))
    return hint in _TEXTS or get_origin(hint) is Literal


def _is_word(text: str, folder: Path) -> bool:
    """Return whether a text can be no path of a configuration, and none by itself."""
    files = (Path(text), folder / text)
    return _WORD.fullmatch(text) is not None and not any(file.is_file() for file in files)


def _texts(
    value: Any, key: str = "", owner: tuple[str, str] = ("", "")
) -> Iterator[tuple[str, str, tuple[str, str]]]:
    """Yield every text in a value, the key it stands under, and the class and argument it is for.

    Keys are texts too.
    """
    if isinstance(value, str):
        yield key, value, owner
    elif isinstance(value, Mapping):
        kind = value.get("class_path")
        for name, part in value.items():
            yield "a key", str(name), owner
            if name == "init_args" and isinstance(kind, str) and isinstance(part, Mapping):
                for argument, x in part.items():
                    yield "a key", str(argument), ("", "")
                    yield from _texts(x, str(argument), (kind, str(argument)))
            else:
                yield from _texts(part, str(name), owner)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part, key, owner)
    elif not isinstance(value, (int, float, type(None))):
        yield key, repr(value), owner  # a date or the like, which modnav does not write
