"""What the configuration of a run may say: a run from elsewhere must not choose what is run.

The file that lies in a run's folder is read only if it is such as modnav writes: known sections, numbers,
plain words, and classes of modnav, Lightning and torch or of modules that the user named. Other
texts could be paths of further configurations, or configurations themselves.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modnav.files import one_line, read_yaml

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


def check_run_config(path: Path, imported: Sequence[str]) -> None:
    """Refuse a run's configuration that names code which the user did not name."""
    config = read_yaml(path)
    if unknown := sorted(map(str, config.keys() - _SECTIONS - _OPTIONS)):
        raise ValueError(f"{path} has a part {one_line(unknown[0])}, which modnav does not write")
    if config.get("ckpt_path") is not None:
        raise ValueError(
            f"{path} has a ckpt_path, which modnav does not write: what a run goes on from "
            "is said on the command line"
        )
    allowed = (*TRUSTED, *(f"{module}." for module in imported))
    folder = path.absolute().parent.resolve()  # the file may be a link
    for key, text in _texts({name: config[name] for name in config.keys() & _SECTIONS}):
        if _ADDRESS.fullmatch(text) and key == "class_path":
            if not text.startswith(allowed):
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
            raise ValueError(
                f"{path}: {one_line(key)} is {one_line(text)}; the configuration of a run must hold "
                "numbers, plain words and class_path"
            )


def _is_word(text: str, folder: Path) -> bool:
    """Return whether a text can be no path of a configuration, and none by itself."""
    files = (Path(text), folder / text)
    return _WORD.fullmatch(text) is not None and not any(file.is_file() for file in files)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a value, with the key it stands under; keys are texts too."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield "a key", str(name)
            yield from _texts(part, str(name))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part, key)
    elif not isinstance(value, (int, float, type(None))):
        yield key, repr(value)  # a date or the like, which modnav does not write
