"""How many threads of the processor a run uses."""

import getpass
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from filelock import FileLock, Timeout
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from typing_extensions import override

AUTO_THREADS = 2
"""Threads of a run that has the machine to itself; what more of them bring was not measured."""

LOOK_EVERY_S = 2.0
"""Time between looks at which other runs there are, s."""


class ProcessorThreads(Callback):
    """Set the threads of a run, with regard to other runs on the same machine if so asked.

    With a fixed number of threads a run is the same bit for bit however often it is made or
    resumed, on one machine and in any company: sums over parts depend on the number of parts. With
    ``"auto"`` a run uses two threads while there are two cores for each run, else one: two
    runs of two threads each on two cores would wait for each other most of the time.

    Args:
        threads: Number of threads, or ``"auto"``.
        folder: Where locked files tell of each run; one for each user of the machine by default.

    Raises:
        ValueError: If the number is below 1.
    """

    def __init__(self, threads: int | Literal["auto"] = 1, folder: Path | None = None) -> None:
        if threads != "auto" and threads < 1:
            raise ValueError(f"threads is {threads}; it must be 1 or more, or auto")
        self.threads = threads
        self.seats = Seats(folder or _shared_folder(), _cores())
        self._before: int | None = None
        self._next_look = 0.0

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self._before = torch.get_num_threads()
            self._look()

    @override
    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if time.monotonic() > self._next_look:
            self._look()

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._give_back()

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._give_back()

    def _look(self) -> None:
        self._next_look = time.monotonic() + LOOK_EVERY_S
        if self.threads == "auto":
            self.seats.take(1)
            share = len(self.seats.seats) // (1 + self.seats.others())
            threads = max(1, min(AUTO_THREADS, share))
        else:
            self.seats.take(self.threads)
            threads = self.threads
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)

    def _give_back(self) -> None:
        self.seats.leave()
        if self._before is not None:
            torch.set_num_threads(self._before)
            self._before = None


class Seats:
    """A seat for each core; a run takes one for each thread, or one if it looks at others.

    A seat is a locked file, so a run that was killed leaves its seats free.

    Args:
        folder: Where the files are.
        cores: Numbers of the cores, so that runs on other cores have other seats.
    """

    def __init__(self, folder: Path, cores: Sequence[int]) -> None:
        self.seats = [FileLock(folder / f"core{k}.lock") for k in cores]
        self.mine: list[FileLock] = []

    def take(self, count: int) -> None:
        """Have so many seats, or as many as are free."""
        for seat in self.seats:
            if len(self.mine) < count and seat not in self.mine and _acquired(seat):
                self.mine.append(seat)

    def leave(self) -> None:
        """Leave one's seats."""
        while self.mine:
            self.mine.pop().release()

    def others(self) -> int:
        """Return the number of seats that others have."""
        taken = 0
        for seat in self.seats:
            if seat in self.mine:
                continue
            if _acquired(seat):
                seat.release()
            else:
                taken += 1
        return taken


def _acquired(seat: FileLock) -> bool:
    try:
        Path(seat.lock_file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        seat.acquire(blocking=False)
    except (Timeout, OSError, NotImplementedError):  # the last: filelock 3 where flock is missing
        return False  # of all seats where files cannot be locked, which makes it one thread
    return True


def _cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _shared_folder() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()  # users may lack a name
    return Path(tempfile.gettempdir()) / f"modnav-{user}"
