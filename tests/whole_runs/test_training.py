"""The user's commands: real runs through the command line, in seconds."""

import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch
from forked import Forked, told_at
from pytorch_lightning import Trainer
from same_weights import same

from modnav.callbacks.last import LastCheckpoint
from modnav.cli import main
from modnav.learning import TD3, Experience, Setting, runs_bf16
from modnav.runs import read

WITH_BF16 = pytest.mark.skipif(not runs_bf16(), reason="the processor has no bfloat16")


def fit(config: Path, *more: str, seed: int = 0) -> Path:
    main(["fit", "--config", str(config), "--seed_everything", str(seed), *more])
    return Path("runs/small") / f"seed{seed}"


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read(run / "last.ckpt").content["state_dict"]


def test_a_run_leaves_what_it_promises_with_curves_over_trials(
    small: Path, capsys: pytest.CaptureFixture[str]
):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = fit(small, "--trainer.logger", "true")
    names = {path.name for path in run.iterdir()}
    assert {"config.yaml", "last.ckpt", "validation.csv", "learning_curve.png"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    kept = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert kept == ["00019.ckpt", "00039.ckpt", "00059.ckpt"]
    out = capsys.readouterr().out
    assert "best checkpoint: " in out
    best = Path(out.split("best checkpoint: ")[1].split()[0])
    assert best.name in kept
    assert "learning_curve.png" in out

    events = EventAccumulator(str(run))
    events.Reload()
    tags = events.Tags()
    wanted = {"acting/phase", "acting/reward_fraction", "acting/reward_rate"}
    wanted |= {"acting/steps_per_trial", "acting/exploration_std", "acting/learning_rate"}
    wanted |= {"throughput/trials_per_s", "throughput/updates_per_s", "loss/critic", "loss/actor"}
    wanted |= {"training/gain1x/reward_rate", "selection/gain2x/reward_fraction"}
    assert wanted <= set(tags["scalars"])
    assert "trajectories" in tags["images"]
    steps = [event.step for event in events.Scalars("acting/reward_fraction")]
    assert steps == sorted(steps)
    assert len(set(steps)) == len(steps) == 7
    validated = [event.step for event in events.Scalars("selection/reward_rate")]
    assert validated == pd.read_csv(run / "validation.csv")["total_trials"].unique().tolist()


def test_best_checkpoint_has_the_highest_reward_rate_on_fixed_trials(small_run: Path):
    run = small_run
    state = read(run / "last.ckpt").content["callbacks"]
    (best,) = (v["best_model_path"] for k, v in state.items() if k.startswith("TrialCheckpoint"))
    table = pd.read_csv(run / "validation.csv").query("validation == 'selection'")
    rates = table.groupby("trials")["reward_rate"].sum()
    assert Path(best).name == f"{rates.idxmax() - 1:05d}.ckpt"


def test_checkpoints_of_weights_are_small_and_complete(small_run: Path):
    run = small_run
    checkpoint = read(run / "checkpoints/00019.ckpt").content
    assert "optimizer_states" not in checkpoint
    assert "experience" not in checkpoint
    assert all(key.startswith("agent.") for key in checkpoint["state_dict"])
    assert checkpoint["modnav"]["agent"]["critic"]["action_enters"] == "value"


def test_one_seed_gives_one_run(small: Path, small_run: Path):
    first = weights(small_run)
    again = weights(fit(small, "--overwrite", "true"))
    other = weights(fit(small, seed=1))
    assert same(first, again)
    assert not same(first, other)


def test_phases_follow_each_other(small_run: Path):
    run = small_run
    table = pd.read_csv(run / "validation.csv")
    assert table["trials"].tolist() == [20] * 4 + [40] * 4 + [60] * 4
    # Phase I lasts one block, which is not counted; phase III begins a block after a validation.
    assert table["phase"].tolist() == [2] * 4 + [3] * 8
    assert (table["total_trials"] - table["trials"]).between(9, 12).all()
    last = read(run / "last.ckpt").content
    rates = {group["lr"] for state in last["optimizer_states"] for group in state["param_groups"]}
    assert rates == {5e-5}
    setting = last["experience"]["setting"]
    assert setting == (0.4, True, True, False, None)


def test_phase_three_begins_after_the_trials_asked_for(small: Path):
    run = fit(small, "--phases.refine_after", "50")
    table = pd.read_csv(run / "validation.csv")
    assert table["trials"].tolist() == [20] * 4 + [40] * 4 + [60] * 4
    assert table["phase"].tolist() == [2] * 8 + [3] * 4


def test_a_phase_may_have_steps_for_an_update_of_its_own(
    small: Path, monkeypatch: pytest.MonkeyPatch
):
    updates: dict[float, list[int]] = {}
    update = TD3.update

    def watching(self: TD3, segment: object) -> None:
        data = self.trainer.datamodule
        updates.setdefault(data.setting.exploration_std, []).append(data.counters.env_steps)
        update(self, segment)

    monkeypatch.setattr(TD3, "update", watching)
    three = "{exploration_std: 0.4, learning_rate: 5.0e-5, steps_per_update: 16}"
    fit(small, "--phases.three", three)
    for phase, steps_per_update in ((0.5, 4), (0.4, 16)):
        steps = updates[phase]
        assert len(steps) > 5
        assert steps == list(range(steps[0], steps[-1] + 1, steps_per_update))


@pytest.mark.parametrize("keep", ["true", "false"])
def test_phase_two_begins_with_the_memory_of_phase_one_if_asked(
    small: Path, keep: str, monkeypatch: pytest.MonkeyPatch
):
    held = []
    begin_phase = Experience.begin_phase

    def watching(self: Experience, setting: Setting) -> None:
        held.append(len(self.replay))
        begin_phase(self, setting)

    monkeypatch.setattr(Experience, "begin_phase", watching)
    fit(small, "--phases.keep_replay", keep)
    first, second, third = held
    assert first == 0
    assert (second >= 10) == (keep == "true")  # the trials of a block
    assert second < third


def test_phase_one_is_given_up_with_its_own_status(
    small: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as exit_info:
        fit(small, "--phases.learned_fraction", "1.0", "--phases.give_up", "30")
    assert exit_info.value.code == 3
    assert "phase I was given up after 30 trials" in capsys.readouterr().err
    assert Path("runs/small/seed0/checkpoints/00019_pre.ckpt").is_file()


@pytest.mark.parametrize("parallel", [1, 4, 16])
def test_one_update_for_every_four_steps_as_soon_as_they_were_made(
    small: Path, parallel: int, monkeypatch: pytest.MonkeyPatch
):
    steps, update = [], TD3.update

    def watching(self: TD3, segment: object) -> None:
        steps.append(self.trainer.datamodule.counters.env_steps)
        update(self, segment)

    monkeypatch.setattr(TD3, "update", watching)
    alone = ["--phases.learned_fraction", "1.0", "--phases.give_up", "30"]
    with pytest.raises(SystemExit):  # phase I alone: nothing is ever emptied
        fit(small, "--data.parallel_trials", str(parallel), *alone)
    assert len(steps) > 10
    assert steps == [
        made
        for made in range(steps[0], steps[-1] + 1, parallel)
        for _ in range(made // 4 - (made - parallel) // 4)
    ]


def test_padded_batches_train(small: Path):
    run = fit(small, "--data.replay.init_args.padded", "true", "--phases.trials", "20")
    assert (run / "checkpoints/00019.ckpt").is_file()


def test_scripted_trials_are_mixed_in(small: Path):
    with pytest.raises(SystemExit):
        fit(
            small,
            "--data.warmup",
            "{trials: 50, share: 0.5}",
            "--phases.learned_fraction",
            "1",
            "--phases.give_up",
            "20",
            "--data.epoch_trials",
            "10",
        )
    held = read(Path("runs/small/seed0/last.ckpt")).content["experience"]
    own = held["counters"]["total_trials"]
    stored = len(held["replay"]["items"]["steps"])
    assert stored - own >= 50 + own // 2


@WITH_BF16
def test_bf16_trains_with_losses_in_single_precision(small: Path):
    run = fit(small, "--trainer.precision", "bf16-mixed", "--phases.trials", "20")
    assert all(x.dtype == torch.float32 for x in weights(run).values())


def test_nan_stops_the_run_and_leaves_the_last_checkpoint(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    update = TD3.update

    def poisoned(self: TD3, segment: object) -> None:
        if self.trainer.datamodule.counters.trials > 30:
            segment = segment._replace(reward=segment.reward * float("nan"))
        update(self, segment)

    monkeypatch.setattr(TD3, "update", poisoned)
    with pytest.raises(SystemExit) as exit_info:
        fit(small)
    assert exit_info.value.code == 4
    err = capsys.readouterr().err
    assert "critic loss became nan at update" in err
    assert "trial" in err
    run = Path("runs/small/seed0")
    assert all(x.isfinite().all() for x in weights(run).values())
    monkeypatch.setattr(TD3, "update", update)
    main(["fit", "--resume", str(run)])
    assert (run / "checkpoints/00059.ckpt").is_file()


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


def test_ctrl_c_twice_ends_a_run_at_once_and_harms_nothing(small: Path, small_run: Path):
    err = interrupted(signal.SIGINT, signal.SIGINT)
    assert err.splitlines()[-1].startswith("modnav: error: ")
    run = Path("other/small/seed0")
    main(["fit", "--resume", str(run)])
    assert same(weights(small_run), weights(run))


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


def test_validate_test_and_predict_need_the_checkpoint_only(small_run: Path, capsys):
    run = small_run
    checkpoint = str(run / "checkpoints/00059.ckpt")
    capsys.readouterr()
    main(["validate", "--ckpt_path", checkpoint])
    assert "selection/gain2x/reward_fraction" in capsys.readouterr().out
    main(["test", "--ckpt_path", checkpoint])
    assert "perturbation1" in capsys.readouterr().out
    main(["predict", "--ckpt_path", checkpoint])
    out = capsys.readouterr().out
    table = pd.read_csv(out.split("trials written to ")[1].split()[0])
    assert len(table) == 10
    assert {"task", "target_x_cm", "duration_s", "rewarded", "error_distance"} <= set(table)


def test_validate_gives_the_numbers_of_training(small_run: Path, capsys):
    run = small_run
    capsys.readouterr()
    main(["validate", "--ckpt_path", str(run / "checkpoints/00059.ckpt")])
    out = capsys.readouterr().out
    row = pd.read_csv(run / "validation.csv").query(
        "trials == 60 and validation == 'selection' and task == 'gain1x'"
    )
    assert f"{row['error_distance'].item():.4f}"[:6] in out


STEPS = "{class_path: modnav.learning.StepReplay, init_args: {capacity: 2000, batch_size: 8}}"

BAD = {
    "unknown class": (
        ["--model.actor.belief", "modnav.networks.belief.Nope"],
        ["actor", "belief", "Nope", "must be one of modnav.networks.RecurrentBelief"],
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
    "not a number": (["--data.parallel_trials", "abc"], ["data.parallel_trials", "int", "abc"]),
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


def test_training_ends_once_a_validation_is_good_enough(small: Path):
    run = fit(small, "--phases.enough_fraction", "-0.5")
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["00019.ckpt"]


def test_the_action_penalty_holds_in_its_phase_alone(small: Path, monkeypatch):
    seen = []
    update = TD3.update

    def watching(self: TD3, segment: object) -> None:
        phase = self.trainer.datamodule.setting.exploration_std
        seen.append((phase, self.action_penalty))
        update(self, segment)

    monkeypatch.setattr(TD3, "update", watching)
    fit(small, "--phases.two", "{exploration_std: 0.5, learning_rate: 0.1, action_penalty: 2.0}")
    assert {(0.5, 2.0), (0.4, 0.0)} <= set(seen)
    assert {penalty for phase, penalty in seen if phase != 0.5} == {0.0}


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


def test_every_epoch_is_kept_even_without_updates(small: Path):
    with pytest.raises(SystemExit):
        fit(
            small,
            "--phases.learned_fraction",
            "1",
            "--phases.give_up",
            "60",
            "--data.learning_starts",
            "40",
        )
    kept = sorted(path.name for path in Path("runs/small/seed0/checkpoints").iterdir())
    assert kept == ["00019_pre.ckpt", "00039_pre.ckpt", "00059_pre.ckpt"][: len(kept)]
    assert len(kept) >= 2


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


def test_products_in_single_precision_are_so_on_a_gpu_too(
    small: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    fit(small, "--phases.trials", "20")
    assert not torch.backends.cudnn.allow_tf32


def test_the_progress_bar_of_a_terminal_lives_through_the_phases(small: Path, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes the output for a terminal
    fit(small)
    out = capsys.readouterr().out
    assert "phase I " in out
    assert "phase III" in out
    assert "/60 trials" in out
    assert "left" in out
