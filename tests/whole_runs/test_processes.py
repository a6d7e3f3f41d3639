"""Training in two real processes on the CPU (gloo), through the command line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import halves
import pandas as pd
import pytest
import torch
from forked import Forked, forking_ranks, script
from same_weights import same

from modnav.runs import read

TOOLS = Path(__file__).parents[1] / "tools"
RUN = Path("runs/small/seed0")
SPIED = ["--import", "processes_spy", "--trainer.callbacks+=processes_spy.Spy"]
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TOOLS)}


def start(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        env=os.environ | ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def modnav(*args: str, begin: Callable[[], None] = forking_ranks) -> Forked:
    return Forked(*args, *SPIED, begin=begin, environment=os.environ | ENVIRONMENT)


def finished(process: subprocess.Popen[str] | Forked, status: int = 0) -> str:
    try:
        out = "".join(filter(None, process.communicate(timeout=150)))
    except subprocess.TimeoutExpired:
        for one in (*children(process.pid), process.pid):
            os.kill(one, signal.SIGKILL)
        raise
    assert process.returncode == status, out
    return out


def weights(folder: Path, rank: int) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(folder / f"spy{rank}.pt")["weights"]
    return found


def children(pid: int) -> list[int]:
    """Return the processes that a process started."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(x) for x in found]


def test_two_processes_learn_together_and_go_on_after_a_signal_to_one(small: Path):
    fit = ["fit", "--config", str(small), "--config", "ddp"]
    whole = modnav(*fit, "--folder", str(RUN))
    told = partial(forking_ranks, signal.SIGTERM)
    out = finished(modnav(*fit, "--folder", "broken", begin=told), status=130)
    assert "stopped by SIGTERM; go on with: modnav fit --resume broken" in out
    assert pd.read_csv("broken/validation.csv")["trials"].max() < 60
    finished(whole)

    first, second = (json.loads((RUN / f"spy{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert first["phases"][-1][0] == 3
    assert len(first["phases"]) > 1
    assert first["trials"] >= 60
    assert first["env_steps"] % 8 == 0  # four trials in each of two processes
    assert same(weights(RUN, 0), weights(RUN, 1))
    replays = [torch.load(RUN / f"spy{rank}.pt")["replay"]["action"] for rank in (0, 1)]
    assert not any(torch.equal(x, y) for x in replays[0] for y in replays[1])
    assert len(list(RUN.glob("last.*.rank1.ckpt"))) == 2  # of last.ckpt and of last-1.ckpt

    finished(modnav("fit", "--resume", "broken"))
    for rank in (0, 1):
        assert same(weights(Path("broken"), rank), weights(RUN, 0))
    tables = [
        pd.read_csv(f / "validation.csv").drop(columns="seconds") for f in (RUN, "broken" / Path())
    ]
    pd.testing.assert_frame_equal(*tables)


def test_buffers_that_differ_in_training_are_one_in_validations(small: Path):
    own = ["--model.actor.init_args.belief", "own_modules.Noisy"]
    own += ["--model.critic.init_args.belief", "own_modules.Noisy"]
    fit = ["fit", "--config", str(small), "--config", "ddp", "--phases.trials", "40"]
    finished(modnav(*fit, *own, "--folder", str(RUN)))
    first, second = (json.loads((RUN / f"spy{rank}.json").read_text()) for rank in (0, 1))
    assert first["validations"] == second["validations"]
    assert len(first["validations"]) == 2
    assert same(weights(RUN, 0), weights(RUN, 1))
    assert weights(RUN, 0)["agent.actor.belief.calls"] > 5


def test_another_number_of_processes_goes_on_and_says_how(small_run: Path):
    more = ["--phases.trials", "100", "--config", "ddp"]
    out = finished(modnav("fit", "--resume", str(RUN), *more))
    assert re.search(r"is of 1 processes and this run has 2: .* not the one it would have", out)
    assert same(weights(RUN, 0), weights(RUN, 1))
    assert read(RUN / "last.ckpt").content["processes"] == 2
    one = ["--phases.trials", "140", "--trainer.devices", "1"]
    out = finished(modnav("fit", "--resume", str(RUN), *one))
    assert "is of 2 processes and this run has 1" in out
    assert read(RUN / "last.ckpt").content["processes"] == 1


def test_a_killed_process_stops_the_other(small: Path):
    """Here the processes are started as Lightning does."""
    run = start(
        "-m",
        "modnav",
        "fit",
        "--config",
        str(small),
        "--config",
        "ddp",
        "--phases.trials",
        "100000",
    )
    while not (RUN / "last.ckpt").exists() and run.poll() is None:
        time.sleep(0.02)
    second = children(run.pid)[0]
    os.kill(second, signal.SIGKILL)
    told = finished(run, status=5)
    assert "modnav: error: another process of the run ended" in told
    assert f"; go on with: modnav fit --resume {RUN}\n" in told
    assert read(RUN / "last.ckpt").content["processes"] == 2


@pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no")
def test_an_update_on_two_halves_is_the_update_on_the_whole(tmp_path: Path):
    run = Forked("halves", "2", str(tmp_path), call=script, begin=forking_ranks)
    halves.update(1, tmp_path)
    finished(run)
    whole, first, second = (torch.load(tmp_path / f"{x}.pt") for x in ("1.0", "2.0", "2.1"))
    assert same(first, second)
    for name, x in whole.items():
        torch.testing.assert_close(first[name], x, rtol=0, atol=2e-6, msg=name)
    assert any(
        not torch.equal(x, whole[f"target.{name[6:]}"])
        for name, x in whole.items()
        if name.startswith("agent.")
    )
