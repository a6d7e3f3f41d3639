"""Which command trains which members of a folder: no two share them out between each other."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock, Timeout

from modnav.machine import open_files

__all__ = ["OTHER_FILES", "claim"]

OTHER_FILES = 200
"""Files that a command has open beside those of its members."""


def claim(folders: Sequence[Path], held: ExitStack) -> None:
    """Take the folders of members, until the context ends or this process does, however that ends.

    Their own locks are taken only as each begins: a command that was started meanwhile would find
    some of them free. These lie beside the folders, ``.seed0.lock`` and so on.

    Raises:
        ValueError: If another command has one of them, or a lock cannot be written.
    """
    open_files(len(folders) + OTHER_FILES)  # if the system allows it; else it is told below
    for folder in folders:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder.with_name(f".{folder.name}.lock"))
            lock.acquire(blocking=False)
        except Timeout as error:
            raise ValueError(
                f"{folder} is being trained by another command; wait for it to end, or choose "
                "another --name or other --seeds"
            ) from error
        except OSError as error:
            raise ValueError(f"{folder.parent} cannot be written: {error.strerror}") from error
        held.callback(lock.release)
