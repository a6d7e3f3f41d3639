"""Which command trains which members of a folder: no two share them out between each other."""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from modnav.files import plain_target

from .members import Member, seed_of

try:
    import fcntl
except ImportError:  # Windows; there the lock of each run is all that there is
    fcntl = None  # type: ignore[assignment]

CLAIMS = ".members"
"""File of a folder of runs in which the byte of each seed is locked while a command trains it."""


def claim(members: Iterable[Member], held: ExitStack) -> None:
    """Take members, until the context ends or this process does, however that ends.

    Their own locks are taken only as each begins: a command that was started meanwhile would find
    some of them free.

    Args:
        members: The members.
        held: A context.

    Raises:
        ValueError: If another command has one of them, or their folder cannot be written.
    """
    files: dict[Path, int] = {}
    for member in members:
        folder = member.folder.parent
        if folder not in files:
            files[folder] = held.enter_context(_opened(folder))
        if fcntl is None:
            continue
        try:
            # byte 0 is that of seed 0, and so on; the file stays empty
            fcntl.lockf(files[folder], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, seed_of(member.folder))
        except (BlockingIOError, PermissionError) as error:
            raise ValueError(
                f"{member.folder} is being trained by another command; wait for it to end, or choose "
                "another --name or other --seeds"
            ) from error


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    path = plain_target(folder / CLAIMS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise ValueError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        yield number
    finally:
        os.close(number)
