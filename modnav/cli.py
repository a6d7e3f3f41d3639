"""Command line of modnav."""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from modnav.commands import COMMANDS, LIGHTNING, load
from modnav.commands.output import steady_output
from modnav.commands.own import (
    import_own,
    own_part,
    show_traceback,
    taken_imports,
    told_error,
)
from modnav.commands.pages import overview, page
from modnav.commands.refused import nearest, told

from .errors import USAGE_STATUS, InterruptedRunError, RunEndedError, UnitWarning
from .machine import float32_by_default, keep_freed_memory, nothing_collected

MISTAKES = (argparse.ArgumentError, ImportError, ValueError, OSError)
"""What is raised for mistakes of users; a part of their own may raise anything."""

ALL_OPTIONS = "--help.all"
"""Shows the options of LightningCLI, of which there are hundreds."""


def main(args: Sequence[str] | None = None) -> None:
    """Run a command of modnav.

    Args:
        args: Arguments; those of the process by default.

    Raises:
        SystemExit: With status 2 for a mistake in the arguments or files, 3 if phase I was given
            up, 4 if a loss diverged, 5 if another process of the run ended, 130 if the run was
            interrupted, 141 if the reader of the output went away, but not from a training.
    """
    given = list(sys.argv[1:] if args is None else args)
    with steady_output(training=given[:1] == ["fit"]), _plain_warnings():
        _main(given, from_process=args is None)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Tell warnings of modnav in a line, without a place in its code."""
    shown = warnings.showwarning

    def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, UnitWarning):
            print(f"modnav: {message}", file=sys.stderr)
        else:
            shown(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UnitWarning)
        warnings.showwarning = show
        yield


def _main(given: list[str], *, from_process: bool) -> None:
    try:
        if not given or given[0] in ("-h", "--help"):
            print(overview())
        elif given[0] == "--version":
            print(f"modnav {version('modnav')}")
        elif given[0] in LIGHTNING and {"-h", "--help"} & set(given[1:]):
            print(page(given[0]))
        else:
            execute(given, from_process=from_process)
        sys.stdout.flush()  # here a full disk can be told
    except RunEndedError as error:
        _fail(error, error.exit_status)
    except Exception as error:
        if not isinstance(error, MISTAKES) and own_part(error) is None:
            raise
        _fail(error, USAGE_STATUS, given[0] if given else "")
    except KeyboardInterrupt:
        interrupted = InterruptedRunError("interrupted; files that were whole are kept")
        _fail(interrupted, interrupted.exit_status)


def execute(args: Sequence[str], *, from_process: bool = False) -> list[Path]:
    """Run a command of modnav, and leave what it raises to the caller.

    Args:
        args: The arguments, the command first.
        from_process: Whether they are those of the process, which Lightning may look at.

    Returns:
        Of ``fit``, the folder of the run or the folders of the members' folders; else nothing.

    Raises:
        ValueError: For a mistake in the arguments or files.
        RunEndedError: If a run ended before its time.
    """
    keep_freed_memory()
    given = list(args)
    if (folder := _current_folder()) not in sys.path:
        sys.path.append(folder)  # where users keep modules of their own
    imported = taken_imports(given)
    for module in imported:
        import_own(module)
    if given[0] in COMMANDS:
        with nothing_collected(kept=from_process):
            command = load(given[0])
        command(given[1:])
        return []
    if given[0] in LIGHTNING or given[0].startswith("-"):
        return _train(given, imported, from_process)
    known = [*LIGHTNING, *COMMANDS]
    rule = f"it must be one of {', '.join(known)}{nearest(given[0], known)}"
    raise ValueError(f"the command is {given[0]!r}; {rule}")


def _current_folder() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise ValueError("the current folder is gone; change to one that exists") from error


def _train(args: list[str], imported: Sequence[str], from_process: bool) -> list[Path]:
    with nothing_collected(kept=from_process):
        from modnav.commands.arguments import with_config_paths, with_negative_numbers, with_run
        from modnav.commands.population.options import requested
        from modnav.commands.population.together import end_with_parent
        from modnav.commands.training import run

    with float32_by_default():
        args = ["--help" if word == ALL_OPTIONS else word for word in args]
        found = with_config_paths(with_negative_numbers(args))
        if request := requested(found):
            from modnav.commands.population.command import fit_members

            if from_process:
                del sys.argv[1:]  # LightningCLI gets the arguments of members
            return fit_members(request, imported)
        end_with_parent()
        found = with_run(found, imported)
        if from_process:
            sys.argv[1:] = found  # where Lightning and the processes that it starts look
        return [run(None if from_process else found).run_folder.path]


def _fail(error: BaseException, status: int, command: str = "") -> None:
    if os.environ.get("MODNAV_TRACEBACK"):
        raise error
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    where = f" (process {rank})" if rank else ""
    message = "".join(c if c.isprintable() else "?" for c in told(told_error(error), command))
    print(f"modnav: error{where}: {message}", file=sys.stderr)
    if own_part(error) is not None:
        show_traceback(error)
    if rank:
        _outlive_the_first()
    raise SystemExit(status) from error


def _outlive_the_first() -> None:
    """End after the process that started this one: Lightning kills it if one of us ends before."""
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # so that it hears of our end
    parent, until = os.getppid(), time.monotonic() + 20
    while os.getppid() == parent and time.monotonic() < until:
        time.sleep(0.05)
