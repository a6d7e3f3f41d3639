"""A search in a study's folder: real trials of a small agent, one of which lost its worker."""

import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from forked import with_forked_members
from populations import start, wait_until

from modnav.cli import main
from modnav.commands.population import together
from modnav.commands.population.members import Member, Outcome
from modnav.commands.study.search_spec import SearchSpec, database
from modnav.errors import MembersFailedError
from modnav.studies import Job, JobEnd, StudyFolder, gather, open_study

optuna = pytest.importorskip("optuna")
_Worker = pytest.importorskip("modnav.commands.study.search")._Worker

RADIUS = "data.task.reward_zone_radius_cm"
SEARCH = {"sampler": "grid", "parameters": {RADIUS: [400.0, 1.0, -1.0]}, "trials": 3}
SEARCH |= {"pruner": "halving"}


def test_trials_finish_are_pruned_or_fail_and_one_that_lost_its_worker_goes_on(
    small, tmp_path, monkeypatch
):
    monkeypatch.setattr(together, "subprocess", subprocess)  # and is itself again at the end
    with_forked_members()
    told = json.dumps({"name": "a", "seeds": [3], "search": SEARCH})
    words = ["study", ".", "--search-worker", told, "--", "--config", "small.yaml"]
    folder = StudyFolder(Path())
    folder.about_file.write_text('{"name": "small"}')
    folder.write_plan([])
    run = Path("runs/trial0/seed3")
    with start(*words) as worker:
        wait_until(lambda: (run / "last.ckpt").exists(), worker)
        worker.kill()
    saved = {x: x.stat().st_mtime_ns for x in run.glob("checkpoints/[0-9]*.ckpt")}
    assert folder.search()["state"].tolist() == ["running"]

    main(words)
    trials = folder.search()
    assert trials["state"].tolist() == ["finished", "pruned", "failed"]
    assert trials[RADIUS].tolist() == [400.0, 1.0, -1.0]
    assert trials["score"][0] > trials["score"][1] == 0
    assert trials["validations"].tolist() == [3, 1, 0]
    assert "reward_zone_radius_cm is -1.0; it must be" in trials["reason"][2]
    assert {x: x.stat().st_mtime_ns for x in saved} == saved  # it was gone on with
    best = yaml.safe_load(Path("best.yaml").read_text())
    assert best["data"]["task"]["reward_zone_radius_cm"] == 400.0

    main(words)  # there is nothing left to do
    assert folder.search().equals(trials)
    with pytest.raises(ValueError, match="has not finished"):
        open_study(tmp_path)
    job = Job("gather", "0", "0", ())
    folder.write_plan([job])
    gather(folder)
    folder.finish(job, JobEnd())
    found = open_study(tmp_path)
    assert found.search.equals(trials)
    assert found.runs["cell"].tolist() == ["trial0", "trial1"]


def test_a_damaged_database_is_told_before_anything_starts(tmp_path):
    folder = StudyFolder(tmp_path / "study")
    path = tmp_path / "study/search/trials.sqlite"
    assert database(folder) == path
    path.parent.mkdir(parents=True)
    path.write_text("what is this")
    with pytest.raises(ValueError, match=r"trials.sqlite is no database of SQLite; remove it"):
        database(folder)
    path.unlink()
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE trials (x)")
        made.executemany("INSERT INTO trials VALUES (?)", [("text " * 50,)] * 500)
        made.commit()
    assert database(folder) == path
    path.write_bytes(path.read_bytes()[:9000] + b"\1" * 4000)
    with pytest.raises(
        ValueError, match=r"trials.sqlite is damaged: .*; remove it to search anew"
    ):
        database(folder)
    with pytest.raises(ValueError, match=r"holds '\?', which a search cannot have in its path"):
        database(StudyFolder(tmp_path / "a?b"))


def test_reasons_of_the_machine_are_no_fault_of_a_trial(tmp_path):
    worker = _Worker(StudyFolder(tmp_path), SearchSpec(**SEARCH), "a", [0], [])
    member = Member(0, (), tmp_path / "seed0", [], 60)
    full = "last.ckpt could not be written and is as it was: No space left on device"
    with pytest.raises(MembersFailedError, match="No space left"):
        worker._judged([Outcome(member, 2, full)])
    assert worker._judged([Outcome(member, 2, "it must be")])[0].name == "FAIL"


def test_another_search_of_the_study_begins_anew(tmp_path):
    for name in ("a", "b"):
        worker = _Worker(StudyFolder(tmp_path), SearchSpec(**SEARCH), name, [0], [])
        worker._study.ask()
    assert optuna.get_all_study_names(worker._study._storage) == ["b"]
