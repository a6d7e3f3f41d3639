"""Runs from elsewhere choose no code, and write nowhere else unless a class that the user named does."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from modnav.callbacks.last import go_on_with
from modnav.cli import main as modnav
from modnav.commands.strangers import check_run_config, own_imports

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


LAB = """
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, Literal, Optional, TypeVar

import torch
from modnav.networks import AbstractBelief

if TYPE_CHECKING:
    from nowhere import Absent
T = TypeVar("T")


class Box(Generic[T]):
    pass


class Noted(AbstractBelief):
    source, recurrent = "observation", True

    def __init__(
        self, in_features: int = 6, out_features: int = 8, weights: str = "a/b.pt",
        notes: Optional[list[str]] = None, kind: Literal["a.b"] = "a.b", part: "AbstractBelief" = None,
        loose="tanh", rule: Callable[..., float] = None, kinds: type[int] = None,
        place: "os.PathLike[str]" = None, box: Optional[Box[int]] = None, absent: "Absent" = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weights, self.notes, self.kind, self.part = weights, notes, kind, part
        self.loose, self.rule, self.kinds, self.place = loose, rule, kinds, place
        self.box, self.absent = box, absent
        self.cell = torch.nn.GRU(in_features, out_features)

    def forward(self, x, memory=None):
        return self.cell(x, memory)
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A module of the user's own, whose class takes texts."""
    (tmp_path / "noted_lab.py").write_text(LAB)
    monkeypatch.syspath_prepend(tmp_path)
    yield "noted_lab.Noted"
    sys.modules.pop("noted_lab", None)


def belief_of(lab: str, **arguments):
    return {"model": {"actor": {"belief": {"class_path": lab, "init_args": arguments}}}}


def test_texts_of_classes_that_the_user_names_are_texts(lab, tmp_path):
    path = written(
        tmp_path, **belief_of(lab, weights="x/y.pt", notes=["it's {a}", "b"], kind="a.b")
    )
    check_run_config(path, ["noted_lab"])
    with pytest.raises(ValueError, match="--import noted_lab"):
        check_run_config(path, [])


@pytest.mark.parametrize(
    "arguments",
    [
        {"part": "x/y.yaml"},
        {"loose": "x/y.yaml"},
        {"unknown": "x/y.yaml"},
        {"rule": "payload.f"},
        {"kinds": "payload.f"},
        {"place": "payload.f"},
        {"box": "payload.f"},
        {"absent": "payload.f"},
        {"part": {"class_path": "os.system", "init_args": {"weights": "x/y.pt"}}},
        {"part": {"class_path": "torch.nn.Linear", "init_args": {"device": "x/y.pt"}}},
        {"weights": {"class_path": "payload.P"}},
    ],
)
def test_texts_that_may_be_more_are_refused_in_own_classes_too(lab, arguments, tmp_path):
    refusal(tmp_path, ["noted_lab"], **belief_of(lab, **arguments))


def test_a_run_whose_configuration_holds_texts_is_resumed(lab, small, tmp_path, capsys):
    belief = "--model.actor.init_args.belief"
    fit = ["fit", "--config", str(small), f"{belief}={lab}", "--phases.trials", "10"]
    fit += ["--data.epoch_trials", "10"]
    modnav([*fit, "--folder", "run", f"{belief}.init_args.weights", "x/y.pt"])
    assert "neither resumed" not in capsys.readouterr().out
    modnav(["fit", "--resume", "run", "--import", "noted_lab", "--phases.trials", "20"])
    assert Path("run/checkpoints/00019.ckpt").is_file()


def test_a_run_that_no_command_would_read_is_told_before_it_begins(lab, small, capsys):
    belief = "--model.actor.init_args.belief"
    fit = ["fit", "--config", str(small), f"{belief}={lab}", f"{belief}.init_args.loose", "x/y"]
    fit += ["--data.epoch_trials", "10", "--phases.trials", "99", "--trainer.max_epochs", "1"]
    modnav([*fit, "--folder", "loose"])
    out = capsys.readouterr().out
    assert (
        "can be trained, but neither resumed nor validated: loose/config.yaml: loose is x/y;"
        in out
    )
    assert "go on with: modnav fit --resume loose --import noted_lab\n" in out
    with pytest.raises(SystemExit):
        modnav([*fit, "--folder", "loose"])
    told = "go on with it by `modnav fit --resume loose --import noted_lab`, choose another"
    assert told in capsys.readouterr().err


def test_a_run_that_lost_a_process_names_its_imports(lab, small, monkeypatch, capsys):
    def lost(*_):
        raise RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer")

    monkeypatch.setattr("modnav.learning.TD3.training_step", lost)
    belief = "--model.actor.init_args.belief"
    with pytest.raises(SystemExit) as exit_info:
        modnav(["fit", "--config", str(small), f"{belief}={lab}", "--folder", "lost"])
    assert exit_info.value.code == 5
    told = "if it said anything; go on with: modnav fit --resume lost --import noted_lab\n"
    assert told in capsys.readouterr().err


def test_what_a_strangers_run_names_is_not_told_to_be_imported(lab, small, tmp_path, capsys):
    """Who pastes the line would run its code; `--resume` says to import it only if one trusts it."""
    Path("loose/checkpoints").mkdir(parents=True)
    (Path("loose") / "last.ckpt").write_bytes(b"x")
    written(Path("loose"), model={"actor": {"class_path": "subprocess.Popen"}})
    for more, told in (
        ([], ""),
        ([f"--model.actor.init_args.belief={lab}"], " --import noted_lab"),
    ):
        with pytest.raises(SystemExit):
            modnav(["fit", "--config", str(small), *more, "--folder", "loose"])
        assert f"go on with it by `modnav fit --resume loose{told}`" in capsys.readouterr().err


def test_the_module_of_a_class_within_another_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "outer_lab", sys)
    paths = ["outer_lab.Outer.Inner", "outer_lab.Other", "elsewhere.Part", "torch.nn.Tanh", "Bare"]
    config = {"model": {str(n): {"class_path": path} for n, path in enumerate(paths)}}
    assert own_imports(config) == ["outer_lab", "elsewhere"]


def test_what_to_go_on_with_names_each_import_once():
    told = go_on_with(["runs/a b", Path("runs/c")], ["lab", "other_lab", "lab"])
    assert (
        told == "go on with: modnav fit --resume 'runs/a b' runs/c --import lab --import other_lab"
    )
