"""What the configuration of a run may name: a run from elsewhere must not choose what is run."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from modnav.files import one_line, read_yaml

TRUSTED = ("modnav.", "pytorch_lightning.", "torch.optim.", "torch.nn.")
"""Where classes may come from without being named by the user."""

_ADDRESS = re.compile(r"\s*[^\W\d]\w*(\.[^\W\d]\w*)+\s*")
"""How a class or function is named, whatever key it stands under."""

_PLAIN = ("name", "runs", "folder", "ckpt_path")
"""Keys at the top whose text names no class."""


def check_run_config(path: Path, imported: Sequence[str]) -> None:
    """Refuse a run's configuration that names code which the user did not name.

    Args:
        path: The file.
        imported: Modules that the user named by ``--import``.

    Raises:
        ValueError: If it does, or writes outside of its run, or cannot be read; the message is one
            line, and says how to allow it.
    """
    config = read_yaml(path)
    allowed = (*TRUSTED, *(f"{module}." for module in imported))
    sections = {k: v for k, v in config.items() if k not in _PLAIN}
    for text in _texts(sections):
        name = text.strip()
        if _ADDRESS.fullmatch(text) and not name.startswith(allowed):
            module = name.rpartition(".")[0]
            raise ValueError(
                f"{path} names {one_line(name)}, which is not of modnav; "
                f"if you trust it, allow it with --import {one_line(module)}"
            )
    folder = _section(config, "checkpoint").get("dirpath")
    if folder is not None and not Path(str(folder)).resolve().is_relative_to(
        path.resolve().parent
    ):
        raise ValueError(
            f"{path}: checkpoint.dirpath is {one_line(str(folder))}; "
            "it must be in the run's own folder"
        )


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, Mapping) else {}


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)
