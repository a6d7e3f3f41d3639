"""Modules of the user's own, imported by name."""

import importlib
import traceback
from pathlib import Path

from modnav.files import one_line

from .own_errors import is_own

__all__ = ["import_own"]


def import_own(module: str) -> None:
    """Import a module of the user's own.

    Args:
        module: Its name.

    Raises:
        ValueError: If there is none, or its code fails; the message says where.
    """
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (module, module.partition(".")[0]):
            raise ValueError(_failure(module, error)) from error
        raise ValueError(f"{module} is to be imported, and Python does not find it") from error
    except (Exception, SystemExit) as error:
        raise ValueError(_failure(module, error)) from error


def _failure(module: str, error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    last = next((x for x in reversed(frames) if is_own(Path(x.filename))), frames[-1])
    file, line = last.filename, last.lineno
    if isinstance(error, SyntaxError):
        file, line = error.filename or file, error.lineno
    return f"{module} fails when imported: {type(error).__name__}: {one_line(error)} ({file}, line {line})"
