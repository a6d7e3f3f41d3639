"""What lies in the folder of a study: ends and tries of jobs."""

import dataclasses

import pytest

from modnav.commands.study.page import standing
from modnav.studies import JobEnd, StudyFolder

pytest.importorskip("snakemake")


def test_ends_are_those_of_the_job_with_its_key(jobs_of, tmp_path):
    folder, job = StudyFolder(tmp_path / "s"), jobs_of()["train/modular/seed0"]
    folder.finish(job, JobEnd(3, "gave up", {"runs/modular/seed0": (3, "gave up")}))
    assert folder.end(job).runs == {"runs/modular/seed0": (3, "gave up")}
    other = dataclasses.replace(job, key="ab")
    assert folder.end(other) is None
    folder.forget_ends(other)
    assert folder.end(job) is None
    folder.write_plan([job])
    assert folder.jobs() == [job]
    curve = folder.path / "evaluations/modular/training_curve/gain/Actor3Critic5_seed0.csv"
    evaluate = jobs_of()["evaluate/modular/seed0/gain"]
    curve.parent.mkdir(parents=True)
    curve.write_text("")
    folder.finish(evaluate, JobEnd())
    assert folder.end(evaluate)
    curve.rename(curve.with_name("Actor3Critic5_seed1.csv"))
    assert folder.end(evaluate) is None


@pytest.mark.parametrize("text", ["[", '{"status": 0}', '{"runs": [], "status": 0, "reason": ""}'])
def test_a_damaged_end_is_told_with_its_file(jobs_of, tmp_path, text):
    folder, job = StudyFolder(tmp_path / "s"), jobs_of()["train/modular/seed0"]
    (folder.path / job.done).parent.mkdir(parents=True)
    (folder.path / job.done).write_text(text)
    with pytest.raises(ValueError, match=rf"{job.key}.json is damaged; remove it"):
        folder.end(job)


@pytest.mark.parametrize(
    "tries", ["[3]", '"ab"', '[{"begun": "x"}]', '[{"begun": 1, "seconds": null}]', "7", "[{}]"]
)
def test_tries_that_are_damaged_are_told_no_more_and_stop_nothing(jobs_of, tmp_path, tries):
    folder, job = StudyFolder(tmp_path / "s"), jobs_of()["train/modular/seed0"]
    folder.write_setting(job)
    (folder.path / "jobs/train/modular/seed0.json").write_text(f'{{"tries": {tries}}}')
    assert folder.tries(job) == []
    assert folder.settings(job) == [job.setting]
    folder.finish(job, JobEnd())
    assert standing(folder, [job], float("inf"))[0].state == "finished"


def test_what_a_job_made_belongs_to_its_end(jobs_of, tmp_path):
    folder, job = StudyFolder(tmp_path / "s"), jobs_of()["select/modular"]
    made = folder.path / "selected" / "modular.json"
    folder.finish(job, JobEnd(3, "left out"))  # made nothing
    assert folder.end(job).status == 3
    made.parent.mkdir()
    made.write_text("[]")
    folder.finish(job, JobEnd())
    assert folder.end(job) == JobEnd()
    made.unlink()
    assert folder.end(job) is None


def test_ends_of_jobs_whose_names_hold_numbers_are_kept_apart(jobs_of, tmp_path):
    folder, job = StudyFolder(tmp_path / "s"), jobs_of()["train/modular/seed0"]
    names = (
        "select/modular-noise0.2_0.1",
        "select/modular-noise0.2_0",
        "select/modular-noise0.1_0.1",
    )
    jobs = [dataclasses.replace(job, name=name, key="0a1b2c") for name in names]
    for each in jobs:
        folder.finish(each, JobEnd(0, ""))
    folder.forget_ends(dataclasses.replace(jobs[1], key="ffff"))
    assert [folder.end(each) is None for each in jobs] == [False, True, False]
