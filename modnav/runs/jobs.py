"""The one pool of processes: a function of a module, called many times, in several processes."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from typing_extensions import Self

from modnav.errors import ProcessLostError
from modnav.machine import begin_worker, threads

__all__ = ["WorkerPool"]

KeyT = TypeVar("KeyT")
ResultT = TypeVar("ResultT")


class WorkerPool:
    """Processes that call functions, started when first needed and kept for later calls.

    Each computes with one thread, and ends when this process does, however that ends. An interrupt
    of the terminal is left to this process. Use it as a context, or call :meth:`close` at the end.

    Args:
        workers: Number of processes; with one, calls are made in this process.
        modules: Names of modules of the user's own, which agents may be made of. Those that were
            imported here are imported there.
    """

    def __init__(self, workers: int = 1, modules: Iterable[str] = ()) -> None:
        self.workers = workers
        self._modules = set(modules)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        """Return the pool itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes."""
        self.close()

    def close(self) -> None:
        """End the processes; calls that have not begun are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def results(
        self, function: Callable[..., ResultT], calls: Mapping[KeyT, tuple[Any, ...]]
    ) -> Iterator[tuple[KeyT, ResultT]]:
        """Yield what a function returns, with the keys of the calls, as it comes.

        What the function raises is raised here; calls that have not begun are then dropped.

        Args:
            function: A function of a module, so that processes find it.
            calls: Arguments of each call, by a key.

        Raises:
            ProcessLostError: If a process died. Later calls get new ones.
        """
        if min(self.workers, len(calls)) < 2:
            for key, arguments in calls.items():
                with threads(1):
                    result = function(*arguments)
                yield key, result
            return
        pool = self._started()
        futures: dict[Future[ResultT], KeyT] = {}
        try:
            for key, arguments in calls.items():
                futures[pool.submit(function, *arguments)] = key
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            self.close()
            raise ProcessLostError("a process died; was there enough memory?") from error
        finally:
            for future in futures:
                future.cancel()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers,
                mp_context=get_context("spawn"),  # threads and GPUs do not survive a fork
                initializer=begin_worker,
                initargs=(sorted(self._modules & sys.modules.keys()),),
            )
        return self._pool
