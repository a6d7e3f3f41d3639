"""``modnav study``: train, evaluate, select, record and report a whole study."""

import sys
import time
from argparse import SUPPRESS, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from modnav.commands.arguments import with_config_paths
from modnav.commands.own import import_own
from modnav.commands.population.checked import checked, one_thread
from modnav.commands.refused import Parser
from modnav.commands.terminal import plain_table, wide_console
from modnav.errors import InterruptedRunError, JobsFailedError, require
from modnav.files import write_text_atomically
from modnav.machine import cores
from modnav.networks import ARCHITECTURES, NICKNAMES
from modnav.studies import Job, StudyFolder, gather

from .about import write_about
from .costs import Costs, measure
from .engine import check_engine, jobs_are_elsewhere, run_engine
from .page import INTERRUPTED, standing, told_time, write_page
from .plan import cells, planned
from .search_spec import database
from .spec import AgentSpec, StudySpec, read_spec, study_file

_NO_GPU = ("--trainer.accelerator", "cpu", "--trainer.precision", "32-true")


def main(args: Sequence[str]) -> None:
    """Run the command."""
    args, extra = _split(args)
    given = _parser().parse_args(args)
    if given.gather:
        print(f"results: {gather(StudyFolder(Path(given.study)))}")
        return
    if given.search_worker:
        from .search import work  # the only place that needs Optuna

        work(StudyFolder(Path(given.study)), given.search_worker, extra)
        return
    require("--cores", given.cores, 1, 100_000)
    spec = read_spec(study_file(given.study))
    modules = [str(spec.path.parent.absolute()), str(Path.cwd())]
    sys.path[:0] = modules[:1]
    # Snakemake changes to the study's folder, so the paths are full ones
    folder = StudyFolder((given.folder or Path("studies") / spec.name).absolute())
    check_engine(extra, search=spec.search is not None)
    jobs = planned(spec, given.cores)
    _check_folder(folder, spec)
    if spec.search:
        database(folder)
    todo = [job for job in jobs if folder.end(job) is None]
    # a node from which jobs are sent to others need not have their GPU
    there = _NO_GPU if spec.accelerator == "gpu" and jobs_are_elsewhere(extra) else ()
    _check_trainings(spec, folder, todo, there)
    if given.measure:
        measure(folder, spec)
    if given.dry_run:
        _show(folder, jobs, Costs(folder, spec, jobs), given.cores)
        return
    _make_folder(folder)
    _run(folder, spec, jobs, given, extra, modules)


def _split(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return our own arguments, and those after ``--``."""
    args = list(args)
    cut = args.index("--") if "--" in args else len(args)
    return args[:cut], args[cut + 1 :]


def _parser() -> Parser:
    parser = Parser(
        prog="modnav study",
        description="Train, evaluate, select, record and report a whole study, as jobs of "
        "Snakemake. The same command goes on where it ended; what changed in the study file is "
        "done anew. What stands after -- goes to Snakemake.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("study", metavar="STUDY", help="a study file, or one that came with modnav, e.g. tiny")
    add("--folder", type=Path, help="folder of the study (default: studies/NAME)")
    add("--cores", type=int, default=cores(), metavar="N", help="cores to use (default: all)")
    add("--dry-run", action="store_true", help="show what would be done, and what it costs")
    add("--measure", action="store_true", help="time an update of each architecture first")
    add(
        "--gather", action="store_true", help="only gather the results of the study's folder STUDY"
    )
    add("--search-worker", metavar="JSON", help=SUPPRESS)  # what a job of a search runs
    return parser


def _check_folder(folder: StudyFolder, spec: StudySpec) -> None:
    """Check that a folder is that of this study, or of none."""
    name = folder.name()
    if name not in (None, spec.name):
        raise ValueError(
            f"{folder.path} is the folder of study {name}; name is {spec.name}: "
            "choose another --folder"
        )
    if name is None and any(folder.path.glob("runs/*")):
        raise ValueError(f"{folder.path} holds runs of no study; choose another --folder")


def _make_folder(folder: StudyFolder) -> None:
    """Make a study's folder, and try to write in it."""
    try:
        for name in ("runs", "done", "logs", "jobs"):
            (folder.path / name).mkdir(parents=True, exist_ok=True)
        write_text_atomically("", folder.path / "logs" / ".writable")
    except OSError as error:
        where = error.filename or folder.path
        raise ValueError(f"{where} cannot be written: {error.strerror}") from error


def _run(
    folder: StudyFolder,
    spec: StudySpec,
    jobs: list[Job],
    given: Namespace,
    extra: list[str],
    modules: list[str],
) -> None:
    try:
        held = FileLock(folder.path / ".lock").acquire(blocking=False)
    except Timeout as error:
        raise ValueError(f"{folder.path} is the folder of a study that runs") from error
    with held:
        todo = [job for job in jobs if folder.end(job) is None]
        write_about(folder, spec, modules)
        folder.write_plan(jobs)
        for job in todo:  # what it made may be gone
            (folder.path / job.done).unlink(missing_ok=True)
        print(f"{folder.path}: {len(todo)} of {len(jobs)} jobs to do", flush=True)
        print(f"page: {folder.page}", flush=True)
        show = partial(_show_standing, folder, spec, jobs, given.cores)
        refresh = partial(show, since=time.time(), told=[])
        refresh()
        done, gpus = not todo, int(spec.accelerator == "gpu")
        try:
            if todo:
                done = run_engine(folder.path, given.cores, gpus, extra, refresh)
                done = done and all(folder.end(job) for job in jobs)  # it may only have shown them
        finally:
            show(since=float("inf"), told=[])
    if not done:
        _complain(folder, jobs, extra)
    _tell(folder)


def _show_standing(
    folder: StudyFolder,
    spec: StudySpec,
    jobs: list[Job],
    at_once: int,
    *,
    since: float,
    told: list[str],
) -> None:
    """Write the page, and print a line if it is another than the last that was told."""
    line = write_page(folder, jobs, Costs(folder, spec, jobs), at_once, since)
    if told[-1:] != [line]:
        print(line, flush=True)
        told[:] = [line]


def _check_trainings(
    spec: StudySpec, folder: StudyFolder, todo: Sequence[Job], other: Sequence[str]
) -> None:
    """Make the parts of a training of each cell that is not done, as it would."""
    names = {job.name.split("/")[1] for job in todo if job.rule == "train"}
    for module in spec.imports:
        import_own(module)
    tried = [(cell, cell.args) for cell in cells(spec) if cell.name in names]
    if spec.search and any(job.rule == "search" for job in todo):
        (cell,) = cells(spec)
        tried = [(cell, (*cell.args, *words)) for words in spec.search.tried()]
    for k, (cell, words) in enumerate(tried):
        run = str(folder.path / cell.run(spec.seeds[0]))
        args = ["fit", *words, "--seed_everything", str(spec.seeds[0]), "--folder", run, *other]
        with one_thread():
            made = checked(with_config_paths(args), quiet=k > 0)
        if not spec.search:  # which may go over from one to another
            _check_named(cell.agent, made.model.agent.architecture)


def _check_named(agent: AgentSpec, made: str) -> None:
    """Refuse a published name for another published agent, as a protocol that is an agent's makes."""
    meant = NICKNAMES.get(agent.name, agent.name)
    if meant in ARCHITECTURES and made in ARCHITECTURES and made != meant:
        raise ValueError(
            f"architectures has {agent.name}, but with its protocol and options it is {made}: "
            "leave out of protocol what makes an agent, such as modular, or choose another name"
        )


def _show(folder: StudyFolder, jobs: Sequence[Job], costs: Costs, at_once: int) -> None:
    """Print what is to do and what it costs."""
    stands = standing(folder, jobs, float("inf"))
    heads = ("jobs", "done", "to do", "each", "core hours")
    table = plain_table(f"{folder.path}: what would be done", heads)
    todo = [x.job for x in stands if x.state not in ("finished", "left out")]
    for rule in dict.fromkeys(job.rule for job in jobs):
        mine = [job for job in todo if job.rule == rule]
        every = sum(job.rule == rule for job in jobs)
        cost = costs.left(mine, 1)
        each = told_time(cost and cost / len(mine)) if mine else ""
        hours = "?" if cost is None else f"{cost / 3600:.2f}"
        table.add_row(rule, str(every - len(mine)), str(len(mine)), each, hours)
    console = wide_console()
    console.print(table)
    left = told_time(costs.left(todo, at_once))
    console.print(f"{len(todo)} jobs, on {at_once} cores about {left}", highlight=False)


def _complain(folder: StudyFolder, jobs: Sequence[Job], extra: Sequence[str]) -> None:
    """Complain about jobs that failed or were stopped.

    Raises:
        JobsFailedError: If some failed or were killed; the message names the first.
        InterruptedRunError: If some were only told to stop.
    """
    stands = standing(folder, jobs, float("inf"))
    failed = [x for x in stands if x.state == "failed"]
    stopped = [x for x in stands if x.state == "stopped"]
    if not failed and any(x.last.get("status") == INTERRUPTED for x in stopped):
        raise InterruptedRunError("interrupted; the same command goes on")
    if not failed + stopped:
        why = ": what stands after -- may be why" if extra else ""
        raise JobsFailedError(
            f"the engine ended before all was done{why}; the same command goes on"
        )
    first = (failed + stopped)[0]
    raise JobsFailedError(
        f"jobs that failed: {len(failed + stopped)}; the first: {first.job.name}: {first.reason} "
        f"(see {folder.log(first.job)}); the same command tries again"
    )


def _tell(folder: StudyFolder) -> None:
    """Print where the results are."""
    print(f"results: {folder.results}")
    report = folder.path / "figures" / "report.html"
    if report.is_file():
        print(f"report: {report}")
    print(f"page: {folder.page}")
