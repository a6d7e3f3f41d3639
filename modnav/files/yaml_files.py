"""Configurations in YAML, from anywhere: only plain values, and not without end."""

from pathlib import Path
from typing import Any

import yaml

from .pickles import refuse_endless

__all__ = ["read_yaml"]

LARGEST_BYTES = 1_000_000
"""Size above which a file is not taken for a configuration."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration; no tag in it is obeyed.

    Raises:
        ValueError: If it is no regular file, too large, damaged, endless, or no mapping; the
            message is one line.
    """
    try:
        if not path.is_file():
            raise ValueError("it is not a regular file")
        if path.stat().st_size > LARGEST_BYTES:
            raise ValueError(f"it is larger than {LARGEST_BYTES:,} bytes")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        refuse_endless(content)
        return dict(content)
    except (yaml.YAMLError, OSError, TypeError, ValueError, RecursionError) as error:
        reason = f": {error}" if type(error) is ValueError else ""
        raise ValueError(f"{path} is not the configuration of a run{reason}") from error
