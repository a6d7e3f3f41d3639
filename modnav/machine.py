"""This machine: memory, freed memory that stays in the process, cores, and threads."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

__all__ = ["KEPT", "LARGEST_BLOCK", "cores", "keep_freed_memory", "memory_bytes", "threads"]

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


def cores() -> int:
    """Return how many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


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
