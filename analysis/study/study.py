"""A study: trained runs, animals and a cache; what panels are computed from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
from typing_extensions import Self

from modnav.runs import best_episode, scores
from modnav.tables import Recording

from . import draws
from .curves import CurveSource, Test
from .members import DEFAULT, DEFAULT_TRIALS, EXTENSIVE, Member, find_members
from .missing import Missing
from .monkeys import Monkeys
from .names import FEW, SEEDS, short
from .simulation import Chosen, Conditions, Job, Measure, Workshop, result

__all__ = ["LONGEST", "Progress", "Study", "shortfall"]

__all__ = ["Chosen", "Conditions", "Measure", "Missing", "Study", "shortfall"]

LONGEST = {DEFAULT: DEFAULT_TRIALS, EXTENSIVE: 100_000}
"""Checkpoints of a group are taken before this trial, as published."""

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


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

    Raises:
        ValueError: If a folder holds no runs.
    """

    def __init__(
        self,
        runs: Sequence[Path],
        cache: Path,
        monkey: Path | None = None,
        published: bool = False,
        trials: int | None = None,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> None:
        self.members = find_members(runs)
        self.cache = cache
        self.published = published
        self.trials = trials
        self.workers = workers
        self.progress = progress
        self._workshop = Workshop(cache, workers)
        self._source = CurveSource(cache, trials, workers)
        self._curves: dict[tuple[Path, Test, bool], pd.DataFrame] = {}
        self._monkeys = Monkeys(monkey, cache)

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
        self._workshop.close()

    def count(self, published: int) -> int:
        """Return the number of trials of a condition, given the published one."""
        return min(published, self.trials or published)

    # --- runs -----------------------------------------------------------------------------

    def members_of(self, architecture: str, group: str = DEFAULT) -> list[Member]:
        """Return the runs of an architecture, by seed; of a seed that was run twice, the first."""
        found: dict[int, Member] = {}
        for member in self.members:
            if (member.architecture, member.group) == (architecture, group):
                found.setdefault(member.run.seed, member)
        return [found[seed] for seed in sorted(found)]

    def architectures(self, group: str = DEFAULT) -> list[str]:
        """Return the architectures that have runs in a group."""
        return list(dict.fromkeys(m.architecture for m in self.members if m.group == group))

    def curve(
        self, member: Member, test: Test = "gain", *, extensive: bool = False
    ) -> pd.DataFrame:
        """Return the training curve of a run; see :meth:`.curves.CurveSource.curve`."""
        key = (member.run.folder, test, extensive)
        if key not in self._curves:
            self._curves[key] = self._source.curve(member, test, extensive=extensive)
        return self._curves[key]

    def curves(
        self,
        group: str = DEFAULT,
        test: Test = "gain",
        architectures: Sequence[str] | None = None,
        *,
        extensive: bool | None = None,
        before: int | None = None,
    ) -> pd.DataFrame:
        """Return the training curves of the runs of a group, one below the other.

        Args:
            group: The group.
            test: Kind of test tasks.
            architectures: Which of them, in this order; all by default.
            extensive: Whether the test tasks are those of the extensive training; by default for
                groups of extensive training.
            before: Only checkpoints whose episode is below; by default 10,000, or 100,000 for
                extensive training.

        Returns:
            The published columns, ``architecture`` and ``seed``.

        Raises:
            Missing: If there is none.
        """
        names = self.architectures(group) if architectures is None else architectures
        full = group.startswith(EXTENSIVE) if extensive is None else extensive
        limit = _limit(group) if before is None else before
        parts = []
        for name in names:
            for member in self.members_of(name, group):
                curve = self.curve(member, test, extensive=full)
                curve = curve[(curve["episode"] > 0) & (curve["episode"] < limit)]
                parts.append(curve.assign(architecture=name, seed=member.run.seed))
        if not parts or not any(map(len, parts)):
            raise Missing(f"no {group} runs of {', '.join(map(short, names)) or 'any agent'}")
        return pd.concat([part for part in parts if len(part)], ignore_index=True)

    # --- agents ---------------------------------------------------------------------------

    def agents(
        self,
        architecture: str,
        group: str = DEFAULT,
        on: Sequence[str] | None = None,
        before: int | None = None,
        test: Test = "gain",
        *,
        extensive: bool | None = None,
    ) -> list[Chosen]:
        """Return the best checkpoint of each seed of an architecture, by seed.

        Args:
            architecture: Name of the architecture.
            group: What the agents were trained on.
            on: Test tasks whose reward rates are summed; all of the curve by default.
            before: As in :meth:`curves`.
            test: Kind of test tasks.
            extensive: As in :meth:`curves`.

        Returns:
            The checkpoints; none if there are no such runs.
        """
        full = group.startswith(EXTENSIVE) if extensive is None else extensive
        limit = _limit(group) if before is None else before
        chosen = []
        for member in self.members_of(architecture, group):
            curve = self.curve(member, test, extensive=full)
            curve = curve[curve["episode"].isin(list(member.run.checkpoints))]
            if curve.empty or curve["episode"].min() >= limit:
                continue
            episode = best_episode(curve, on, limit)
            score = float(scores(curve, on, limit)[episode])
            file = member.run.checkpoints[episode]
            chosen.append(Chosen(architecture, member.run.seed, episode, score, file))
        return chosen

    def best(
        self,
        architecture: str,
        group: str = DEFAULT,
        on: Sequence[str] | None = None,
        before: int | None = None,
        test: Test = "gain",
        *,
        extensive: bool | None = None,
    ) -> Chosen:
        """Return the best seed of an architecture, the first on ties; options as :meth:`agents`.

        Raises:
            Missing: If there is none.
        """
        found = self.agents(architecture, group, on, before, test, extensive=extensive)
        if not found:
            raise Missing(f"no {group} runs of {short(architecture)}")
        return max(found, key=lambda chosen: chosen.score)

    def cohort(
        self,
        architectures: Sequence[str],
        group: str = DEFAULT,
        on: Sequence[str] | None = None,
        before: int | None = None,
        test: Test = "gain",
        *,
        extensive: bool | None = None,
    ) -> tuple[list[Chosen], list[str]]:
        """Return all seeds of several architectures, and what is missing of them, in words.

        Raises:
            Missing: If there is none of any.
        """
        each = {
            name: self.agents(name, group, on, before, test, extensive=extensive)
            for name in architectures
        }
        missing = shortfall({name: len(found) for name, found in each.items()}, group)
        limit = _limit(group) if before is None else before
        runs = [member.run for name in architectures for member in self.members_of(name, group)]
        if any(max(run.checkpoints) + 1 < limit for run in runs):
            missing.append(f"some runs end before {limit:,} trials")
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
        jobs = [Job(agent, conditions, tuple(layers)) for agent in agents]
        return [result(job, place) for job, place in zip(jobs, self._done(jobs), strict=True)]

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
        jobs = [Job(agent, c, tuple(layers), measure) for agent in agents for c in each]
        tables = []
        for job, place in zip(jobs, self._done(jobs), strict=True):
            about: dict[str, Any] = {
                "architecture": job.chosen.architecture,
                "seed": job.chosen.seed,
                "condition": job.conditions.name,
            }
            table: pd.DataFrame = result(job, place)
            table = table.drop(columns=[name for name in about if name in table])
            for k, (name, value) in enumerate(about.items()):
                table.insert(k, name, value)
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    def _done(self, jobs: Sequence[Job]) -> list[Path]:
        places = []
        for place in self._workshop.places(jobs):
            places.append(place)
            if self.progress is not None:
                self.progress("simulations", len(places), len(jobs))
        return places

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


def shortfall(counts: dict[str, int], group: str = DEFAULT) -> list[str]:
    """Return in words which architectures and seeds a group lacks.

    Args:
        counts: Number of seeds that there are of each architecture.
        group: The group.
    """
    what = "" if group == DEFAULT else f" ({group} training)"
    absent = [short(name) for name, count in counts.items() if not count]
    few = [f"{short(name)}{what} {count}" for name, count in counts.items() if 0 < count < SEEDS]
    found = [f"no {', '.join(absent)}{what}"] if absent else []
    return found + ([f"{FEW}{', '.join(few)}"] if few else [])


def _limit(group: str) -> int:
    return LONGEST[EXTENSIVE if group.startswith(EXTENSIVE) else DEFAULT]
