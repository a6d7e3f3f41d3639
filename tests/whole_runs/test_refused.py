"""What a run refuses, in one line, with status 2."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_runs import fit

from modnav.cli import main
from modnav.runs import read


def test_a_second_run_into_one_folder_is_refused(small: Path, small_run: Path, capsys):
    run = small_run
    with pytest.raises(SystemExit) as exit_info:
        fit(small)
    assert exit_info.value.code == 2
    assert f"{run} holds a run already" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["processes", "random", "callbacks", "loops"])
def test_an_incomplete_state_is_refused_in_one_line(small_run: Path, key: str, capsys):
    run = small_run
    state = read(run / "last.ckpt").content
    del state[key]
    torch.save(state, run / "last.ckpt")
    with pytest.raises(SystemExit) as exit_info:
        main(["fit", "--resume", str(run), "--phases.trials", "80"])
    assert exit_info.value.code == 2
    assert f"lacks part of a run's state ({key})" in capsys.readouterr().err


@pytest.mark.parametrize("how", [["--overwrite", "true"], ["--resume"]])
def test_a_second_run_into_the_folder_of_one_that_goes_on_is_refused(
    small: Path, small_run: Path, how, capsys
):
    run = small_run
    before = (run / "last.ckpt").read_bytes()
    code = f"import sys; from filelock import FileLock; held = FileLock({str(run / '.lock')!r}); held.acquire()"
    code += "; print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    start = [*how, str(run), "--phases.trials", "80"] if how == ["--resume"] else how
    with pytest.raises(SystemExit) as exit_info:
        main(["fit", *start] if how == ["--resume"] else ["fit", "--config", str(small), *how])
    holder.communicate("")
    assert exit_info.value.code == 2
    assert f"{run} is being trained by another process" in capsys.readouterr().err
    assert (run / "last.ckpt").read_bytes() == before


BAD = {
    "unknown class": (
        ["--model.actor.belief", "modnav.networks.belief.Nope"],
        ["actor", "belief", "Nope", "modnav.networks.belief has no Nope"],
    ),
    "no such accelerator": (["--trainer.accelerator", "abacus"], ["abacus"]),
    "half precision all over": (["--trainer.precision", "bf16-true"], ["bf16-true", "32-true"]),
    "saves at no time": (["--last.every_minutes", "0"], ["last.every_minutes is 0", "above 0"]),
    "negative warm-up": (
        ["--data.warmup", "{trials: -1}"],
        ["warmup.trials is -1", "in [0, 1,000,000]"],
    ),
    "sizes that do not fit": (
        ["--model.actor.action.init_args.in_features", "9"],
        ["actor.action.in_features is 9", "must be 8"],
    ),
    "negative noise": (["--data.task.process_noise", "-0.1"], ["process_noise is -0.1", "0 or"]),
    "gain 0": (["--data.task.gain", "0"], ["task.gain is 0", "above 0"]),
    "range upside down": (["--data.task.gain", "[2, 1]"], ["task.gain is [2", "low end"]),
    "batch larger than replay": (
        ["--data.replay.init_args.batch_size", "300"],
        ["replay.batch_size is 300", "at most replay.capacity", "200"],
    ),
    "no such checkpoint": (
        ["--ckpt_path", "nowhere.ckpt"],
        ["nowhere.ckpt cannot be read: No such file"],
    ),
    "not a checkpoint": (
        ["--ckpt_path", "small.yaml"],
        ["small.yaml is damaged or of another kind"],
    ),
    "no such key": (["--data.bogus", "3"], ["data.bogus"]),
    "not a number": (
        ["--data.parallel_trials", "abc"],
        ["data.parallel_trials is abc; it must be int"],
    ),
    "no such config": (["--config", "nope"], ["--config is nope", "modular"]),
    "folder that cannot be made": (["--runs", "/proc/runs"], ["/proc/runs", "cannot be"]),
    "16-mixed on a CPU": (["--trainer.precision", "16-mixed"], ["16-mixed", "32-true"]),
    "too much memory": (
        ["--data.replay.init_args.capacity", "1000000000000"],
        ["replay.capacity is 1000000000000", "GiB"],
    ),
    "negative exploration": (["--phases.one.exploration_std", "-1"], ["exploration_std is -1"]),
    "refining before the start": (
        ["--phases.refine_after", "-1"],
        ["refine_after is -1; it must be 0 or more"],
    ),
    "no steps for an update": (
        ["--phases.one.steps_per_update", "0"],
        ["steps_per_update is 0; it must be 1 or more"],
    ),
    "steps for a network that remembers": (
        ["--data.replay", "{class_path: modnav.learning.StepReplay, init_args: {capacity: 2000}}"],
        ["data.replay", "TrialReplay"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_one_line(small: Path, name: str, capsys):
    arguments, wanted = BAD[name]
    with pytest.raises(SystemExit) as exit_info:
        fit(small, *arguments)
    assert exit_info.value.code == 2
    (line,) = (x for x in capsys.readouterr().err.splitlines() if x.startswith("modnav: error:"))
    for words in wanted:
        assert words in line
    assert "Union" not in line
    assert "Namespace" not in line
    assert not list(Path("runs").rglob("*.ckpt"))


def test_a_checkpoint_of_another_architecture_is_refused(small_run: Path, capsys):
    run = small_run
    with pytest.raises(SystemExit) as exit_info:
        main(
            ["validate", "--config", "modular", "--ckpt_path", str(run / "checkpoints/00059.ckpt")]
        )
    assert exit_info.value.code == 2
    err = capsys.readouterr().err
    assert "architecture ActorCritic-" in err
    assert "Actor3Critic5" in err


def test_weights_alone_cannot_be_resumed(small: Path, small_run: Path, capsys):
    run = small_run
    with pytest.raises(SystemExit) as exit_info:
        fit(small, "--overwrite", "true", "--ckpt_path", str(run / "checkpoints/00019.ckpt"))
    assert exit_info.value.code == 2
    assert "weights only" in capsys.readouterr().err
