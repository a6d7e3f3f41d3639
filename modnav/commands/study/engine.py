"""Snakemake as the engine of a study, in this process, with a page that is written meanwhile."""

import importlib.util
import io
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from importlib import resources
from pathlib import Path

import psutil

from modnav.commands.refused import Parser
from modnav.errors import InterruptedRunError
from modnav.files import one_line
from modnav.machine import signals_taken

__all__ = ["check_engine", "jobs_are_elsewhere", "run_engine"]

REFRESH_S = 10.0
"""Time between two pages, s."""

REST = 20.0
"""The same at least, in times that a page took: thousands of runs take seconds to look at."""

SUBMITTERS = {"slurm": ("sbatch", "sinfo"), "lsf": ("bsub", "bqueues"), "sge": ("qsub", "qstat")}
"""Commands that executors need: the one that submits, and one that answers where there is a cluster."""


def check_engine(extra: Sequence[str], *, search: bool = False) -> None:
    """Check that there is an engine, and the executor that is asked of it."""
    if importlib.util.find_spec("snakemake") is None:
        raise ValueError("`modnav study` needs Snakemake: pip install 'modnav[study]'")
    if search and importlib.util.find_spec("optuna") is None:
        raise ValueError("search needs Optuna: pip install 'modnav[study]'")
    executor = executor_of(extra)
    if executor not in (None, "local", "dryrun", "touch"):
        _check_executor(executor)
    if extra:
        _check_words(extra)


def _check_executor(executor: str) -> None:
    plugin = f"snakemake_executor_plugin_{executor.replace('-', '_')}"
    if importlib.util.find_spec(plugin) is None:
        raise ValueError(
            f"--executor is {executor}, which is not installed: "
            f"pip install {plugin.replace('_', '-')}"
        )
    for command in SUBMITTERS.get(executor, ()):
        if shutil.which(command) is None:
            raise ValueError(f"--executor is {executor}, but there is no {command} here")
    if executor in SUBMITTERS:
        _check_cluster(executor, SUBMITTERS[executor][1])


def _check_words(extra: Sequence[str]) -> None:
    """Let Snakemake read its arguments now: it tells a mistake with 150 lines of usage."""
    from snakemake.cli import parse_args

    told = io.StringIO()
    try:
        with redirect_stderr(told), redirect_stdout(told):
            parse_args(["--cores", "1", *extra])
    except SystemExit as end:
        lines = told.getvalue().strip().splitlines() or ["Snakemake ends at once"]
        last = lines[-1].rpartition("error: ")[2] if end.code else "Snakemake only shows its help"
        raise ValueError(f"after --, {' '.join(extra)}: {last}") from end
    except Exception as error:  # whatever plugins of executors make of their settings
        raise ValueError(f"after --, {' '.join(extra)}: {one_line(error)}") from error


def executor_of(extra: Sequence[str]) -> str | None:
    """Return the executor that arguments for Snakemake ask for; None if they do not."""
    parser = Parser(prog="after --", add_help=False, allow_abbrev=False)
    parser.add_argument("--executor", "-e")
    return str(found) if (found := parser.parse_known_args(extra)[0].executor) else None


def jobs_are_elsewhere(extra: Sequence[str]) -> bool:
    """Return whether jobs may run on other machines than this, as arguments for Snakemake say."""
    by_profile = any(word.partition("=")[0] == "--profile" for word in extra)
    return by_profile or executor_of(extra) not in (None, "local")


def _check_cluster(executor: str, command: str) -> None:
    try:
        asked = subprocess.run([command], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"--executor is {executor}, but {command} does not answer") from error
    if asked.returncode:
        reason = (asked.stderr.strip().splitlines() or ["no reason given"])[0]
        raise ValueError(f"--executor is {executor}, but {command} fails: {reason}")


def run_engine(
    folder: Path, cores: int, gpus: int, extra: Sequence[str], refresh: Callable[[], None]
) -> bool:
    """Do all jobs of a study's plan that are not done; return whether all could be.

    Args:
        folder: Folder of the study.
        cores: Cores to use on this machine.
        gpus: GPUs that a training takes.
        extra: Further arguments for Snakemake.
        refresh: What is called at times meanwhile.

    Raises:
        InterruptedRunError: If it was told to stop; the same command goes on.
    """
    from snakemake.cli import main

    words = ["--snakefile", str(resources.files("modnav.commands.study") / "Snakefile")]
    words += ["--directory", str(folder), "--cores", str(cores), "--config", f"gpus={gpus}"]
    # the study is locked already, and what is done is told by names of files
    words += ["--nolock", "--rerun-incomplete", "--rerun-triggers", "input", "--keep-going"]
    words += ["--scheduler", "greedy"]  # the other solves a programme of all jobs that are ready
    if not jobs_are_elsewhere(extra):
        words += ["--resources", "gpu=1", "--quiet", "progress", "rules", "host"]
    elif executor_of(extra) and not {"-j", "--jobs"} & set(extra):
        words += ["--jobs", "100"]
    interrupted = InterruptedRunError("interrupted; the same command goes on")
    with _ended_by_signals() as received:
        try:
            with _repeated(refresh):
                main([*words, *extra])
        except SystemExit as end:
            if received:
                raise interrupted from None
            return not end.code
        except KeyboardInterrupt:
            raise interrupted from None
    return True


@contextmanager
def _ended_by_signals() -> Iterator[list[int]]:
    """Let signals end the jobs too while the context lasts; yields those that came.

    Snakemake would wait for jobs that run, which may take days.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    received: list[int] = []
    ended = threading.Event()

    def end(number: int, _: object) -> None:
        if not received:
            threading.Thread(target=_end_jobs, args=(ended,), daemon=True).start()
        received.append(number)
        raise KeyboardInterrupt

    own = JobScheduler.exit_gracefully
    JobScheduler.exit_gracefully = staticmethod(end)  # which it takes for SIGTERM
    try:
        with signals_taken((signal.SIGINT, signal.SIGTERM), end):
            yield received
    finally:
        ended.set()
        JobScheduler.exit_gracefully = own


def _end_jobs(ended: threading.Event) -> None:
    """Tell each job once to end, also those that are just being started: trainings save their states."""
    told: set[psutil.Process] = set()
    while not ended.wait(0.2):
        with suppress(psutil.Error):
            for job in set(psutil.Process().children()) - told:
                told.add(job)
                job.terminate()


@contextmanager
def _repeated(refresh: Callable[[], None]) -> Iterator[None]:
    """Call a function at times, in a thread of its own, until the context ends."""
    ended = threading.Event()

    def repeat() -> None:
        took = 0.0
        while not ended.wait(max(REFRESH_S, REST * took)):
            began = time.monotonic()
            with suppress(OSError, ValueError):  # the next time it may be possible
                refresh()
            took = time.monotonic() - began

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
