"""The page of a study: how far it is, what failed and why, and its results."""

import csv
import html
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from modnav.analysis.pages import html_page, html_table
from modnav.errors import InterruptedRunError
from modnav.files import one_line, regular, write_text_atomically
from modnav.studies import Job, StudyFolder, open_study

from .costs import Costs
from .job import ENDED

__all__ = ["INTERRUPTED", "Standing", "standing", "told_time", "write_page"]

STATES = ("finished", "left out", "running", "waiting", "failed", "stopped")
PAGE_REFRESH_S = 10
KILLED, INTERRUPTED = 137, InterruptedRunError.exit_status
"""Exit statuses of jobs that were stopped; one that was killed could not note it."""


@dataclass(frozen=True)
class Standing:
    """How a job stands.

    Attributes:
        job: The job.
        state: One of :data:`STATES`; a job that was left out has nothing to work on, as all its runs
            gave up phase I or diverged.
        reason: Why it failed or was left out, or its training ended before its time.
        tries: See :meth:`StudyFolder.tries`.
    """

    job: Job
    state: str
    reason: str
    tries: list[dict[str, Any]]

    @property
    def last(self) -> dict[str, Any]:
        """Its last try."""
        return self.tries[-1] if self.tries else {}

    @property
    def seconds(self) -> float:
        """Time that all its tries took, s."""
        return sum(x["seconds"] for x in self.tries)


def standing(folder: StudyFolder, jobs: Sequence[Job], since: float) -> list[Standing]:
    """Return how the jobs of a study stand.

    Args:
        folder: The study's folder.
        jobs: Its jobs.
        since: When the engine that runs was started, s since 1970; infinity if none runs.
    """
    found = []
    for job in jobs:
        # those of another setting were of what the job was before the study changed
        tries = folder.tries(job) if {*folder.settings(job)} <= {None, job.setting} else []
        last = tries[-1] if tries else {}
        if end := folder.end(job):
            state = "left out" if end.status and job.rule != "train" else "finished"
            found.append(Standing(job, state, end.reason, tries))
        elif not last or last.get("status") in ENDED:  # not begun, or what it made is gone
            found.append(Standing(job, "waiting", "", tries))
        elif "status" not in last and last["begun"] >= since:
            found.append(Standing(job, "running", "", tries))
        else:
            status = last.get("status", KILLED)
            state = "stopped" if status in (KILLED, INTERRUPTED) else "failed"
            found.append(Standing(job, state, last.get("reason", "killed"), tries))
    return found


def told_time(seconds: float | None) -> str:
    """Return a time in words."""
    if seconds is None:
        return "not known (--measure)"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def write_page(
    folder: StudyFolder, jobs: Sequence[Job], costs: Costs, cores: int, since: float
) -> str:
    """Write the page, ``index.html`` in the study's folder.

    Returns:
        How many jobs are done, in a line.
    """
    stands = standing(folder, jobs, since)
    about = folder.about()
    runs = since != float("inf")
    head = f'<meta http-equiv="refresh" content="{PAGE_REFRESH_S}">' if runs else ""
    done = sum(x.state in ("finished", "left out") for x in stands)
    parts = [
        f"<h1>Study {html.escape(about['name'])}: {done} of {len(jobs)} jobs done</h1>",
        _heading(stands, costs, cores, runs=runs),
        _failed(folder, stands),
        "<h2>Jobs</h2>" + html_table(_counts(stands)),
        _results(folder) if done == len(jobs) else "",
        _search(folder),
        _trainings(folder, stands),
        _about(about),
    ]
    write_text_atomically(html_page(f"study {about['name']}", "\n".join(parts), head), folder.page)
    ended = Counter(x.state for x in stands)
    more = [f"{state} {ended[state]}" for state in ("running", "failed") if ended[state]]
    return ", ".join([f"{done} of {len(jobs)} jobs done", *more])


def _heading(stands: Sequence[Standing], costs: Costs, cores: int, *, runs: bool) -> str:
    left = [x.job for x in stands if x.state not in ("finished", "left out")]
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    if not left:
        return f"<p>Finished; written {now}.</p>"
    told = f"about {told_time(costs.left(left, cores))} left on {cores} cores"
    state = "Running" if runs else "Stopped: the same command goes on"
    return f"<p>{state}; {told}. Written {now}{', every 10 s anew' * runs}.</p>"


def _failed(folder: StudyFolder, stands: Sequence[Standing]) -> str:
    failed = [x for x in stands if x.reason]
    if not failed:
        return ""
    rows = [
        {
            "job": x.job.name,
            "state": x.state,
            "reason": x.reason,
            "log": str(folder.log(x.job).relative_to(folder.path)),
        }
        for x in failed
    ]
    return f'<h2 class="missing">Failed, stopped, given up or left out</h2>{html_table(pd.DataFrame(rows))}'


def _counts(stands: Sequence[Standing]) -> pd.DataFrame:
    counts = Counter((x.job.rule, x.state) for x in stands)
    rules = dict.fromkeys(x.job.rule for x in stands)
    rows = []
    for rule in rules:
        ended = [x for x in stands if x.job.rule == rule and "status" in x.last]
        row: dict[str, Any] = {"jobs": rule}
        row |= {state: counts[rule, state] for state in STATES}
        if ended:
            row["mean time"] = told_time(sum(x.seconds for x in ended) / len(ended))
            row["most memory, MB"] = max(t.get("memory_mb", 0) for x in ended for t in x.tries)
        rows.append(row)
    return pd.DataFrame(rows, dtype=object).fillna("")


def _search(folder: StudyFolder) -> str:
    """Return the trials of a search, the best first."""
    if (trials := folder.search()).empty:
        return ""
    told = f"{sum(trials['state'] == 'finished')} trials finished"
    if folder.best.is_file():
        told += f'; that of the best is <a href="{folder.best.name}">{folder.best.name}</a>'
    shown = trials.sort_values("score", ascending=False, kind="stable")
    return f"<h2>Search</h2><p>{told}.</p>{html_table(shown)}"


def _trainings(folder: StudyFolder, stands: Sequence[Standing]) -> str:
    rows = []
    for x in stands:
        for run in x.job.runs if x.job.rule == "train" else ():
            row = {"run": run.removeprefix("runs/"), "state": x.state, **_last(folder, run)}
            row["time"] = told_time(x.seconds) if x.tries else ""
            row["memory, MB"] = x.last.get("memory_mb", "")
            rows.append(row | {"tries": len(x.tries)})
    return f"<h2>Trainings</h2>{html_table(pd.DataFrame(rows).fillna(''))}" if rows else ""


def _last(folder: StudyFolder, run: str) -> dict[str, Any]:
    """Return where a run was at its last validation on the fixed trials."""
    try:
        table = regular(folder.path / run / "validation.csv", text=True)
        with table.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["validation"] == "selection"]
        last = rows[-1]
        same = [row for row in rows if row["total_trials"] == last["total_trials"]]
        names = {row["task"]: f"{float(row['reward_fraction']):.0%}" for row in same}
        return {"phase": last["phase"], "trials in it": last["trials"], **names}
    except (OSError, LookupError, ValueError, csv.Error):
        return {}


def _results(folder: StudyFolder) -> str:
    if not folder.results.is_file():
        return ""
    try:
        runs = open_study(folder.path).runs
    except ValueError as error:
        return f"<h2>Results</h2><p>{html.escape(one_line(error))}</p>"
    told = "<p>Tables: results.parquet, <code>modnav.open_study</code>."
    if (folder.path / "figures" / "report.html").is_file():
        told += ' Figures: <a href="figures/report.html">figures/report.html</a>.'
    told += "</p>"
    if "score" in runs:
        columns = ["cell", "architecture", "seed", "best_episode", "score", "checkpoint"]
        told += html_table(runs.dropna(subset=["score"]).reindex(columns=columns))
    return f"<h2>Results</h2>{told}"


def _about(about: dict[str, Any]) -> str:
    told = [(key, str(value)) for key, value in about.items()]
    return f"<h2>About</h2>{html_table(pd.DataFrame(told, columns=['what', 'it is']))}"
