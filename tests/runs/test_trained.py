"""Runs that are found in folders."""

import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from modnav.callbacks import LastCheckpoint
from modnav.commands.arguments import with_run
from modnav.commands.best import main as best
from modnav.errors import InterruptedRunError
from modnav.files import in_shell
from modnav.networks import build_agent
from modnav.runs import RunFolder, find_runs, save_agent

GOOD = "seed_everything: 1\ndata: {task: {}}\n"
FAULTS = {
    "no run": (None, "lies in no run: there is no config.yaml"),
    "damaged": ("[1", "is not the configuration of a run"),
    "own": (
        GOOD.replace("{}", "{reward: {class_path: absent.Reward, init_args: {}}}"),
        "import absent first",
    ),
}


@pytest.fixture
def make(tmp_path):
    def run(name: str, config: str | None) -> Path:
        folder = tmp_path / name
        save_agent(build_agent("EKF"), folder / "checkpoints" / "00499.ckpt")
        save_agent(build_agent("EKF"), folder / "checkpoints" / "00499_pre.ckpt")
        if config is not None:
            (folder / "config.yaml").write_text(config)
        return folder

    return run


@pytest.mark.parametrize("fault", ["damaged", "own"])
def test_a_run_that_cannot_be_read_is_refused_also_beside_others(make, fault):
    config, said = FAULTS[fault]
    good, _ = make("runs/good", GOOD), make("runs/mine", config)
    with pytest.raises(ValueError, match=said):
        find_runs([good.parent])


def test_what_is_no_run_is_left_out_of_a_folder_of_runs(make, capsys):
    config, said = FAULTS["no run"]
    good, bad = make("runs/good", GOOD), make("runs/mine", config)
    (found,) = find_runs([str(good.parent)])
    assert found.folder == good
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"modnav: left out: {bad}")
    assert said in line
    assert {run.folder for run in find_runs([good.parent], pre=True)} == {good}
    assert capsys.readouterr().err.count("\n") == 1
    named = bad, bad / "checkpoints", bad / "checkpoints" / "00499.ckpt"
    for paths in *((path,) for path in named), (good, bad), (good.parent, bad):
        with pytest.raises(ValueError, match=said):
            find_runs(paths)


def test_a_folder_in_which_nothing_is_left_is_refused(make):
    good, bad = make("runs/good", GOOD), make("others/bad", "[1")
    with pytest.raises(ValueError, match="is not the configuration of a run"):
        find_runs([good, bad.parent])


def test_advice_has_paths_as_a_shell_takes_them(make):
    run = RunFolder(make("with a space", GOOD))
    assert in_shell("plain/a-1_b.c", "a b") == "plain/a-1_b.c 'a b'"
    with pytest.raises(ValueError, match=f"modnav fit --resume '{run.path}'`"):
        run.claim(overwrite=False, resume=False)
    with pytest.raises(InterruptedRunError, match=f"modnav fit --resume '{run.path}'$"):
        LastCheckpoint()._stop(SimpleNamespace(default_root_dir=str(run.path)), signal.SIGTERM)
    with pytest.raises(ValueError, match=rf"modnav evaluate '{run.path}'\)"):
        with_run(["fit", "--resume", str(run.path)])
    with pytest.raises(
        ValueError, match=f"make it with `modnav evaluate '{run.path}' --out 'a b'`"
    ):
        best([str(run.path), "--out", "a b"])
