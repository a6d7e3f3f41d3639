"""Training from Python: the runs that the command makes, as tables and agents."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from forked import with_forked_members
from same_weights import same_runs

import modnav
from modnav.commands.population import together
from modnav.errors import RunFinishedError

MORE = {"phases.trials": 40, "data.validation.gains": [1.0, 1.5]}


@pytest.fixture
def doubles():
    """A notebook that computes in double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_a_run_is_the_one_that_the_command_makes(small, doubles):
    runs = modnav.train(small, seeds=3, name="door", overrides=MORE | {"phases.trials": 20})
    assert torch.get_default_dtype() == torch.float64
    torch.set_default_dtype(torch.float32)
    words = [f"--{key}={value}" for key, value in MORE.items()]
    from modnav.cli import main

    main(["fit", "--config", str(small), *words, "--name", "command", "--seed_everything", "3"])
    (run,) = modnav.resume("runs/door/seed3", overrides={"phases.trials": 40})
    assert same_runs(run.folder, "runs/command/seed3")
    with pytest.raises(RunFinishedError, match="finished after 40 trials"):
        modnav.resume("runs/door/seed3")
    assert [x.folder for x in runs] == [run.folder]


def test_several_seeds_are_members_of_a_population(small, monkeypatch):
    """They are commands, so that a script needs no `if __name__`: nothing of it is run again."""
    monkeypatch.setattr(together, "subprocess", subprocess)  # and is itself again at the end
    with_forked_members()
    runs = modnav.train("small.yaml", seeds=range(2), protocol=["debug"], cores=2)
    assert len(runs) == 2
    curves = runs.curves().groupby("seed").size().to_dict()
    assert curves == {0: 8, 1: 8}  # 2 times, 2 validations, 2 gains
    (own,) = modnav.train("small.yaml", seeds=[1], protocol=["debug"])  # and no other
    assert own.seed == 1
    runs = modnav.open_runs()
    assert repr(runs) == "Runs(small/seed0, small/seed1)"
    assert list(runs.curves().columns[:5]) == [
        "name",
        "architecture",
        "seed",
        "validation",
        "task",
    ]


def test_what_is_asked_wrongly_is_told_before_anything_is_trained(small):
    with pytest.raises(ValueError, match="--config is modula; it must be"):
        modnav.train("modula")
    with pytest.raises(ValueError, match=r"data.task.proces_noise is not known; did you mean"):
        modnav.train(small, overrides={"data.task.proces_noise": 0.3})
    with pytest.raises(ValueError, match="--sweep is for many runs"):
        modnav.train(small, sweep={"data.task.gain": [1.0, 2.0]})
    assert not Path("runs").exists()


def test_agents_are_named_as_in_the_study(small, monkeypatch):
    asked = []
    monkeypatch.setattr("modnav.api.training.execute", lambda args: asked.append(args) or [])
    monkeypatch.setattr("modnav.api.training.open_runs", lambda *paths: None)
    modnav.train("Actor2Critic4", seeds=(1, 5), sweep={"data.task.gain": [1, 2.5]}, cores=2)
    assert asked[0][1:7] == [
        "--config", "train", "--config", "actors/actor2", "--config", "critics/critic4",
    ]  # fmt: skip
    assert asked[0][8:] == ["--seeds=1,5", "--cores=2", "--sweep", "data.task.gain=1,2.5"]
    modnav.train(overrides={"model.optimizer": pd.DataFrame, "overwrite": True})
    assert "--model.optimizer=pandas.core.frame.DataFrame" in asked[1] or (
        "--model.optimizer=pandas.DataFrame" in asked[1]
    )
    assert "--overwrite=true" in asked[1]


def test_classes_and_numbers_of_numpy_are_options(monkeypatch):
    asked = []
    monkeypatch.setattr("modnav.api.training.execute", lambda args: asked.append(args) or [])
    monkeypatch.setattr("modnav.api.training.open_runs", lambda *paths: None)
    metrics = [{"class_path": pd.DataFrame}]
    modnav.train(seeds=np.int64(3), overrides={"a": np.float32(0.5), "model.metrics": metrics})
    assert {"--a=0.5", "--seed_everything=3"} <= set(asked[0])
    assert any(x.startswith('--model.metrics=[{"class_path": "pandas.') for x in asked[0])
    for wrong in ({"a": object()}, ["a"]):
        with pytest.raises(ValueError, match="overrides are"):
            modnav.train(overrides=wrong)
    for wrong in (None, modnav.build_agent("EKF"), ["modular", 3]):
        for key in ("agent", "protocol"):
            with pytest.raises(
                ValueError,
                match=f"{key} has what is of kind (NoneType|Agent|int); it must be names",
            ):
                modnav.train(**{key: wrong})
    with pytest.raises(ValueError, match="sweep of a is 5; it must be several numbers"):
        modnav.train(seeds=[1], sweep={"a": 5})


def test_the_best_checkpoint_is_the_one_that_the_training_selected(small_run):
    runs = modnav.open_runs("runs")
    run = runs.best()
    table = run.curve().query("validation == 'selection' and phase > 1")
    rates = table.groupby("trials")["reward_rate"].sum()
    assert run.scores().to_dict() == pytest.approx(
        {trials - 1: rate for trials, rate in rates.items()}
    )
    assert run.checkpoint() == run.trained.checkpoints[int(run.scores().idxmax())]
    assert run.agent().architecture == run.architecture
    trials, steps, units = run.record(trials=3, layers=["actor.belief"])
    assert (len(trials), len(units)) == (3, len(steps))
    assert steps["step"].max() < run.trained.task.max_steps == 4
    assert len(run.record(trials=2, gain=2.0, layers=()).trials.query("gain == 2")) == 2
    with pytest.raises(ValueError, match=r"trial is 7; .* has checkpoints 19"):
        run.agent(7)
    assert len(runs[:1]) == 1


@pytest.mark.parametrize("seeds", [1.5, "01", [1, 2.5]])
def test_seeds_are_whole_numbers(seeds):
    with pytest.raises(ValueError, match=r"seeds is .*; it must be a whole number"):
        modnav.train(seeds=seeds)
