import pytest
from analysis_runs import SEEDS, make_run

from modnav.analysis.figures.extensive import cohort
from modnav.analysis.study import (
    HOLISTIC,
    MODULAR,
    Missing,
    Selection,
    Study,
    shortfall,
)


def test_agents_are_the_best_checkpoints_by_seed(tiny_study):
    found = tiny_study.agents(MODULAR, Selection(on=("gain1x",)))
    assert [agent.seed for agent in found] == list(range(SEEDS))
    curves = tiny_study.curves([MODULAR])
    one = curves[(curves["task"] == "gain1x") & (curves["seed"] == 0)]
    assert found[0].score == one["reward_rate"].max()
    assert found[0].episode == one.loc[one["reward_rate"].idxmax(), "episode"]


def test_best_is_the_best_seed(tiny_study):
    found = tiny_study.agents(MODULAR)
    assert tiny_study.best(MODULAR).score == max(agent.score for agent in found)


def test_checkpoints_before_a_trial(tiny_study):
    assert {a.episode for a in tiny_study.agents(MODULAR, Selection(before=999))} == {499}
    assert tiny_study.agents(MODULAR, Selection(before=499)) == []


def test_architectures_that_are_not_there(tiny_study):
    assert tiny_study.agents("Actor2Critic2") == []
    with pytest.raises(Missing, match="no default runs of Actor2Critic2"):
        tiny_study.best("Actor2Critic2")
    agents, missing = tiny_study.cohort([MODULAR, "Actor2Critic2"])
    assert {a.architecture for a in agents} == {MODULAR}
    unfinished = "some runs end before 10,000 trials"
    assert missing == ["no Actor2Critic2", "of 8 seeds: Modular 2", unfinished]
    with pytest.raises(Missing, match="no Actor2Critic2"):
        tiny_study.cohort(["Actor2Critic2"])


def test_runs_that_ended_are_not_told(tmp_path):
    make_run(tmp_path / "seed0", "EKF", 0, (499, 9999))
    study = Study([tmp_path], tmp_path / "cache")
    assert study.cohort(["EKF"])[1] == ["of 8 seeds: EKF 1"]


def test_each_architecture_has_its_own_stand_in(tmp_path):
    make_run(tmp_path / "a" / "seed0", MODULAR, 0, (499,), trials=100_000)
    make_run(tmp_path / "b" / "seed0", HOLISTIC, 0, (9999,))
    make_run(tmp_path / "c" / "seed0", MODULAR, 0, (9999,))
    study = Study([tmp_path], tmp_path / "cache", trials=4)
    agents, missing = cohort(study, [HOLISTIC, MODULAR, "EKF"], "training")
    assert [(a.architecture, a.episode) for a in agents] == [(HOLISTIC, 9999), (MODULAR, 499)]
    assert missing[0] == (
        "no extensive training (100,000 trials) of Holistic: agents of the default training "
        "stand in, chosen by its tests"
    )
    assert "some runs end before 100,000 trials" in missing
    assert "some runs end before 10,000 trials" not in missing
    assert any(note.startswith("no EKF") for note in missing)


def test_shortfall_in_words():
    assert shortfall({MODULAR: 8}) == []
    assert shortfall({MODULAR: 0, HOLISTIC: 3}, "extensive") == [
        "no Modular (extensive training)",
        "of 8 seeds: Holistic (extensive training) 3",
    ]


def test_folders_may_be_texts(tmp_path):
    make_run(tmp_path / "seed0", "EKF", 0, (499, 9999))
    study = Study([str(tmp_path)], str(tmp_path / "cache"), str(tmp_path / "animals"))
    assert len(study.members) == 1
    with pytest.raises(TypeError, match="it must be several folders"):
        Study(str(tmp_path), tmp_path / "cache")
