"""Real runs on a GPU, where there is one."""

import subprocess
import sys
from pathlib import Path

import gpu_check
import pandas as pd
import pytest
import torch
from small_runs import weights

from modnav.bench import tf32
from modnav.cli import main
from modnav.evaluation import fixed_gain_conditions, run, score
from modnav.networks import build_agent, check_stack
from modnav.runs import load_agent, read
from modnav.task import TaskParameters

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def words(config: Path, folder: str) -> list[str]:
    return ["fit", "--config", str(config), "--trainer.accelerator", "gpu", "--folder", folder]


def fit(config: Path, folder: str, *more: str) -> Path:
    main([*words(config, folder), *more])
    return Path(folder)


@pytest.mark.parametrize("precision", ["32-true", "16-mixed", "bf16-mixed"])
def test_an_agent_learns_in_every_precision(small: Path, precision: str):
    done = fit(small, "run", "--trainer.precision", precision)
    last = read(done / "last.ckpt").content
    assert last["modnav"]["updates"] > 0
    assert all(x.isfinite().all() for x in last["state_dict"].values())
    assert len(pd.read_csv(done / "validation.csv")) == 12  # 3 epochs, 2 validations, 2 gains
    agent = load_agent(done / "checkpoints" / "00059.ckpt")
    assert all(x.device.type == "cpu" for x in agent.parameters())


@pytest.mark.parametrize("precision", ["32-true", "16-mixed", "bf16-mixed"])
def test_a_resumed_run_is_the_one_left_alone(small: Path, precision: str):
    whole = fit(small, "whole", "--trainer.precision", precision)
    broken = fit(small, "broken", "--trainer.precision", precision, "--phases.trials", "40")
    main(["fit", "--resume", str(broken), "--phases.trials", "60"])
    one, other = weights(whole), weights(broken)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_goes_on_where_there_is_no_gpu(small: Path):
    done = fit(small, "run", "--phases.trials", "40")
    main(["fit", "--resume", str(done), "--phases.trials", "60", "--trainer.accelerator", "cpu"])
    assert (done / "checkpoints" / "00059.ckpt").is_file()


def test_ddp_of_one_process_runs_over_nccl(small: Path):
    strategy = ["--trainer.strategy", "ddp_find_unused_parameters_true"]
    subprocess.run(  # a process of its own, because nccl stays until its end
        [sys.executable, "-m", "modnav", *words(small, "run"), *strategy], timeout=120, check=True
    )
    assert Path("run/checkpoints/00059.ckpt").is_file()


@pytest.mark.parametrize("name", ["modular", "holistic", "ekf"])
def test_an_agent_acts_as_on_the_processor(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    agent = build_agent(name)
    conditions = fixed_gain_conditions(TaskParameters(), (1.0, 2.0), 50)
    tables = []
    for device in (torch.device("cpu"), torch.device("cuda")):
        agent.to(device)
        there = conditions.to(device)
        tables.append(pd.DataFrame(score(agent, there, run(agent, there), 0.97)))
    pd.testing.assert_frame_equal(*tables, rtol=1e-3)


@pytest.mark.parametrize("name", ["modular", "gru", "holistic_ekf"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_graph_of_updates_does_what_they_do(name: str, precision: str):
    assert gpu_check.graph_and_none(name, 3, "cuda", precision)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("name", ["modular", "holistic"])
def test_gradients_of_members_are_those_of_the_processor(name: str, members: int):
    assert gpu_check.gradients(name, members, "cuda", "32-true", False)


@pytest.mark.parametrize("name", ["modular", "gru"])
def test_stacked_forms_are_compared_without_tf32(name: str):
    (learner,) = gpu_check.learners(name, 1, "cuda")
    with tf32(True):
        check_stack(learner.agent)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one GPU")
def test_a_run_on_another_gpu_is_the_same(small: Path):
    one, other = (weights(fit(small, f"on{k}", "--trainer.devices", f"[{k}]")) for k in (0, 1))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_population_goes_on_from_the_states_of_its_members(small: Path):
    gpu = ["--trainer.accelerator", "gpu", "--seeds", "0-2", "--phases.trials", "40"]
    main(["fit", "--config", str(small), *gpu])
    main(["fit", "--resume", "runs/small", "--phases.trials", "60"])
    assert all(Path(f"runs/small/seed{k}/checkpoints/00059.ckpt").is_file() for k in range(3))


def test_members_that_are_stacked_end_as_ordinary_runs(small: Path):
    gpu = ["--trainer.accelerator", "gpu", "--seeds", "0-2"]
    main(["fit", "--config", str(small), *gpu])
    for k in range(3):
        last = read(Path(f"runs/small/seed{k}/last.ckpt")).content
        assert last["modnav"]["updates"] > 0
        assert len(pd.read_csv(f"runs/small/seed{k}/validation.csv")) == 12
