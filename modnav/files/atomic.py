"""Files that are written whole or not at all."""

import os
import tempfile
from pathlib import Path
from typing import Any

import torch

__all__ = ["write_atomically"]


def write_atomically(content: Any, path: Path) -> None:
    """Write with :func:`torch.save`, replacing ``path`` only when all is on disk.

    Raises:
        OSError: If it cannot be written; ``path`` is as before.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a failed write
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"{path} could not be written and is as it was: {reason}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
