"""What the jobs of a study cost, from times measured on this machine."""

import json
from collections.abc import Iterable, Sequence
from statistics import mean

from modnav.files import read_text, write_text_atomically
from modnav.networks import ARCHITECTURES, NICKNAMES
from modnav.studies import Job, StudyFolder

from .plan import cells
from .spec import StudySpec

__all__ = ["Costs", "measure"]

UPDATES_PER_TRIAL = 5.0
"""Updates for each trial of a training, phase I included, as measured: 5.0 of a modular agent of 10,900 trials."""

PHASE_ONE = {True: 1_500, False: 15_000}
"""Trials of phase I that are assumed, with scripted trials (`warmup`, `fast`) and without."""

LONG = {"extensive": 100_000, "first_version": 100_000}
"""Trials after phase I of overlays that say so."""

OTHER_S = 20.0
"""Seconds of a job that trains nothing, most of them to start Python with PyTorch, if none was measured."""

MEASURED_S = 6.0
"""Time to measure an architecture for, s."""


class Costs:
    """Projected times of jobs: those of like jobs of this study, else from updates measured here."""

    def __init__(self, folder: StudyFolder, spec: StudySpec, jobs: Iterable[Job]) -> None:
        search = spec.search
        self._trials = search.trials * len(spec.seeds) / search.workers if search else 0
        self._agents = {cell.name: cell.agent.name for cell in cells(spec)}
        self._update_ms = _update_ms(folder)
        times: dict[str, list[float]] = {}
        for job in jobs:
            if (end := folder.end(job)) and not end.status:
                spent = [x["seconds"] for x in folder.tries(job)]
                for like in (_like(job), job.rule):
                    times.setdefault(like, []).append(sum(spent))
        self._times = {like: mean(found) for like, found in times.items()}

    def seconds(self, job: Job) -> float | None:
        """Return the projected time of a job on the cores that it takes; None if it is not known."""
        if job.rule == "search" and self._update_ms:
            return self._training(job, next(iter(self._agents.values()))) * self._trials
        known = self._times.get(_like(job))
        if known is not None or job.rule not in ("train", "search"):
            return known if known is not None else OTHER_S
        if not self._update_ms:
            return self._times.get("train")
        return self._training(job, self._agents[job.name.split("/")[1]]) * len(job.runs)

    def _training(self, job: Job, agent: str) -> float:
        """Return the projected time of one training."""
        slowest = max(self._update_ms.values())
        return updates(job.words) * self._update_ms.get(agent, slowest) / 1e3

    def left(self, jobs: Sequence[Job], cores: int) -> float | None:
        """Return the time that jobs take side by side, s; None if it is not known."""
        found = [self.seconds(job) for job in jobs]
        if None in found:
            return None
        return sum(x or 0.0 for x in found) / cores


def _like(job: Job) -> str:
    """Return what jobs of about the same cost have in common."""
    return "/".join(job.name.split("/")[:2]) if job.rule == "train" else job.rule


def updates(words: Sequence[str]) -> float:
    """Return the updates that a training is assumed to make, given the arguments of ``fit``."""
    trials = next((LONG[word] for word in words if word in LONG), 10_000)
    for word in words:
        if word.startswith("--phases.trials="):
            trials = int(word.partition("=")[2])
    return UPDATES_PER_TRIAL * (trials + PHASE_ONE["warmup" in words or "fast" in words])


def measure(folder: StudyFolder, spec: StudySpec) -> dict[str, float]:
    """Time an update of each published architecture of a study, and keep it in its folder.

    Returns:
        Milliseconds of an update by the architecture's name in the study.
    """
    from modnav.bench import BENCHES, BenchSettings
    from modnav.commands.quiet import quieten

    quieten()
    found = {}
    for agent in spec.agents:
        if agent.name in ARCHITECTURES or agent.name in NICKNAMES:
            result = BENCHES["update"](BenchSettings(agent.name, seconds=MEASURED_S))
            found[agent.name] = result.milliseconds.median
            print(f"{agent.name}: {found[agent.name]:.1f} ms per update", flush=True)
    write_text_atomically(json.dumps({"update_ms": found}, indent=1) + "\n", folder.costs)
    return found


def _update_ms(folder: StudyFolder) -> dict[str, float]:
    try:
        told = json.loads(read_text(folder.costs))
        return {str(k): float(v) for k, v in told["update_ms"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
