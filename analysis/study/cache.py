"""What figures are computed from, kept on disk: no result is ever made twice.

A result lies under a name made of all that it depends on, its content and the sources of the code
that makes it; what is there is done. Results of others are not touched.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pandas as pd

from modnav.files import sweep, written_whole
from modnav.runs import WorkerPool
from modnav.tables import Recording, read_tables, write_tables

__all__ = ["Cache", "Progress", "Wanted"]

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


class Wanted(Protocol):
    """A result that is wanted; processes take it over, so it holds no more than it needs.

    Attributes:
        kind: What it is one of, in a word; the folder it is kept in.
    """

    kind: ClassVar[str]

    def key(self) -> str:
        """Return a name that no other result has, made of all that this one depends on."""

    def made(self) -> pd.DataFrame | Recording | Iterable[Recording]:
        """Make the result: a table, or recordings.

        Raises:
            ValueError: If it cannot be made; the message is one line.
        """


class Cache:
    """Results by what they depend on; those that are not there are made.

    Args:
        folder: Where they are; it may be deleted.
        pool: Processes that make them.
        progress: Told how far they are.
    """

    def __init__(self, folder: Path, pool: WorkerPool, progress: Progress | None = None) -> None:
        self.folder = folder
        self.pool = pool
        self.progress = progress
        sweep(folder)

    def path(self, wanted: Wanted) -> Path:
        """Return where a result is, or will be."""
        key = wanted.key()
        return self.folder / wanted.kind / key[:2] / key

    def results(self, wanted: Sequence[Wanted]) -> list[Any]:
        """Return results in order, each a table or a recording; several processes make them.

        Raises:
            ValueError: If one cannot be made.
            ProcessLostError: If a process died; what others made is kept.
        """
        paths = [self.path(one) for one in wanted]
        missing = {p: (one, p) for p, one in zip(paths, wanted, strict=True) if not p.exists()}
        done = sum(path not in missing for path in paths)
        for path, _ in self.pool.results(_keep, missing):
            done += paths.count(path)
            if self.progress is not None:
                self.progress(wanted[0].kind, done, len(paths))
        return [_read(one, path) for one, path in zip(wanted, paths, strict=True)]


def _read(wanted: Wanted, path: Path) -> pd.DataFrame | Recording:
    """Read a result; one that is damaged is made anew."""
    try:
        return pd.read_parquet(path) if path.is_file() else read_tables(path, doubts=False)
    except (ValueError, OSError):
        if path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path)
        _keep(wanted, path)
        return pd.read_parquet(path) if path.is_file() else read_tables(path, doubts=False)


def _keep(wanted: Wanted, path: Path) -> None:
    """Make a result, unless another command on the same cache was faster."""
    if path.exists():
        return
    made = wanted.made()
    try:
        with written_whole(path) as part:
            if isinstance(made, pd.DataFrame):
                made.to_parquet(part)
            else:
                write_tables(part, made)
    except OSError:
        if not path.exists():
            raise
