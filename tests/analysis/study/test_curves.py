"""Curves of a study's runs: from logs, or made."""

import pandas as pd
import pytest
from analysis_runs import EPISODES, SEEDS, make_run, steering_agent

from modnav.analysis.study import (
    MODULAR,
    Missing,
    Selection,
    Study,
    curves,
)
from modnav.evaluation import fixed_gain_conditions, run, score
from modnav.runs import COLUMNS
from modnav.task import TaskParameters


def test_curves_are_those_of_the_training(tiny_study):
    table = tiny_study.curves([MODULAR])
    assert list(table.columns) == [*COLUMNS, "architecture", "seed"]
    assert sorted(set(table["episode"])) == list(EPISODES)
    assert table["seed"].nunique() == SEEDS
    log = pd.read_csv(tiny_study.members_of(MODULAR)[0].run.folder / "validation.csv")
    ours = table[(table["seed"] == 0) & (table["task"] == "gain2x")]
    theirs = log[log["task"] == "gain2x"]
    assert ours["reward_rate"].tolist() == theirs["reward_rate"].tolist()


def test_curves_that_the_training_lacks_are_made(own):
    member = own.members[0]
    table = own.curve(member, Selection(test="perturbation"))
    assert set(table["task"]) == {"perturbation0", "perturbation1"}
    extensive = own.curve(member, Selection(extensive=True))
    assert set(extensive["task"]) == {"gain1x", "gain2x", "gain3x", "gain4x"}


def test_curves_that_are_made_are_those_of_the_fixed_trials(own):
    member = own.members[0]
    (member.run.folder / "validation.csv").unlink()
    table = own.curve(member)
    conditions = fixed_gain_conditions(TaskParameters(), count=8)
    agent = steering_agent("EKF", 0, 1.0)
    expected = score(agent, conditions, run(agent, conditions))["gain1.5x"]["reward_rate"]
    last = table[(table["episode"] == EPISODES[-1]) & (table["task"] == "gain1.5x")]
    assert last["reward_rate"].item() == pytest.approx(expected)


def test_curves_are_not_made_twice(own, monkeypatch):
    made = own.curve(own.members[0], Selection(test="perturbation"))
    again = Study([own.members[0].run.folder], own.cache.folder, trials=8)
    monkeypatch.setattr(curves, "evaluate_checkpoint", None)
    assert again.curve(again.members[0], Selection(test="perturbation")).equals(made)


def test_a_log_with_gaps_is_not_used(own):
    path = own.members[0].run.folder / "validation.csv"
    log = pd.read_csv(path)
    log[log["trials"] != 500].to_csv(path, index=False)
    assert sorted(set(own.curve(own.members[0])["episode"])) == list(EPISODES)


def test_phase_one_is_not_in_a_curve(own):
    path = own.members[0].run.folder / "validation.csv"
    log = pd.read_csv(path)
    early = log.assign(phase=1, reward_rate=99.0)
    pd.concat([early, log]).to_csv(path, index=False)
    assert (own.curve(own.members[0])["reward_rate"] < 99).all()


def test_curves_of_nothing_are_missing(tiny_study):
    with pytest.raises(Missing, match="no extensive runs of Modular"):
        tiny_study.curves([MODULAR], Selection("extensive"))


def test_curves_end_where_the_default_training_does(tmp_path):
    make_run(tmp_path / "seed0", "EKF", 0, (499, 9999, 10499), trials=10_000)
    study = Study([tmp_path], tmp_path / "cache")
    assert study.members[0].group == "extensive"
    table = study.curves(None, Selection("extensive", before=10_000, extensive=False))
    assert table["episode"].max() == 9999
