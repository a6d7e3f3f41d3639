"""Checkpoints on disk: written whole or not at all, read without running code."""

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from typing_extensions import override

from modnav.pickles import read_weights

_VERSION = re.compile(r"\d+(\.\d+)*(\.?(a|b|rc|post|dev)\d+)*")


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint beside its place and move it there when it is whole.

    A run that is killed, or a disk that fills up, leaves the former checkpoint as it was.
    """

    @override
    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        write_atomically(checkpoint, Path(path))

    @override
    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        checkpoint = read_checkpoint(path)
        version = checkpoint.get("pytorch-lightning_version")
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise ValueError(f"{path} does not tell the version of Lightning that wrote it")
        return checkpoint


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


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint of modnav onto the CPU; code in it is not run.

    Raises:
        ValueError: If there is no such file, or it is not a checkpoint of modnav.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path} is not a file; a checkpoint is expected")
    checkpoint = read_weights(path)
    if not isinstance(checkpoint, dict) or "modnav" not in checkpoint:
        raise ValueError(f"{path} is not a checkpoint of modnav")
    return checkpoint
