"""Pickles from elsewhere: what they hold is read, nothing in them is run.

Files written by :func:`torch.save` go through torch's own reader of weights, other pickles through
one that knows :mod:`modnav.files.stand_ins` only. A file that wants more is refused, by the name of what
it asks for. Files of torch 1.6 and later have checksums, which are compared; older ones have none.
"""

import hashlib
import io
import os
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, ClassVar

import torch
from typing_extensions import override

from .stand_ins import ADMITTED, plain

__all__ = [
    "StandInUnpickler",
    "one_line",
    "read_hyperparameters",
    "read_weights",
    "refuse_endless",
]

_ARCHIVE = b"PK"
"""How files of torch 1.6 and later begin."""

_PARTS = 100_000
"""Parts of a value beyond which it is taken for endless."""

_LEGACY = pickle.dumps(torch.serialization.MAGIC_NUMBER, protocol=2)
"""How files of torch before 1.6 begin."""


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


def read_hyperparameters(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file of hyperparameters, written by :func:`torch.save` or :func:`pickle.dump`.

    Returns:
        Hyperparameters by name, as numbers, strings, lists, dicts and paths.

    Raises:
        ValueError: As :func:`read_weights`.
    """
    content = _content(path)
    try:
        if content.startswith((_ARCHIVE, _LEGACY)):
            with torch.serialization.safe_globals([(x, x.named) for x in ADMITTED.values()]):
                found = plain(_torch(content))
        else:
            found = plain(_unpickler(content).load())
    except Exception as error:  # as above, and stand-ins may make no sense
        raise ValueError(f"{path} {_reason(error, content)}") from error
    if isinstance(found, dict):
        return found
    raise ValueError(f"{path} holds no hyperparameters, but a {type(found).__name__}")


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
            raise ValueError(f"{path} is not a regular file")
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
    asked = re.search(r"GLOBAL (\S+) (?:was not an allowed|whose module)", text)
    name = asked[1] if asked else _asked_for(content)
    if name:
        return f"is refused: it asks for {one_line(name)}, which files of this kind do not need"
    text = text.split("WeightsUnpickler error:")[-1] or type(error).__name__
    return f"is damaged or of another kind: {one_line(text)}"


def one_line(text: object) -> str:
    """Return the first line of a text that a file may have made up, fit for a terminal."""
    lines = str(text).strip().splitlines() or [""]
    return "".join(c if c.isprintable() else "?" for c in lines[0])[:200]


def _asked_for(content: bytes) -> str | None:
    """Return what a pickle that torch cannot even read asks for and may not have."""
    unpickler = _unpickler(content)
    with suppress(Exception):  # whatever else is wrong with it
        unpickler.load()
    return unpickler.refused


def _unpickler(content: bytes) -> "StandInUnpickler":
    names: dict[tuple[str, str], type] = {("collections", "OrderedDict"): OrderedDict, **ADMITTED}
    return StandInUnpickler(io.BytesIO(content), len(content), names)


class StandInUnpickler(pickle._Unpickler):
    """Unpickler that knows nothing but stand-ins.

    It is the one in Python: that in C believes a file that asks for a memo, or for bytes, of any
    size, and fills the memory.

    Args:
        file: The pickle.
        size: Its number of bytes.
        admitted: What the pickle may name.

    Attributes:
        refused: What it named and may not have; None if there was nothing.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def __init__(
        self, file: IO[bytes], size: int, admitted: Mapping[tuple[str, str], type]
    ) -> None:
        super().__init__(_Bounded(file, size))
        self.admitted = admitted
        self.refused: str | None = None

    @override
    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in self.admitted:
            self.refused = f"{module}.{name}"
            raise pickle.UnpicklingError(f"{self.refused} is not admitted")
        return self.admitted[module, name]

    def _bytearray(self) -> None:
        size = int.from_bytes(self.read(8), "little")  # type: ignore[attr-defined]  # of load
        self.append(bytearray(self.read(size)))  # type: ignore[attr-defined]  # likewise

    dispatch[pickle.BYTEARRAY8[0]] = _bytearray


class _Bounded:
    """File that is never asked for more bytes than it has, for which room would be made first."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size = file, size

    def read(self, count: int, /) -> bytes:
        if count > self.size:
            raise EOFError(f"{count} bytes are asked for, of {self.size}")
        return self.file.read(count)

    def readline(self) -> bytes:
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise EOFError("it ends within a line")
        return line
