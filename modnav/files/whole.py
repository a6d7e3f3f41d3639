"""Files and folders that appear when all of them is on disk."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["sweep", "written_whole"]

_SUFFIX = ".part"
_DAY_S = 24 * 3600.0


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield where to write a file or a folder, which moves to ``path`` when the context ends.

    The place is new, in a folder of its own beside ``path``, and the name the same; so no two
    processes share one, and nothing that a killed one left is in the way. After an error nothing
    is moved. What a killed process leaves is for :func:`sweep`.

    Raises:
        OSError: If it cannot be written, or a folder with something in it is at ``path`` already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(_SUFFIX, f".{path.name}.", path.parent) as folder:
        part = Path(folder) / path.name
        yield part
        for file in [part] if part.is_file() else part.rglob("*"):
            if file.is_file():
                with file.open("r+b") as written:
                    os.fsync(written.fileno())
        os.replace(part, path)


def sweep(folder: Path, older_than_s: float = _DAY_S) -> None:
    """Delete what killed processes left half written, at any depth of a folder.

    Args:
        folder: The folder; it need not exist.
        older_than_s: Age from which a part is a leftover, s: others may be being written now.
    """
    for part in list(folder.rglob(f".*{_SUFFIX}")):
        if part.is_dir() and time.time() - part.stat().st_mtime > older_than_s:
            shutil.rmtree(part, ignore_errors=True)
