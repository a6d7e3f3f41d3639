"""Animals of a study."""

import numpy as np
import pytest
from analysis_runs import make_animal

from modnav.analysis.study import (
    Missing,
    Study,
    renumbered,
)
from modnav.published import monkey_recordings
from modnav.tables import check


def test_without_animals_they_are_missing(tiny_study):
    with pytest.raises(Missing, match="no animal data"):
        tiny_study.animals("normal", "Bruno")


def test_animals_are_matched_by_target(tiny_runs, tiny_monkey, tmp_path):
    study = Study([tiny_runs], tmp_path, tiny_monkey, trials=24)
    bruno, schro = study.matched_animals("normal")
    assert len(bruno.trials) == len(schro.trials) == 24
    places = ["target_x_cm", "target_y_cm"]
    apart = np.linalg.norm(bruno.trials[places].to_numpy() - schro.trials[places], axis=1)
    assert (np.diff(apart) >= 0).all()
    check(bruno)
    assert bruno.trials["trial"].tolist() == list(range(24))
    with pytest.raises(Missing, match=r"no animal data \(Bruno, gain\)"):
        study.animals("gain", "Bruno")


def test_files_of_the_study_are_read_once(tiny_runs, tmp_path):
    folder = tmp_path / "monkey" / "Bruno"
    folder.mkdir(parents=True)
    make_animal(5).to_pickle(folder / "bruno_normal_trajectory_paper.pkl")
    found = Study([tiny_runs], tmp_path / "cache", tmp_path / "monkey").animals("normal", "Bruno")
    assert len(found.trials) == 5
    assert len(list((tmp_path / "cache" / "animals").iterdir())) == 1
    again = Study([tiny_runs], tmp_path / "cache", tmp_path / "monkey").animals("normal", "Bruno")
    assert again.steps.equals(found.steps)


def test_renumbered_trials_keep_their_steps():
    recording = next(iter(monkey_recordings(make_animal(6), "Bruno")))
    found = renumbered(recording, [4, 1])
    check(found)
    assert found.trials["target_x_cm"].tolist() == (
        recording.trials["target_x_cm"].iloc[[4, 1]].tolist()
    )
    first = found.steps[found.steps["trial"] == 0]["x_cm"]
    assert first.tolist() == recording.steps[recording.steps["trial"] == 4]["x_cm"].tolist()
