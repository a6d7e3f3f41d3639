"""Jobs that a study file stands for, and which a change asks for anew."""

import json
from importlib import resources
from pathlib import Path

import pytest

from modnav.commands.study.plan import cells, planned
from modnav.commands.study.spec import read_spec, study_file

pytest.importorskip("snakemake")

SHIPPED = sorted(
    p.stem for p in Path(str(resources.files("modnav.configs"))).glob("studies/*.yaml")
)


def searched(parameters, **more):
    """Return what a study file says of a search."""
    return {"search": {"parameters": parameters, **more}}


def changed(before, after):
    """Return the names of jobs that are to be done after the study file was changed."""
    return {
        name for name, job in after.items() if name not in before or job.done != before[name].done
    }


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


def test_cells_are_the_product_of_architectures_noises_and_gains(spec_of):
    spec = spec_of(noises=[[0.2, 0.1], [0, 0.3]], gains=[1, 2])
    names = [cell.name for cell in cells(spec)]
    assert len(names) == 8
    assert names[3] == "modular-noise0_0.3-gain2"
    assert {"--data.task.process_noise=0", "--data.task.gain=2"} <= set(cells(spec)[3].args)


def test_cells_of_numbers_that_differ_little_are_not_one(jobs_of):
    jobs = jobs_of(seeds=0, gains=[1, 1.0000001], noises=[[0.2, 0.1], [0.2000000001, 0.1]])
    assert sum(job.rule == "train" for job in jobs.values()) == 2 * 2 * 2


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
