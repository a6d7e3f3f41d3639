"""Whole runs with reward, motion of the target, noise, metric, losses and inputs of a user's own."""

from pathlib import Path

import own_parts
import pandas as pd
import pytest
import yaml
from close_runs import close_runs
from same_weights import same_runs

import modnav
from modnav.cli import main
from modnav.runs import find_runs

PARTS = {
    "--data.task.reward": "own_parts.Hurried",
    "--data.task.motion": "own_parts.Drifting",
    "--data.exploration": "own_parts.Slow",
    "--model.metrics": "[{class_path: own_parts.AngularAction}]",
    "--model.losses": "own_parts.Huber",
}
ALL = [word for pair in PARTS.items() for word in pair]
INPUTS = [
    "--model.actor.belief",
    "own_parts.DelayedBelief",
    "--model.actor.belief.out_features",
    "8",
]
TRUSTED = ["--import", "own_parts"]


def fit(config: Path, folder: str, trials: int, *more: str) -> None:
    where = ["--folder", folder, "--phases.trials", str(trials)]
    main(["fit", "--config", str(config), *where, *more])


def test_a_run_of_all_own_parts_is_resumed_and_read(small, capsys):
    own = [*ALL, *INPUTS, "--data.task.motion.speed_cm_s", "30"]
    fit(small, "whole", 40, *own)
    fit(small, "broken", 20, *own)
    main(["fit", "--resume", "broken", "--phases.trials", "40", *TRUSTED])
    assert same_runs("whole", "broken")
    (run,) = find_runs([Path("whole")])
    assert run.task.motion == own_parts.Drifting(30.0)
    assert run.task.reward == own_parts.Hurried()
    log = pd.read_csv("whole/validation.csv")
    assert log["angular_action"].between(0, 1).all()
    assert (
        modnav.open_runs("whole").curves()["angular_action"].tolist()
        == log["angular_action"].tolist()
    )
    main(["evaluate", "whole", "--trials", "5", "--out", "data", *TRUSTED])
    steps = modnav.open_runs("whole")[0].record(trials=3, layers=()).steps
    assert steps["step"].max() < 8
    main(["validate", "--ckpt_path", "whole/last.ckpt", *TRUSTED])
    capsys.readouterr()
    main(["record", "whole/last.ckpt", "--trials", "2", "--no-units", "--out", "tables"])
    note = capsys.readouterr().out
    assert "note: data.task.reward of the run, own_parts.Hurried, is not used here" in note
    assert "note: data.task.motion of the run, own_parts.Drifting, is not used here" in note
    with pytest.raises(SystemExit):
        main(["fit", "--resume", "whole"])
    assert "names own_parts." in capsys.readouterr().err


@pytest.mark.parametrize("key", PARTS)
def test_a_run_from_elsewhere_that_names_a_part_is_refused(small_run, key, capsys):
    config = yaml.safe_load((small_run / "config.yaml").read_text())
    *path, last = key.removeprefix("--").split(".")
    section = config
    for part in path:
        section = section[part]
    one = {"class_path": "payload.Part"}
    section[last] = [one] if last == "metrics" else one
    (small_run / "config.yaml").write_text(yaml.safe_dump(config))
    Path("payload.py").write_text("open('ran', 'w')")
    last_state = str(small_run / "last.ckpt")
    for args in (["fit", "--resume", str(small_run)], ["validate", "--ckpt_path", last_state]):
        with pytest.raises(SystemExit) as end:
            main(args)
        assert end.value.code == 2
        assert "--import payload" in capsys.readouterr().err
    if path[-1] == "task":
        with pytest.raises(
            ValueError, match=r"payload.Part; if you trust it, import payload first"
        ):
            find_runs([small_run])
    assert not Path("ran").exists()


def test_members_with_own_parts_are_stacked(small, capsys):
    args = ["fit", "--config", str(small), "--phases.trials", "30", *ALL]
    main([*args, "--seeds", "0-1", "--population", "stacked"])
    assert "not stacked" not in capsys.readouterr().out
    main([*args, "--name", "alone", "--seed_everything", "1"])
    close_runs(Path("runs/alone/seed1"), Path("runs/small/seed1"))


def test_losses_that_do_not_say_so_are_not_stacked(small, monkeypatch, capsys):
    monkeypatch.setattr(own_parts.Huber, "stacked", False)
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(small), "--population", "stacked", *ALL])
    assert "own_parts.Huber, which does not say stacked" in capsys.readouterr().err


def test_a_motion_and_a_kalman_filter_are_refused_before_anything_is_deleted(small_run, capsys):
    before = {x: x.read_bytes() for x in small_run.rglob("*") if x.is_file() and x.suffix}
    kalman = ["--config", "ekf", "--config", "debug", "--folder", str(small_run)]
    with pytest.raises(SystemExit) as end:
        main(["fit", *kalman, "--overwrite", "true", "--data.task.motion", "own_parts.Drifting"])
    assert end.value.code == 2
    assert "data.task.motion is set, but the agent reads a Kalman" in capsys.readouterr().err
    assert before == {x: x.read_bytes() for x in before}
