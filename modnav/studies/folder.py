"""Folder of a study: its plan of jobs, what each job did so far, and how it ended."""

import glob
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from modnav.files import drop_leftovers, one_line, read_yaml, regular, write_text_atomically

__all__ = ["Job", "JobEnd", "StudyFolder"]

_NUMBERS = ("begun", "seconds", "cpu_seconds", "memory_mb", "status")
"""What a try tells in numbers."""


@dataclass(frozen=True)
class Job:
    """One command of ``modnav`` in a study.

    Attributes:
        name: What it does and to whom, such as ``train/modular/seed0``.
        key: Digest of the command and of the keys of what it builds on: a job with another key is
            another job, whatever was done before.
        setting: The same, but for seeds that may be added to what was begun.
        words: Arguments of ``modnav``; ``{runs}``, ``{best}`` and ``{threads}`` are filled in.
        needs: Names of the jobs that it builds on.
        runs: Folders of the runs that it trains or reads, within the study's.
        makes: What it leaves in the study's folder, as patterns: without it the job is not done any
            more.
        imports: Modules of the user's own.
        threads: Cores that it takes at most.
    """

    name: str
    key: str
    setting: str
    words: tuple[str, ...]
    needs: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    threads: int = 1

    @property
    def rule(self) -> str:
        """What kind of job it is: the first part of its name."""
        return self.name.partition("/")[0]

    @property
    def done(self) -> str:
        """File within the study's folder that is there once the job has ended for good."""
        return f"done/{self.name}.{self.key}.json"


@dataclass(frozen=True)
class JobEnd:
    """How a job ended for good.

    Attributes:
        status: 0, or the exit status of a run that would end likewise again: 3 if phase I was given
            up, 4 if a loss diverged.
        reason: Why it is not 0.
        runs: The same for each run of a training.
    """

    status: int = 0
    reason: str = ""
    runs: dict[str, tuple[int, str]] = field(default_factory=dict)


class StudyFolder:
    """The folder of one study.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about_file = path / "about.json"
        self.plan_file = path / "plan.json"
        self.spec_file = path / "study.yaml"
        self.results = path / "results.parquet"
        self.page = path / "index.html"
        self.trials = path / "search" / "trials.csv"
        self.best = path / "best.yaml"
        self.costs = path / "costs.json"

    def about(self) -> dict[str, Any]:
        """Return the study's name, its command, versions and commit; empty if there is no study.

        Raises:
            ValueError: If the file is damaged.
        """
        return _mapping(self.about_file)

    def name(self) -> str | None:
        """Return the study's name; None if there is no study.

        Raises:
            ValueError: If the files that hold it are damaged.
        """
        found = self.about()  # if it was lost, the study file has the name, too
        if not found and os.path.lexists(self.spec_file):
            found = read_yaml(self.spec_file, "a study file")
        return str(found["name"]) if found.get("name") else None

    def write_plan(self, jobs: list[Job]) -> None:
        """Write the jobs."""
        plan = {"jobs": [asdict(job) | {"done": job.done, "rule": job.rule} for job in jobs]}
        write_text_atomically(json.dumps(plan, indent=1) + "\n", self.plan_file)

    def jobs(self, wanted: Callable[[Mapping[str, Any]], bool] = lambda _: True) -> list[Job]:
        """Return the jobs of the plan.

        Args:
            wanted: Which of them, by what the plan has of one: all attributes and the rule.

        Raises:
            ValueError: If there is no plan, or it is damaged.
        """
        try:
            return [_job(job) for job in _mapping(self.plan_file)["jobs"] if wanted(job)]
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.path} is not the folder of a study") from error

    def end(self, job: Job) -> JobEnd | None:
        """Return how a job ended; None if it has not, or what it made is gone.

        Raises:
            ValueError: If its file is damaged.
        """
        told = _mapping(self.path / job.done)
        if not told:
            return None
        try:
            runs = {run: (int(status), str(why)) for run, (status, why) in told["runs"].items()}
            if not all((self.path / made).exists() for made in told.get("made", [])):
                return None
            return JobEnd(int(told["status"]), str(told["reason"]), runs)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{self.path / job.done} is damaged; remove it") from error

    def finish(self, job: Job, end: JobEnd) -> None:
        """Write that a job has ended, and what there is of what it makes."""
        found = [file for pattern in job.makes for file in sorted(self.path.glob(pattern))]
        made = [file.relative_to(self.path).as_posix() for file in found]
        told = asdict(end) | {"made": made}
        write_text_atomically(json.dumps(told) + "\n", self.path / job.done)

    def forget_ends(self, job: Job) -> None:
        """Forget how jobs of this name ended, with this key or others."""
        file = self.path / job.done
        name, _, _ = file.name.removesuffix(".json").rpartition(".")  # it may hold dots
        for other in file.parent.glob(f"{glob.escape(name)}.*.json"):
            key = other.name[len(name) + 1 : -len(".json")]
            if "." not in key:  # else it is of a longer name
                other.unlink(missing_ok=True)

    def settings(self, job: Job) -> list[str | None]:
        """Return the ``setting`` that each run of a training, or else the job, was begun with.

        None stands for what is not known.
        """
        return [self._setting(file) for file in self._setting_files(job)]

    def _setting(self, file: Path) -> str | None:
        try:
            return regular(file).read_text(encoding="utf-8").strip() or None
        except (OSError, ValueError):
            return None

    def write_setting(self, job: Job) -> None:
        """Write that a job is begun with its setting."""
        for file in self._setting_files(job):
            write_text_atomically(f"{job.setting}\n", file)

    def tries(self, job: Job) -> list[dict[str, Any]]:
        """Return what was done for a job; nothing if that is not known.

        A try has ``begun`` (s since 1970) and, once it has ended, ``seconds``, and unless it was
        killed, ``cpu_seconds``, ``memory_mb`` (most of a process), ``status`` and ``reason``.
        """
        file = self._tries_file(job)
        try:
            found = [_try(told) for told in _mapping(file).get("tries", [])]
            for told in found:
                if "seconds" not in told:  # it was killed, or it runs
                    told["seconds"] = round(max(0.0, file.stat().st_mtime - told["begun"]), 2)
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            return []  # they are told, and decide nothing
        return found

    def write_tries(self, job: Job, tries: Sequence[Mapping[str, Any]]) -> None:
        """Write what was done for a job."""
        drop_leftovers(file := self._tries_file(job))
        write_text_atomically(json.dumps({"tries": tries}, indent=1) + "\n", file)

    def beat(self, job: Job) -> None:
        """Mark, by the time of the file of its tries, that a job still runs."""
        with suppress(OSError):
            os.utime(self._tries_file(job))

    def log(self, job: Job) -> Path:
        """Return the file that holds what a job printed."""
        return self.path / "logs" / f"{job.name}.{job.key}.log"

    def run_ends(self, jobs: list[Job]) -> Iterator[tuple[str, int, str]]:
        """Yield folder, exit status and reason of each run whose training has ended."""
        for job in jobs:
            if job.rule == "train" and (end := self.end(job)):
                for run, (status, reason) in end.runs.items():
                    yield run, status, reason

    def search(self) -> pd.DataFrame:
        """Return the trials of a search, in order; empty if none was begun.

        Columns are ``trial``, ``state`` (finished, pruned, failed or running), ``score`` (rewards/s
        summed over gains, mean over seeds; of a pruned trial when it ended), ``validations`` until
        then, ``reason`` and the parameters.

        Raises:
            ValueError: If the table is damaged.
        """
        if not regular(self.trials).is_file():
            return pd.DataFrame()
        try:
            return pd.read_csv(self.trials, dtype={"reason": str}).fillna({"reason": ""})
        except ValueError as error:
            raise ValueError(f"{self.trials} is damaged: {one_line(error)}") from error

    def _tries_file(self, job: Job) -> Path:
        return self.path / "jobs" / f"{job.name}.json"

    def _setting_files(self, job: Job) -> list[Path]:
        """Return a file for each run that is trained, whether alone or in a population."""
        trained = job.runs if job.rule == "train" else ()
        names = [run.replace("runs", "train", 1) for run in trained] or [job.name]
        return [self.path / "jobs" / f"{name}.setting" for name in names]


def _job(plain: Mapping[str, Any]) -> Job:
    lists = {k: tuple(plain[k]) for k in ("words", "needs", "runs", "makes", "imports")}
    return Job(plain["name"], plain["key"], plain["setting"], **lists, threads=plain["threads"])


def _try(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a try whose numbers are numbers.

    Raises:
        ValueError: If they are not.
    """
    if not all(math.isfinite(told[key]) for key in _NUMBERS if key in told) or "begun" not in told:
        raise ValueError("a try is damaged")
    return dict(told) | ({"reason": str(told["reason"])} if "reason" in told else {})


def _mapping(file: Path) -> dict[str, Any]:
    """Return what a JSON file holds; empty if there is none.

    Raises:
        ValueError: If it is damaged.
    """
    if not os.path.lexists(file):
        return {}
    try:
        return dict(json.loads(regular(file).read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{file} is damaged; remove it") from error
