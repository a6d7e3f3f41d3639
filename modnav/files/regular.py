"""Files that can be read: no pipes, devices or folders, which wait for ever or never end."""

import stat
from pathlib import Path

__all__ = ["is_regular", "regular"]


def is_regular(path: Path) -> bool:
    """Return whether there is a regular file; links are followed."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def regular(path: Path) -> Path:
    """Return the path of a regular file, or of none at all.

    Raises:
        ValueError: If something else is there.
    """
    if path.exists() and not is_regular(path):
        raise ValueError(f"{path} is a folder, a pipe or a device; it must be a file")
    return path
