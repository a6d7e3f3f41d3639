"""Which checkpoint an argument of a command names."""

from pathlib import Path

from modnav.runs import checkpoint_at

from .terminal import tell


def taken_checkpoint(given: Path) -> Path:
    """Return the checkpoint that an argument names, and say which it is if that is a folder of runs.

    Raises:
        ValueError: If the folder holds none.
    """
    found = checkpoint_at(given)
    if found != given:
        tell(f"{given}: its best checkpoint is {found}")
    return found
