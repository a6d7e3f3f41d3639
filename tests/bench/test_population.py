"""Joint updates are timed; what is timed are real updates of every member."""

import copy
import json
import re
from pathlib import Path

import pytest
import torch

from modnav.acting import Collector
from modnav.bench import BenchSettings, JointJob, bench_population, make_learner, tf32
from modnav.cli import main
from modnav.learning import HALF, SINGLE, TD3, JointUpdates, runs_bf16

needs_bf16 = pytest.mark.skipif(not runs_bf16(), reason="this processor runs no LSTM in bf16")


@pytest.mark.parametrize("agent", ["modular", "ekf"])
@pytest.mark.parametrize("precision", [SINGLE, pytest.param(HALF, marks=needs_bf16)])
def test_joint_updates_are_timed_for_a_member(agent: str, precision: str):
    result = bench_population(BenchSettings(agent, precision, seconds=0.02, population=2))
    assert "2 members" in result.what
    each, plain, faster = result.milliseconds, result.plain_milliseconds, result.times_faster
    for spread in (each, plain, faster):
        assert spread is not None
        assert 0 < spread.low <= spread.median <= spread.high
    assert result.more["ms for all"] == pytest.approx(2 * each.median)
    assert result.more["agent-updates/s"] == pytest.approx(1000 / each.median)


def test_an_update_in_two_is_one_of_the_actor_and_all_members_learn():
    learners = [make_learner("modular", TD3) for _ in range(2)]
    before = [copy.deepcopy(x.agent.state_dict()) for x in learners]
    losses = JointJob(learners)()
    assert [actor.abs().gt(0).tolist() for _, actor in losses] == [[True] * 2, [False] * 2]
    for learner, old in zip(learners, before, strict=True):
        for name, x in learner.agent.state_dict().items():
            assert not torch.equal(x, old[name]), name


def test_the_host_is_timed_and_what_was_replaced_for_it_is_put_back(
    capsys: pytest.CaptureFixture[str],
):
    before = JointUpdates.update, Collector.sweep_all
    main(["bench", "host", "--population", "2", "--seconds", "0.02"])
    assert (JointUpdates.update, Collector.sweep_all) == before
    out = capsys.readouterr().out
    assert "| host's work for an update, 2 members |" in out
    rate, acting = re.findall(r"agent-updates/s at most ([\d,.]+); acting ([\d.]+) %", out)[0]
    assert float(rate.replace(",", "")) > 0
    assert 0 < float(acting) < 100


def test_tf32_is_put_back():
    switches = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [x.allow_tf32 for x in switches]
    with tf32(True):
        assert all(x.allow_tf32 for x in switches)
    with tf32(False):
        assert not any(x.allow_tf32 for x in switches)
    assert [x.allow_tf32 for x in switches] == before


def test_the_command_has_a_row_for_the_population(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "bench.json"
    options = ["--population", "2", "--agent", "ekf", "--seconds", "0.02", "--json", str(path)]
    main(["bench", "update", *options])
    out = capsys.readouterr().out
    assert "| joint TD3 update, 1 x 256, 2 members |" in out
    assert "ms per member" in out
    assert json.loads(path.read_text())["settings"]["population"] == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["bench", "update", "--population", "2", "--device", "cuda"])
    assert "device is cuda; PyTorch finds no such GPU here" in capsys.readouterr().err
