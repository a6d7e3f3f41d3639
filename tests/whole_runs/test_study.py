"""A small study to its end: killed once, changed, with a run that gives up and a job that fails."""

import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import study_kills
from forked import Forked, forked_jobs

import modnav
from modnav.cli import main
from modnav.studies import StudyFolder

shell = pytest.importorskip("snakemake.shell")

SMALL = Path(__file__).parents[1] / "tools" / "small.yaml"
STUDY = """
name: smaller
architectures:
  - {name: small, protocol: [small.yaml]}
  - {name: dull, protocol: [small.yaml], options: {phases.learned_fraction: 1.0, phases.give_up: 40}}
seeds: 0
trials: 200
evaluate: {trials: 5}
record: {trials: 3, gain: 1.0}
report: false
"""


@pytest.fixture(scope="module")
def study() -> Iterator[Callable[[Path, str], None]]:
    """Function that runs a study in one of its folder's folders; its jobs are forked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shell, "sp", forked_jobs())

        def run(folder: Path, name: str) -> None:
            patch.chdir(folder)
            main(["study", "study.yaml", "--folder", name, "--cores", "1"])

        yield run


@pytest.fixture(scope="module")
def folder(tmp_path_factory, study) -> Path:
    """A folder with a study file, and the study left alone in ``alone``."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "small.yaml").write_text(SMALL.read_text())
    (folder / "study.yaml").write_text(STUDY)
    study(folder, "alone")
    return folder


def begun(folder: Path) -> dict[str, float]:
    """Return when each job of the plan was begun last."""
    there = StudyFolder(folder)
    return {job.name: there.tries(job)[-1]["begun"] for job in there.jobs()}


def test_a_study_that_was_told_to_stop_and_killed_ends_as_one_left_alone(folder, study):
    """Here jobs start Python, and so does what is killed, as users have it."""
    file, killed = str(folder / "study.yaml"), folder / "killed"
    with (folder / "log").open("ab") as log:
        both = {"stdout": log.fileno(), "stderr": log.fileno()}
        process = Forked("study", file, "--folder", str(killed), "--cores", "2", **both)
    while not list(killed.glob("runs/small/*/last.ckpt")):
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.05)
    jobs = study_kills.jobs_of(process)
    assert jobs
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 130
    assert not any(job.is_running() for job in jobs)
    assert "interrupted; the same command goes on" in (folder / "log").read_text()

    process = study_kills.started(file, killed, folder / "log", cores=1)
    while not study_kills.jobs_of(process):
        assert process.poll() is None, (folder / "log").read_text()
        time.sleep(0.05)
    study_kills.kill(process, "engine", random.Random(0))
    assert not list(killed.glob("done/train/small/*"))
    study(folder, "killed")
    assert not study_kills.differences(folder / "alone", killed)


def test_results_are_tables_and_agents(folder):
    found = modnav.open_study(folder / "alone")
    assert found.runs["status"].tolist() == [0, 3]
    assert "phase I" in found.runs["reason"][1]
    assert set(found.evaluations["cell"]) == {"small"}
    assert len(found.validations.query("cell == 'small'")) == 10 * 2 * 2
    assert found.agent("small").architecture == found.runs["architecture"][0]
    with pytest.raises(ValueError, match=r"cell is dull, of which no agent .* small seed 0"):
        found.agent("dull")
    page = (folder / "alone/index.html").read_text()
    assert "Finished" in page
    assert 'http-equiv="refresh"' not in page
    assert "left out: " in page
    assert json.loads((folder / "alone/about.json").read_text())["torch"]


def test_what_did_not_change_is_not_done_again_and_what_fails_is_named(folder, study, capsys):
    before = begun(folder / "alone")
    study(folder, "alone")
    assert begun(folder / "alone") == before

    (folder / "study.yaml").write_text(STUDY.replace("trials: 3", "trials: 4"))
    shutil.rmtree(folder / "alone/records")
    (folder / "alone/records").write_text("no folder")
    with pytest.raises(SystemExit) as end:
        study(folder, "alone")
    assert end.value.code == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert "jobs that failed: 1; the first: record/small: " in told
    assert told.endswith("the same command tries again")
    assert "Stopped: the same command goes on" in (folder / "alone/index.html").read_text()
    after = begun(folder / "alone")
    assert {name for name in after if after[name] != before[name]} == {
        "record/small",
        "record/dull",
    }
