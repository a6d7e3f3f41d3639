"""Runs from elsewhere choose no code, and write nowhere else."""

import os
from pathlib import Path

import pytest
import yaml

from modnav.cli import main as modnav
from modnav.commands.strangers import check_run_config

PAYLOAD = """
from pathlib import Path
from pytorch_lightning.callbacks import Callback
Path("ran").touch()
class P(Callback): ...
"""


def written(folder: Path, **config):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def refusal(tmp_path, imported=(), **config) -> str:
    with pytest.raises(ValueError, match=r"config.yaml") as error:
        check_run_config(written(tmp_path, **config), imported)
    return str(error.value)


def test_classes_of_others_are_refused(tmp_path):
    for config in (
        {"trainer": {"callbacks": [{"class_path": "runs.small.seed0.payload.P"}]}},
        {"trainer": {"logger": {"class_path": "payload.P", "init_args": {}}}},
        {"model": {"actor": {"belief": {"class_path": "payload.P"}}}},
        {"model": {"optimizer": {"class_path": "torch.hub.load"}}},
    ):
        assert "which is not of modnav; if you trust it, allow it with --import" in refusal(
            tmp_path, **config
        )


@pytest.mark.parametrize(
    "config",
    [
        {"trainer": {"callbacks": ["runs.small.seed0.payload.P"]}},
        {"trainer": {"callbacks": " payload.P "}},
        {"trainer": {"plugins": [{"init_args": {"function": "os.system"}}]}},
        {"data": {"replay": {"dict_kwargs": {"x": ["os.system"]}}}},
        {"trainer": "trainer.yaml"},
        {"trainer": {"callbacks": "sub/callbacks.yaml"}},
        {"model": {"actor": "there"}},  # a file of that name lies beside it
        {"trainer": {"strategy": '{"class_path": "payload.P"}'}},
        {"model": {"optimizer": "{class_path: payload.P}"}},
        {"config": "other.yaml"},
        {"checkpoint": "checkpoint.yaml"},
        {"trainer": {"logger": {"init_args": {"save_dir": "/elsewhere/x"}}}},
        {"trainer": {"logger": {"init_args": {"save_dir": "beside"}}}},
        {"trainer": {"default_root_dir": "../x"}},
        {"ckpt_path": "last.ckpt"},
        {"data": {"task": {"name": "\x1b[31mX"}}},
        {"data": {"task": {"a.b": 1}}},
    ],
)
def test_texts_that_modnav_does_not_write_are_refused(config, tmp_path):
    (tmp_path / "there").write_text("class_path: payload.P")
    assert "\x1b" not in refusal(tmp_path, **config)


def test_what_the_user_imports_and_what_modnav_writes_is_allowed(tmp_path):
    config = {
        "name": "a.b",
        "model": {
            "actor": {"belief": {"class_path": "my_lab.Belief"}},
            "optimizer": {"class_path": "torch.optim.Adam"},
        },
        "trainer": {"callbacks": [{"class_path": "pytorch_lightning.callbacks.Timer"}]},
        "checkpoint": {
            "dirpath": str(tmp_path / "checkpoints"),
            "monitor": "selection/reward_rate",
        },
    }
    check_run_config(written(tmp_path, **config), ["my_lab"])
    with pytest.raises(ValueError, match="--import my_lab"):
        check_run_config(written(tmp_path, **config), ["my_la"])


def test_checkpoints_stay_in_the_run(tmp_path):
    path = written(tmp_path, checkpoint={"dirpath": str(tmp_path.parent)})
    with pytest.raises(ValueError, match=r"dirpath is .*; it must be in the run's own folder"):
        check_run_config(path, [])


def endless() -> str:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "content",
    ["", "[1]", "a: [", "!!python/object/apply:os.system [ls]", endless(), "\0", "x" * 2**21],
)
@pytest.mark.parametrize("command", ["validate", "fit"])
def test_other_files_in_the_place_of_a_configuration(content, command, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(content)
    (tmp_path / "last.ckpt").write_bytes(b"")
    args = {
        "validate": ["validate", "--ckpt_path", str(tmp_path / "last.ckpt")],
        "fit": ["fit", "--resume", str(tmp_path)],
    }
    with pytest.raises(SystemExit) as end:
        modnav(args[command])
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "is not the configuration of a run" in err


def test_a_downloaded_run_runs_nothing(small_run, capsys):
    run = small_run
    (run / "payload.py").write_text(PAYLOAD)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["trainer"]["callbacks"] = [{"class_path": "runs.small.seed0.payload.P"}]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    last = str(run / "last.ckpt")
    for args in (
        ["fit", "--resume", str(run)],
        ["validate", "--ckpt_path", last],
        ["test", "--ckpt_path", last],
        ["predict", "--ckpt_path", last],
    ):
        with pytest.raises(SystemExit) as end:
            modnav(args)
        assert end.value.code == 2
        assert "--import runs.small.seed0.payload" in capsys.readouterr().err
    assert not Path("ran").exists()


def test_a_pipe_is_no_checkpoint(tmp_path, capsys):
    if not hasattr(os, "mkfifo"):
        return  # nothing can be made that would never end
    (tmp_path / "checkpoints").mkdir()
    os.mkfifo(tmp_path / "checkpoints" / "00499.ckpt")
    (tmp_path / "config.yaml").write_text("seed_everything: 0\n")
    with pytest.raises(SystemExit) as end:
        modnav(["evaluate", str(tmp_path), "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    assert "is not a regular file" in capsys.readouterr().err
