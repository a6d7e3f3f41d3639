"""How runs learned, from what they left: phase I and the validations after it."""

from pathlib import Path

import pytest
from learning_runs import make_training

from modnav.analysis.study import find_trainings
from modnav.cli import main


def test_a_run_tells_its_phase_one_and_its_fixed_test_trials(tmp_path: Path):
    make_training(tmp_path, curve={500: 0.2, 1000: 0.6}, phase_one=1301)
    (training,), notes = find_trainings([tmp_path])
    assert notes == []
    assert (training.outcome, training.phase_one) == ("left", 1301)
    at_one = training.validations.query("task == 'gain1x'")
    assert at_one["trials"].tolist() == [500, 1000]
    assert at_one["reward_fraction"].tolist() == [0.2, 0.6]  # not those of the training's own
    assert sorted(training.validations["task"].unique()) == ["gain1.5x", "gain1x", "gain2x"]


@pytest.mark.parametrize(
    ("trials", "outcome", "phase_one"),
    [(49_500, "given up", 50_000), (49_000, "unfinished", 49_000), (500, "unfinished", 500)],
)
def test_runs_that_did_not_leave_phase_one_are_found(trials, outcome, phase_one, tmp_path: Path):
    make_training(tmp_path, seed=3, phase_one=trials)
    (training,), _ = find_trainings([tmp_path])
    assert (training.outcome, training.phase_one) == (outcome, phase_one)
    assert training.validations.empty
    assert training.member.run.seed == 3


def test_a_real_run_that_gave_up_phase_one(small: Path):
    words = ["--phases.learned_fraction", "1.0", "--phases.give_up", "30"]
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(small), *words])
    (training,), _ = find_trainings([Path("runs")])
    assert (training.outcome, training.phase_one) == ("given up", 30)


def test_a_real_run_that_left_it(small_run: Path):
    (training,), _ = find_trainings([Path("runs/small"), small_run])
    assert training.outcome == "left"
    assert training.phase_one in range(9, 13)  # a block of 10, and who ended in the same step
    assert training.validations["trials"].tolist() == [20, 20, 40, 40, 60, 60]


def test_what_is_left_out_is_told(tmp_path: Path):
    make_training(tmp_path / "a", curve={500: 0.2})
    make_training(tmp_path / "a", seed=1, curve={500: 0.2}, trials=100_000)
    make_training(tmp_path / "b", curve={500: 0.2}, process_noise=0.4)
    (make_training(tmp_path / "c", curve={500: 0.2}) / "validation.csv").unlink()
    trainings, notes = find_trainings([tmp_path])
    assert [x.member.group for x in trainings] == ["default", "extensive"]
    assert notes == [
        "left out, trained at another gain or noise: runs 1",
        "left out, without validation.csv: runs 1",
    ]


@pytest.mark.parametrize("text", ["", "trials,phase\n1,2\n", "\x00", "a\n\n1"])
def test_a_damaged_table_is_named(text: str, tmp_path: Path):
    table = make_training(tmp_path, curve={500: 0.2}) / "validation.csv"
    table.write_text(text)
    with pytest.raises(
        ValueError, match=r"validation\.csv is no table of validations: .*; the run is left out if"
    ):
        find_trainings([tmp_path])
