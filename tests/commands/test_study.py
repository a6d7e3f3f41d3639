"""Study files, the jobs that they stand for, and what is refused before any of them starts."""

import dataclasses
import datetime
import json
import os
import re
import shutil
import sys
import time
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from modnav.cli import main
from modnav.commands.study.costs import Costs, updates
from modnav.commands.study.engine import check_engine
from modnav.commands.study.job import do
from modnav.commands.study.page import standing
from modnav.commands.study.plan import cells, planned
from modnav.commands.study.spec import read_spec, study_file
from modnav.studies import JobEnd, StudyFolder, gather, open_study

pytest.importorskip("snakemake")

SMALL = {"name": "small", "architectures": ["modular", "ekf"], "seeds": "0-1"}
SHIPPED = sorted(
    p.stem for p in Path(str(resources.files("modnav.configs"))).glob("studies/*.yaml")
)


@pytest.fixture
def spec_of(tmp_path, monkeypatch):
    """Function from what a study file says to the study."""
    monkeypatch.chdir(tmp_path)

    def read(**keys):
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(SMALL | {k.rstrip("_"): v for k, v in keys.items()}))
        return read_spec(path)

    return read


@pytest.fixture
def jobs_of(spec_of):
    """Function from what a study file says to the jobs, by name."""
    return lambda **keys: {job.name: job for job in planned(spec_of(**keys), 2)}


def searched(parameters, **more):
    """Return what a study file says of a search."""
    return {"search": {"parameters": parameters, **more}}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"architectures": ["modulr"]}, "modulr, unknown; did you mean modular?"),
        ({"architectures": ["x"]}, "architecture is 'x'; it must be one of Actor1Critic1"),
        ({"architectures": ["modular", "Actor3Critic5"]}, "Actor3Critic5 twice"),
        ({"architectures": [{"name": "own"}]}, "architectures.own has no protocol"),
        ({"architectures": [{"nme": "own"}]}, "did you mean architectures.name?"),
        ({"architectures": []}, "architectures is missing"),
        ({"seeds": [0, 0]}, "seeds is 0,0; seed 0 is there twice"),
        ({"seeds": "3-1"}, "3 is above 1"),
        ({"seed": 1}, "seed is not known in a study file; did you mean seeds?"),
        ({"name": "a/b"}, "name is 'a/b'; it must be of letters"),
        ({"noises": [0.1]}, "noises has 0.1; it must be"),
        ({"noises": [[0.1, -1]]}, "noises is -1; it must be 0 or more"),
        ({"noises": [[0.1, 0], [0.1, 0]]}, r"noises has \[0.1, 0\] twice"),
        ({"gains": [0]}, "gains is 0; it must be above 0"),
        ({"gains": ["a"]}, "gains is 'a'; it must be a number"),
        (
            {
                "architectures": ["modular"],
                "options": {"phases.two.learning_rate": 1e-4},
                **searched({"phases.two.learning_rate": [1e-3, 1e-4]}),
            },
            "phases.two.learning_rate is in options and in search.parameters",
        ),
        ({"options": {"phases.give_up": datetime.date(2020, 1, 1)}}, "must be full keys"),
        (
            {"evaluate": {"extensive": "no"}},
            "evaluate.extensive is 'no'; it must be false or true",
        ),
        ({"evaluate": {"tasks": ["gain", "gain"]}}, "evaluate.tasks has gain twice"),
        ({"report": {"figures": ["99"]}}, "report.figures is '99'; it must be among 1, 2"),
        ({"record": {"units": 0}}, "record.units is 0; it must be false or true"),
        ({"record": {"trials": None}}, "record.trials is None; it must be a whole number"),
        ({"import": ["../x"]}, "import has '../x'; it must be a module's name"),
        ({"trials": 0.5}, "trials is 0.5; it must be a whole number"),
        ({"accelerator": "tpu"}, "accelerator is 'tpu'; it must be cpu or gpu"),
        ({"population": "all"}, "population is 'all'; it must be null or processes or stacked"),
        ({"options": {"folder": "x"}}, "options.folder is a run's own"),
        ({"options": {"data.task.gain": 2}}, "options.data.task.gain is said by gains"),
        ({"options": {"a": [1]}}, "options is .*full keys of modnav fit"),
        ({"evaluate": {"task": []}}, "did you mean evaluate.tasks?"),
        ({"evaluate": {"tasks": ["x"]}}, "evaluate.tasks is 'x'; it must be gain or pert"),
        ({"record": 3}, "record is 3; it must be true, false or settings"),
        ({"compare": 1}, "compare is 1; it must be false or true"),
        ({"search": {}}, "search.parameters is None; it must be full keys"),
        ({"search": {"parmeters": 1}}, "did you mean search.parameters?"),
        (
            searched({"data.task.gain": [1, 2]}),
            "search.parameters.data.task.gain is said by gains",
        ),
        (searched({"a": [1, 1]}), r"search.parameters.a is \[1, 1\]; it must be a list of plain"),
        (searched({"a": [1, True]}), "it must be a list of plain"),
        (searched({"a": [1, "1"]}), "it must be a list of plain"),
        (searched({"a": [1, 2]}, trials=2, workers=3), "workers is 3; the search has 2 trials"),
        (searched({"a": [1, 2]}, pruner=False), "it must be null or median or halving"),
        (searched({"a": {"low": 1}}), "search.parameters.a.high is None; it must be a number"),
        (searched({"a": {"low": 2, "high": 1}}), "a.high is 1; it must be above 2"),
        (searched({"a": {"low": 0, "high": 1, "log": True}}), "a.low is 0; it must be above 0"),
        (searched({"a": {"low": 0, "high": 1}}, sampler="grid"), "a list of values for a grid"),
        (searched({"a": [1, 2]}, sampler="grid", trials=3), "is 3; the grid has 2 points"),
        (searched({"a": [1, 2]}, sampler="best"), "'best'; it must be tpe or random or grid"),
        (searched({"a": [1, 2]}, trials=0), "search.trials is 0; it must be 1 or more"),
        (searched({"a": [1, 2]}), "search is for one architecture"),
        (searched({"a": [1, 2]}) | {"report": True}, "report does not go with search"),
    ],
)
def test_what_no_study_can_be_is_refused_in_one_line(spec_of, keys, message):
    with pytest.raises(ValueError, match=message) as error:
        spec_of(**keys)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_studies_can_be_planned(name, monkeypatch):
    path = study_file(name)
    monkeypatch.syspath_prepend(path.parent)
    spec = read_spec(path)
    jobs = planned(spec, 2)
    trainings = [job for job in jobs if job.rule == "train"]
    assert spec.name == name
    assert len(trainings) == len(cells(spec)) * len(spec.seeds)
    assert len({job.done for job in jobs}) == len(jobs)
    known = [job.name for job in jobs]
    for k, job in enumerate(jobs):
        assert set(job.needs) <= set(known[:k])


def test_what_is_no_mapping_of_keys_each_there_once_is_refused(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("- [name, twice]\n")
    with pytest.raises(ValueError, match=r"not a study file: it is no YAML mapping"):
        read_spec(path)
    path.write_text("a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, y: 3}\n1: 0\n'1': 0\n")
    with pytest.raises(ValueError, match="a is not known in a study file"):  # and not there twice
        read_spec(path)
    path.write_text("name: twice\ntrials: 3\ntrials: 5\n")
    with pytest.raises(ValueError, match=r"not a study file: trials is there twice, line 3"):
        read_spec(path)


def test_an_unknown_study_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"STUDY is tny; it must be a file or one of .*tiny"):
        study_file("tny")


def test_cells_are_the_product_of_architectures_noises_and_gains(spec_of):
    spec = spec_of(noises=[[0.2, 0.1], [0, 0.3]], gains=[1, 2])
    names = [cell.name for cell in cells(spec)]
    assert len(names) == 8
    assert names[3] == "modular-noise0_0.3-gain2"
    assert {"--data.task.process_noise=0", "--data.task.gain=2"} <= set(cells(spec)[3].args)


def test_cells_of_numbers_that_differ_little_are_not_one(jobs_of):
    jobs = jobs_of(seeds=0, gains=[1, 1.0000001], noises=[[0.2, 0.1], [0.2000000001, 0.1]])
    assert sum(job.rule == "train" for job in jobs.values()) == 2 * 2 * 2


def changed(before, after):
    """Return the names of jobs that are to be done after the study file was changed."""
    return {
        name for name, job in after.items() if name not in before or job.done != before[name].done
    }


def test_what_changed_is_done_anew_and_nothing_else(jobs_of):
    before = jobs_of()
    after = jobs_of(seeds="0-2")
    of_seed_2 = {name for name in after if "seed2" in name}
    of_cells = {f"{what}/{cell}" for what in ("select", "record") for cell in ("modular", "ekf")}
    assert changed(before, after) == of_seed_2 | of_cells | {"report", "gather"}
    assert changed(before, jobs_of(record={"trials": 7})) == {"record/modular", "record/ekf"}
    assert changed(before, jobs_of(trials=50)) == set(before)
    assert changed(before, jobs_of(evaluate={"trials": 9})) == {
        name for name in before if not name.startswith(("train", "report"))
    }
    assert not changed(before, jobs_of())


def test_contents_of_own_configurations_and_modules_count(jobs_of, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_of_study.py").write_text("A = 1\n")
    (tmp_path / "mine.yaml").write_text("phases: {trials: 5}\n")
    own = {"name": "own", "protocol": ["modular"], "options": {"model.x": "own_of_study.Belief"}}
    keys = {"architectures": ["ekf", own], "import": ["own_of_study"]}
    before = jobs_of(**keys)
    (tmp_path / "own_of_study.py").write_text("A = 2\n")
    trained = {name for name in changed(before, jobs_of(**keys)) if name.startswith("train")}
    assert trained == {"train/own/seed0", "train/own/seed1"}
    before = jobs_of(protocol=["mine.yaml"])
    (tmp_path / "same.yaml").write_text("phases: {trials: 5}\n")
    assert not changed(before, jobs_of(protocol=["same.yaml"]))
    (tmp_path / "mine.yaml").write_text("phases: {trials: 6}\n")
    assert changed(before, jobs_of(protocol=["mine.yaml"])) == set(before)


def test_contents_of_files_and_modules_that_options_name_count(jobs_of, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "mylab_package"
    package.mkdir()
    files = [
        "mylab_package/__init__.py",
        "mylab_package/deep.py",
        "mylab_lone.py",
        "mylab_patch.py",
    ]
    for name in [*files, "sub.yaml"]:
        (tmp_path / name).write_text("a: 1")
    options = {"model.actor.init_args.belief": "mylab_lone.Belief", "data": "sub.yaml"}
    options["data.task.name"] = "long " * 60  # of no file
    own = {"name": "own", "protocol": ["modular"], "options": options}
    keys = {
        "architectures": [own, "modular"],
        "import_": ["mylab_package", "mylab_patch"],
        "seeds": 0,
    }
    own["options"]["trainer.callbacks"] = "mylab_package.deep.Callback"
    for name, trained in {
        "sub.yaml": {"own"},
        "mylab_lone.py": {"own"},
        "mylab_package/deep.py": {"own"},
        "mylab_patch.py": {"own", "modular"},  # whatever it does
    }.items():
        before = jobs_of(**keys)
        (tmp_path / name).write_text("a: 2")
        anew = changed(before, jobs_of(**keys))
        assert {x.split("/")[1] for x in anew if x.startswith("train")} == trained, name


def test_seeds_of_a_population_are_one_job_that_can_grow(jobs_of):
    before = jobs_of(population="stacked")["train/modular"]
    after = jobs_of(population="stacked", seeds="0-2")["train/modular"]
    assert before.runs == ("runs/modular/seed0", "runs/modular/seed1")
    assert before.setting == after.setting
    assert before.key != after.key
    assert (before.threads, jobs_of(population="processes")["train/modular"].threads) == (1, 2)
    assert jobs_of(accelerator="gpu")["train/ekf"].words[-1] == "stacked"


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


def test_costs_of_a_name_that_begins_as_another_are_its_own(spec_of, tmp_path):
    own = [{"name": name, "protocol": ["modular"]} for name in ("ekf", "ekf2")]
    spec, folder = spec_of(architectures=own, seeds=0), StudyFolder(tmp_path)
    (tmp_path / "costs.json").write_text('{"update_ms": {"ekf": 7.0, "ekf2": 70.0}}')
    jobs = {job.name: job for job in planned(spec, 2)}
    costs = Costs(folder, spec, jobs.values())
    one, other = (costs.seconds(jobs[f"train/{name}/seed0"]) for name in ("ekf", "ekf2"))
    assert other == pytest.approx(10 * one)


def test_a_search_is_workers_that_go_on_if_more_trials_are_asked_for(jobs_of):
    keys = {"architectures": ["modular"], "seeds": 0}
    learning_rate = {"phases.two.learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}
    before = jobs_of(**keys, **searched(learning_rate, workers=2))
    assert [*before] == ["search/worker0", "search/worker1", "gather"]
    more = jobs_of(**keys, **searched(learning_rate, workers=3))
    assert changed(before, more) == {"search/worker2", "gather"}
    assert changed(before, jobs_of(**keys, **searched(learning_rate, workers=2, trials=9))) == {
        *before
    }
    digests = {
        json.loads(jobs["search/worker0"].words[3])["name"]
        for jobs in (
            before,
            more,
            jobs_of(**keys, **searched(learning_rate, trials=30)),
            jobs_of(**keys, **searched(learning_rate, seed=1)),
        )
    }
    assert len(digests) == 2


def test_values_and_ends_of_ranges_are_each_tried_before_a_search_begins(spec_of):
    parameters = {"a": [1, 2, 3], "b": {"low": 0.1, "high": 0.2}}
    search = spec_of(architectures=["modular"], **searched(parameters)).search
    tried = [("--a=1", "--b=0.1"), ("--a=2", "--b=0.2"), ("--a=3", "--b=0.1")]
    assert [tuple(words) for words in search.tried()] == tried


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
    together = planned(spec_of(architectures=[own], seeds=0, population="processes"), 2)[0]
    folder.write_plan([together])
    assert do(together.name, "1") == 0  # of other settings: begun anew
    assert (small_run / "config.yaml").stat().st_mtime_ns != config


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


def test_results_of_somebody_else_or_of_before_are_refused(jobs_of, tmp_path):
    folder, job = StudyFolder(tmp_path), jobs_of()["gather"]
    folder.about_file.write_text('{"name": "small"}')
    folder.write_plan([job])
    pd.DataFrame({"x": [1]}).to_parquet(folder.results)
    with pytest.raises(ValueError, match="has not finished"):
        open_study(tmp_path)
    folder.finish(job, JobEnd())
    for table in (pd.DataFrame({"x": [1]}), pd.DataFrame({"table": ["runs"]})):
        table.to_parquet(folder.results)
        with pytest.raises(ValueError, match=r"results.parquet is not what `modnav study` wrote"):
            open_study(tmp_path)
    folder.results.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"results.parquet is damaged"):
        open_study(tmp_path)


@pytest.mark.parametrize(
    ("best", "message"),
    [
        ({"checkpoint": "../outside.ckpt"}, "outside.ckpt is no checkpoint of runs/modular/seed0"),
        ({"checkpoint": "/etc/passwd"}, "passwd is no checkpoint of runs/modular/seed0"),
        ({"seed": "0/../../../x"}, "invalid literal"),
        ({"seed": 7}, "is no checkpoint of runs/modular/seed7"),
        ({"score": None}, "modular.json is damaged"),
        (7, "modular.json is damaged"),
    ],
)
def test_only_checkpoints_of_the_study_are_gathered(jobs_of, tmp_path, best, message):
    folder, job = StudyFolder(tmp_path / "s"), jobs_of()["select/modular"]
    folder.write_plan([job])
    folder.finish(job, JobEnd())
    (tmp_path / "outside.ckpt").write_text("x")
    own = {"seed": 0, "architecture": "a", "episode": 500, "score": 1.0, "checkpoint": "x.ckpt"}
    told = [{"seeds": [own | best if isinstance(best, dict) else best]}]
    (folder.path / "selected").mkdir()
    (folder.path / "selected/modular.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match=message):
        gather(folder)
    assert [x.name for x in (folder.path / "selected").rglob("*")] == ["modular.json"]


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


def test_a_folder_of_another_study_or_that_cannot_be_written_is_refused(spec_of, capsys, tmp_path):
    spec_of()
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "about.json").write_text('{"name": "other"}')
    (tmp_path / "t" / "runs" / "x").mkdir(parents=True)
    (tmp_path / "t" / "study.yaml").write_text("name: third")
    for place, message in {
        "s": "is the folder of study other; name is small: choose another --folder",
        "t": "is the folder of study third; name is small",
        "study.yaml": "study.yaml/runs cannot be written: Not a directory",
    }.items():
        with pytest.raises(SystemExit) as error:
            main(["study", "study.yaml", "--folder", place])
        assert error.value.code == 2
        told = capsys.readouterr().err
        assert message in told
        assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--executor", "nothing"], "nothing, which is not installed: pip install snakemake-ex"),
        (["--executor=nothing"], "nothing, which is not installed"),
        (["--nonsense"], "after --, --nonsense: unrecognized arguments: --nonsense"),
        (["--profile", "nowhere"], "after --, --profile nowhere: .*specify a path"),
        (["--help"], "after --, --help: Snakemake only shows its help"),
    ],
)
def test_what_no_engine_can_be_asked_is_told(extra, message):
    with pytest.raises(ValueError, match=message):
        check_engine(extra)


def test_a_cluster_that_is_missing_or_does_not_answer_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_slurm", pytest)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="slurm, but there is no sbatch here"):
        check_engine(["--executor", "slurm"])
    for name in ("sbatch", "sinfo"):
        (tmp_path / name).write_text("#!/bin/sh\necho cannot contact the controller >&2; exit 1\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(ValueError, match="sinfo fails: cannot contact the controller"):
        check_engine(["-e", "slurm"])


def test_a_training_that_would_not_start_is_told_before_any_job(spec_of, capsys, tmp_path):
    spec_of(options={"phases.trails": 50})
    with pytest.raises(SystemExit):
        main(["study", "study.yaml", "--cores", "1"])
    assert "phases.trails is not known; did you mean phases.trials?" in capsys.readouterr().err
    assert not (tmp_path / "studies").exists()


def test_a_module_that_fails_when_imported_is_told_with_its_place(spec_of, capsys, tmp_path):
    spec_of(import_=["broken_on_purpose"])
    for text, told in {
        "\nraise RuntimeError('boom')": "RuntimeError: boom",
        "\ndef f(:": "SyntaxError: invalid syntax",
        "\nimport sys\nsys.exit(3)": "SystemExit: 3",
        "\nimport there_is_none": "No module named 'there_is_none'",
    }.items():
        (tmp_path / "broken_on_purpose.py").write_text(text)
        for words in (
            ["study", "study.yaml", "--dry-run"],
            ["fit", "--import", "broken_on_purpose"],
        ):
            with pytest.raises(SystemExit) as error:
                main(words)
            assert error.value.code == 2
            assert re.search(
                rf"broken_on_purpose fails when imported: .*{told}.*\.py, line [23]\)",
                capsys.readouterr().err,
            )


def test_what_experience_refuses_is_told_before_any_job(spec_of, capsys):
    spec_of(architectures=["modular"], options={"data.replay": "modnav.learning.StepReplay"})
    with pytest.raises(SystemExit):
        main(["study", "study.yaml", "--dry-run"])
    assert "data.replay holds single steps, but the agent is recurrent" in capsys.readouterr().err


def test_a_dry_run_checks_what_the_next_step_would(spec_of, capsys):
    spec_of(protocol=["modulr"])
    with pytest.raises(SystemExit):
        main(["study", "study.yaml", "--dry-run"])
    assert "modulr" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="what is checked is a machine without one")
def test_a_gpu_is_wanted_where_jobs_run_and_not_where_they_are_sent_from(
    spec_of, capsys, tmp_path
):
    spec_of(
        accelerator="gpu", architectures=["modular"], options={"trainer.precision": "16-mixed"}
    )
    with pytest.raises(SystemExit):
        main(["study", "study.yaml", "--dry-run"])
    (tmp_path / "config.yaml").write_text("jobs: 3")
    main(["study", "study.yaml", "--dry-run", "--", "--profile", str(tmp_path)])
    assert "what would be done" in capsys.readouterr().out


def test_a_dry_run_shows_what_is_to_do_and_costs_nothing(spec_of, capsys, tmp_path):
    spec_of(trials=1000, protocol=["warmup"])
    folder = tmp_path / "studies" / "small"
    main(["study", "study.yaml", "--dry-run", "--cores", "2"])
    assert "not known (--measure)" in capsys.readouterr().out
    assert not folder.exists()
    folder.mkdir(parents=True)
    (folder / "costs.json").write_text('{"update_ms": {"modular": 36.0, "ekf": 7.2}}')
    main(["study", "study.yaml", "--dry-run", "--cores", "2"])
    out = capsys.readouterr().out
    hours = 2 * 5 * (1000 + 1500) * (0.036 + 0.0072) / 3600
    row = next(line for line in out.splitlines() if " train " in line)
    assert f"{hours:.2f}" in row


def test_updates_follow_from_trials_and_protocol():
    assert updates(["--config", "extensive"]) > 4 * updates(["--config", "modular"])
    assert updates(["--phases.trials=100", "warmup"]) < updates(["--phases.trials=100"])
