"""Sides of a comparison: from folders of runs, and from a table of their seeds."""

from pathlib import Path

import pandas as pd
import pytest
from learning_runs import make_training

from modnav.analysis.sides import runs_side, write_seeds

GOOD = "A,0,0,phase1_trials,900,a/seed0\n"


def test_a_table_of_seeds_stands_for_the_runs(tmp_path: Path):
    make_training(tmp_path / "a", seed=0, curve={500: 0.1, 2500: 1 / 3})
    make_training(tmp_path / "a", seed=1, curve={500: 0.3}, phase_one=1700)
    make_training(tmp_path / "a", seed=2, phase_one=49_500)
    make_training(tmp_path / "b", "Actor1Critic1", seed=3, phase_one=7_000)
    runs, _ = runs_side([tmp_path / "a", tmp_path / "b"])
    write_seeds(runs_side([tmp_path / "a"])[0], tmp_path / "seeds.csv")
    both, _ = runs_side([tmp_path / "seeds.csv", tmp_path / "b"])
    pd.testing.assert_frame_equal(both.summary, runs.summary)
    columns = ["architecture", "seed", "trials", "quantity", "value"]
    pd.testing.assert_frame_equal(both.seeds[columns], runs.seeds[columns])
    table = pd.read_csv(tmp_path / "seeds.csv")
    assert sorted(set(table["run"])) == ["a/seed0", "a/seed1", "a/seed2"]
    with pytest.raises(ValueError, match=r"a/seed0 and \S*a/seed0 are both Actor3Critic5, seed 0"):
        runs_side([tmp_path / "seeds.csv", tmp_path / "a"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "No columns"),
        ("architecture,seed\nActor1Critic1,0\n", "not in index"),
        ("HEAD\nA,0,500,reward_rate gain2x,much,a/seed0\n", "much"),
        ("HEAD\n" + GOOD + "A,0,500,reward_rate gain9x,1,a/seed0\n", "other quantities"),
        ("HEAD\n", "empty"),
        ("HEAD\n" + GOOD + "A,0,500,reward_rate gain2x,,a/seed0\n", "lacks some values"),
        ("HEAD\n" + GOOD + "A,0,,reward_rate gain2x,1,a/seed0\n", "lacks some values"),
        ("HEAD\n" + GOOD + "A,0,500.5,reward_rate gain2x,1,a/seed0\n", "must be whole numbers"),
        ("HEAD\n" + GOOD + "A,0,500,reward_rate gain2x,inf,a/seed0\n", "not finite"),
        ("HEAD\n" + GOOD + "A,0,500,reward_rate gain2x,-1,a/seed0\n", "below 0"),
        ("HEAD\n" + GOOD + "A,0,-5,reward_rate gain2x,1,a/seed0\n", "must be 0 for phase I"),
        ("HEAD\n" + GOOD + "A,0,0,reward_rate gain2x,1,a/seed0\n", "must be 0 for phase I"),
        ("HEAD\nA,0,500,phase1_trials,900,a/seed0\n", "must be 0 for phase I"),
        ("HEAD\n" + GOOD.replace("0,0", f"{10**30},0"), ""),
        ("HEAD\nA,0,500,reward_rate gain2x,1,a/seed0\n", "one row of phase I"),
        ("HEAD\n" + GOOD + GOOD.replace("trials", "given_up"), "one row of phase I"),
    ],
)
def test_other_tables_are_refused(text: str, said: str, tmp_path: Path):
    file = tmp_path / "seeds.csv"
    file.write_text(text.replace("HEAD", "architecture,seed,trials,quantity,value,run"))
    with pytest.raises(ValueError, match=r"seeds.csv is no table of seeds: .*" + said):
        runs_side([file])


def test_two_runs_of_one_seed_are_refused(tmp_path: Path):
    make_training(tmp_path / "a", curve={500: 0.2})
    make_training(tmp_path / "b", curve={500: 0.2})
    with pytest.raises(ValueError, match="are both Actor3Critic5, seed 0"):
        runs_side([tmp_path])


def test_runs_that_are_all_left_out_are_refused(tmp_path: Path):
    make_training(tmp_path, curve={500: 0.2}, observation_noise=0.3)
    with pytest.raises(ValueError, match="no runs to compare; left out, trained at another gain"):
        runs_side([tmp_path])


def test_runs_of_one_seed_in_two_files_are_refused_though_their_folders_have_one_name(
    tmp_path: Path,
):
    for name, x in (("mine", 0.2), ("theirs", 0.6)):
        make_training(tmp_path / name / "modular", curve={500: x})
        write_seeds(runs_side([tmp_path / name])[0], tmp_path / f"{name}.csv")
    files = [tmp_path / "mine.csv", tmp_path / "theirs.csv"]
    with pytest.raises(ValueError, match="modular/seed0 and modular/seed0 are both Actor3"):
        runs_side(files)
    with pytest.raises(ValueError, match="are both Actor3Critic5, seed 0"):
        runs_side([files[0], files[0]])
