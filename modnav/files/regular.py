"""Files that can be read: no pipes, devices or folders, which wait for ever or never end."""

import stat
from pathlib import Path

__all__ = ["is_regular", "plain_target", "read_text", "regular"]

LARGEST_TEXT = 2**28
"""Bytes of a text beyond which it is none of ours."""


def is_regular(path: Path) -> bool:
    """Return whether there is a regular file; links are followed."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def regular(path: Path, *, text: bool = False) -> Path:
    """Return the path of a regular file, or of none at all.

    Args:
        path: The file.
        text: Whether it is a text or table, which must not be larger than :data:`LARGEST_TEXT`.

    Raises:
        ValueError: If something else is there, or it is too large.
    """
    if path.exists() and not is_regular(path):
        raise ValueError(f"{path} is a folder, a pipe or a device; it must be a file")
    if text and path.exists() and path.stat().st_size > LARGEST_TEXT:
        raise ValueError(f"{path} is larger than {LARGEST_TEXT:,} bytes; it must be a text")
    return path


def plain_target(path: Path) -> Path:
    """Return a path that may be written to: of a file, or of nothing.

    Raises:
        ValueError: If it is a link, or something else than a file.
    """
    if path.is_symlink():
        raise ValueError(f"{path} is a link; give the path of the file itself")
    return regular(path)


def read_text(path: Path, errors: str = "strict") -> str:
    """Read a text, in UTF-8.

    Args:
        path: The file.
        errors: What to do with bytes that are none, as :func:`open` knows it.

    Raises:
        ValueError: If it is no regular file, too large, or no text.
        OSError: If it cannot be read.
    """
    return regular(path, text=True).read_text(encoding="utf-8", errors=errors)
