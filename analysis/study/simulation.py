"""Run agents for the figures: many at once, on several cores, and never the same thing twice.

What is asked of an agent is kept in a folder under a name made of all that it depends on: the
content of the checkpoint, the conditions, what is measured (with the source of the module that
measures it), modnav's version and its sources.
"""

import hashlib
import importlib
import inspect
import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree
from typing import Any

import pandas as pd
import torch

import modnav
from modnav.networks import Agent
from modnav.recording import Session, layers_of, make_session, record
from modnav.runs import digest, load_agent
from modnav.tables import Recording, read_tables, write_tables

__all__ = [
    "Chosen",
    "Conditions",
    "Job",
    "Measure",
    "Workshop",
    "identity",
    "layers_in",
    "library",
    "result",
    "trials_of",
    "work",
]

Measure = Callable[[Recording], pd.DataFrame]
"""Turns a recording into a table; a function of a module, or a ``partial`` of one."""


@dataclass(frozen=True)
class Conditions:
    """Trials that agents are put through.

    Attributes:
        name: What they are called in tables.
        targets: A row for each trial: targets, and where it has them gains, noise and
            perturbations; see :func:`modnav.recording.make_session`.
        process_noise: Process noise, in multiples of the joystick gain.
        observation_noise: Observation noise, likewise.
        gain: Multiple of the default joystick gain of all trials; that of ``targets`` if None.
        perturbed: Whether the trials carry the perturbations of ``targets``.
        filter_noise: Process and observation noise that a Kalman filter assumes, for agents that
            have one; the true noise if None.
        seed: Seed of the noise.
    """

    name: str
    targets: pd.DataFrame = field(repr=False)
    process_noise: float = 0.2
    observation_noise: float = 0.1
    gain: float | None = None
    perturbed: bool = False
    filter_noise: tuple[float, float] | None = None
    seed: int = 0

    def session(self, *, filtered: bool = True) -> Session:
        """Return the trials; ``filtered`` tells whether the agent has a Kalman filter."""
        targets = self.targets
        if self.gain is not None:
            targets = targets.assign(gain=self.gain)
        assumed = (self.filter_noise if filtered else None) or (None, None)
        return make_session(
            targets=targets,
            seed=self.seed,
            name="perturbation" if self.perturbed else "gain",
            process_noise=self.process_noise,
            observation_noise=self.observation_noise,
            filter_process_noise=assumed[0],
            filter_observation_noise=assumed[1],
        )

    def key(self) -> str:
        """Return a text of all that the trials depend on, but their name."""
        plain = {k: v for k, v in vars(self).items() if k not in ("name", "targets")}
        content = self.targets.to_csv(index=False, float_format="%.9g")
        return json.dumps(plain) + _hash(content)


@dataclass(frozen=True)
class Chosen:
    """A checkpoint that stands for an agent.

    Attributes:
        architecture: Name of its architecture.
        seed: Seed of its training.
        episode: Index of the last trial before the checkpoint.
        score: What it was chosen for: its reward rate, summed over test tasks, 1/s.
        checkpoint: The file.
    """

    architecture: str
    seed: int
    episode: int
    score: float
    checkpoint: Path

    def agent(self) -> Agent:
        """Return the agent, in evaluation mode."""
        return load_agent(self.checkpoint)


@dataclass(frozen=True)
class Job:
    """One agent under one set of conditions.

    Attributes:
        chosen: The agent.
        conditions: The conditions.
        layers: Layers to record, see :mod:`modnav.recording.layers`; those that it has not are left out.
        measure: What to make of the recording; None keeps its tables.
    """

    chosen: Chosen
    conditions: Conditions
    layers: tuple[str, ...] = ()
    measure: Measure | None = None

    def place(self, cache: Path) -> Path:
        """Return where the result is kept."""
        content = [
            _digest(self.chosen.checkpoint, self.chosen.checkpoint.stat().st_mtime_ns),
            self.conditions.key(),
            *self.layers,
            identity(self.measure) if self.measure else "tables",
            version("modnav"),
            library(),
        ]
        name = _hash("\n".join(content))
        folder = cache / "simulated" / name[:2]
        return folder / f"{name}.parquet" if self.measure else folder / name


@lru_cache(maxsize=1)
def library() -> str:
    """Return a text that changes with the sources of modnav, but for its subpackages."""
    files = sorted(Path(modnav.__file__).parent.glob("*.py"))
    return _hash("\n".join(f"{file.name}\n{file.read_text(encoding='utf-8')}" for file in files))


def identity(measure: Measure) -> str:
    """Return a text that changes with what a function computes.

    It names the function and holds the source of its module, and of those of this package that the
    module takes names from.
    """
    if isinstance(measure, partial):
        return f"{identity(measure.func)} {measure.args!r} {sorted(measure.keywords.items())!r}"
    named: Any = measure
    sources = [inspect.getsource(importlib.import_module(m)) for m in _used_by(named.__module__)]
    return f"{named.__module__}.{named.__qualname__} {_hash(''.join(sources))}"


@lru_cache(maxsize=64)
def _used_by(module: str) -> tuple[str, ...]:
    """Return a module and those of this package that it uses, directly or not."""
    found, todo = {module}, [module]
    while todo:
        for value in vars(importlib.import_module(todo.pop())).values():
            name = (
                value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
            )
            if isinstance(name, str) and name.startswith(f"{__package__}.") and name not in found:
                found.add(name)
                todo.append(name)
    return tuple(sorted(found))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=4096)
def _digest(checkpoint: Path, changed_ns: int) -> str:
    return digest(checkpoint)


def work(job: Job, cache: Path) -> Path:
    """Do a job unless it is done, and return where its result is.

    Raises:
        ValueError: If the checkpoint cannot be read or run.
    """
    place = job.place(cache)
    if place.exists():
        return place
    file = job.chosen.checkpoint
    agent = _loaded(file, file.stat().st_mtime_ns)
    session = job.conditions.session(filtered="kalman" in agent.sources)
    recording = record(agent, session, layers=layers_in(agent, job.layers))
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}")
    if job.measure is not None:
        job.measure(recording).to_parquet(part)
    else:
        write_tables(part, recording)
    try:
        os.replace(part, place)
    except OSError:  # another process was faster with the same tables
        rmtree(part, ignore_errors=True)
        if not place.exists():
            raise
    return place


@lru_cache(maxsize=4)
def _loaded(checkpoint: Path, changed_ns: int) -> Agent:
    return load_agent(checkpoint)


def layers_in(agent: Agent, names: Sequence[str]) -> list[str]:
    """Return those of some layers that an agent has."""
    return [name for name in names if name in layers_of(agent)] if names else []


def result(job: Job, place: Path) -> Any:
    """Return the result of a job that is done: a table, or a recording."""
    return pd.read_parquet(place) if job.measure is not None else read_tables(place)


def trials_of(recording: Recording) -> pd.DataFrame:
    """Return the trials alone: what to measure where no steps are needed."""
    return recording.trials


class Workshop:
    """Processes that do jobs, started when first needed.

    Args:
        cache: Folder of results.
        workers: Number of processes; with one, the work is done in this process.
    """

    def __init__(self, cache: Path, workers: int = 1) -> None:
        self.cache = cache
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def places(self, jobs: Sequence[Job]) -> Iterator[Path]:
        """Yield where the result of each job is, in order, as they are done.

        Raises:
            ValueError: If an agent cannot be read or run.
            RuntimeError: If a process died; what others did is kept.
        """
        places = [job.place(self.cache) for job in jobs]
        todo = {place: job for place, job in zip(places, jobs, strict=True) if not place.exists()}
        if min(self.workers, len(todo)) < 2:
            for place, job in zip(places, jobs, strict=True):
                if place in todo:
                    work(job, self.cache)
                yield place
            return
        pool = self._started()
        futures = {place: pool.submit(work, job, self.cache) for place, job in todo.items()}
        try:
            for place in places:
                if place in futures:
                    futures[place].result()
                yield place
        except BrokenProcessPool as error:
            self.close()  # the next jobs get new processes
            raise RuntimeError("a process died; was there enough memory?") from error
        finally:
            _cancel(futures.values())

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=get_context("spawn"), initializer=_begin_process
            )
        return self._pool

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _cancel(futures: Any) -> None:
    waiting: list[Future[Path]] = list(futures)
    for future in waiting:
        future.cancel()


def _begin_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the process that draws
    torch.set_num_threads(1)
