"""A job, begun or gone on with."""

import shutil
import subprocess
import sys

import pytest
from forked import with_forked_members

from modnav.commands.population import together
from modnav.commands.study.job import do
from modnav.commands.study.page import standing
from modnav.commands.study.plan import planned
from modnav.studies import StudyFolder

pytest.importorskip("snakemake")


def test_a_population_goes_on_with_the_seeds_of_the_study_and_no_others(
    spec_of, small_run, monkeypatch, tmp_path
):
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    own = {"name": "small", "protocol": ["small.yaml"]}
    spec = spec_of(architectures=[own], seeds=0, population="processes")
    folder, (job, *_) = StudyFolder(tmp_path), planned(spec, 2)
    folder.write_plan([job])
    folder.about_file.write_text('{"modules": []}')
    folder.write_setting(job)
    folder.write_tries(job, [{"begun": 0.0}])
    other = small_run.with_name("seed9")  # the study had it once; it would be trained now
    shutil.copytree(small_run, other, ignore=shutil.ignore_patterns("*.ckpt", "*.csv"))
    assert do(job.name, "1") == 0
    assert folder.end(job).runs == {"runs/small/seed0": (0, "")}
    assert not list(other.glob("*.ckpt"))


def test_a_run_begun_with_nobody_knows_what_is_left_as_it_is(
    spec_of, small_run, monkeypatch, tmp_path
):
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    own = {"name": "small", "protocol": ["small.yaml"]}
    (job, *_), folder = planned(spec_of(architectures=[own], seeds=0), 2), StudyFolder(tmp_path)
    folder.write_plan([job])
    folder.about_file.write_text('{"modules": []}')
    before = {x: x.stat().st_mtime_ns for x in small_run.iterdir()}
    with pytest.raises(ValueError, match=rf"to go on with it, write {job.setting} into that file"):
        do(job.name, "1")
    assert {x: x.stat().st_mtime_ns for x in small_run.iterdir()} == before
    assert "is not known" in standing(folder, [job], 0)[0].reason
    (tmp_path / f"jobs/{job.name}.setting").write_text(job.setting)
    assert do(job.name, "1") == 0
    config = (small_run / "config.yaml").stat().st_mtime_ns
    monkeypatch.setattr(together, "subprocess", subprocess)  # and is itself again at the end
    with_forked_members()
    job = planned(spec_of(architectures=[own], seeds=0, population="processes"), 2)[0]
    folder.write_plan([job])
    assert do(job.name, "1") == 0  # of other settings: begun anew
    assert (small_run / "config.yaml").stat().st_mtime_ns != config
