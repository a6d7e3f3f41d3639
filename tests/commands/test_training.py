"""Threads of a run."""

import re
from argparse import Namespace
from pathlib import Path

import pytest
import torch
import yaml

from modnav.cli import main
from modnav.commands.checks import NODES, check_nodes
from modnav.learning import TD3
from modnav.runs import read


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch):
    """Numbers of threads that updates were made with."""
    found, update, before = [], TD3.update, torch.get_num_threads()
    monkeypatch.setattr(
        TD3, "update", lambda self, x: found.append(torch.get_num_threads()) or update(self, x)
    )
    yield found
    torch.set_num_threads(before)


def kept(run: str = "runs/small/seed0") -> int:
    return yaml.safe_load(Path(run, "config.yaml").read_text())["threads"]


def test_the_number_of_threads_is_kept_with_the_run(small: Path, monkeypatch, used):
    """So that a run is resumed with as many, whatever the environment then says."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    torch.set_num_threads(2)  # what torch makes of it at its start
    short = ["--data.epoch_trials", "5", "--data.check_trials", "5"]
    short += ["--data.validation", "{gains: [1.0], trials: 1, selection_trials: 1}"]
    main(["fit", "--config", str(small), *short, "--phases.trials", "5"])
    assert set(used) == {2}
    assert kept() == 2
    monkeypatch.delenv("OMP_NUM_THREADS")
    torch.set_num_threads(1)
    main(["fit", "--resume", "runs/small/seed0", "--phases.trials", "10"])
    assert set(used) == {2}
    assert read(Path("runs/small/seed0/last.ckpt")).about["updates"] == len(used)


@pytest.mark.parametrize(
    ("options", "count"), [([], 1), (["--config", "fast"], 1), (["--threads", "3"], 3)]
)
def test_a_run_has_one_thread_or_those_asked_for(
    small: Path, monkeypatch, used, options: list[str], count: int
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(2)
    main(["fit", "--config", str(small), *options, "--phases.trials", "20"])
    assert set(used) == {count}
    assert kept() == count
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    ("threads", "rule"), [("0", "in [1, 1,024]"), ("auto", "one of int, null")]
)
def test_what_is_no_number_of_threads_is_refused(small: Path, capsys, threads: str, rule: str):
    with pytest.raises(SystemExit) as exit_info:
        main(["fit", "--config", str(small), "--threads", threads])
    assert exit_info.value.code == 2
    assert f"threads is {threads}; it must be {rule}" in capsys.readouterr().err
    assert not Path("runs").exists()


def error_of(capsys, *args: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(args))
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "key",
    [
        "phases.one.exploration_std",
        "phases.two.learning_rate",
        "phases.one.action_penalty",
        "phases.learned_fraction",
        "phases.refine_fraction",
        "phases.enough_fraction",
        "last.every_minutes",
        "model.noise_std",
        "model.noise_clip",
        "model.tau",
        "model.discount",
        "data.task.stop_threshold",
        "data.task.gain",
        "data.warmup.jitter",
    ],
)
@pytest.mark.parametrize("value", [".nan", ".inf"])
def test_numbers_that_are_none_are_refused(key, value, small, capsys):
    told = error_of(capsys, "fit", "--config", "small.yaml", f"--{key}", value)
    assert told.count("\n") == 1
    assert key.rpartition(".")[2] in told
    assert "must be" in told


@pytest.mark.parametrize(
    "option",
    [
        "phases.one.exploration_std=1e38",
        "phases.two.learning_rate=1e30",
        "phases.two.learning_rate=0",
        "phases.three.action_penalty=1e30",
        "phases.three.steps_per_update=100000000000000000000",
        "phases.trials=100000000000000000000",
        "phases.enough_fraction=-.inf",
        "phases.learned_fraction=-1e30",
        "phases.refine_fraction=1e30",
        "data.steps_per_update=100000000000000000000",
        "data.learning_starts=100000000000000000000",
        "data.epoch_trials=100000000000000000000",
        "data.warmup.jitter=1e30",
        "data.replay.init_args.batch_size=100000000000000000000",
        "model.noise_std=1e30",
        "model.noise_clip=1e30",
        "model.policy_delay=100000000000000000000",
        "model.actor.belief.init_args.out_features=1000000000",
        "model.actor.action.init_args.hidden_features=[1000000000]",
        "last.every_minutes=1e30",
        "data.seed=-1",
    ],
)
def test_numbers_beyond_reason_are_refused(option, small, capsys):
    told = error_of(capsys, "fit", "--config", "small.yaml", f"--{option}")
    assert told.count("\n") == 1
    assert re.search(r"must be (in \[|.* and at most )", told), told
    assert not Path("runs").exists()


@pytest.mark.parametrize("number", ["1:30.5", "1:30", "[1:30.5]", "[1:30, 2]"])
def test_numbers_in_base_60_are_none(number, small, capsys):
    key = "data.validation.gains" if "[" in number else "data.task.gain"
    told = error_of(capsys, "fit", "--config", "small.yaml", f"--{key}", number)
    assert key.rpartition(".")[2] in told
    config = yaml.safe_load(small.read_text())
    config["phases"]["trials"] = "WRITTEN"
    small.write_text(yaml.safe_dump(config).replace("WRITTEN", "1:30"))
    assert "phases.trials" in error_of(capsys, "fit", "--config", "small.yaml")


@pytest.mark.parametrize(
    ("begun", "whole"), [("phases.tri", "phases.trials"), ("seed", "seed_everything")]
)
def test_options_are_written_in_full(begun, whole, small, capsys):
    told = error_of(capsys, "fit", "--config", "small.yaml", f"--{begun}=3")
    assert f"{begun} is not known; did you mean {whole}?" in told
    assert not Path("runs").exists()


def test_a_key_that_is_there_twice_in_a_configuration_is_refused(small, capsys):
    small.write_text(small.read_text() + "\ntrainer: {max_epochs: 1, max_epochs: 2}\n")
    told = error_of(capsys, "fit", "--config", "small.yaml")
    assert "is there twice, line" in told


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (["--data.validation.gains", "[1, .nan]"], "validation.gains is nan"),
        (["--data.validation.gains", "[1, .inf]"], "validation.gains is inf"),
        (["--data.task.gain", "1e38"], "task.gain is 1e+38; it must be within 1,000,000"),
        (["--data.check_trials", "1"], "check_trials is 1; it must be 2 or more"),
        (["--data.task.max_steps", "1"], "task.max_steps is 1; it must be 2 or more"),
        (["--data.parallel_trials", "1000000000"], "must be in [1, 1,000,000]"),
        (["--data.validation.trials", "10000000000"], "must be in [1, 1,000,000]"),
        (["--model.optimizer.init_args.lr", "0.01"], "set phases.one.learning_rate"),
        (["--phases.one.learning_rate", "6e-4", "--data.check_trials", "1"], "check_trials is 1"),
        (["--trainer.limit_val_batches", "1"], "trainer.limit_val_batches is 1"),
        (["--trainer.limit_val_batches", "0"], "must be left alone"),
        (["--trainer.fast_dev_run", "true"], "say --config debug"),
        (["--trainer.gradient_clip_val", "1"], "must be left alone"),
        (["--trainer.enable_checkpointing", "false"], "must be left alone"),
        (["--trainer.accumulate_grad_batches", "2"], "must be left alone"),
        (["--trainer.devices", "-1"], "trainer.devices is -1; it must be"),
        (["--trainer.devices", "[0]"], "trainer.devices is [0]; of a processor it"),
        (["--name", "/"], "name is /; it must name a folder below --runs"),
        (["--name", "a/../.."], "it must name a folder below --runs"),
        (["--trainer.strategy", "ddp_spawn"], "say ddp (--config ddp)"),
        (["--data.task.proces_noise", "0"], "did you mean data.task.process_noise?"),
        (["--phases.learned_fracton", "0"], "did you mean phases.learned_fraction?"),
    ],
)
def test_what_a_training_cannot_obey_is_refused_before_it(option, expected, small, capsys):
    assert expected in error_of(capsys, "fit", "--config", "small.yaml", *option)
    assert not Path("runs").exists()


@pytest.fixture
def alone(monkeypatch):
    """An environment in which nobody starts other nodes."""
    for name in NODES:
        monkeypatch.delenv(name, raising=False)


def test_a_training_does_not_wait_for_nodes_that_nobody_starts(small, alone, capsys, monkeypatch):
    args = ["fit", "--config", "small.yaml", "--trainer.num_nodes"]
    assert "trainer.num_nodes is 9; it must be 1 unless" in error_of(capsys, *args, "9")
    assert "trainer.num_nodes is 0; it must be 1 or more" in error_of(capsys, *args, "0")
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    check_nodes(Namespace(num_nodes=9, plugins=None))


def test_a_checkpoint_is_evaluated_in_one_process(small_run, alone, capsys):
    config = Path("runs/small/seed0/config.yaml")
    content = yaml.safe_load(config.read_text())
    content["trainer"] |= {"num_nodes": 9, "devices": 500, "strategy": "ddp"}
    config.write_text(yaml.safe_dump(content))
    for command in ("validate", "test", "predict"):
        main([command, "--ckpt_path", "runs/small/seed0/last.ckpt"])
    assert len(Path("runs/small/seed0/last.trials.csv").read_text().splitlines()) == 11


def test_overlays_come_after_an_agent(small, capsys):
    told = error_of(capsys, "fit", "--config", "debug", "--config", "modular")
    assert "debug is an overlay: give it after an agent" in told


def test_a_folder_with_the_name_of_a_config_hides_nothing_and_minus_1e_3_is_a_number(small):
    Path("debug").mkdir()
    more = ["--config", "debug", "--phases.learned_fraction", "-1e-3"]
    main(["fit", "--config", "ekf", *more, "--name", "found", "--phases.trials", "20"])
    assert Path("runs/found/seed0/last.ckpt").exists()


def test_tensorboard_has_each_step_once_after_a_kill(small):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = Path("runs/small/seed0")
    main(["fit", "--config", "small.yaml", "--trainer.logger", "true", "--phases.trials", "20"])
    state = (run / "last.ckpt").read_bytes()
    main(["fit", "--resume", str(run), "--phases.trials", "40"])
    (run / "last.ckpt").write_bytes(state)  # as if what came after it had been killed
    main(["fit", "--resume", str(run), "--phases.trials", "40"])
    events = EventAccumulator(str(run)).Reload()
    names = [x for x in events.Tags()["scalars"] if x.startswith(("acting", "selection", "loss"))]
    for name in ("acting/reward_rate", "selection/reward_rate", "training/reward_rate"):
        assert name in events.Tags()["scalars"]
    for name in names:
        steps = [event.step for event in events.Scalars(name)]
        assert steps == sorted(set(steps)), name


def test_an_optimizer_that_cannot_step_or_is_another_than_before_is_refused(small, capsys):
    main(["fit", "--config", str(small), "--phases.trials", "20"])
    for command, optimizer, told in (
        (["--config", str(small), "--overwrite", "true"], "LBFGS", "which cannot take a step"),
        (["--resume", "runs/small/seed0", "--phases.trials", "40"], "SGD", "of another optimizer"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["fit", *command, "--model.optimizer", f"torch.optim.{optimizer}"])
        assert end.value.code == 2
        assert told in capsys.readouterr().err
    assert Path("runs/small/seed0/checkpoints/00019.ckpt").is_file()


def test_nothing_is_written_through_a_linked_folder_of_checkpoints(small, capsys):
    main(["fit", "--config", str(small), "--phases.trials", "20"])
    run = Path("runs/small/seed0")
    (run / "checkpoints").rename("elsewhere")
    (run / "checkpoints").symlink_to(Path("elsewhere").absolute())
    with pytest.raises(SystemExit) as end:
        main(["predict", "--ckpt_path", str(run / "checkpoints/00019.ckpt")])
    assert end.value.code == 2
    assert "nothing is written through links" in capsys.readouterr().err
    assert [x.name for x in Path("elsewhere").iterdir()] == ["00019.ckpt"]
