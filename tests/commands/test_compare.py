"""``modnav compare``: its table, its files, and mistakes in one line."""

from pathlib import Path

import pandas as pd
import pytest
from learning_runs import make_training

from modnav.cli import main


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two modular runs and one that is still in phase I, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for seed, x in enumerate((0.2, 0.4)):
        make_training(Path("runs/a"), seed=seed, curve={500: x, 2500: x})
    make_training(Path("runs/a"), seed=2, phase_one=7000)
    return Path("runs")


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(["compare", *words])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    return err


def test_runs_beside_the_study(runs: Path, capsys: pytest.CaptureFixture[str]):
    main(["compare", "runs", "--with", "study", "--out", "out"])
    told = capsys.readouterr().out
    assert "Actor3Critic5: runs with study" in told
    lines = {" ".join(line.split()) for line in told.splitlines()}
    # fractions .2, .4 against .25 (.18) of 8
    assert "reward_fraction gain1x 500 0.30 (0.14) 2 0.25 (0.18) 8 +0.05 +0.4" in lines
    assert "phase1_given_up 0 0.00 [0.00, 0.66] 2, 1 unfinished" in lines
    assert "out/comparison.png" in lines
    table = pd.read_csv("out/comparison.csv")
    assert len(table) == 2 + 3 * 4
    assert sorted(path.suffix for path in Path("out").iterdir()) == [
        ".csv",
        ".csv",
        ".pdf",
        ".png",
    ]
    main(["compare", "out/seeds.csv", "--out", "again"])
    assert Path("again/comparison.csv").read_bytes() == Path("out/comparison.csv").read_bytes()
    kept = Path("out/seeds.csv").read_bytes()
    for given in (["out/seeds.csv", "runs"], ["runs", "--with", "out/seeds.csv"]):
        assert "would be overwritten; give another --out" in refused(
            capsys, *given, "--out", "out"
        )
    assert Path("out/seeds.csv").read_bytes() == kept


def test_the_order_of_five_architectures_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    for x in range(1, 6):
        make_training(Path(f"a/{x}"), f"Actor1Critic{x}", curve={10_000: x / 10})
        make_training(Path(f"b/{x}"), f"Actor1Critic{x}", curve={10_000: (6 - x) / 10})
    main(["compare", "a", "--with", "b"])
    told = " ".join(capsys.readouterr().out.split())
    assert (
        "rank correlation of 5 architectures' means with the others', in rewards/s at gain 2 "
        "after 10,000 trials: -1.00"
    ) in told


def test_the_study_is_the_default_and_files_lie_here(runs: Path):
    main(["compare", "runs/a/seed0", "runs/a/seed1"])
    table = pd.read_csv("comparison.csv")
    assert set(table["n_other"]) == {0, 8}
    assert set(table["n"]) == {0, 2}


def test_runs_beside_other_runs(runs: Path, capsys: pytest.CaptureFixture[str]):
    make_training(Path("other/b"), curve={500: 0.3, 2500: 0.3})
    make_training(Path("other/c"), "Actor1Critic1", curve={500: 0.3})
    make_training(Path("other/d"), curve={500: 0.3}, process_noise=0.4)
    main(["compare", "runs", "--with", "other/b", "other/c", "other/d"])
    told = capsys.readouterr().out
    assert "Actor3Critic5: runs with other/b and 2 more" in told
    assert "Actor1Critic1: " not in told
    assert "left out, trained at another gain or noise: runs 1" in told
    assert "left out, as runs has none: Actor1Critic1\n" in told
    assert "as other/b" not in told
    main(["compare", "other/b", "other/c", "--with", "runs"])
    assert "left out, as runs has none: Actor1Critic1\n" in capsys.readouterr().out
    table = pd.read_csv("comparison.csv").set_index(["quantity", "trials"])
    assert table.loc[("reward_rate gain1.5x", 500), "improvement"] == 0.5


def test_mistakes_are_one_line(runs: Path, capsys: pytest.CaptureFixture[str]):
    assert "RUNS is nothing; it must be a folder of runs, or a" in refused(capsys, "nothing")
    told = refused(capsys, "runs", "--with", "stduy")
    assert "--with is stduy; it must be study, a folder of runs or a" in told
    Path("empty").mkdir()
    assert "empty holds no checkpoints" in refused(capsys, "empty")
    assert "empty holds no checkpoints" in refused(capsys, "runs", "--with", "empty")
    make_training(Path("kalman"), "EKF", curve={500: 0.3})
    told = refused(capsys, "kalman")
    assert "kalman has EKF and study has Actor1Critic1" in told
    assert "they must have an architecture in common" in told
    assert "modnav compare RUNS --with RUNS2" in told
    make_training(Path("twice"), curve={500: 0.3})
    assert "are both Actor3Critic5, seed 0" in refused(capsys, "runs", "twice")
    assert not list(Path().glob("comparison.*"))
