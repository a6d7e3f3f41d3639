"""How jobs stand."""

import dataclasses
import os
import time

import pytest

from modnav.commands.study.costs import Costs
from modnav.commands.study.page import standing
from modnav.commands.study.plan import planned
from modnav.studies import JobEnd, StudyFolder

pytest.importorskip("snakemake")


def test_all_tries_of_a_job_count_also_those_that_were_killed(spec_of, tmp_path):
    folder, jobs = StudyFolder(tmp_path / "s"), planned(spec := spec_of(), 2)
    job, now = jobs[0], time.time()
    ended = {"begun": now - 99, "seconds": 10.0, "status": 130}
    folder.write_tries(job, [ended, {"begun": now - 50}])
    folder.beat(job)
    (killed,) = standing(folder, [job], float("inf"))
    assert killed.state == "stopped"
    assert 60 <= killed.seconds < 70
    os.utime(folder.path / "jobs" / f"{job.name}.json", (0, now - 30))  # its last sign of life
    tries = [*folder.tries(job), {"begun": now, "seconds": 5.0, "status": 0}]
    folder.write_tries(job, tries)
    folder.finish(job, JobEnd())
    assert Costs(folder, spec, jobs).seconds(jobs[0]) == pytest.approx(10 + 20 + 5, abs=0.1)


def test_a_job_that_is_to_be_done_anew_waits_and_has_not_failed(jobs_of, tmp_path):
    folder, job = StudyFolder(tmp_path / "s"), jobs_of()["gather"]
    folder.write_setting(job)
    folder.write_tries(job, [{"begun": 0.0, "seconds": 1.0, "status": 0, "reason": ""}])
    assert standing(folder, [job], 0)[0].state == "waiting"  # what it made is gone
    folder.write_tries(job, [{"begun": 0.0, "seconds": 1.0, "status": 1, "reason": "no"}])
    assert standing(folder, [job], 0)[0].state == "failed"
    changed = dataclasses.replace(job, key="ff", setting="ff")
    assert standing(folder, [changed], 0)[0].state == "waiting"
