"""Files of weights from elsewhere: what they hold is read, nothing in them is run.

They go through torch's own reader of weights. A file that wants more is refused, by the name of what
it asks for. Files of torch 1.6 and later have checksums, which are compared; older ones have none.
"""

import hashlib
import io
import os
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from .names import one_line
from .stand_ins import StandInUnpickler

__all__ = ["read_weights", "refuse_endless"]

_ARCHIVE = b"PK"
"""How files of torch 1.6 and later begin."""

_PARTS = 100_000
"""Parts of a value beyond which it is taken for endless."""


def read_weights(path: str | os.PathLike[str]) -> tuple[Any, str]:
    """Read a file of tensors and plain values, written by any version of :func:`torch.save`.

    Returns:
        What the file holds, on the CPU, and a digest of its bytes.

    Raises:
        ValueError: If there is no such file, or it is damaged, or it is of another kind, or it
            asks for anything else; the message is one line.
    """
    content = _content(path)
    try:
        return _torch(content), hashlib.blake2b(content, digest_size=16).hexdigest()
    except Exception as error:  # torch and zipfile raise many kinds for a damaged or foreign file
        raise ValueError(f"{path} {_reason(error, content)}") from error


def refuse_endless(value: Any) -> None:
    """Refuse a value that mentions its parts so often that it could not even be printed.

    Raises:
        ValueError: If it has more than 100,000 parts, or holds itself.
    """
    todo, count = [value], 0
    while todo:
        item = todo.pop()
        count += 1
        if count > _PARTS:
            raise ValueError(f"it has more than {_PARTS:,} parts, or holds itself")
        if isinstance(item, Mapping):
            todo += item.values()
        elif isinstance(item, (list, tuple, set, frozenset)):
            todo += item


def _content(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a regular file; a pipe or a device would never end."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            what = "; give a file in this folder" if Path(path).is_dir() else ""
            raise ValueError(f"{path} is not a regular file{what}")
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error


def _torch(content: bytes) -> Any:
    if content.startswith(_ARCHIVE):
        content = _sound(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other protocols and of TorchScript, which then fail
        # mmap is off, whatever its default: torch must read the very bytes that were checked
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True, mmap=False)


def _sound(content: bytes) -> bytes:
    """Return an archive made anew of the records, each compared with its checksum.

    Torch compares none, and believes an archive that calls a record a folder: the tensor then
    holds what was in memory.

    Raises:
        Exception: Of any kind, if the archive is damaged or is none of torch's.
    """
    anew = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(anew, "w") as sound:
        records = archive.infolist()
        names = {record.filename for record in records}
        stored = all(record.compress_type == zipfile.ZIP_STORED for record in records)
        size = sum(record.file_size for record in records)
        if len(names) < len(records) or not stored or size > len(content):
            raise ValueError("its records are compressed or overlap, which those of torch do not")
        for record in records:
            sound.writestr(record.filename, archive.read(record))
    return anew.getvalue()


def _reason(error: Exception, content: bytes) -> str:
    text = str(error)
    if not content.strip(b"\0"):  # as a machine that lost its power leaves files
        text = "it holds nothing but zeros" if content else "it is empty"
    asked = re.search(r"GLOBAL (\S+) (?:was not an allowed|whose module)", text)
    name = asked[1] if asked else _asked_for(content)
    if name:
        return f"is refused: it asks for {one_line(name)}, which files of this kind do not need"
    text = text.split("WeightsUnpickler error:")[-1] or type(error).__name__
    return f"is damaged or of another kind: {one_line(text)}"


def _asked_for(content: bytes) -> str | None:
    """Return what a pickle that torch cannot even read asks for and may not have."""
    admitted = {("collections", "OrderedDict"): OrderedDict}
    unpickler = StandInUnpickler(io.BytesIO(content), len(content), admitted)
    with suppress(Exception):  # whatever else is wrong with it
        unpickler.load()
    return unpickler.refused
