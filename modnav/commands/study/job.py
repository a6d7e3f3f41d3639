"""What a job of a study does: a command of ``modnav``, begun or gone on with, and how it ended."""

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import psutil

from modnav.errors import FOR_GOOD, RunFinishedError
from modnav.files import one_line
from modnav.runs import RunFolder
from modnav.studies import Job, JobEnd, StudyFolder

__all__ = ["do"]

ENDED = (0, *FOR_GOOD)
"""Exit statuses that a job would have again."""

WAIT_S = 120.0
"""Longest time for a process of an engine that was killed to save its state, s."""

BEAT_S = 10.0
"""Time between two marks that a job runs, s: one that is killed cannot tell how long it ran."""


def do(name: str, threads: str) -> int:
    """Do a job of the study in the current folder, and return its exit status.

    Raises:
        ValueError: If there is no such job.
    """
    folder = StudyFolder(Path())
    job = next(iter(folder.jobs(lambda x: bool(x["name"] == name))), None)
    if job is None:
        raise ValueError(f"JOB is {name}; the plan has no such job")
    sys.path[:0] = (paths := folder.about()["modules"])
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])
    began = psutil.Process().create_time()  # to start Python with PyTorch is part of the cost
    try:
        goes_on = _begin(folder, job)
    except ValueError as error:
        refused = {"begun": began, "seconds": 0.0, "status": 2, "reason": one_line(error)}
        folder.write_tries(job, [*folder.tries(job), refused])
        raise
    tries = [*folder.tries(job), {"begun": began, "pid": os.getpid()}]
    folder.write_tries(job, tries)
    threading.Thread(target=_beat, args=(folder, job), daemon=True).start()
    end, failed = _done(folder, job, goes_on=goes_on, threads=threads)
    tries[-1] |= {"seconds": round(time.time() - began, 2), **_used()}
    reason = end.reason or f"exit status {end.status}" * bool(end.status)
    tries[-1] |= {"status": end.status, "reason": reason}
    folder.write_tries(job, tries)
    if failed:
        return end.status or 1
    folder.finish(job, end)
    return 0


def _beat(folder: StudyFolder, job: Job) -> None:
    while True:
        time.sleep(BEAT_S)
        folder.beat(job)


def _begin(folder: StudyFolder, job: Job) -> bool:
    """Return whether the job goes on with what it has begun, and make it ready to begin if not.

    A run of other settings must not be resumed as this one: it loses its configuration first.
    """
    runs = [RunFolder(folder.path / run) for run in job.runs if job.rule == "train"]
    for run in runs:
        wait_for(run)
    before = folder.settings(job)
    for run, setting in zip(runs, before, strict=False):
        if run.config.is_file() and setting is None:
            raise ValueError(
                f"what {run.path} was begun with is not known (its .setting is missing in jobs/train): "
                f"to go on with it, write {job.setting} into that file; to begin anew, remove {run.path}"
            )
    folder.forget_ends(job)
    for run, setting in zip(runs, before, strict=False):
        if setting != job.setting:
            run.config.unlink(missing_ok=True)
    goes_on = set(before) == {job.setting}
    if not goes_on:
        folder.write_tries(job, [])
        folder.write_setting(job)
    return goes_on


def wait_for(run: RunFolder) -> None:
    """Wait until a process of a former engine has left the run."""
    if run.path.is_dir():
        run.check_free(WAIT_S)


def _done(folder: StudyFolder, job: Job, *, goes_on: bool, threads: str) -> tuple[JobEnd, bool]:
    """Do the job; return how it ended, and whether it may end otherwise another time."""
    if job.rule == "train":
        return _trained(job, threads)
    trained = folder.jobs(lambda x: not set(job.runs).isdisjoint(x["runs"]))
    ends = {run: (status, why) for run, status, why in folder.run_ends(trained)}
    runs = [run for run in job.runs if not ends[run][0]]
    if job.runs and not runs and job.rule != "gather":
        status, reason = ends[job.runs[0]]
        return JobEnd(status, f"left out: {reason}"), False
    filled = {"{runs}": runs, "{threads}": [threads]}
    if "{best}" in job.words:
        filled["{best}"] = [_best(folder, job)]
    words = [x for word in job.words for x in filled.get(word, [word])]
    words += ["--overwrite"] * (job.rule == "evaluate" and not goes_on)
    status, error = _modnav(words, job.imports)
    return JobEnd(status, _reason(error)), status != 0


def _trained(job: Job, threads: str) -> tuple[JobEnd, bool]:
    begun = [run for run in job.runs if RunFolder(Path(run)).config.is_file()]
    new = [run for run in job.runs if run not in begun]
    status, error = 0, None
    if begun:
        lone = "--folder" in job.words
        where = (
            [begun[0]] if lone else [str(Path(begun[0]).parent), *_members(job, begun, threads)]
        )
        status, error = _modnav(["fit", "--resume", *where], job.imports)
    if isinstance(error, RunFinishedError):  # killed between its end and our note of it
        status, error = 0, None
    if new and status in ENDED:
        before = status
        status, error = _modnav(
            [*job.words, "--overwrite", "true", *_members(job, new, threads)], job.imports
        )
        status = max(before, status)
    mine = status, _reason(error)  # members of a population tell it in their folders
    runs = {run: RunFolder(Path(run)).ended() or mine for run in job.runs}
    again = [found for found in runs.values() if found[0] not in ENDED]
    status, reason = again[0] if again else (status, _reason(error))
    return JobEnd(status, reason, runs), status not in ENDED


def _members(job: Job, runs: Sequence[str], threads: str) -> list[str]:
    """Return the arguments that tell the members of a population; none of a lone run."""
    if "--folder" in job.words:
        return []
    seeds = (Path(run).name.removeprefix("seed") for run in runs)
    return ["--seeds", ",".join(seeds), "--cores", threads]


def _best(folder: StudyFolder, job: Job) -> str:
    """Return the selected checkpoint of the cell that a job is about."""
    file = folder.path / "selected" / f"{Path(job.name).name}.json"
    found = json.loads(file.read_text(encoding="utf-8"))[0]["architectures"]
    return str(next(iter(found.values()))["checkpoint"])


def _modnav(words: Sequence[str], imports: Sequence[str]) -> tuple[int, BaseException | None]:
    """Run a command of modnav in this process; return its exit status and what it ended by."""
    from modnav.cli import main as modnav

    more = [word for module in imports for word in ("--import", module)]
    print(f"$ modnav {' '.join([*words, *more])}", flush=True)
    try:
        modnav([*words, *more])
    except SystemExit as end:
        return (end.code if isinstance(end.code, int) else 1), end.__cause__
    except Exception as error:  # noqa: BLE001 - such as a GPU without memory: the log has it all
        traceback.print_exc()
        return 1, error
    return 0, None


def _reason(error: BaseException | None) -> str:
    return one_line(error) if error else ""


def _used() -> dict[str, float]:
    """Return processor time and most memory of this process and those it started."""
    try:
        import resource
    except ImportError:  # Windows
        return {"cpu_seconds": round(sum(psutil.Process().cpu_times()[:2]), 2)}
    found = [resource.getrusage(x) for x in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(used.ru_utime + used.ru_stime for used in found)
    scale = 2**20 if sys.platform == "darwin" else 2**10
    memory = max(used.ru_maxrss for used in found) / scale
    return {"cpu_seconds": round(seconds, 2), "memory_mb": round(memory)}
