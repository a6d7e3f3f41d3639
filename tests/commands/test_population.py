"""Populations as processes: real members, which are ordinary runs."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml
from forked import Forked, with_forked_members
from populations import FIT, LIMIT, RUNS, start, wait_until, weights
from same_weights import same

from modnav.cli import main
from modnav.commands.population import together
from modnav.commands.population.gathered import gather, standing
from modnav.commands.population.members import Member, Outcome, Request, names_of, told_seeds
from modnav.commands.population.options import requested
from modnav.commands.population.plan import Plan, planned
from modnav.runs import RunFolder, read


@pytest.fixture(autouse=True)
def forked_members(monkeypatch):
    """Members begin with everything imported."""
    monkeypatch.setattr(together, "subprocess", subprocess)  # and is itself again at the end
    with_forked_members()


def status_of(*args: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(args))
    return int(end.value.code)


def members_of(parent: Forked) -> list[psutil.Process]:
    """Return the members that run, in the order in which they began."""
    return sorted(psutil.Process(parent.pid).children(), key=lambda x: x.create_time())


def finished_rows(out: str) -> int:
    """Return how many rows of the last table say so; lines of once a minute say it otherwise."""
    return len(re.findall("finished *$", out, re.MULTILINE))


def mid_training(seed: int) -> bool:
    """Return whether a member has written a state."""
    return RunFolder(RUNS / f"seed{seed}").last.exists()


def test_members_are_the_runs_of_their_seeds(small, capsys):
    main([*FIT, "--seeds", "0,2", "--cores", "2", "--config", "debug"])
    out = capsys.readouterr().out
    assert "runs/small: 2 to train, seeds 0,2" in out
    assert finished_rows(out) == 2
    for seed in (2,):
        alone, member = Path(f"runs/alone/seed{seed}"), RUNS / f"seed{seed}"
        main([*FIT, "--config", "debug", "--name", "alone", "--seed_everything", str(seed)])
        assert same(weights(alone), weights(member))
        tables = [
            pd.read_csv(x / "validation.csv").drop(columns="seconds") for x in (alone, member)
        ]
        pd.testing.assert_frame_equal(*tables)
        configs = [yaml.safe_load((x / "config.yaml").read_text()) for x in (alone, member)]
        assert configs[0] == configs[1] | {"name": "alone"}
        files = [{x.name.split(".")[0] for x in run.iterdir()} for run in (alone, member)]
        assert files[1] - files[0] == {"fit", "member"}
    assert not same(weights(RUNS / "seed0"), weights(RUNS / "seed2"))
    gathered = pd.read_csv(RUNS / "validations.csv")
    assert set(gathered["seed"]) == {0, 2}
    assert len(gathered) == 2 * len(tables[0])
    assert (RUNS / "learning_curves.png").stat().st_size > 10_000

    before = {x: x.stat().st_mtime_ns for x in RUNS.rglob("*.ckpt")}
    for again in ([*FIT, "--config", "debug", "--seeds", "0,2"], ["fit", "--resume", str(RUNS)]):
        capsys.readouterr()
        main(again)
        out = capsys.readouterr().out
        assert "runs/small: 0 to train" in out
        assert "finished already and left alone, seeds" in out
    assert before == {x: x.stat().st_mtime_ns for x in RUNS.rglob("*.ckpt")}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no signals here")
def test_a_member_that_is_killed_takes_no_other_with_it(small, capsys):
    with start(*FIT, "--seeds", "0-1", "--cores", "2", "--phases.trials", "120") as parent:
        wait_until(lambda: mid_training(1), parent)
        members_of(parent)[1].kill()
        out = "".join(parent.communicate(timeout=LIMIT))
    assert parent.returncode == 128 + signal.SIGKILL
    assert "runs/small/seed1 failed (137): killed by SIGKILL" in out
    assert "1 of 2 members failed; go on with: modnav fit --resume runs/small" in out
    assert (RUNS / "validations.csv").exists()

    main(["fit", "--resume", str(RUNS)])
    out = capsys.readouterr().out
    assert "runs/small: 1 to train, seeds 1" in out
    assert "left alone, seeds 0" in out
    assert finished_rows(out) == 2


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no signals here")
def test_members_end_with_a_parent_that_is_killed(small):
    with start(*FIT, "--seeds", "0-1", "--cores", "2", "--phases.trials", "100000") as parent:
        wait_until(lambda: mid_training(0) and mid_training(1), parent)
        members = members_of(parent)
        assert len(members) == 2
        parent.kill()
        parent.wait()
        _, left = psutil.wait_procs(members, timeout=LIMIT)
    for member in left:
        member.kill()
    assert not left
    for seed in (0, 1):
        assert "stopped by SIGTERM" in (RUNS / f"seed{seed}/fit.log").read_text()
        read(RUNS / f"seed{seed}/last.ckpt").check_whole()


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no signals here")
def test_a_population_that_was_stopped_goes_on_as_if_nothing_had_happened(small, capsys):
    """The first member is stopped while it trains, the second before it began."""
    more = ["--seeds", "0-1", "--cores", "1", "--phases.trials", "120"]
    with start(*FIT, *more) as parent:
        wait_until(lambda: mid_training(0), parent)
        parent.send_signal(signal.SIGINT)
        out = "".join(parent.communicate(timeout=LIMIT))
    assert parent.returncode == 130
    assert "stopped by SIGINT; go on with: modnav fit --resume runs/small" in out
    assert not (RUNS / "seed1/fit.log").exists()
    assert "not finished (seeds 0); go on by `modnav fit --resume runs/small`" in error_of(
        capsys, *FIT, *more
    )

    main(["fit", "--resume", str(RUNS), "--cores", "2"])
    assert "runs/small: 2 to train, seeds 0-1" in capsys.readouterr().out
    for seed in ("0", "1"):
        main([*FIT, "--name", "alone", "--seed_everything", seed, "--phases.trials", "120"])
        assert same(weights(RUNS / f"seed{seed}"), weights(Path(f"runs/alone/seed{seed}")))


def test_members_of_a_sweep_and_one_whose_phase_one_fails(small, capsys):
    sweep = ["--seeds", "4", "--sweep", "phases.learned_fraction=-1,1", "--phases.give_up", "20"]
    assert status_of(*FIT, *sweep) == 3
    good, bad = (Path(f"runs/small-learned_fraction{x}/seed4") for x in (-1, 1))
    out, err = capsys.readouterr()
    assert f"{bad} failed (3): phase I was given up after 20 trials" in out
    assert (
        "1 of 2 members failed; they would end so again; change options: modnav fit --resume"
        in err
    )
    assert yaml.safe_load((bad / "config.yaml").read_text())["phases"]["learned_fraction"] == 1
    folders = [str(x.parent) for x in (good, bad)]
    assert err.endswith(f"modnav fit --resume {' '.join(folders)} --KEY VALUE\n")

    log = (bad / "fit.log").read_text()
    assert status_of("fit", "--resume", *folders) == 3
    out = capsys.readouterr().out
    assert f"{good.parent}: finished already and left alone, seeds 4" in out
    assert f"{bad}: failed before and left alone: phase I was given up" in out
    assert (bad / "fit.log").read_text() == log

    main(["fit", "--resume", folders[1], "--phases.learned_fraction", "-1"])
    assert "1 to train" in capsys.readouterr().out


def error_of(capsys, *args: str) -> str:
    capsys.readouterr()
    assert status_of(*args) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    return err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--seeds 3-1", "--seeds is 3-1; 3 is above 1"),
        ("--seeds 0-3,2", "seed 2 is there twice"),
        ("--seeds -1", "it must be seeds such as 0-31"),
        ("--seeds=-1", "it must be seeds such as 0-31"),
        ("--seeds 0,", "it must be seeds such as 0-31"),
        ("--seeds 0-10000", "more than 10,000 seeds"),
        ("--seeds 0-99999999999", "seeds must be 4,294,967,295 or less"),
        ("--seeds", "argument --seeds: expected one argument"),
        ("--seeds 0 --seeds 1", "--seeds is given twice"),
        ("--seeds 0-1 --seed_everything 3", "--seed_everything is a run's own"),
        ("--seeds 0-1 --folder x", "--folder is a run's own"),
        ("--seeds 0-1 --data.seed 3", "--data.seed is a run's own"),
        (
            "--seeds 0-1 --checkpoint.dirpath x",
            "checkpoint.dirpath is x; leave it out: checkpoints",
        ),
        ("--checkpoint.dirpath x", "checkpoint.dirpath is x; leave it out: checkpoints"),
        ("--seeds 0-1 --config seed.yaml", "data.seed is 3; leave it out"),
        ("--seeds 0-1 --cores 0", "--cores is 0; it must be in [1, 10,000]"),
        ("--seeds 0-1 --cores few", "argument --cores: invalid int value: 'few'"),
        ("--seeds 0-1 --population both", "it must be processes or stacked"),
        ("--seeds 0-1 --trainer.devices 2", "trainer.devices is 2; members have 1 each"),
        ("--seeds 0-1 --data.task.max_steps 1", "task.max_steps is 1; it must be 2 or more"),
        ("--seeds 0-1 --resume runs/small/seed0", "leave out --seeds"),
        ("--sweep data.task.gain=1 --resume runs/small", "leave out --seeds, --sweep"),
        ("--cores 2", "--cores is for many runs; say which by --seeds"),
        ("--sweep data.task.gain=1,2", "--sweep is for many runs"),
        ("--seeds 0 --sweep data.task.gain", "it must be KEY=NUMBER,NUMBER"),
        ("--seeds 0 --sweep data.task.gain=1,x", "it must be KEY=NUMBER,NUMBER"),
        ("--seeds 0 --sweep data.task.gain=1,1.0", "is there twice"),
        ("--seeds 0 --sweep data.task.gain=1 --sweep data.task.gain=2", "is there twice"),
        ("--seeds 0 --sweep data.task.process_noise=0,-1", "process_noise is -1.0; it must be 0"),
        ("--seeds 0 --sweep data.task.process_noise=0,nan", "it must be KEY=NUMBER,NUMBER"),
        ("--seeds 0 --sweep data.task.proces_noise=0", "did you mean data.task.process_noise?"),
        (
            "--seeds 0-99 --sweep data.task.gain=" + ",".join(map(str, range(1, 102))),
            "10,100 runs",
        ),
        *(
            (f"--seeds 0 --sweep {key}=1,2", "data.task.observation_noise, data.task.gain")
            for key in (
                "model.actor.init_args.belief.init_args.out_features",
                "model.critic",
                "seed_everything",
                "data.seed",
                "trainer.accelerator",
                "name",
                "gain",
            )
        ),
    ],
)
def test_mistakes_are_told_in_a_line_before_anything_is_made(options, expected, small, capsys):
    Path("seed.yaml").write_text("data: {seed: 3}")
    assert expected in error_of(capsys, *FIT, *options.split())
    assert not Path("runs").exists()


def test_plain_runs_know_nothing_of_populations(small_run):
    assert requested(FIT) is None
    assert requested(["validate", "--seeds", "0"]) is None
    assert requested(["fit", "--resume", str(small_run)]) is None
    assert not {"fit.log", "member.json"} & {x.name for x in (RUNS / "seed0").iterdir()}
    found = requested(["fit", "--resume", "runs/small", "--cores", "3", "--phases.trials", "80"])
    assert found is not None
    assert (found.resumed, found.at_once) == ((RUNS,), 3)
    assert found.args == ("fit", "--phases.trials", "80")


def planned_now(request: Request, imported: Sequence[str]) -> Plan:
    """Return a plan, after which others may have the members."""
    with planned(request, imported) as plan:
        return plan


def test_members_of_a_plan_are_no_other_command_s_before_they_have_begun(small, capsys):
    request = requested([*FIT, "--seeds", "1-2"])
    with planned(request, []):  # nobody trains yet
        with pytest.raises(ValueError, match="another command"), planned(request, []):
            pass  # nor may another thread of this process
        twice = Forked(*FIT, "--seeds", "0-1", "--population", "stacked")
        again = Forked("fit", "--resume", str(RUNS))
        for other in (twice, again):
            _, told = other.communicate()
            assert other.returncode == 2
            assert "runs/small/seed1 is being trained by another command" in told
        assert not (RUNS / "seed0").exists()
        with planned(requested([*FIT, "--seeds", "0,3"]), []):  # others may
            pass
    main(["fit", "--resume", str(RUNS), "--seeds", "1", "--phases.trials", "10"])


def test_a_population_goes_on_with_the_seeds_that_are_named(small_run):
    for seed in (1, 2):
        shutil.copytree(small_run, small_run.with_name(f"seed{seed}"))
    plan = planned_now(requested(["fit", "--resume", str(RUNS), "--seeds", "0,2"]), ())
    assert [x.member.seed for x in plan.left_alone] == [0, 2]
    assert not plan.members
    with pytest.raises(ValueError, match=r"--seeds has 3-4; runs/small holds no such run"):
        planned_now(requested(["fit", "--resume", str(RUNS), "--seeds", "2-4"]), ())


def test_a_sweep_is_the_product_of_its_values(small):
    noise, rate = "data.task.process_noise", "phases.two.learning_rate"
    sweeps = ["--sweep", f"{noise}=0,0.1", f"--sweep={rate}=1e-4,3e-4"]
    request = requested([*FIT, "--seeds", "0-1", *sweeps, "--runs", "out", "--name", "a/b"])
    assert request is not None
    plan = planned_now(request, ["json"])
    assert len(plan.members) == 8
    assert len(set(plan.members)) == 8
    assert plan.members[3].folder == Path("out/a/b-process_noise0-learning_rate0.0003/seed1")
    assert dict(plan.members[3].settings) == {noise: "0", rate: "3e-4"}
    assert plan.members[3].trials == 60
    for member in plan.members:
        config = yaml.safe_load((member.folder / "config.yaml").read_text())
        assert config["seed_everything"] == member.seed
        assert config["threads"] == 1
        assert config["data"]["task"]["process_noise"] == float(dict(member.settings)[noise])
        assert member.args[:3] == tuple(FIT)
        assert " --import json " in " ".join(member.args)


def test_keys_are_named_by_as_much_as_tells_them_apart():
    one, two = "phases.one.learning_rate", "phases.two.learning_rate"
    names = names_of([((one, "1e-4"), (two, "0.10"), ("data.task.gain", "-1"))])
    assert list(names.values()) == ["-one.learning_rate0.0001-two.learning_rate0.1-gain-1"]
    assert told_seeds([5, 0, 1, 2, 9, 8]) == "0-2,5,8-9"


def test_a_default_name_tells_noise_and_a_sweep_keeps_it_apart(small):
    Path("anonymous.yaml").write_text(Path("small.yaml").read_text().replace("name: small", ""))
    sweep = ["--seeds", "3", "--sweep", "data.task.process_noise=0.3"]
    request = requested(["fit", "--config", "anonymous.yaml", *sweep])
    assert request is not None
    (member,) = planned_now(request, []).members
    name = member.folder.parent.name
    assert name.startswith("ActorCritic-")
    assert name.endswith("-gain-0.3_0.1-process_noise0.3")


def test_how_members_stand_is_told_in_two_lines():
    members = [Member(k, (), Path(f"seed{k}"), (), 100) for k in range(6)]
    speed = {"trials_per_s": 10, "updates_per_s": 4.6}
    running = {
        members[0]: {"phase": 1, "trials": 40, "reward_fraction": 0.1} | speed,
        members[1]: {"phase": 2, "trials": 50, "reward_fraction": 0.5} | speed,
        members[2]: {"phase": 3, "trials": 90, "reward_fraction": 0.9} | speed,
        members[3]: {},
    }
    counts, numbers = standing(members, [Outcome(members[4], 0)], running)
    assert counts == (
        "2 waiting, 1 in phase I, 1 in phase II, 1 in phase III, 1 finished, 0 failed"
    )
    assert numbers == "rewarded 50% (10% to 90%), 14 updates/s, 0:00:12 left after phase I"
    counts, numbers = standing(members, [Outcome(m, 3) for m in members], {})
    assert "0 waiting" in counts
    assert "6 failed" in counts
    assert numbers == "0 updates/s"


def test_a_folder_that_another_process_trains_in_is_refused(small, capsys):
    taken = RunFolder(RUNS / "seed1")
    taken.claim(overwrite=False, resume=False)
    taken.lock()
    kept = RUNS / "seed0/best.ckpt"
    kept.parent.mkdir()
    kept.touch()
    anew = [*FIT, "--seeds", "0-1", "--overwrite", "true"]
    assert "is being trained by another process" in error_of(capsys, *anew)
    assert kept.exists()
    taken.unlock()


def test_a_run_from_elsewhere_gets_no_file_written_through_a_link(small_run, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (RUNS / "seed0/fit.log").symlink_to(mine)
    (RUNS / "seed0/member.json").symlink_to(mine)
    main(["fit", "--resume", str(RUNS), "--phases.trials", "80"])
    assert mine.read_text() == "mine"
    assert "resuming runs/small/seed0" in (RUNS / "seed0/fit.log").read_text()


def test_a_member_with_a_damaged_state_fails_alone(small_run, capsys):
    shutil.copytree(RUNS / "seed0", RUNS / "seed1")
    (RUNS / "seed1/last.ckpt").write_bytes(b"")
    (RUNS / "seed1/member.json").write_text('{"status": 3}')
    assert status_of("fit", "--resume", str(RUNS)) == 2
    out = capsys.readouterr().out
    assert "left alone, seeds 0" in out
    assert "runs/small/seed1 failed (2): runs/small/seed1/last.ckpt" in out


def test_nobody_goes_on_where_another_process_trains_one(small_run, capsys):
    taken = RunFolder(RUNS / "seed0")
    taken.lock()
    told = error_of(capsys, "fit", "--resume", str(RUNS), "--phases.trials", "80")
    assert "seed0 is being trained by another process" in told
    taken.unlock()


@pytest.mark.parametrize(
    "name", ["seed0/fit.log", "seed0/member.json", "seed0/validation.csv", "validations.csv"]
)
def test_a_pipe_in_the_place_of_a_members_file_is_refused_and_not_waited_for(
    name: str, small_run, capsys
):
    (RUNS / name).unlink(missing_ok=True)
    os.mkfifo(RUNS / name)
    assert status_of("fit", "--resume", str(RUNS), "--phases.trials", "80") == 2
    assert f"{name} is a folder, a pipe or a device" in capsys.readouterr().err


@pytest.mark.parametrize(
    "rows",
    [
        "1,1,7,selection,gain1x,0.5,0.5",
        "1,1,2,selection,gain1x,0.5,0.5\n1,1,2,selection,gain1x,0.6,0.6",
        "inf,1e400,2,selection,gain1x,x,nan",
        "a,b,c,d,e,f,g",
        "",
    ],
)
def test_odd_validations_of_a_member_are_left_out_of_the_table(rows: str, tmp_path, capsys):
    folder = tmp_path / "[red]"
    run = folder / "seed0"
    run.mkdir(parents=True)
    head = "total_trials,trials,phase,validation,task,reward_rate,reward_fraction"
    (run / "validation.csv").write_text(f"{head}\n{rows}\n")
    gather(folder, [Outcome(Member(0, (), run, (), 20), 0)])
    out = capsys.readouterr().out
    assert "finished" in out
    assert "[red]" in "".join(out.split())  # a name, not markup


def test_validations_are_gathered_of_all_runs_in_a_folder(tmp_path, capsys):
    head = "total_trials,trials,phase,validation,task,reward_rate,reward_fraction"
    runs = [tmp_path / name for name in ("seed10", "seed2", "seed3", "other")]
    for run in runs:
        run.mkdir()
        (run / "validation.csv").write_text(f"{head}\n1,1,2,selection,gain1x,0.5,0.5\n")
    for run in (runs[0], runs[1], runs[3]):
        (run / "config.yaml").touch()
    gather(tmp_path, [Outcome(Member(10, (), runs[0], (), 20), 0)])
    assert pd.read_csv(tmp_path / "validations.csv")["seed"].tolist() == [2, 10]
    assert finished_rows(capsys.readouterr().out) == 1


def test_a_finished_run_is_not_taken_for_one_that_was_asked_for_otherwise(small_run, capsys):
    before = {x: x.stat().st_mtime_ns for x in small_run.rglob("*") if x.is_file()}
    told = error_of(capsys, *FIT, "--seeds", "0", "--data.warmup.trials", "7")
    assert "was trained otherwise: data.warmup is" in told
    for option, value in (("data.task.process_noise", "0.5"), ("model.discount", "0.9")):
        told = error_of(capsys, *FIT, "--seeds", "0", f"--{option}", value)
        assert f"was trained otherwise: {option} is" in told
        assert f"and {value} here" in told
    main([*FIT, "--seeds", "0"])
    assert "0 to train" in capsys.readouterr().out
    assert before == {x: x.stat().st_mtime_ns for x in before}


def test_a_member_that_lost_its_config_is_named(small_run, capsys):
    shutil.copytree(small_run, RUNS / "seed1")
    (RUNS / "seed1" / "config.yaml").unlink()
    main(["fit", "--resume", str(RUNS)])
    assert "left out, without a config.yaml: seed1" in capsys.readouterr().out
