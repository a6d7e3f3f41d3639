import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from modnav.bench import (
    FIGURES,
    Figure,
    Inside,
    PlainReplay,
    PlainUpdates,
    Settings,
    Spread,
    Work,
    bench_run,
    compare,
    example_segment,
    made_up_trials,
    make_learner,
    matmul_rates,
    plain_agent,
    plain_evaluation,
    short_run,
    threads,
    update_flops,
)
from modnav.cli import main
from modnav.evaluation import fixed_gain_conditions, run
from modnav.learning import HALF, SINGLE, TD3, runs_bf16
from modnav.networks import ONEDNN_PAYS, Linear
from modnav.task import TaskParameters

BRIEF = {"seconds": 0.02, "parallel_trials": 4, "stored": 100, "trials": 2}


def parameters(agent: nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in agent.parameters()]


@pytest.mark.parametrize("architecture", ["modular", "holistic", "Actor2Critic4", "ekf"])
def test_both_paths_make_the_same_updates(architecture: str):
    learner = make_learner(architecture, Inside)
    segment = example_segment(learner)
    start = parameters(learner.agent) + parameters(learner.target)
    plain = []

    def job() -> None:
        plain.append(PlainUpdates(learner))
        for _ in range(3):
            learner.update(segment)
            plain[0].update(segment)

    learner.train_with("32-true", job)
    ours = parameters(learner.agent) + parameters(learner.target)
    theirs = parameters(plain[0].agent) + parameters(plain[0].target)
    for x, y, before in zip(ours, theirs, start, strict=True):
        moved = (y - before).norm()
        assert moved > 0
        rounding = 1e-7 * y.norm()  # Adam's first steps magnify that of small gradients
        assert (x - y).norm() < 0.02 * moved + rounding


def test_the_plain_path_has_weights_and_products_of_its_own():
    agent = make_learner("modular", Inside).agent
    plain = plain_agent(agent)
    assert not any(isinstance(module, Linear) for module in plain.modules())
    assert sum(isinstance(module, Linear) for module in agent.modules()) == 9
    assert list(plain.state_dict()) == list(agent.state_dict())
    for x, y in zip(plain.parameters(), agent.parameters(), strict=True):
        assert torch.equal(x, y)
        assert x.data_ptr() != y.data_ptr()


def test_the_plain_evaluation_runs_the_same_trials():
    agent = make_learner("ekf", TD3).agent
    conditions = fixed_gain_conditions(TaskParameters(), (1.0,), 4)
    together = run(agent, conditions).rewarded.tolist()
    assert plain_evaluation(plain_agent(agent), conditions, 4) == together


@pytest.mark.parametrize("steps", [False, True])
def test_the_plain_replay_gives_what_was_stored(steps: bool):
    generator = torch.Generator().manual_seed(0)
    trials = made_up_trials({"observation"}, torch.tensor([3, 5, 3]), 6, generator)
    replay = PlainReplay(2, steps=steps)
    replay.add(trials)
    assert len(replay.trials) == (11 if steps else 3)
    for _ in range(10):
        segment = replay.sample()
        length, count = segment.action.shape[:2]
        assert segment.inputs["observation"].shape == (length + 1, count, 6)
        if steps:
            assert (length, count) == (1, 2)
            continue
        assert (length, count) in ((3, 2), (5, 1))
        assert segment.terminal[:, :, 0].sum(dim=0).tolist() == [1.0] * count
        stored = trials.action[trials.steps == length][:, :length]
        for k in range(count):
            assert (segment.action[:, k] == stored).flatten(1).all(dim=1).any()
        assert (segment.reward[-1] > 0).all()


def test_paths_take_turns_and_times_are_for_a_unit():
    order = []

    def wait(name: str, count: int) -> None:
        order.append(name)
        x = torch.ones(200, 200)
        for _ in range(count):
            x @ x

    fast, plain, ratio = compare(
        Work(lambda: wait("fast", 400), 400), Work(lambda: wait("plain", 400), 1), 0.02
    )
    assert len(order) > 8
    assert set(order) == {"fast", "plain"}
    assert ratio.median == pytest.approx(400, rel=0.9)  # the same work, 400 units or one
    for spread in (fast, plain, ratio):
        assert 0 < spread.low <= spread.median <= spread.high


def test_spread_is_median_and_quartiles():
    assert Spread.of(np.array([5.0, 1.0, 3.0, 2.0, 4.0])) == (3.0, 2.0, 4.0)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before


def test_products_are_timed_in_both_precisions():
    rates = matmul_rates(64, 0.01)
    bf16, onednn = {"bf16"} if runs_bf16() else set(), {"fp32, oneDNN"} if ONEDNN_PAYS else set()
    assert set(rates) == {"fp32"} | bf16 | onednn
    assert all(rate > 0 for rate in rates.values())


def test_operations_of_an_update_by_hand():
    """One step of one trial: two operations for each weight, three passes where it learns."""
    learner = make_learner("ekf", TD3)
    actor, critic = 13 * 300 + 300 * 300 + 300 * 2, 15 * 300 + 300 * 300 + 300
    target = 2 * (actor + 2 * critic)
    actors = (3 * actor + 2 * critic) / 2
    assert update_flops(learner, 1, 1) == 2 * (target + 6 * critic + actors)
    assert update_flops(learner, 1, 8) == 8 * update_flops(learner, 1, 1)


def brief_figure(name: str, agent: str) -> Figure:
    settings = Settings(agent, **BRIEF)
    return bench_run(settings, rounds=1) if name == "run" else FIGURES[name](settings)


@pytest.mark.parametrize("agent", ["modular", "ekf"])
@pytest.mark.parametrize("name", list(FIGURES))
def test_every_figure_is_measured(name: str, agent: str):
    figure = brief_figure(name, agent)
    assert isinstance(figure, Figure)
    assert figure.name == name
    for spread in (figure.milliseconds, figure.plain_milliseconds, figure.times_faster):
        assert 0 < spread.low <= spread.median <= spread.high
    assert figure.more
    assert all(np.isfinite(x) for x in figure.more.values())


def test_a_short_run_is_split_into_its_parts():
    clock = short_run(Settings("ekf", **BRIEF), 0.02)
    assert clock.updates >= 1
    assert all(spent > 0 for part, spent in clock.spent.items())
    assert sum(clock.shares.values()) == pytest.approx(1)


def test_updates_are_timed_in_the_precision_asked_for():
    learner = make_learner("modular", Inside)
    found = []

    def job() -> None:
        found.append(torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else 0)

    learner.train_with("bf16-mixed", job)
    make_learner("modular", Inside).train_with("32-true", job)
    assert found == [torch.bfloat16, 0]


def test_the_command_prints_a_table_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "new" / "bench.json"
    precision = HALF if runs_bf16() else SINGLE
    options = ["--seconds", "0.02", "--agent", "ekf", "--precision", precision]
    main(["bench", "update", *options, "--json", str(path)])
    out = capsys.readouterr().out
    assert f"agent ekf, {precision}, threads: 1" in out
    assert "| TD3 update, 1 x 256 |" in out
    assert "% of the products' rate" in out
    written = json.loads(path.read_text())
    assert written["settings"]["agent"] == "ekf"
    assert written["machine"]["torch"] == torch.__version__
    (figure,) = written["figures"]
    assert figure["name"] == "update"
    assert set(figure["times_faster"]) == {"median", "low", "high"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--agent", "modulor"], "architecture is 'modulor'; it must be one of"),
        (["--threads", "0"], "threads is 0; it must be above 0"),
        (["--seconds", "-1"], "seconds is -1.0; it must be above 0"),
    ],
)
def test_mistakes_are_told_before_anything_is_timed(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as exit_info:
        main(["bench", *options])
    assert exit_info.value.code == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert not captured.out
