"""Time what a study costs besides its jobs when it has thousands of runs.

``python tests/tools/study_scale.py --runs 1000 FOLDER`` takes the finished study in ``FOLDER`` (of which it needs a cell
``small`` with seed 0, evaluated on gains, as tests/whole_runs/test_study.py leaves one), copies that run's
files (hard links) until there are as many runs, and prints processor times: of the plan, of what is
looked at before and while the engine runs, of Snakemake's own graph, and of the results.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

import yaml

from modnav.commands.study.costs import Costs
from modnav.commands.study.engine import run_engine
from modnav.commands.study.page import write_page
from modnav.commands.study.plan import planned
from modnav.commands.study.spec import StudySpec, read_spec
from modnav.studies import Job, JobEnd, StudyFolder, gather

CELLS = 10


def timed(what: str, does: Callable[[], Any]) -> Any:
    """Print the processor time of something, with that of processes that it starts."""
    began, wall = os.times(), time.monotonic()
    found = does()
    spent = [sum(x[:4]) for x in (began, os.times())]
    print(f"{what}: {spent[1] - spent[0]:.2f} s ({time.monotonic() - wall:.1f} s)", flush=True)
    return found


def study(runs: int, where: Path, small: Path) -> StudySpec:
    """Return a study of so many runs."""
    own = [{"name": f"small{k}", "protocol": [str(small)]} for k in range(CELLS)]
    said = {"name": "many", "architectures": own, "seeds": f"0-{runs // CELLS - 1}"}
    file = where / "study.yaml"
    file.write_text(yaml.safe_dump(said | {"record": False, "report": False}))
    return read_spec(file)


def fill(folder: StudyFolder, jobs: list[Job], source: Path) -> None:
    """Make the files of a study that is done, as copies of one run's."""
    curves = [p for p in (source / "evaluations/small").rglob("*seed0.*") if p.is_file()]
    chosen = json.loads((source / "selected/small.json").read_text())
    for job in jobs:
        runs = {run: (0, "") for run in job.runs} if job.rule == "train" else {}
        folder.finish(job, JobEnd(0, "", runs))
        end = {"begun": 0.0, "pid": 1, "seconds": 5.0, "status": 0, "reason": ""}
        folder.write_setting(job)
        folder.write_tries(job, [end])
        if job.rule == "train":
            shutil.copytree(
                source / "runs/small/seed0", folder.path / job.runs[0], copy_function=os.link
            )
        if job.rule == "evaluate":
            for curve in curves:
                seed = Path(job.runs[0]).name
                copy = folder.path / "evaluations" / Path(job.runs[0]).parent.name
                copy /= curve.relative_to(source / "evaluations/small")
                copy.parent.mkdir(parents=True, exist_ok=True)
                os.link(curve, copy.with_name(copy.name.replace("seed0", seed)))
        if job.rule == "select":
            one = chosen[0]["seeds"][0]
            checkpoints = [f"{run}/checkpoints/{Path(one['checkpoint']).name}" for run in job.runs]
            seeds = [one | {"seed": k, "checkpoint": x} for k, x in enumerate(checkpoints)]
            file = folder.path / "selected" / f"{Path(job.name).name}.json"
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps([{"seeds": seeds}]))


def engine(folder: StudyFolder, where: Path, out: TextIO) -> None:
    """Let Snakemake run all jobs, as a command that only writes that the job is done."""
    instead, python = where / "python", sys.executable
    instead.write_text(
        "#!/bin/bash\nlog=$(readlink /proc/$$/fd/1); name=${log#*/study/logs/}\n"
        f"echo '{{}}' > {folder.path}/done/${{name%.log}}.json\n"
    )
    instead.chmod(0o755)
    sys.executable = str(instead)  # what the Snakefile starts
    try:
        with redirect_stdout(out), redirect_stderr(out):
            done = run_engine(folder.path, 2, 0, [], lambda: None)
        assert done, (where / "out").read_text()[-3000:]
    finally:
        sys.executable = python


def main(runs: int, source: Path, where: Path, *, trivial: bool) -> None:
    """Time all."""
    small = Path(__file__).with_name("small.yaml")
    spec, folder = study(runs, where, small), StudyFolder(where / "study")
    folder.path.mkdir()
    jobs = timed("plan", lambda: planned(spec, 2))
    timed("plan.json", lambda: folder.write_plan(jobs))
    size = folder.plan_file.stat().st_size / 1e6
    folder.about_file.write_text('{"name": "many", "modules": []}')
    print(f"{runs} runs, {len(jobs)} jobs, plan.json of {size:.1f} MB")

    out = (where / "out").open("w")  # one for all, as Snakemake keeps it

    def graph() -> bool:
        with redirect_stdout(out), redirect_stderr(out):
            return run_engine(folder.path, 2, 0, ["--dry-run"], lambda: None)

    timed("Snakemake --dry-run, nothing done", graph)
    if trivial:
        timed("jobs of Snakemake that do nothing", lambda: engine(folder, where, out))
        shutil.rmtree(folder.path / "done")
    timed("files", lambda: fill(folder, jobs, source))
    timed("Snakemake --dry-run, all done", graph)

    def look(since: float) -> str:
        return write_page(folder, jobs, Costs(folder, spec, jobs), 2, since)

    timed("page, the first", lambda: look(0.0))
    timed("page, the next", lambda: look(0.0))
    timed("what a job reads of the plan", lambda: folder.jobs())
    timed("results.parquet", lambda: gather(folder))
    print(f"results.parquet of {folder.results.stat().st_size / 1e6:.1f} MB")
    files = sum(len(names) for _, _, names in os.walk(folder.path))
    print(f"{files:,} files, {files / runs:.1f} a run")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="FOLDER")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--jobs", action="store_true", help="Also run all jobs, as trivial ones.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        main(given.runs, given.source.absolute(), Path(name), trivial=given.jobs)
