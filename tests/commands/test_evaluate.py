import re
import shutil

import pytest
import torch
import yaml
from job_calls import own_agent

from modnav import machine
from modnav.cli import main
from modnav.commands import evaluate
from modnav.errors import ProcessLostError
from modnav.evaluation import fixed_gain_conditions, fixed_perturbation_conditions, run, score
from modnav.learning import TD3, Experience, Validation
from modnav.networks import build_agent, describe_agent, rebuild_agent
from modnav.runs import WorkerPool, find_runs, read_curve, save_agent
from modnav.runs import evaluate as evaluating
from modnav.task import TaskParameters

TRIALS = ["--trials", "6"]


def make_run(folder, episodes=("00499", "00999", "01499"), name="EKF", **config):
    """Make a run of untrained agents, each with weights of its own."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": {"task": {}}} | config))
    for k, episode in enumerate(episodes):
        torch.manual_seed(k)
        save_agent(build_agent(name), folder / "checkpoints" / f"{episode}.ckpt")
    return folder


@pytest.fixture
def trained(tmp_path):
    """A run with checkpoints of phase I and of later."""
    episodes = ("00499_pre", "00999_pre", "00499", "00999", "01499")
    return make_run(tmp_path / "runs" / "EKF-gain" / "seed3", episodes)


def files_in(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def evaluated(out, *words):
    main(["evaluate", *map(str, words), *TRIALS, "--out", str(out)])
    return files_in(out)


def said(capsys, *words, status=2):
    """Return the one line that a refused command says."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as error:
        main(list(map(str, words)))
    assert error.value.code == status
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0].removeprefix("modnav: error: ")


def test_evaluate_makes_a_curve_of_the_published_form(trained, tmp_path, capsys):
    files = evaluated(tmp_path / "data", trained)
    curve = "training_curve/gain/EKF_seed3"
    assert set(files) == {f"{curve}.csv", f"made_by_modnav/{curve}.json"}
    table = read_curve(tmp_path / "data" / "training_curve" / "gain" / "EKF_seed3.csv")
    assert table["episode"].tolist() == [499] * 3 + [999] * 3 + [1499] * 3
    assert table["task"].tolist() == ["gain1x", "gain1.5x", "gain2x"] * 3
    text = " ".join(capsys.readouterr().out.split())
    assert "3 of 3 checkpoints training_curve/gain: best checkpoints" in text
    assert "EKF 3 3 (+3)" in text
    assert f"training curves: {tmp_path / 'data' / 'training_curve' / 'gain'}" in text


@pytest.mark.parametrize(
    ("words", "folder", "tasks"),
    [
        (["--extensive"], "gain_full", [f"gain{k}x" for k in (1, 2, 3, 4)]),
        (["--task", "perturbation"], "perturbation", ["perturbation0", "perturbation1"]),
        (
            ["--task", "perturbation", "--extensive"],
            "perturbation_full",
            ["perturbation0", "perturbation1", "perturbation2"],
        ),
        (["--pre"], "gain_pre", ["gain1x", "gain1.5x", "gain2x"]),
    ],
)
def test_the_tests_decide_the_folder(trained, tmp_path, words, folder, tasks):
    evaluated(tmp_path / "data", trained, *words)
    table = read_curve(tmp_path / "data" / "training_curve" / folder / "EKF_seed3.csv")
    assert table["task"].unique().tolist() == tasks
    episodes = [499, 999] if "--pre" in words else [499, 999, 1499]
    assert table["episode"].unique().tolist() == episodes


def test_agents_are_tested_at_the_noise_of_their_training(tmp_path):
    task = {"name": "gain_control", "process_noise": [0.0, 0.0], "observation_noise": 0.3}
    folder = make_run(tmp_path / "seed0", ["00499"], data={"task": task}, model={"discount": 0.5})
    evaluated(tmp_path / "data", folder)
    table = read_curve(
        tmp_path / "data" / "training_curve" / "gain_control" / "0_0.3" / "EKF_seed0.csv"
    )
    torch.manual_seed(0)
    agent = build_agent("EKF")
    conditions = fixed_gain_conditions(
        TaskParameters(process_noise=0.0, observation_noise=0.3), count=6
    )
    rows = score(agent, conditions, run(agent, conditions), 0.5)
    for _, row in table.iterrows():
        assert row[list(rows["gain1x"])].to_dict() == rows[row["task"]]


def test_evaluate_gives_the_numbers_of_the_validation_while_training(tmp_path, monkeypatch):
    """In fp32 and in bf16, down to the last digit."""
    whole = build_agent("modular")
    module = TD3(whole.actor, whole.critic.first, discount=0.9)
    monkeypatch.setattr(module, "log_dict", lambda *args, **kwargs: None)
    experience = Experience(TaskParameters(), validation=Validation(selection_trials=6))
    experience.setup("validate")
    folder = make_run(tmp_path / "seed0", [], model={"discount": 0.9})
    save_agent(module.agent, folder / "checkpoints" / "00499.ckpt")
    evaluated(tmp_path / "data", folder)
    path = tmp_path / "data" / "training_curve" / "gain" / "Actor3Critic5_seed0.csv"
    table = read_curve(path).set_index("task")
    for enabled in (False, True):
        _, selection = experience.validations()
        amp = torch.autocast("cpu", torch.bfloat16, enabled=enabled)
        with machine.threads(1), torch.no_grad(), amp:
            module.validation_step(selection, 0)
        for task, row in module.results["selection"].items():
            assert table.loc[task, list(row)].to_dict() == row


def test_what_is_there_is_not_done_again(trained, tmp_path, monkeypatch, capsys):
    files = evaluated(tmp_path / "data", trained)
    with monkeypatch.context() as patch:
        patch.setattr(evaluating, "evaluate_checkpoint", None)
        assert evaluated(tmp_path / "data", trained) == files
    assert "EKF 3 3 (+0)" in " ".join(capsys.readouterr().out.split())


def test_new_checkpoints_are_added(trained, tmp_path):
    files = evaluated(tmp_path / "data", trained)
    late = trained / "checkpoints" / "00999.ckpt"
    shutil.move(late, tmp_path / "kept.ckpt")
    evaluated(tmp_path / "other", trained)
    shutil.move(tmp_path / "kept.ckpt", late)
    assert evaluated(tmp_path / "other", trained) == files


def test_a_single_checkpoint_belongs_to_the_curve_of_its_run(trained, tmp_path, capsys):
    files = evaluated(tmp_path / "data", trained)
    for episode in ("01499", "00499", "00999"):
        evaluated(tmp_path / "other", trained / "checkpoints" / f"{episode}.ckpt")
    assert files_in(tmp_path / "other") == files
    evaluated(tmp_path / "twice", trained, trained / "checkpoints" / "00999.ckpt", trained.parent)
    assert files_in(tmp_path / "twice") == files


def test_a_half_written_curve_is_continued(trained, tmp_path):
    files = evaluated(tmp_path / "data", trained)
    path = tmp_path / "data" / "training_curve" / "gain" / "EKF_seed3.csv"
    for size in (3, 90, path.stat().st_size // 2, path.stat().st_size - 2):
        path.write_bytes(path.read_bytes()[:size])
        assert evaluated(tmp_path / "data", trained) == files


def test_an_interrupted_evaluation_goes_on(trained, tmp_path, monkeypatch, capsys):
    files = evaluated(tmp_path / "data", trained)
    done, measure = [], evaluating.evaluate_checkpoint

    def interrupted(checkpoint, *given):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(checkpoint.name)
        return measure(checkpoint, *given)

    words = ["evaluate", trained, *TRIALS, "--out", tmp_path / "other"]
    with monkeypatch.context() as patch:
        patch.setattr(evaluating, "evaluate_checkpoint", interrupted)
        line = said(capsys, *words, status=130)
    assert line.startswith("interrupted after 2 of 3 checkpoints; the same command goes on")
    assert done == ["00499.ckpt", "00999.ckpt"]
    monkeypatch.setattr(
        evaluating,
        "evaluate_checkpoint",
        lambda file, *given: done.append(file.name) or measure(file, *given),
    )
    assert evaluated(tmp_path / "other", trained) == files
    assert done == ["00499.ckpt", "00999.ckpt", "01499.ckpt"]


def test_processes_give_the_same(trained, tmp_path):
    second = make_run(tmp_path / "runs" / "own" / "seed4", [])
    for episode in ("00499", "00999"):
        save_agent(own_agent(), second / "checkpoints" / f"{episode}.ckpt")
    files = evaluated(tmp_path / "data", trained, second, "--jobs", "1")
    assert evaluated(tmp_path / "other", tmp_path / "runs", "--jobs", "2") == files


def test_a_process_that_dies_leaves_what_is_done(trained, tmp_path, monkeypatch, capsys):
    def died(self, function, calls):
        yield next(iter(calls)), function(*next(iter(calls.values())))
        raise ProcessLostError("a process died.")

    monkeypatch.setattr(WorkerPool, "results", died)
    line = said(capsys, "evaluate", trained, *TRIALS, "--out", tmp_path / "data")
    assert line.startswith("a process died. 1 of 3 checkpoints are done; the same command goes on")
    path = tmp_path / "data" / "training_curve" / "gain" / "EKF_seed3.csv"
    assert read_curve(path)["episode"].unique().tolist() == [499]


def test_processes_are_started_only_for_many_checkpoints(monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)

    def planned(count):
        return [evaluating.RunEvaluation(None, "", None, list(range(count)))]

    found = [evaluate._processes(planned(n)) for n in (0, 1, 20, 39, 40, 100, 999)]
    assert found == [1, 1, 1, 1, 2, 5, 8]


def test_other_settings_are_refused_unless_overwritten(trained, tmp_path, capsys):
    files = evaluated(tmp_path / "data", trained)
    words = ["evaluate", trained, "--trials", "5", "--out", tmp_path / "data"]
    line = said(capsys, *words)
    assert "EKF_seed3.csv was made with trials 6; now it is 5" in line
    assert files_in(tmp_path / "data") == files
    main([*map(str, words), "--overwrite"])
    assert files_in(tmp_path / "data") != files
    assert evaluated(tmp_path / "data", trained, "--overwrite") == files


def test_a_run_that_was_trained_anew_is_refused(trained, tmp_path, capsys):
    files = evaluated(tmp_path / "data", trained)
    save_agent(build_agent("EKF"), trained / "checkpoints" / "00999.ckpt")
    line = said(capsys, "evaluate", trained, *TRIALS, "--out", tmp_path / "data")
    assert "holds trial 999 of a checkpoint other than" in line
    assert files_in(tmp_path / "data") == files


def test_checkpoints_that_cannot_be_evaluated_do_not_stop_the_others(trained, tmp_path, capsys):
    files = evaluated(tmp_path / "data", trained)
    good = (trained / "checkpoints" / "00999.ckpt").read_bytes()
    words = ["evaluate", trained, *TRIALS, "--out", tmp_path / "other"]
    (trained / "checkpoints" / "00999.ckpt").write_bytes(good[:9000])
    line = said(capsys, *words)
    assert line.startswith("1 could not be evaluated; the first: ")
    assert "00999.ckpt" in line
    save_agent(build_agent("modular"), trained / "checkpoints" / "00999.ckpt")
    line = said(capsys, *words)
    assert "holds an agent other than the run's first checkpoint (Actor3Critic5)" in line
    assert "one file holds one architecture" in line
    path = tmp_path / "other" / "training_curve" / "gain" / "EKF_seed3.csv"
    assert read_curve(path)["episode"].unique().tolist() == [499, 1499]
    (trained / "checkpoints" / "00999.ckpt").write_bytes(good)
    assert evaluated(tmp_path / "other", trained) == files


def test_two_runs_do_not_share_a_file(trained, tmp_path, capsys):
    other = make_run(tmp_path / "runs" / "again" / "seed3", ["00499"])
    line = said(capsys, "evaluate", tmp_path / "runs", *TRIALS, "--out", tmp_path / "data")
    assert line.startswith(f"{trained} and {other} both make {tmp_path / 'data'}")
    assert not (tmp_path / "data").exists()
    evaluated(tmp_path / "data", trained)
    line = said(capsys, "evaluate", other, *TRIALS, "--out", tmp_path / "data")
    assert "holds trial 499 of a checkpoint other than" in line


def test_agents_of_no_published_name_have_files_of_their_own(tmp_path, capsys):
    for k, sizes in enumerate(([40], [50])):
        agent = build_agent("EKF")
        folder = make_run(tmp_path / f"run{k}" / "seed0", [])
        description = describe_agent(agent)
        description["actor"]["action"]["init_args"]["hidden_features"] = sizes
        save_agent(rebuild_agent(description), folder / "checkpoints" / "00499.ckpt")
    second = set(evaluated(tmp_path / "data", folder))
    assert all(re.search(r"gain/ActorCriticEKF-[0-9a-f]{6}_seed0.\w+$", name) for name in second)
    first = set(evaluated(tmp_path / "data", tmp_path / "run0" / "seed0")) - second
    for old, new in zip(sorted(second), sorted(first), strict=True):
        (tmp_path / "data" / old).replace(tmp_path / "data" / new)
    line = said(capsys, "evaluate", tmp_path / "run0", *TRIALS, "--out", tmp_path / "data")
    assert "holds an agent of other modules or sizes; one file holds one architecture" in line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere"], "RUN is nowhere; there is no such file or folder"),
        (["empty"], "empty holds no checkpoints, files such as checkpoints/00499.ckpt"),
        (["early"], "early holds checkpoints of phase I only; --pre takes them too"),
        (
            ["nines"],
            "9.ckpt; the name of a checkpoint must be its trial, such as 00499.ckpt, of at",
        ),
        (["run/last.ckpt"], "RUN is run/last.ckpt; the name of a checkpoint must be its trial, "),
        (["foreign"], "foreign/checkpoints/00499.ckpt"),
        (
            ["list"],
            "list/checkpoints/00499.ckpt is neither a checkpoint of modnav nor one of the study",
        ),
        (["run", "--trials", "0"], "--trials is 0; it must be in [1, 1,000,000]"),
        (["run", "--jobs", "-2"], "--jobs is -2; it must be in [1, 1,024]"),
        (["nameless"], "nameless/config.yaml: seed_everything is None; the seed of a run"),
        (["odd/seed1"], "odd/seed1/config.yaml: data.task holds speed, which a task has not"),
        (["bad/seed1"], "bad/seed1/config.yaml: task.process_noise is -1; it must be 0 or more"),
        (["text/seed1"], "text/seed1/config.yaml is not the configuration of a run"),
        (
            ["loose"],
            "loose/00499.ckpt lies in no run: there is no config.yaml that tells its task",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, capsys, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    make_run(tmp_path / "early", ["00499_pre"])
    make_run(tmp_path / "run", ["00499", "../last"], seed_everything=1)
    for name, write in (
        ("foreign", lambda p: p.write_bytes(b"zip")),
        ("list", lambda p: torch.save([1], p)),
    ):
        make_run(tmp_path / name, ["00499"], seed_everything=1)
        write(tmp_path / name / "checkpoints" / "00499.ckpt")
    make_run(tmp_path / "nines", ["9" * 200], seed_everything=1)
    make_run(tmp_path / "nameless", ["00499"])
    make_run(tmp_path / "odd" / "seed1", ["00499"], data={"task": {"speed": 1}})
    make_run(tmp_path / "bad" / "seed1", ["00499"], data={"task": {"process_noise": -1}})
    make_run(tmp_path / "text" / "seed1", ["00499"])
    (tmp_path / "text" / "seed1" / "config.yaml").write_text("[1, 2]")
    save_agent(build_agent("EKF"), tmp_path / "loose" / "00499.ckpt")
    line = said(capsys, "evaluate", *words, "--out", "data")
    assert expected in line.replace(f"{tmp_path}/", "")
    assert not (tmp_path / "data").exists()


def test_a_checkpoint_without_a_run_may_tell_its_task(tmp_path):
    path = tmp_path / "alone" / "00499.ckpt"
    task = {"name": "gain_control", "process_noise": 0.3, "observation_noise": 0.1}
    save_agent(build_agent("EKF"), path, task=task, origin={"seed": 6})
    files = evaluated(tmp_path / "data", path)
    assert "training_curve/gain_control/0.3_0.1/EKF_seed6.csv" in files
    (found,) = find_runs([path])
    assert found.task == TaskParameters(**task)


def test_best_is_of_the_runs_own_and_whole_curve(trained, tmp_path, capsys):
    data = tmp_path / "data"
    evaluated(data, trained)
    main(["best", str(trained), "--out", str(data)])
    assert str(trained / "checkpoints") in capsys.readouterr().out
    torch.manual_seed(9)
    save_agent(build_agent("EKF"), trained / "checkpoints" / "01999.ckpt")
    line = said(capsys, "best", trained, "--out", data)
    assert "lacks trial 1999; make it whole with `modnav evaluate" in line
    main(["best", str(trained), "--out", str(data), "--before", "1999"])
    other = make_run(tmp_path / "others" / "EKF-gain" / "seed3", ("00499", "00999"))
    torch.manual_seed(10)
    save_agent(build_agent("EKF"), other / "checkpoints" / "00499.ckpt")
    assert "is not of" in said(capsys, "best", other, "--out", data)


def test_a_damaged_first_checkpoint_does_not_stop_the_others(trained, tmp_path, capsys):
    first = trained / "checkpoints" / "00499.ckpt"
    first.write_bytes(first.read_bytes()[:5000])
    line = said(capsys, "evaluate", trained, *TRIALS, "--out", tmp_path / "data")
    assert line.startswith("1 could not be evaluated; the first: ")
    path = tmp_path / "data" / "training_curve" / "gain" / "EKF_seed3.csv"
    assert read_curve(path)["episode"].unique().tolist() == [999, 1499]


def test_perturbation_tests_are_the_same_whatever_the_training_left_out():
    plain = TaskParameters(name="perturbation")
    without = TaskParameters(name="perturbation", excluded_peak_linear_cm_s=(-20.0, 20.0))
    first, second = (fixed_perturbation_conditions(task, count=5) for task in (plain, without))
    assert torch.equal(first.trials.peak, second.trials.peak)
    assert (first.trials.peak[first.group == 0] == 0).all()
