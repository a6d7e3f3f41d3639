"""This machine: memory, freed memory that stays in the process, cores, threads, and processes."""

import ctypes
import gc
import importlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import parent_process
from threading import Thread
from typing import Any

import psutil

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

__all__ = [
    "KEPT",
    "LARGEST_BLOCK",
    "begin_worker",
    "cores",
    "keep_freed_memory",
    "memory_bytes",
    "nothing_collected",
    "open_files",
    "package_version",
    "signals_taken",
    "threads",
    "threads_everywhere",
]

LARGEST_BLOCK = 32 * 2**20
"""Blocks up to this size come from the heap, bytes; older versions of glibc take no larger one."""

KEPT = 256 * 2**20
"""Free memory at the heap's end above which it goes back to the system, bytes."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_freed_memory() -> bool:
    """Keep what is freed, where the C library is one that can be told so (glibc).

    Every update takes and frees the same tens of megabytes. Left alone, glibc returns much of
    that to the system each time and gets it back as new pages, hundreds for each update, which the
    system has to clear first.

    Returns:
        Whether it could be told so.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no glibc; no such function; Windows
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST_BLOCK) and mallopt(_TRIM_THRESHOLD, KEPT))


def memory_bytes() -> int:
    """Return how much memory this machine has, bytes."""
    return psutil.virtual_memory().total


def open_files(count: int) -> int:
    """Let this process have so many files open at once, as far as it may decide that itself.

    Args:
        count: How many.

    Returns:
        How many it may have, which are fewer where the system says so.
    """
    if resource is None:
        return count
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now == resource.RLIM_INFINITY or now >= count:
        return count
    allowed = count if most == resource.RLIM_INFINITY else min(count, most)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    except (OSError, ValueError):  # macOS has a limit that it does not tell
        return now
    return allowed


def cores() -> int:
    """Return how many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def package_version(name: str) -> str | None:
    """Return the version of a package; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@contextmanager
def nothing_collected(*, kept: bool = False) -> Iterator[None]:
    """Collect no garbage while the context lasts, which is for imports.

    They make hundreds of thousands of objects that stay. Going through them again and again takes a
    sixth of the time that Lightning takes to load.

    Args:
        kept: Whether later collections leave out what there is at the end, which is for a process
            that runs one command: they take a third of the time until training begins.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if kept:
            gc.freeze()
        if enabled:
            gc.enable()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with some number of threads while the context lasts.

    With networks as small as these a second one gains little, and loses much where trainings run
    beside.
    """
    import torch  # late, as the command line knows this module and is light

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def float32_by_default() -> Iterator[None]:
    """Make tensors in float32 while the context lasts, whatever default a notebook has set."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def threads_everywhere(count: int) -> Iterator[None]:
    """Use so many threads of the processor, also in the processes that Lightning starts."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(count)  # else Lightning shares out all cores
    try:
        with threads(count):
            yield
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


@contextmanager
def signals_taken(
    numbers: Iterable[int], take: Callable[[int, Any], Any] | signal.Handlers
) -> Iterator[None]:
    """Let a function take signals while the context lasts; not in other threads than the main one."""
    former = {}
    with suppress(ValueError):  # not the main thread: signals are somebody else's
        for number in numbers:
            former[number] = signal.signal(number, take)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def begin_worker(modules: Iterable[str]) -> None:
    """Make a new process ready for calls, with one thread; it ends when its parent does.

    It stands here, as a new process finds it without torch: it watches its parent before it
    imports what takes seconds.

    Args:
        modules: Names of modules to import.
    """
    Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is left to the parent
    import torch

    for name in modules:
        importlib.import_module(name)
    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """Wait for the end of the process that started this one: a killed one cannot tell its end."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # the main thread may be in the midst of a call
