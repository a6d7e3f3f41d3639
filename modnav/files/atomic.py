"""Files that are written whole or not at all."""

import errno
import glob
import os
import platform
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch

_MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"
"""Tells the processes of this machine from others that write to a shared disk."""

_OF_WRITING = {
    getattr(errno, name, None)
    for name in ("ENOSPC", "EDQUOT", "EIO", "EFBIG", "EROFS", "EACCES", "EPERM", "ENOENT")
} - {None}
"""Numbers of errors that tell of a file that could not be written."""

__all__ = [
    "check_writable",
    "drop_leftovers",
    "replacing",
    "write_atomically",
    "write_text_atomically",
]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield an empty file to write, which takes the place of ``path`` when the context ends.

    It lies beside ``path``, whose folder is made if need be, and ends in the same suffix. Nobody can
    know its name beforehand, so no link is followed. It is on disk before it moves; after an error
    it is removed. What processes of this machine that were killed left of ``path`` is removed too.

    Raises:
        OSError: If it cannot be written; the message says so, and ``path`` is as before.
    """
    try:
        temporary = _beside(path)
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        own = error.errno in _OF_WRITING and error.filename in (None, str(temporary))
        if not own:
            raise  # of another file, or of what was to be written
        raise _not_written(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Make sure, before long work, that :func:`replacing` will be able to write a file.

    Raises:
        OSError: If not; the message says so.
    """
    try:
        _beside(path).unlink()
    except OSError as error:
        raise _not_written(path, error) from error


def _beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    _drop_of_dead(path)
    prefix = f".{path.name}.{_MACHINE}-{os.getpid()}."
    handle, name = tempfile.mkstemp(path.suffix, prefix, path.parent)
    os.close(handle)
    return Path(name)


def _not_written(path: Path, error: Exception) -> OSError:
    reasons = (getattr(x, "strerror", None) for x in (error, error.__context__))
    reason = next(filter(None, reasons), error)  # torch's own is of positions in its archive
    return OSError(f"{path} could not be written and is as it was: {reason}")


def _drop_of_dead(path: Path) -> None:
    """Delete what processes of this machine left of a file when they were killed."""
    prefix = f".{path.name}.{_MACHINE}-"
    for left in path.parent.glob(f"{glob.escape(prefix)}*{glob.escape(path.suffix)}"):
        number = left.name.removeprefix(prefix).partition(".")[0]
        if number.isascii() and number.isdigit() and not psutil.pid_exists(int(number[:9])):
            left.unlink(missing_ok=True)


def drop_leftovers(path: Path) -> None:
    """Delete what killed processes left half written beside a file, see :func:`replacing`.

    Raises:
        OSError: If it cannot be deleted.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{path.suffix}"):
        left.unlink(missing_ok=True)


def write_atomically(content: Any, path: Path) -> None:
    """Write with :func:`torch.save`, replacing ``path`` only when all is on disk.

    Raises:
        OSError: If it cannot be written; ``path`` is as before.
    """
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)
    except RuntimeError as error:  # torch reports a full disk as a failed write
        raise _not_written(path, error) from error


def write_text_atomically(text: str, path: Path) -> None:
    """Write a text, replacing ``path`` only when all is on disk.

    Raises:
        OSError: If it cannot be written; ``path`` is as before.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
