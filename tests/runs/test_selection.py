import json
import math

import pandas as pd
import pytest
import yaml

from modnav.cli import main
from modnav.commands.terminal import best_table
from modnav.networks import build_agent
from modnav.runs import (
    COLUMNS,
    METRICS,
    Suite,
    best_episode,
    best_of_run,
    best_seeds,
    digest,
    find_runs,
    plan_evaluations,
    save_agent,
    scores,
)
from modnav.task import TaskParameters

RATES = {
    499: (0.5, 0.125, 0.125),
    999: (0.75, 0.25, 0.5),
    1499: (0.5, 0.5, 0.5),
    1999: (0.75, 0.125, 0.125),
}
"""Reward rates at gains 1, 1.5 and 2, with ties: highest in sum 999 and 1499, at 1 999 and 1999."""

GAINS = ("gain1x", "gain1.5x", "gain2x")


def curve_of(rates, tasks=GAINS):
    rows = [
        {
            **dict.fromkeys(METRICS, 0.0),
            "episode": episode,
            "task": task,
            "reward_rate": rate,
            "reward_fraction": rate / 2,
            "ordered_episode": episode,
        }
        for episode, each in rates.items()
        for task, rate in zip(tasks, each, strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_scores_are_sums_over_test_tasks():
    assert scores(curve_of(RATES)).to_dict() == {499: 0.75, 999: 1.5, 1499: 1.5, 1999: 1.0}
    some = scores(curve_of(RATES), ["gain1x", "gain2x", "gain1x"])
    assert some.to_dict() == {499: 0.625, 999: 1.25, 1499: 1.0, 1999: 0.875}


@pytest.mark.parametrize(
    ("on", "before", "episode"),
    [
        (None, None, 999),
        (["gain1x"], None, 999),
        (["gain1.5x"], None, 1499),
        (["gain2x"], None, 999),
        (None, 999, 499),
        (None, 1000, 999),
    ],
)
def test_the_best_is_the_first_with_the_highest_score(on, before, episode):
    assert best_episode(curve_of(RATES), on, before) == episode


def test_the_order_of_rows_does_not_matter():
    shuffled = curve_of(RATES).sample(frac=1, random_state=1)
    assert best_episode(shuffled, ["gain1x"]) == 999
    assert best_episode(curve_of(dict(reversed(RATES.items()))), ["gain1x"]) == 999


def test_a_rate_that_is_not_a_number_is_never_the_best():
    assert best_episode(curve_of(RATES | {999: (math.nan, 0.25, 0.5)})) == 1499
    with pytest.raises(ValueError, match="no checkpoint whose reward rates are numbers"):
        best_episode(curve_of({499: (math.nan,) * 3}))


def test_what_cannot_be_selected_by_is_refused():
    with pytest.raises(ValueError, match="no test task gain3x; it has gain1x, "):
        best_episode(curve_of(RATES), ["gain3x"])
    with pytest.raises(ValueError, match="no checkpoint before trial 400"):
        best_episode(curve_of(RATES), before=400)


def test_the_best_seed_is_the_first_with_the_highest_score(tmp_path):
    agents = [
        best_of_run(curve_of({499: rates}), name, seed, {499: tmp_path / str(seed)})
        for name, seed, rates in (
            ("EKF", 3, (1, 2, 3)),
            ("Actor3Critic5", 0, (1, 1, 1)),
            ("EKF", 5, (2, 2, 3)),
            ("EKF", 1, (3, 2, 2)),
        )
    ]
    assert [(a.architecture, a.seed) for a in best_seeds(agents)] == [
        ("EKF", 5),
        ("Actor3Critic5", 0),
    ]
    assert agents[2].score == 7
    assert agents[2].reward_rate == {"gain1x": 2, "gain1.5x": 2, "gain2x": 3}
    assert agents[2].reward_fraction["gain2x"] == 1.5
    assert agents[2].checkpoint == tmp_path / "5"


def make_run(folder, rates, out, name="EKF", noise=(0.2, 0.1)):
    """Make a run with checkpoints and a curve of given reward rates."""
    task = {"process_noise": noise[0], "observation_noise": noise[1]}
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": {"task": task}}))
    agent = build_agent(name)
    for episode in rates:
        save_agent(agent, folder / "checkpoints" / f"{episode:05d}.ckpt")
    (work,) = plan_evaluations(find_runs([folder]), Suite("gain", False, 5), out)
    for episode, each in rates.items():
        rows = {
            task: {**dict.fromkeys(METRICS, 0.0), "reward_rate": rate}
            for task, rate in zip(GAINS, each, strict=True)
        }
        work.curve.add(episode, digest(work.run.checkpoints[episode]), rows)


@pytest.fixture
def runs(tmp_path):
    """Two seeds of an EKF agent, and a control agent."""
    folder = tmp_path / "runs"
    make_run(folder / "EKF" / "seed0", RATES, tmp_path)
    make_run(folder / "EKF" / "seed4", {499: (0.5, 0.25, 0.5), 999: (1.0, 0.0, 0.0)}, tmp_path)
    make_run(folder / "control" / "seed0", {499: (0.1, 0.1, 0.1)}, tmp_path, noise=(0, 0.3))
    return folder


def test_best_prints_and_writes_seeds_and_architectures(runs, tmp_path, capsys):
    main(["best", str(runs), "--out", str(tmp_path), "--json", str(tmp_path / "best.json")])
    text = " ".join(capsys.readouterr().out.split())
    assert "training_curve/gain: highest reward rate on all test tasks" in text
    assert "EKF 0 1,000 1.50 0.75 0% 0.25 0% 0.50 0% EKF 4 500 1.25 0.50 0% 0.25 0%" in text
    assert f"best EKF: seed 0, {runs / 'EKF' / 'seed0' / 'checkpoints' / '00999.ckpt'}" in text
    gain, control = json.loads((tmp_path / "best.json").read_text())
    assert control["curves"].endswith("gain_control/0_0.3")
    assert [(a["seed"], a["episode"]) for a in gain["seeds"]] == [(0, 999), (4, 499)]
    assert gain["on"] == [*GAINS]
    found = gain["architectures"]["EKF"]
    assert found["checkpoint"].endswith("EKF/seed0/checkpoints/00999.ckpt")
    assert found["score"] == 1.5
    assert found["reward_rate"] == {"gain1x": 0.75, "gain1.5x": 0.25, "gain2x": 0.5}


def test_best_on_one_task(runs, tmp_path, capsys):
    out = ["--out", str(tmp_path), "--json", "-"]
    main(["best", str(runs / "EKF"), "--on", "gain1x", *out])
    (found,) = json.loads(capsys.readouterr().out)
    assert found["on"] == ["gain1x"]
    assert [(a["seed"], a["episode"]) for a in found["seeds"]] == [(0, 999), (4, 999)]
    assert found["architectures"]["EKF"]["seed"] == 4
    main(["best", str(runs / "EKF"), "--before", "999", *out])
    (found,) = json.loads(capsys.readouterr().out)
    assert [(a["seed"], a["episode"]) for a in found["seeds"]] == [(0, 499), (4, 499)]


def said(capsys, *words):
    """Return the one line that a refused command says."""
    with pytest.raises(SystemExit) as error:
        main(list(map(str, words)))
    assert error.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_best_says_which_command_makes_a_missing_curve(runs, tmp_path, capsys):
    run = runs / "EKF" / "seed0"
    line = said(capsys, "best", run, "--task", "perturbation", "--extensive", "--out", tmp_path)
    path = tmp_path / "training_curve" / "perturbation_full" / "EKF_seed0.csv"
    command = f"modnav evaluate {run} --task perturbation --extensive --out {tmp_path}"
    assert line == f"modnav: error: {path} is missing; make it with `{command}`"


def test_best_refuses_what_it_cannot_use(runs, tmp_path, capsys):
    run, out = runs / "EKF" / "seed0", ["--out", tmp_path]
    path = tmp_path / "training_curve" / "gain" / "EKF_seed0.csv"
    line = said(capsys, "best", run, "--on", "gain3x", *out)
    assert line.endswith(f"{path}: the curve has no test task gain3x; it has {', '.join(GAINS)}")
    (run / "checkpoints" / "00999.ckpt").unlink()
    assert "has no such checkpoint" in said(capsys, "best", run, *out)
    path.write_bytes(path.read_bytes()[:-9])
    assert f"{path} is damaged or not finished" in said(capsys, "best", run, *out)
    assert "there is no such file or folder" in said(capsys, "best", tmp_path / "x", *out)


def test_best_of_curves_made_by_hand(tmp_path):
    """The command adds nothing to the rules but reading: a curve alone gives the same answer."""
    curve = curve_of(RATES)
    found = best_of_run(curve, "EKF", 0, {})
    assert (found.episode, found.checkpoint) == (999, None)
    assert found.plain()["checkpoint"] is None
    table = best_table("title", [found], ["4 (+0)"])
    assert table.row_count == 1
    assert [column.header for column in table.columns][:3] == ["architecture", "seed", "made"]


def test_runs_of_a_published_task_need_no_more_than_their_noise(tmp_path):
    make_run(tmp_path / "seed2", {499: (0.1, 0.1, 0.1)}, tmp_path)
    (run,) = find_runs([tmp_path])
    assert (run.seed, run.task, run.discount, run.pre) == (2, TaskParameters(), 0.97, False)
