"""Stacked populations: members are the runs that they would be alone, up to rounding."""

import copy
import shutil
import signal
import subprocess
from collections import Counter
from functools import partial
from pathlib import Path

import own_modules
import pytest
import torch
from close_runs import close_runs
from forked import Forked, told_at, with_forked_members
from populations import FIT, RUNS, weights
from pytorch_lightning import Callback
from same_weights import same, same_learning

from modnav.acting import Collector
from modnav.callbacks import Monitor, TrialCallback
from modnav.cli import main
from modnav.commands.population import together
from modnav.commands.population.members import Member, Outcome
from modnav.commands.population.plan import Plan
from modnav.commands.population.stacked import common_states, rejoin
from modnav.files import read_yaml
from modnav.learning import TD3, Seat, TrialReplay
from modnav.runs import RunFolder, read

STACKED = [*FIT, "--seeds", "0-1", "--population", "stacked"]
NOISY = [
    "--sweep",
    "data.task.process_noise=0.1,0.3",
    "--sweep",
    "phases.two.learning_rate=1e-4,1e-3",
]


AFTER_TWO_VALIDATIONS = partial(told_at, Monitor, "on_validation_end", 2, signal.SIGTERM)


@pytest.mark.parametrize(
    "more",
    [
        ["--trainer.logger", "true"],
        [
            *("--data.warmup", "{trials: 40, share: 0.5}", "--phases.one.action_penalty", "0.1"),
            *("--model.optimizer", "torch.optim.RAdam", "--phases.keep_replay", "true"),
        ],
        [
            *("--data.replay.init_args.padded", "true", "--phases.two.steps_per_update", "2"),
            *("--phases.refine_fraction", "1", "--data.check_trials", "4"),
        ],
    ],
    ids=["phases", "warmup, radam", "padded, short blocks"],
)
def test_a_member_is_the_lone_run_of_its_seed(small, more):
    main([*STACKED, *more])
    for seed in (1,) if more[0] != "--trainer.logger" else (0, 1):
        main([*FIT, *more, "--name", "alone", "--seed_everything", str(seed)])
        close_runs(Path(f"runs/alone/seed{seed}"), RUNS / f"seed{seed}")
        names = [{x.name.split(".")[0] for x in run.iterdir()} for run in RUNS.glob("seed*")]
        assert names[0] == names[1]
        assert {"config", "last", "checkpoints", "learning_curve"} <= names[0]
        assert ("events" in names[0]) == ("--trainer.logger" in more)
        configs = [read_yaml(x / f"seed{seed}/config.yaml") for x in (RUNS, Path("runs/alone"))]
        assert configs[0] == configs[1] | {"name": "small"}
    assert not torch.equal(*(next(iter(weights(RUNS / f"seed{k}").values())) for k in (0, 1)))


def test_threads_of_members_sleep_while_there_is_nothing_to_decide(small, monkeypatch):
    woken, rounds = Counter(), []
    go_on, sweep = Seat.go_on, Collector.sweep_all

    def counted(seat, answer=None):
        woken[seat] += isinstance(answer, list)
        go_on(seat, answer)

    def of_all(*args):
        rounds.append(1)
        return sweep(*args)

    monkeypatch.setattr(Seat, "go_on", counted)
    monkeypatch.setattr(Collector, "sweep_all", of_all)
    main(
        [
            *STACKED,
            "--phases.trials",
            "40",
            "--data.epoch_trials",
            "40",
            "--data.check_trials",
            "40",
        ]
    )
    least = len(rounds) // 16  # then Lightning has its turn
    counts = [count for count in woken.values() if count]
    assert counts
    assert all(least <= count <= least + 6 for count in counts), (woken, rounds)


def test_what_fails_while_a_thread_sleeps_is_its_member_s_alone(small, monkeypatch, capsys):
    draw, drawn = TrialReplay.draw, Counter()

    def failing(self, rng):
        drawn[id(rng)] += 1
        if id(rng) == next(iter(drawn)) and drawn[id(rng)] > 20:
            raise MemoryError("no room for a batch")
        return draw(self, rng)

    monkeypatch.setattr(TrialReplay, "draw", failing)
    with pytest.raises(SystemExit) as end:
        main([*STACKED, "--phases.trials", "40"])
    assert end.value.code
    assert "no room for a batch" in capsys.readouterr().out
    finished = [(RUNS / f"seed{k}/learning_curve.png").exists() for k in range(2)]
    states = [read(RUNS / f"seed{k}/last.ckpt").content for k in range(2) if finished[k]]
    assert [x["experience"]["counters"]["trials"] >= 40 for x in states] == [True]


def test_members_of_other_noises_and_rates_are_each_the_lone_run(small):
    short = [*FIT, "--phases.trials", "40"]
    main([*short, "--seeds", "1", "--population", "stacked", *NOISY])
    folders = sorted(Path("runs").glob("small-*"))
    assert len(folders) == 4
    for folder in (folders[0], folders[3]):
        noise, rate = folder.name.removeprefix("small-process_noise").split("-learning_rate")
        own = ["--data.task.process_noise", noise, "--phases.two.learning_rate", rate]
        main([*short, *own, "--name", f"alone{folder.name}", "--seed_everything", "1"])
        close_runs(Path(f"runs/alone{folder.name}/seed1"), folder / "seed1")


def test_an_agent_of_single_steps_is_stacked_too(small):
    agent = ["fit", "--config", "ekf", "--config", "debug", "--name", "ekf"]
    main([*agent, "--seeds", "0-1", "--population", "stacked"])
    main([*agent, "--seed_everything", "1", "--name", "alone"])
    close_runs(Path("runs/alone/seed1"), Path("runs/ekf/seed1"))


def test_a_member_goes_on_alone_from_a_file_that_holds_nothing_of_the_others(small):
    main([*STACKED, "--phases.trials", "20"])
    content = read(RUNS / "seed1/last.ckpt").content
    held = [*content["state_dict"].values()]
    held += [
        x for o in content["optimizer_states"] for s in o["state"].values() for x in s.values()
    ]
    assert all(x.untyped_storage().nbytes() == x.nbytes for x in held)
    assert len({x.untyped_storage().data_ptr() for x in held}) == len(held)
    shutil.copytree(RUNS / "seed1", "copy")
    main(["fit", "--resume", "copy", "--phases.trials", "40"])
    main(["fit", "--resume", "runs/small", "--population", "stacked", "--phases.trials", "40"])
    close_runs(Path("copy"), RUNS / "seed1")


def test_a_member_that_diverges_is_set_aside_and_the_others_go_on(small, monkeypatch, capsys):
    three = [*FIT, "--seeds", "0-2", "--population", "stacked"]
    main([*FIT, "--name", "well", "--seed_everything", "2"])
    noise = TD3.noise

    def poisoned(self: TD3, shapes: list[tuple[int, int]]) -> torch.Tensor:
        found = noise(self, shapes)
        return (
            found * float("nan")
            if self.trainer.datamodule.seed == 1 and self.updates > 20
            else found
        )

    monkeypatch.setattr(TD3, "noise", poisoned)
    with pytest.raises(SystemExit) as end:
        main(three)
    assert end.value.code == 4
    out = capsys.readouterr()
    assert "runs/small/seed1 failed (4): a loss was not finite at update 2" in out.out
    assert "1 of 3 members failed" in out.err
    assert all(x.isfinite().all() for x in weights(RUNS / "seed1").values())
    assert len(list((RUNS / "seed0/checkpoints").iterdir())) == 3
    close_runs(Path("runs/well/seed2"), RUNS / "seed2")


class Meddling(TrialCallback):
    """Puts tensors of its own in the place of weights and moments; of seed 0 it changes a constant."""

    def on_block(self, trainer, module, trials):
        for weight in module.agent.parameters():
            weight.data = 0.9 * weight.data
        for optimizer in trainer.optimizers:
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        module.noise_std = 0.1
        if trainer.default_root_dir.endswith("seed0") and trials.summary.total_trials > 30:
            module.discount = 0.5


class Exchanging(TrialCallback):
    """Makes other objects the weights, which no optimizer knows."""

    def on_block(self, trainer, module, trials):
        if trials.summary.total_trials > 30:
            module.agent.load_state_dict(module.agent.state_dict(), assign=True)


class Hasty(Callback):
    """Changes a constant where an update is owed."""

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if module.updates > 2:
            module.discount = 0.5


@pytest.mark.parametrize(
    ("callback", "told"),
    [
        ("Hasty", "model.discount was changed during the training, from 0.97 to 0.5;"),
        ("Meddling", "model.discount was changed during the training, from 0.97 to 0.5;"),
        ("Exchanging", "which tensors are its weights was changed during the training, from "),
    ],
)
def test_the_only_member_is_refused_by_its_reason(callback, told, small, capsys):
    more = ["--population", "stacked", "--trainer.callbacks", f"{__name__}.{callback}"]
    with pytest.raises(SystemExit) as end:
        main([*FIT, *more, "--seed_everything", "0"])
    assert end.value.code == 2
    assert told in capsys.readouterr().err


def test_what_callbacks_change_is_followed_or_refused(small, capsys):
    more = ["--trainer.callbacks", f"{__name__}.Meddling"]
    main([*FIT, *more, "--name", "alone", "--seed_everything", "1"])
    with pytest.raises(SystemExit) as end:
        main([*STACKED, *more])
    assert end.value.code == 2
    told = "seed0 failed (2): model.discount was changed during the training, from 0.97 to 0.5;"
    assert told in capsys.readouterr().out
    close_runs(Path("runs/alone/seed1"), RUNS / "seed1")


def test_a_population_that_was_stopped_goes_on_bit_by_bit(small):
    main([*STACKED, "--name", "whole"])
    broken = Forked(*STACKED, begin=AFTER_TWO_VALIDATIONS)
    out = "".join(broken.communicate())
    assert broken.returncode == 130, out
    assert "go on with: modnav fit --resume runs/small" in out
    before = [read(RUNS / f"seed{k}/last.ckpt").content["global_step"] for k in range(2)]
    main(["fit", "--resume", "runs/small", "--population", "stacked"])
    for seed in range(2):
        assert read(RUNS / f"seed{seed}/last.ckpt").content["global_step"] > before[seed] > 0
        assert same_learning(RUNS / f"seed{seed}", f"runs/whole/seed{seed}")


def one_is_removed_before_all_are_told() -> None:
    ended = Monitor.on_validation_end

    def removed(*args):
        ended(*args)
        shutil.rmtree(RUNS / "seed1", ignore_errors=True)

    Monitor.on_validation_end = removed
    AFTER_TWO_VALIDATIONS()


def test_of_a_population_that_is_stopped_it_is_told_who_failed(small):
    broken = Forked(*STACKED, begin=one_is_removed_before_all_are_told)
    out, err = broken.communicate()
    assert broken.returncode == 130, err
    assert "runs/small/seed1 failed (2): runs/small/seed1 was removed" in out
    assert out.count("failed") == 1
    assert read(RUNS / "seed0/last.ckpt").content["global_step"]


def test_states_of_one_moment_are_taken(small):
    main([*STACKED, "--phases.trials", "20"])
    folders = [RUNS / f"seed{k}" for k in range(2)]
    meetings = []
    for folder in folders:
        (own,) = (
            state
            for name, state in read(folder / "last.ckpt").content["callbacks"].items()
            if name.startswith("LastCheckpoint")
        )
        meetings.append(own["meeting"])
    assert min(meetings) >= 1  # saved together before the first ended
    assert set(common_states(folders)) == set(folders)
    shutil.copy(RUNS / "seed1/last.ckpt", RunFolder(RUNS / "seed0").former)
    (RUNS / "seed2").mkdir()
    for name, meeting in (("seed0", meetings[1] + 1), ("seed2", 0)):  # seed2 went on alone
        changed = torch.load(RUNS / "seed1/last.ckpt", weights_only=False)
        for key, state in changed["callbacks"].items():
            if key.startswith("LastCheckpoint"):
                state["meeting"] = meeting
        torch.save(changed, RUNS / name / "last.ckpt")
    chosen = common_states([*folders, RUNS / "seed2"])
    assert chosen[folders[0]] == RunFolder(folders[0]).former
    assert chosen[folders[1]] == RunFolder(folders[1]).last


def test_who_was_finished_alone_is_left_alone_and_who_ended_too_early_goes_on(small):
    main([*STACKED, "--phases.trials", "20"])
    one, other = (Member(k, (), RUNS / f"seed{k}", (), 20) for k in range(2))
    shutil.copy(RunFolder(one.folder).last, RunFolder(one.folder).former)  # of one moment
    plan = Plan([other], [Outcome(one, 0)])
    rejoin(plan)
    assert [m.seed for m in plan.members] == [1, 0]
    assert plan.left_alone == []
    assert plan.states[one.folder] == RunFolder(one.folder).former
    for folder, how in ((one.folder, "stacked"), (other.folder, "processes")):
        words = ["--phases.trials", "40", "--population", how]
        main(["fit", "--resume", str(folder), *words])
    plan = Plan([other], [Outcome(one, 0)])
    rejoin(plan)
    assert plan.members == [other]
    assert plan.left_alone == [Outcome(one, 0)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--import", "own_modules", "--model.actor.belief", "own_modules.Noisy"], "Noisy"),
        (["--sweep", "model.discount=0.9,0.95"], "model.discount is 0.9"),
        (
            ["--model.optimizer", "torch.optim.SGD", "--model.optimizer.lr", "3e-4"],
            "Adam or RAdam",
        ),
    ],
)
def test_what_cannot_be_stacked_is_trained_as_processes(
    small, capsys, options, reason, monkeypatch
):
    monkeypatch.setattr(together, "subprocess", subprocess)  # and is itself again at the end
    with_forked_members()
    shutil.copy(own_modules.__file__, "own_modules.py")  # where processes find it
    main([*FIT, "--seeds", "0", "--population", "stacked", "--phases.trials", "20", *options])
    out = capsys.readouterr().out
    assert "trained as processes, not stacked: " in out
    assert reason in out
    assert "finished" in out


def test_members_without_room_are_refused_before_anything_is_deleted(small, monkeypatch, capsys):
    main([*STACKED, "--phases.trials", "10"])
    kept = weights(RUNS / "seed0")
    for limit, least, told in (
        ("modnav.learning.memory.memory_bytes", lambda: 1000, "take 0.0 GiB"),
        ("modnav.commands.population.plan.open_files", lambda _: 99, "have up to 232 files open"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(limit, least)
            with pytest.raises(SystemExit) as end:
                main([*FIT, "--seeds", "0-7", "--population", "stacked", "--overwrite", "true"])
        assert end.value.code == 2
        assert f"8 stacked members {told}" in capsys.readouterr().err
    assert same(kept, weights(RUNS / "seed0"))
    assert not (RUNS / "seed7").exists()


def test_a_lone_run_may_be_a_population_of_one(small, small_run):
    main([*FIT, "--population", "stacked", "--name", "one"])
    close_runs(small_run, Path("runs/one/seed0"))
    words = ["--population", "stacked", "--name", "broken"]
    broken = Forked(*FIT, *words, begin=AFTER_TWO_VALIDATIONS)
    out = "".join(broken.communicate())
    assert broken.returncode == 130, out
    main(["fit", "--resume", "runs/broken/seed0"])
    assert same_learning("runs/one/seed0", "runs/broken/seed0")


def test_a_lone_population_of_one_leaves_its_folder_to_the_next_command(small):
    main([*FIT, "--population", "stacked", "--name", "one", "--phases.trials", "40"])
    main(["fit", "--resume", "runs/one/seed0", "--phases.trials", "60"])
    assert Path("runs/one/seed0/checkpoints/00059.ckpt").is_file()


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--model.optimizer", "torch.optim.SGD", "optimizers that are stacked"),
        ("--trainer.strategy", "ddp", "trainer.strategy is DDPStrategy"),
    ],
)
def test_a_lone_run_that_cannot_be_one_says_so(small, capsys, option, value, told):
    with pytest.raises(SystemExit) as end:
        main([*FIT, "--population", "stacked", option, value])
    assert end.value.code == 2
    assert f"--population is stacked, but {told}" in capsys.readouterr().err
