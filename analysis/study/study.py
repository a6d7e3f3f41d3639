"""What panels ask for: agents and their curves, simulations, animals, kept in a cache."""

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
from typing_extensions import Self

from modnav.runs import WorkerPool, best_episode, scores
from modnav.tables import Recording

from . import draws
from .cache import Cache, Progress
from .curves import Curves
from .members import DEFAULT, Member, find_members, strangers
from .missing import Missing
from .monkeys import Monkeys
from .names import MAIN, short
from .selection import Selection
from .simulation import Chosen, Conditions, Measure, Simulation
from .subjects import Subjects
from .words import shortfall

__all__ = ["Study"]

ALL = Selection()
"""Agents of the default training, by the tests of it."""


Place = str | os.PathLike[str]


class Study:
    """Trained runs, animals and a cache; what panels are computed from.

    Use it as a context, or call :meth:`close` at the end: it may have started processes.

    Args:
        runs: Folders of runs, of modnav or of the study.
        cache: Folder for what was simulated and evaluated; safe to delete.
        monkey: Folder of animals, see :class:`.monkeys.Monkeys`.
        published: Whether to do as published also where that has a known flaw, see
            ``analysis/PITFALLS.md``.
        trials: Most trials per condition, for tests and quick looks; as published if None.
        workers: Number of processes.
        progress: Told how far simulations are.

    Attributes:
        subjects: Which agents and animals were looked at.

    Raises:
        TypeError: If one folder is given in place of several.
        ValueError: If a folder holds no runs, or two runs are of one architecture, group and seed.
    """

    def __init__(
        self,
        runs: Sequence[Place],
        cache: Place,
        monkey: Place | None = None,
        published: bool = False,
        trials: int | None = None,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> None:
        if isinstance(runs, (str, os.PathLike)):
            raise TypeError(
                f"runs is {str(runs)!r}; it must be several folders, as [{str(runs)!r}]"
            )
        self.members = find_members(map(Path, runs))
        self.published = published
        self.trials = trials
        modules = {name for member in self.members for name in member.modules}
        self.cache = Cache(Path(cache), WorkerPool(workers, modules), progress)
        self._curves = Curves(self.cache, trials)
        self._monkeys = Monkeys(None if monkey is None else Path(monkey), self.cache)
        self.subjects = Subjects()
        self._groups = {
            file: each.group for each in self.members for file in each.run.checkpoints.values()
        }

    def __enter__(self) -> Self:
        """Return the study itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes."""
        self.close()

    def close(self) -> None:
        """End the processes."""
        self.cache.pool.close()

    def count(self, published: int) -> int:
        """Return the number of trials of a condition, given the published one."""
        return min(published, self.trials or published)

    # --- runs -----------------------------------------------------------------------------

    def members_of(self, architecture: str, group: str = DEFAULT) -> list[Member]:
        """Return the runs of an architecture, by seed."""
        chosen = [m for m in self.members if (m.architecture, m.group) == (architecture, group)]
        return sorted(chosen, key=lambda member: member.run.seed)

    def architectures(self, group: str = DEFAULT) -> list[str]:
        """Return the architectures that have runs in a group."""
        return list(dict.fromkeys(m.architecture for m in self.members if m.group == group))

    def all_architectures(self) -> list[str]:
        """Return the main architectures, and those of default trainings that are none of the study's."""
        return [*MAIN, *strangers(self.members)]

    def curve(self, member: Member, selection: Selection = ALL) -> pd.DataFrame:
        """Return the training curve of a run; see :meth:`.curves.Curves.curve`."""
        return self._curves.curve(member, selection.test, extensive=selection.full)

    def curves(
        self, architectures: Sequence[str] | None = None, selection: Selection = ALL
    ) -> pd.DataFrame:
        """Return the training curves of the runs of a group, one below the other.

        Args:
            architectures: Which of them, in this order; all by default.
            selection: The group, the tests, and the checkpoints.

        Returns:
            The published columns, ``architecture`` and ``seed``.

        Raises:
            Missing: If there is none.
        """
        group = selection.group
        names = self.architectures(group) if architectures is None else architectures
        parts = []
        for name in names:
            for member in self.members_of(name, group):
                curve = self.curve(member, selection)
                curve = curve[(curve["episode"] > 0) & (curve["episode"] < selection.limit)]
                parts.append(curve.assign(architecture=name, seed=member.run.seed))
                if len(curve):
                    place = next(iter(member.run.checkpoints.values())).parent
                    self.subjects.note(name, place, "validations", 0, group)
        if not parts or not any(map(len, parts)):
            raise Missing(f"no {group} runs of {', '.join(map(short, names)) or 'any agent'}")
        return pd.concat([part for part in parts if len(part)], ignore_index=True)

    # --- agents ---------------------------------------------------------------------------

    def agents(self, architecture: str, selection: Selection = ALL) -> list[Chosen]:
        """Return the best checkpoint of each seed of an architecture, by seed; may be none."""
        chosen = []
        for member in self.members_of(architecture, selection.group):
            run, curve = member.run, self.curve(member, selection)
            curve = curve[curve["episode"].isin(list(run.checkpoints))]
            if curve.empty or curve["episode"].min() >= selection.limit:
                continue
            episode = best_episode(curve, selection.on, selection.limit)
            score = float(scores(curve, selection.on, selection.limit)[episode])
            about = (architecture, run.seed, episode, score, run.checkpoints[episode])
            chosen.append(Chosen(*about, modules=member.modules))
        return chosen

    def best(self, architecture: str, selection: Selection = ALL) -> Chosen:
        """Return the best seed of an architecture, the first on ties.

        Raises:
            Missing: If there is none.
        """
        found = self.agents(architecture, selection)
        if not found:
            raise Missing(f"no {selection.group} runs of {short(architecture)}")
        return max(found, key=lambda chosen: chosen.score)

    def cohort(
        self, architectures: Sequence[str], selection: Selection = ALL
    ) -> tuple[list[Chosen], list[str]]:
        """Return all seeds of several architectures, and what is missing of them, in words.

        Raises:
            Missing: If there is none of any.
        """
        each = {name: self.agents(name, selection) for name in architectures}
        group = selection.group
        missing = shortfall({name: len(found) for name, found in each.items()}, group)
        runs = [member.run for name in architectures for member in self.members_of(name, group)]
        if any(max(run.checkpoints) + 1 < selection.limit for run in runs):
            missing.append(f"some runs end before {selection.limit:,} trials")
        if not any(each.values()):
            raise Missing("; ".join(missing))
        return [chosen for found in each.values() for chosen in found], missing

    # --- simulations ----------------------------------------------------------------------

    def simulate(
        self, agents: Sequence[Chosen], conditions: Conditions, layers: Sequence[str] = ()
    ) -> list[Recording]:
        """Return the tables of each agent under some conditions; see :mod:`.simulation`.

        Args:
            agents: The agents.
            conditions: The conditions, which are the same for all of them.
            layers: Layers to record; those that an agent has not are left out.
        """
        wanted = [Simulation(agent, conditions, tuple(layers)) for agent in agents]
        self._note(wanted)
        return self.cache.results(wanted)

    def measure(
        self,
        agents: Sequence[Chosen],
        conditions: Conditions | Sequence[Conditions],
        measure: Measure,
        layers: Sequence[str] = (),
    ) -> pd.DataFrame:
        """Run agents under conditions and keep only what is measured of each recording.

        Large jobs go this way: what is measured is computed where the agent ran, on all cores, and
        kept in the cache; the recordings are not. ``Study.measure(agents, conditions, trials_of)``
        of :func:`.simulation.trials_of` keeps the table of trials.

        Args:
            agents: The agents.
            conditions: The conditions, or several.
            measure: Function of a recording to a table: one of a module (or a ``partial`` of it),
                so that processes find it. Its module's source is part of the cache's key.
            layers: As in :meth:`simulate`.

        Returns:
            The tables one below the other, with ``architecture``, ``seed`` and ``condition``
            (the conditions' name) as first columns.
        """
        each = [conditions] if isinstance(conditions, Conditions) else list(conditions)
        wanted = [Simulation(a, c, tuple(layers), measure) for a in agents for c in each]
        self._note(wanted)
        tables = []
        for one, table in zip(wanted, self.cache.results(wanted), strict=True):
            about: dict[str, Any] = {
                "architecture": one.chosen.architecture,
                "seed": one.chosen.seed,
                "condition": one.conditions.name,
            }
            table = table.drop(columns=[name for name in about if name in table])
            for k, (name, value) in enumerate(about.items()):
                table.insert(k, name, value)
            tables.append(table)
        # empty ones have no kinds of numbers, and would make text of the others' columns
        return pd.concat([x for x in tables if len(x)] or tables[:1], ignore_index=True)

    def _note(self, wanted: Sequence[Simulation]) -> None:
        for one in wanted:
            count = len(one.conditions.targets)
            key = one.conditions.name, one.conditions.gain, count
            group = self._groups.get(one.chosen.checkpoint, DEFAULT)
            place = one.chosen.checkpoint.parent
            self.subjects.note(one.chosen.architecture, place, key, count, group)

    # --- conditions -----------------------------------------------------------------------

    def prior_targets(self, count: int, gain: float | tuple[float, float] = 1.0) -> pd.DataFrame:
        """Return the study's seed-0 targets; see :func:`.draws.prior_targets`."""
        return draws.prior_targets(self.count(count), gain)

    def prior_perturbations(self, count: int, *peaks: draws.Peaks) -> list[pd.DataFrame]:
        """Return the study's seed-0 perturbations; see :func:`.draws.prior_perturbations`.

        Later tables follow the first in one stream, so all are drawn in full and then cut.
        """
        tables = draws.prior_perturbations(count, *peaks)
        return [table.head(self.count(count)) for table in tables]

    # --- animals --------------------------------------------------------------------------

    def animals(self, kind: str, subject: str) -> Recording:
        """Return the trials and steps of an animal; see :meth:`.monkeys.Monkeys.recording`.

        Raises:
            Missing: If they are not there.
        """
        return self._monkeys.recording(kind, subject)

    def matched_animals(
        self, kind: str = "normal", best: int = 2000
    ) -> tuple[Recording, Recording]:
        """Return matched trials of Bruno and Schro; see :meth:`.monkeys.Monkeys.matched`.

        Raises:
            Missing: If there are no animals.
        """
        return self._monkeys.matched(kind, self.count(best))
