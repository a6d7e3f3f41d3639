"""Runs of a study: groups, seeds, and the published layout."""

import pandas as pd
import pytest
from analysis_runs import make_run, steering_agent

from modnav.analysis.study import (
    MODULAR,
    Conditions,
    Missing,
    Selection,
    Study,
    find_members,
    group_of,
    noise_group,
    trials_of,
)
from modnav.published import write_published
from modnav.runs import COLUMNS, CurveLocation
from modnav.task import TaskParameters


def test_groups_are_named_after_the_training():
    task = TaskParameters()
    assert group_of(task, extensive=False) == "default"
    assert group_of(task, extensive=True) == "extensive"
    other = TaskParameters(process_noise=0.1, observation_noise=0.2)
    assert group_of(other, extensive=False) == "noise 0.1_0.2" == noise_group(0.1, 0.2)
    assert group_of(other, extensive=True) == "extensive noise 0.1_0.2"
    assert noise_group(0.2, 0.1, extensive=True) == "extensive"


@pytest.mark.parametrize(
    "task",
    [
        TaskParameters(gain=(1.0, 2.0)),
        TaskParameters(process_noise=(0.0, 0.2)),
        TaskParameters(name="perturbation"),
    ],
)
def test_other_tasks_are_in_no_group_of_the_study(task):
    assert group_of(task, extensive=False).startswith(("gain gain", "perturbation gain"))


def test_runs_are_found_with_architecture_group_and_seed(tiny_runs):
    members = find_members([tiny_runs])
    found = {(m.architecture, m.group, m.run.seed) for m in members}
    assert (MODULAR, "default", 1) in found
    assert ("EKF", "noise 0.1_0.2", 0) in found
    assert len(found) == len(members)


def test_long_runs_are_extensive(tmp_path):
    make_run(tmp_path / "seed0", "EKF", 0, (499,), trials=100_000)
    assert [m.group for m in find_members([tmp_path])] == ["extensive"]


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no checkpoints"):
        Study([tmp_path], tmp_path / "cache")


def test_two_runs_of_one_seed_are_both_named_and_neither_is_taken(tmp_path):
    first = make_run(tmp_path / "a" / "seed0", "EKF", 0, (499,))
    second = make_run(tmp_path / "b" / "seed0", "EKF", 0, (499,))
    with pytest.raises(ValueError, match=r"a/seed0 and .*b/seed0 are both EKF, default, seed 0"):
        Study([tmp_path], tmp_path / "cache")
    study = Study([first, tmp_path / "a"], tmp_path / "cache")  # one run, found twice
    assert [m.run.folder for m in study.members_of("EKF")] == [first]
    assert Study([second], tmp_path / "cache").members_of("EKF")


@pytest.fixture
def published(tmp_path):
    """The study's layout, with an agent and its training curve."""
    data = tmp_path / "data"
    for name, folder in (("agents", "gain"), ("agents", "gain_control/0.1_0.2")):
        seed = data / name / "EKF" / folder / "seed3"
        seed.mkdir(parents=True)
        for k, episode in enumerate((499, 999)):
            agent = steering_agent("EKF", 3, (k + 1) / 2)
            write_published(agent, seed / f"20220101-000000-{episode}.pth.tar")
    rows = [
        (e, t, 0.5, 1, 1, e / 1000, 0, 0, 0, e) for e in (499, 999) for t in ("gain1x", "gain2x")
    ]
    path = CurveLocation("gain", TaskParameters()).file(data, "EKF", 3)
    path.parent.mkdir(parents=True)
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False)
    return data


def test_the_published_layout_is_read(published, tmp_path):
    study = Study([published], tmp_path / "cache", trials=4)
    assert [(m.group, m.run.seed) for m in study.members] == [("default", 3), ("noise 0.1_0.2", 3)]
    (chosen,) = study.agents("EKF", Selection(on=("gain1x",)))
    assert (chosen.episode, chosen.seed, chosen.score) == (999, 3, 0.999)
    assert chosen.agent().architecture == "EKF"
    table = study.measure([chosen], Conditions("c", study.prior_targets(4)), trials_of)
    assert len(table) == 4


def test_published_agents_without_a_curve_are_missing(published, tmp_path):
    study = Study([published], tmp_path / "cache", trials=4)
    with pytest.raises(Missing, match="no training curve"):
        study.agents("EKF", Selection("noise 0.1_0.2"))
