"""Results of a study, from the folders of its runs into one table."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from modnav.evaluation import STUDY_COLUMNS
from modnav.files import one_line, parse_yaml, read_text, read_yaml, regular, replacing
from modnav.runs import CurveLocation, RunFolder, read_curve, task_of

from .folder import Job, StudyFolder

__all__ = ["gather"]

_OWN = re.compile(r"^(seed_everything|folder): .*$", re.MULTILINE)
"""What each run of a cell has of its own in its configuration."""

_TASK = STUDY_COLUMNS[2:]


def gather(folder: StudyFolder) -> Path:
    """Write all validations and evaluations, and what became of each run, into one Parquet file.

    Selected checkpoints are copied to ``selected/<cell>/seed<k>.ckpt``.

    Args:
        folder: A study whose trainings and evaluations are done.

    Returns:
        The file, see :func:`open_study`.

    Raises:
        ValueError: If a file of a run is missing or damaged.
    """
    jobs = folder.jobs()
    ends = [*folder.run_ends(jobs), *_search_ends(folder)]
    runs = [_about(folder, *end) for end in ends]
    best = {row["folder"]: row for row in _selected(folder, jobs)}
    runs = [run | best.get(run["folder"], {}) for run in runs]
    parts = [pd.DataFrame([{"table": "runs"} | run for run in runs])]
    for run in runs:
        parts += _validations(folder, run)
    whole = {run["folder"]: run for run in runs if not run["status"]}
    for job in jobs:
        if job.rule == "evaluate" and job.runs[0] in whole:
            parts.append(_evaluation(folder, job, whole[job.runs[0]]))
    with replacing(folder.results) as temporary:
        pd.concat(parts, ignore_index=True).to_parquet(temporary, index=False)
    return folder.results


def _search_ends(folder: StudyFolder) -> Iterator[tuple[str, int, str]]:
    """Yield folder, exit status and reason of each run of a search, which members' reports tell."""
    trials = folder.search()
    for number, state in zip(trials.get("trial", ()), trials.get("state", ()), strict=True):
        cell = folder.path / "runs" / f"trial{number}"
        for run in sorted(x.parent for x in cell.glob("seed*/member.json")):
            status, reason = RunFolder(run).ended() or (0, "")
            reason = "pruned" if state == "pruned" else reason
            yield run.relative_to(folder.path).as_posix(), status, reason


def _about(folder: StudyFolder, run: str, status: int, reason: str) -> dict[str, Any]:
    """Return cell, seed and task of a run, and how it ended."""
    config = RunFolder(folder.path / run).config
    with _damage(config):
        task = dict(_config(config)["data"]["task"])
    return {
        "cell": Path(run).parent.name,
        "seed": int(Path(run).name.removeprefix("seed")),
        **{name: _number(task.get(name)) for name in _TASK},
        "folder": run,
        "status": status,
        "reason": reason,
    }


@contextmanager
def _damage(file: Path) -> Iterator[None]:
    """Tell which file it is that does not hold what it should."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = f": {one_line(error)}" if type(error) is ValueError else ""
        raise ValueError(f"{file} is damaged{reason}") from error


def _config(file: Path) -> dict[str, Any]:
    """Return the configuration of a run; of those that differ in their seeds one is parsed."""
    found = _parsed(_OWN.sub("", read_text(file, "replace")))
    if found is None:
        return read_yaml(file)  # raises, and says why
    return found


@lru_cache(maxsize=100)
def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return parse_yaml(text)
    except ValueError:
        return None


def _number(value: Any) -> str | float:
    return float(value) if isinstance(value, (int, float)) else str(value)


def _selected(folder: StudyFolder, jobs: list[Job]) -> Iterator[dict[str, Any]]:
    """Yield the selected checkpoint of each run, which is copied."""
    for job in jobs:
        file = folder.path / "selected" / f"{Path(job.name).name}.json"
        end = folder.end(job) if job.rule == "select" else None
        if end is None or end.status:
            continue
        with _damage(file):
            found = [
                {
                    "folder": f"runs/{file.stem}/seed{int(best['seed'])}",
                    "architecture": str(best["architecture"]),
                    "best_episode": int(best["episode"]),
                    "score": float(best["score"]),
                    "checkpoint": str(best["checkpoint"]),
                }
                for best in json.loads(regular(file).read_text(encoding="utf-8"))[0]["seeds"]
            ]
            for best in found:
                best["checkpoint"] = _copied(folder, job, best)
        yield from found


def _copied(folder: StudyFolder, job: Job, best: dict[str, Any]) -> str:
    """Copy a selected checkpoint, and return where it is now, within the study's folder.

    Raises:
        ValueError: If it is not one of a run of the job.
    """
    run, source = best["folder"], folder.path / best["checkpoint"]
    here = (folder.path / run).resolve()
    if run not in job.runs or not source.resolve().is_relative_to(here):
        raise ValueError(f"{best['checkpoint']} is no checkpoint of {run}")
    copy = f"selected/{Path(run).parent.name}/{Path(run).name}.ckpt"
    with replacing(folder.path / copy) as temporary:
        shutil.copyfile(regular(source), temporary)
    return copy


def _validations(folder: StudyFolder, run: dict[str, Any]) -> list[pd.DataFrame]:
    file = regular(folder.path / run["folder"] / "validation.csv")
    if not file.is_file():  # phase I may be given up before the first
        return []
    with _damage(file):
        table = pd.read_csv(file).drop(columns="seconds")  # which differ each time
    return [_of(run, table, "validations")]


def _evaluation(folder: StudyFolder, job: Job, run: dict[str, Any]) -> pd.DataFrame:
    config = RunFolder(folder.path / run["folder"]).config
    test = job.words[job.words.index("--task") + 1]
    location = CurveLocation(test, task_of(_config(config), config), "--extensive" in job.words)
    out = folder.path / "evaluations" / run["cell"]
    curve = location.file(out, run["architecture"], run["seed"])
    return _of(run, read_curve(curve).assign(test=test), "evaluations")


def _of(run: dict[str, Any], table: pd.DataFrame, name: str) -> pd.DataFrame:
    known = {key: run[key] for key in STUDY_COLUMNS}
    return table.assign(table=name, **known)
