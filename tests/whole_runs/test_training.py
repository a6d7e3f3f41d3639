"""The user's commands: real runs through the command line, in seconds."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from same_weights import same
from small_runs import WITH_BF16, fit, weights

from modnav.callbacks.figures import save_figure
from modnav.cli import main
from modnav.learning import TD3, Experience, Setting
from modnav.runs import read


def test_a_run_leaves_what_it_promises_with_curves_over_trials(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr("modnav.callbacks.monitor.save_figure", save_figure)
    run = fit(small, "--trainer.logger", "true")
    assert (run / "learning_curve.png").stat().st_size > 10_000
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
    steps = [event.step for event in events.Scalars("acting/reward_fraction")]
    assert steps == sorted(steps)
    assert len(set(steps)) == len(steps) == 7
    validated = [event.step for event in events.Scalars("selection/reward_rate")]
    assert validated == pd.read_csv(run / "validation.csv")["total_trials"].unique().tolist()
    # pictures are a minute apart, but for the last
    assert [x.step for x in events.Images("trajectories")] == [validated[0], validated[-1]]


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
