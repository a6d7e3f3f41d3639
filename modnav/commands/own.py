"""Code of a user's own: imported by name, and named with its line where it fails."""

import importlib
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

__all__ = [
    "import_own",
    "own_part",
    "own_part_noted",
    "show_traceback",
    "taken_imports",
    "told_error",
]

_NOTED = "_modnav_own_part"


def taken_imports(args: list[str]) -> list[str]:
    """Take ``--import MODULE`` out of the arguments: agents with modules of the user's own."""
    found = []
    while "--import" in args[:-1]:
        k = args.index("--import")
        found.append(args[k + 1])
        del args[k : k + 2]
    return found


def import_own(module: str) -> None:
    """Import a module of the user's own.

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
    from modnav.files import one_line  # it loads torch, and the command line is light

    frames = traceback.extract_tb(error.__traceback__)
    last = next((x for x in reversed(frames) if _is_own(Path(x.filename))), frames[-1])
    file, line = last.filename, last.lineno
    if isinstance(error, SyntaxError):
        file, line = error.filename or file, error.lineno
    return f"{module} fails when imported: {type(error).__name__}: {one_line(error)} ({file}, line {line})"


def own_part(error: BaseException) -> str | None:
    """Return which method of which class of a user's own raised an error, and where.

    Returns:
        Such as ``my_lab.Watcher.on_block (my_lab.py, line 12)``, the innermost of them; None if
        none of its frames is one of a class from outside of modnav and installed packages, or of a
        callback of Lightning.
    """
    frames = _own_frames(error)
    noted: str | None = getattr(error, _NOTED, None)
    return _named(frames[-1]) if frames else noted


@contextmanager
def own_part_noted() -> Iterator[None]:
    """Note it on what is raised inside, for those who see the error when its frames are cleared."""
    try:
        yield
    except Exception as error:
        setattr(error, _NOTED, own_part(error))
        raise


def told_error(error: BaseException) -> str:
    """Return the message of an error, with what :func:`own_part` says of it."""
    own = own_part(error)
    return f"{own} raised {type(error).__name__}: {error}" if own else str(error)


def show_traceback(error: BaseException) -> None:
    """Print the traceback of an error, from a user's own class on, to where messages go."""
    found = _own_frames(error)
    if found and not any(_is_own(Path(at.tb_frame.f_code.co_filename)) for at in found):
        return  # of a callback of Lightning, in whose code nobody looks for a mistake of theirs
    frames = [*found, error.__traceback__]
    lines = traceback.format_exception(type(error), error, frames[0])
    text = "".join(c if c.isprintable() or c == "\n" else "?" for c in "".join(lines))
    print(text, end="", file=sys.stderr)


def _own_frames(error: BaseException) -> list[TracebackType]:
    found, at = [], error.__traceback__
    while at is not None:
        if _named(at):
            found.append(at)
        at = at.tb_next
    return found


def _named(at: TracebackType) -> str | None:
    code, local = at.tb_frame.f_code, at.tb_frame.f_locals
    first = local.get(code.co_varnames[0]) if code.co_argcount else None  # self, or a class
    kind = first if isinstance(first, type) else type(first)
    source = getattr(sys.modules.get(kind.__module__), "__file__", None)
    file = Path(code.co_filename)
    private = f"_{kind.__name__.lstrip('_')}{code.co_name}"  # as Python keeps names like __step
    is_method = hasattr(kind, code.co_name) or hasattr(kind, private)
    own = source and is_method and _is_own(Path(source)) and _is_own(file)
    # a run has callbacks of Lightning where its user put them
    if not own and not (is_method and kind.__module__.startswith("pytorch_lightning.callbacks.")):
        return None
    return (
        f"{kind.__module__}.{kind.__qualname__}.{code.co_name} ({file.name}, line {at.tb_lineno})"
    )


def _is_own(file: Path) -> bool:
    """Return whether a file is neither of modnav nor of installed packages."""
    return file.is_file() and not any(x in file.parents for x in _libraries())


@cache
def _libraries() -> tuple[Path, ...]:
    """Return the folders of modnav, of its mapped packages and of what is installed."""
    specs = [find_spec(name) for name in ("modnav", "modnav.analysis", "modnav.callbacks")]
    paths = [Path(spec.origin).parent for spec in specs if spec and spec.origin]
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    paths += [Path(sysconfig.get_paths()[kind]) for kind in kinds]
    installed = ("site-packages", "dist-packages")
    return (*paths, *(Path(x) for x in sys.path if Path(x).name in installed))
