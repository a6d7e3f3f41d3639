"""Words from strangers' files, before they become lines on a terminal or names of files."""

import os
import re
import shlex
from typing import Any

__all__ = ["in_shell", "is_plain_name", "one_line"]

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][\w.+-]{0,99}", re.ASCII)


def is_plain_name(value: Any) -> bool:
    """Return whether a value is a name that may become a file's, or be shown on a terminal."""
    return isinstance(value, str) and _PLAIN_NAME.fullmatch(value) is not None


def one_line(text: object) -> str:
    """Return the first line of a text that a file may have made up, fit for a terminal."""
    lines = str(text).strip().splitlines() or [""]
    return "".join(c if c.isprintable() else "?" for c in lines[0])[:200]


def in_shell(*paths: str | os.PathLike[str]) -> str:
    """Return paths as a shell takes them, in quotes where they need them."""
    return shlex.join(os.fspath(path) for path in paths)
