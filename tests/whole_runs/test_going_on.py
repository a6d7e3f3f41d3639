"""Runs that were stopped, killed, moved or ended go on, as if nothing had happened."""

import re
import signal
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from forked import Forked, told_at
from pytorch_lightning import Trainer
from same_weights import same
from small_runs import WITH_BF16, fit, weights

from modnav.callbacks.last import LastCheckpoint
from modnav.cli import main
from modnav.learning import TD3
from modnav.runs import read


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    small: Path, small_run: Path, number: signal.Signals
):
    run = Path("other/small/seed0")
    out = interrupted(number)
    assert f"stopped by {number.name}; go on with: modnav fit --resume" in out
    assert pd.read_csv(run / "validation.csv")["trials"].max() < 60
    if number != signal.SIGTERM:  # the states of all are written by the same code
        assert read(run / "last.ckpt").about["updates"] > 0
        return
    main(["fit", "--resume", str(run)])
    assert same(weights(small_run), weights(run))
    ours, theirs = (
        pd.read_csv(x / "validation.csv").drop(columns="seconds") for x in (small_run, run)
    )
    pd.testing.assert_frame_equal(ours, theirs)


def interrupted(*numbers: int) -> str:
    """Train below ``other`` until the process gets signals; return what it complained of."""
    begin = partial(told_at, TD3, "update", 25, *numbers)  # between two validations
    process = Forked("fit", "--config", "small.yaml", "--runs", "other", begin=begin)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    return err


def test_ctrl_c_twice_ends_a_run_at_once_and_harms_nothing(small: Path, small_run: Path):
    err = interrupted(signal.SIGINT, signal.SIGINT)
    assert err.splitlines()[-1].startswith("modnav: error: ")
    run = Path("other/small/seed0")
    main(["fit", "--resume", str(run)])
    assert same(weights(small_run), weights(run))


def test_a_run_stopped_before_its_first_checkpoint_starts_from_its_beginning(
    small_run: Path, capsys
):
    run = small_run
    whole = weights(run)
    for file in [*run.rglob("*.ckpt"), run / "validation.csv"]:
        file.unlink()
    halves = (".last.ckpt.half", ".config.yaml.half.yaml", ".validation.csv.half.csv")
    left = [run / name for name in halves]
    for file in left:
        file.write_bytes(b"left by a killed run")
    main(["fit", "--resume", str(run)])
    assert "has no checkpoint yet: the run starts from its beginning" in capsys.readouterr().out
    assert same(weights(run), whole)
    assert not any(file.exists() for file in left)


def test_saves_within_an_epoch_do_not_change_the_run(small: Path, small_run: Path, capsys):
    fit(small, "--name", "often", "--last.every_minutes", "1e-6")
    assert same(weights(Path("runs/often/seed0")), weights(small_run))
    state = read(Path("runs/often/seed0/last.ckpt")).content["callbacks"]["LastCheckpoint"]
    assert state["saves"] > 3  # the plain run saves after each of its three epochs
    assert re.search(r"last.ckpt, [\d.]+ MB, written in [\d.]+ s", capsys.readouterr().out)


def test_a_run_killed_between_the_last_batch_of_an_epoch_and_its_end_goes_on(
    small: Path, small_run: Path, monkeypatch: pytest.MonkeyPatch
):
    save, ended = LastCheckpoint.on_train_epoch_end, iter(range(10))

    def die(callback: LastCheckpoint, trainer: Trainer, module: TD3) -> None:
        if next(ended) == 1:
            raise RuntimeError("killed")
        save(callback, trainer, module)

    monkeypatch.setattr(LastCheckpoint, "on_train_epoch_end", die)
    with pytest.raises(RuntimeError, match="killed"):
        fit(small, "--folder", "killed", "--last.every_minutes", "1e-9")
    main(["fit", "--resume", "killed"])
    assert same(weights(small_run), weights(Path("killed")))
    tables = [
        pd.read_csv(f"{x}/validation.csv").drop(columns="seconds") for x in (small_run, "killed")
    ]
    pd.testing.assert_frame_equal(*tables)


def test_replay_is_saved_where_asked(small: Path, small_run: Path, capsys):
    def holds(path: Path) -> bool:
        return read(path).content["experience"]["replay"] is not None

    assert holds(small_run / "last.ckpt")
    best = fit(small, "--overwrite", "true", "--last.replay", "best", "--phases.trials", "20")
    assert holds(best / "best.ckpt")
    assert not holds(best / "last.ckpt")
    never = fit(small, "--overwrite", "true", "--last.replay", "never", "--phases.trials", "20")
    assert not holds(never / "last.ckpt")
    assert not (never / "best.ckpt").exists()
    capsys.readouterr()
    main(["fit", "--resume", str(never), "--phases.trials", "40"])
    assert "holds no replay: the memory starts empty" in capsys.readouterr().out
    assert (never / "checkpoints/00039.ckpt").is_file()


def test_a_run_goes_on_from_its_best_checkpoint(small: Path):
    whole = fit(small, "--last.replay", "best")
    first = read(whole / "best.ckpt").content["experience"]["counters"]["checked"]
    assert first < 60
    after = weights(whole)
    main(["fit", "--resume", str(whole / "best.ckpt")])
    assert same(weights(whole), after)


def test_a_finished_run_says_so(small_run: Path, capsys):
    run = small_run
    before = (run / "last.ckpt").read_bytes()
    with pytest.raises(SystemExit) as exit_info:
        main(["fit", "--resume", str(run)])
    assert exit_info.value.code == 2
    assert "the run is finished after 60 trials; to go on raise" in capsys.readouterr().err
    assert (run / "last.ckpt").read_bytes() == before


THREE = "three:\n    exploration_std: 0.4"


def test_a_moved_run_goes_on_with_other_options(small_run: Path, monkeypatch, capsys):
    run = small_run
    config = (run / "config.yaml").read_text()
    best = [k for k in read(run / "last.ckpt").content["callbacks"] if k.startswith("TrialC")]
    former = Path(read(run / "last.ckpt").content["callbacks"][best[0]]["best_model_path"])
    Path("elsewhere").mkdir()
    run.rename("elsewhere/renamed")
    monkeypatch.chdir("elsewhere")
    options = ["--phases.trials", "80", "--phases.three.exploration_std", "0.123"]
    main(["fit", "--resume", "renamed", *options])
    out = capsys.readouterr().out
    assert "but for: --phases.trials 80 --phases.three.exploration_std 0.123" in out
    assert (Path("renamed") / "checkpoints/00079.ckpt").is_file()
    now = Path("renamed/config.yaml").read_text()
    assert now == config.replace("trials: 60", "trials: 80").replace(
        THREE, THREE.replace("0.4", "0.123")
    )
    last = read(Path("renamed/last.ckpt")).content
    assert last["experience"]["setting"][0] == 0.123
    state = last["callbacks"][best[0]]
    assert Path(state["best_model_path"]).is_file()
    assert {Path(path).name for path in state["best_k_models"]} >= {former.name, "00079.ckpt"}


@pytest.mark.parametrize(
    "kind", [pytest.param("bf16", marks=WITH_BF16), "warmup and options of phases", "ekf"]
)
def test_other_runs_go_on_exactly_too(small: Path, kind: str):
    """Two runs: one straight to 40 trials, one that ended at 20 and was resumed."""
    more = {
        "bf16": ["--trainer.precision", "bf16-mixed"],
        "warmup and options of phases": [
            "--data.warmup",
            "{trials: 40, share: 0.5}",
            "--phases.keep_replay",
            "true",
            "--phases.refine_after",
            "25",
            "--phases.three",
            "{exploration_std: 0.4, learning_rate: 5.0e-5, steps_per_update: 16}",
        ],
        "ekf": [
            "--config",
            "ekf",
            "--data.replay",
            "{class_path: modnav.learning.StepReplay, init_args: {capacity: 2000, batch_size: 8}}",
        ],
    }[kind]
    fit(small, *more, "--folder", "straight", "--phases.trials", "40")
    fit(small, *more, "--folder", "broken", "--phases.trials", "20")
    main(["fit", "--resume", "broken", "--phases.trials", "40"])
    assert same(weights(Path("straight")), weights(Path("broken")))


def test_a_run_goes_on_from_before_phases_had_steps_for_an_update(small_run: Path):
    whole, last = weights(small_run), small_run / "last.ckpt"
    (small_run / "last-1.ckpt").replace(last)  # the state after 40 trials
    checkpoint = torch.load(last, weights_only=False)
    checkpoint["experience"]["setting"] = checkpoint["experience"]["setting"][:4]
    torch.save(checkpoint, last)
    main(["fit", "--resume", str(small_run)])
    assert same(weights(small_run), whole)
