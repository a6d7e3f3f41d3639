"""Times by :mod:`torch.utils.benchmark`: medians, quartiles, and ratios of what takes turns.

Whatever else the machine does slows neighbouring turns alike; so the ratio of neighbouring times is
what to compare between machines. With one thread it is the processor's time that counts, which
leaves out the time that other processes had. What is timed is in :mod:`modnav.bench.measurements`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.benchmark import Timer
from torch.utils.benchmark import timer as synchronized

from modnav.errors import require
from modnav.learning import runs_bf16
from modnav.networks import linear
from modnav.task import TaskParameters

__all__ = [
    "BenchResult",
    "BenchSettings",
    "Spread",
    "Timed",
    "clock",
    "compare",
    "matmul_rates",
    "measure",
]

TURN = 0.1
"""Longest turn of what takes turns, s."""


@dataclass(frozen=True)
class BenchSettings:
    """What is measured.

    Attributes:
        agent: Name of the architecture.
        precision: Precision of the updates, as of a trainer; plain ones are always in fp32.
        threads: Threads of the processor.
        seconds: Time for each result.
        parallel_trials: Trials that are acted out side by side.
        stored: Trials, or single steps for memoryless agents, that replay holds.
        trials: Trials at each gain of an evaluation.
        population: Members of a population whose joint updates are timed.
        device: Where those are, ``"cpu"`` or ``"cuda"``.
        tf32: Whether a GPU computes their products in TF32.
        steps: Steps of the trials that updates learn from; those of the longest by default.
    """

    agent: str = "modular"
    precision: str = "32-true"
    threads: int = 1
    seconds: float = 10.0
    parallel_trials: int = 256
    stored: int = 100_000
    trials: int = 500
    population: int = 1
    device: str = "cpu"
    tf32: bool = False
    steps: int = TaskParameters.max_steps

    def __post_init__(self) -> None:
        """Check every value."""
        for key in (
            "threads",
            "seconds",
            "steps",
            "parallel_trials",
            "stored",
            "trials",
            "population",
        ):
            require(key, getattr(self, key), 0, 10_000_000, strict=True)
        if self.device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device is cuda; PyTorch finds no such GPU here")
        if self.tf32 and self.device != "cuda":
            raise ValueError(f"tf32 is for GPUs; device is {self.device}")


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
class BenchResult:
    """A measured time, and how it compares where there is a plain way to do the same.

    Attributes:
        name: What was measured.
        what: In words.
        per: What one time is for, e.g. ``"step"``.
        milliseconds: Time of what trainings do.
        plain_milliseconds: Time of the plain way.
        times_faster: Plain time by the other, of neighbouring turns.
        more: Other numbers, by what they are.
        shares: Shares of the time, by part.
    """

    name: str
    what: str
    per: str
    milliseconds: Spread
    plain_milliseconds: Spread | None = None
    times_faster: Spread | None = None
    more: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)


class Timed(NamedTuple):
    """Something to time.

    Attributes:
        run: Does it once.
        units: How many units it did.
    """

    run: Callable[[], Any]
    units: int = 1

    def timer(self, threads: int, device: str = "cpu") -> Timer:
        """Return what times it with some number of threads."""
        tell = clock(threads, device)
        return Timer("run()", globals={"run": self.run}, timer=tell, num_threads=threads)


def clock(threads: int, device: str = "cpu") -> Callable[[], float]:
    """Return what tells the time, s.

    It is the processor's with one thread, else that of the clock; with a GPU after it has ended
    what it was given.
    """
    if device == "cuda":
        return synchronized
    return time.process_time if threads == 1 else time.perf_counter


def measure(work: Timed, threads: int, seconds: float) -> Spread:
    """Return the milliseconds for a unit."""
    found = work.timer(threads).blocked_autorange(min_run_time=seconds)
    return Spread.of(1000 / work.units * np.array(found.times))


def compare(
    real: Timed, plain: Timed, threads: int, seconds: float, device: str = "cpu"
) -> tuple[Spread, Spread, Spread]:
    """Time two ways to do the same in turns, at least three each.

    Returns:
        Milliseconds for a unit of the real and of the plain way, and the ratio of plain to real.
    """
    timers = [(work.timer(threads, device), 1000 / work.units) for work in (real, plain)]
    turn = min(TURN, seconds / 6)
    times: list[list[np.ndarray]] = [[], []]
    end = time.perf_counter() + seconds
    while len(times[0]) < 3 or time.perf_counter() < end:
        for (timer, scale), taken in zip(timers, times, strict=True):
            taken.append(scale * np.array(timer.blocked_autorange(min_run_time=turn).times))
    medians = [np.array([np.median(x) for x in taken]) for taken in times]
    ours, theirs = (Spread.of(np.concatenate(taken)) for taken in times)
    return ours, theirs, Spread.of(medians[1] / medians[0])


def matmul_rates(threads: int = 1, seconds: float = 1.0, size: int = 1024) -> dict[str, float]:
    """Return the rate of products of square matrices, GFLOP/s, by precision and library."""
    x = torch.randn(size, size)
    half = x.bfloat16()
    products = {"fp32": lambda: x @ x}
    if linear.ONEDNN_PAYS:
        products["fp32, oneDNN"] = lambda: linear.product(x, x)
    if runs_bf16():  # elsewhere products take a hundred times as long
        products["bf16"] = lambda: half @ half
    return {
        name: 2e-6 * size**3 / measure(Timed(product), threads, seconds / 3).median
        for name, product in products.items()
    }
