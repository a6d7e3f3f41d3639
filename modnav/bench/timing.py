"""Times of two paths that do the same work, taken in turns in one process.

Whatever else the machine does slows both down; so the ratio of neighbouring times is what to compare
between machines. With one thread it is the processor's time that counts, which leaves out the time
that other processes had. What is timed is in :mod:`modnav.bench.measurements`.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from modnav.learning import runs_bf16
from modnav.networks import linear

__all__ = ["Figure", "Settings", "Spread", "Work", "compare", "matmul_rates", "now", "threads"]


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        agent: Name of the architecture.
        precision: Precision of the updates, as of a trainer; the plain path is always in fp32.
        threads: Threads of the processor.
        seconds: Time for each figure.
        parallel_trials: Trials that are acted out side by side.
        stored: Trials, or single steps for memoryless agents, that replay holds.
        trials: Trials at each gain of an evaluation.
    """

    agent: str = "modular"
    precision: str = "32-true"
    threads: int = 1
    seconds: float = 10.0
    parallel_trials: int = 256
    stored: int = 100_000
    trials: int = 500

    def __post_init__(self) -> None:
        """Check every value."""
        for key in ("threads", "seconds", "parallel_trials", "stored", "trials"):
            if getattr(self, key) <= 0:
                raise ValueError(f"{key} is {getattr(self, key)}; it must be above 0")


class Spread(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: "list[float] | np.ndarray") -> "Spread":
        """Return those of some values."""
        low, median, high = np.percentile(values, (25, 50, 75))
        return cls(float(median), float(low), float(high))


@dataclass(frozen=True)
class Figure:
    """A measured time, and how it compares.

    Attributes:
        name: What was measured.
        what: In words.
        per: What one time is for, e.g. ``"step"``.
        milliseconds: Time of the path that trainings take.
        plain_milliseconds: Time of the plain path.
        times_faster: Plain time by the other, of neighbouring measurements.
        more: Other numbers, by what they are.
    """

    name: str
    what: str
    per: str
    milliseconds: Spread
    plain_milliseconds: Spread
    times_faster: Spread
    more: dict[str, float] = field(default_factory=dict)


class Work(NamedTuple):
    """Something to time.

    Attributes:
        run: Does it once.
        units: How many units it did.
    """

    run: Callable[[], Any]
    units: int = 1


def now() -> float:
    """Return the time, s: the processor's with one thread, else that of the clock."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def compare(fast: Work, plain: Work, seconds: float) -> tuple[Spread, Spread, Spread]:
    """Time two paths in turns, at least three times each.

    Returns:
        Milliseconds for a unit of the fast and of the plain path, and the ratio of plain to fast.
    """
    repeats = [_repeats(work) for work in (fast, plain)]
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + seconds
    while len(times[0]) < 3 or time.perf_counter() < end:
        for work, repeat, taken in zip((fast, plain), repeats, times, strict=True):
            taken.append(_timed(work, repeat))
    ratios = np.array(times[1]) / np.array(times[0])
    return Spread.of(times[0]), Spread.of(times[1]), Spread.of(ratios)


def _repeats(work: Work, least_ms: float = 5.0) -> int:
    """Warm up, and return how often to do it so that the clock is fine enough."""
    work.run()
    return max(1, math.ceil(least_ms / max(_timed(work, 1) * work.units, 1e-3)))


def _timed(work: Work, repeat: int) -> float:
    start = now()
    for _ in range(repeat):
        work.run()
    return 1000 * (now() - start) / (repeat * work.units)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Use some number of the processor's threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def matmul_rates(size: int = 1024, seconds: float = 1.0) -> dict[str, float]:
    """Return the rate of products of square matrices, GFLOP/s, by precision and library."""
    x = torch.randn(size, size)
    half = x.bfloat16()
    works = {"fp32": lambda: x @ x}
    if linear.ONEDNN_PAYS:
        works["fp32, oneDNN"] = lambda: linear.product(x, x)
    if runs_bf16():  # elsewhere products take a hundred times as long
        works["bf16"] = lambda: half @ half
    with torch.no_grad():
        found = {
            name: compare(Work(one), Work(one), seconds / 3)[0] for name, one in works.items()
        }
    return {name: 2e-6 * size**3 / spread.median for name, spread in found.items()}
