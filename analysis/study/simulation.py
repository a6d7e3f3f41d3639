"""An agent under conditions: what figures run many times, and what they keep of it."""

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from modnav.networks import Agent
from modnav.recording import Session, layers_of, make_session, record
from modnav.runs import digest, load_agent
from modnav.tables import Recording

from .sources import hashed, sources_of

__all__ = [
    "Chosen",
    "Conditions",
    "Measure",
    "Simulation",
    "content_of",
    "identity",
    "layers_in",
    "trials_of",
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
        return json.dumps(plain) + hashed(content)


@dataclass(frozen=True)
class Chosen:
    """A checkpoint that stands for an agent.

    Attributes:
        architecture: Name of its architecture.
        seed: Seed of its training.
        episode: Index of the last trial before the checkpoint.
        score: What it was chosen for: its reward rate, summed over test tasks, 1/s.
        checkpoint: The file.
        modules: Modules of the user's own that it is made of.
    """

    architecture: str
    seed: int
    episode: int
    score: float
    checkpoint: Path
    modules: tuple[str, ...] = ()

    def agent(self) -> Agent:
        """Return the agent, in evaluation mode."""
        return load_agent(self.checkpoint)


@dataclass(frozen=True)
class Simulation:
    """One agent under one set of conditions.

    Attributes:
        chosen: The agent.
        conditions: The conditions.
        layers: Layers to record, see :mod:`modnav.recording.layers`; those that it has not are
            left out.
        measure: What to make of the recording; None keeps its tables.
    """

    kind: ClassVar[str] = "simulations"

    chosen: Chosen
    conditions: Conditions
    layers: tuple[str, ...] = ()
    measure: Measure | None = None

    def key(self) -> str:
        """Return a name made of checkpoint, conditions, layers, measure, and all code of these."""
        return hashed(
            content_of(self.chosen.checkpoint, self.chosen.modules),
            self.conditions.key(),
            *self.layers,
            identity(self.measure) if self.measure else "tables",
            sources_of(__name__),
        )

    def made(self) -> pd.DataFrame | Recording:
        """Run the agent, and return what is measured or else the recording.

        Raises:
            ValueError: If the checkpoint cannot be read or run.
        """
        file = self.chosen.checkpoint
        agent = _loaded(file, file.stat().st_mtime_ns)
        session = self.conditions.session(filtered="kalman" in agent.sources)
        recording = record(agent, session, layers=layers_in(agent, self.layers))
        return recording if self.measure is None else self.measure(recording)


def content_of(checkpoint: Path, modules: Sequence[str] = ()) -> str:
    """Return a text that changes with a checkpoint, or with the user's own code of its agent."""
    known = [name for name in modules if name in sys.modules]  # others are not imported for it
    return hashed(_digest(checkpoint, checkpoint.stat().st_mtime_ns), sources_of(*known))


def identity(measure: Measure) -> str:
    """Return a text that changes with what a function computes.

    It names the function and what it is given, and holds the sources of its module and of all that
    this imports.
    """
    if isinstance(measure, partial):
        return f"{identity(measure.func)} {measure.args!r} {sorted(measure.keywords.items())!r}"
    function: Any = inspect.unwrap(measure)
    return f"{function.__module__}.{function.__qualname__} {sources_of(function.__module__)}"


@lru_cache(maxsize=4096)
def _digest(checkpoint: Path, changed_ns: int) -> str:
    return digest(checkpoint)


@lru_cache(maxsize=4)
def _loaded(checkpoint: Path, changed_ns: int) -> Agent:
    return load_agent(checkpoint)


def layers_in(agent: Agent, names: Sequence[str]) -> list[str]:
    """Return those of some layers that an agent has."""
    return [name for name in names if name in layers_of(agent)] if names else []


def trials_of(recording: Recording) -> pd.DataFrame:
    """Return the trials alone: what to measure where no steps are needed."""
    return recording.trials
