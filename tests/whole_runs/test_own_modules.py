"""Whole runs of agents with modules of a user's own: trained, resumed, loaded, evaluated."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import own_modules
import pandas as pd
import pytest
import torch

import modnav
from modnav.cli import main
from modnav.runs import read

NAMES = [kind.__name__ for kind in own_modules.BELIEFS]
TRUSTED = ["--import", "own_modules"]


def fit(config: Path, folder: str, trials: int, *more: str) -> None:
    where = ["--folder", folder, "--phases.trials", str(trials)]
    main(["fit", "--config", str(config), *where, *more])


def alike(a: Any, b: Any) -> bool:
    """Say whether two states are the same bit for bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(alike, a, b))
    return a == b


def same_runs(one: str, other: str) -> bool:
    """Say whether two runs ended in one state: weights, optimizers, replay, memories, generators."""
    states = [dict(read(Path(run) / "last.ckpt").content) for run in (one, other)]
    for state in states:
        del state["callbacks"]  # wall times and paths
    return alike(*states)


@pytest.mark.parametrize(("actor", "critic"), list(pairwise([*NAMES, NAMES[0]][::2])))
def test_own_modules_train_resume_load_and_are_evaluated(small: Path, actor: str, critic: str):
    beliefs = ["--model.actor.init_args.belief", f"own_modules.{actor}"]
    beliefs += ["--model.critic.init_args.belief", f"own_modules.{critic}"]
    fit(small, "whole", 40, *beliefs)
    fit(small, "broken", 20, *beliefs)
    main(["fit", "--resume", "broken", "--phases.trials", "40", *TRUSTED])
    assert same_runs("whole", "broken")
    checkpoint = "whole/checkpoints/00039.ckpt"
    agent = modnav.load_agent(checkpoint)
    assert agent.architecture.startswith(f"{actor}{critic}-")
    first, second = agent.critic.first.state_dict(), agent.critic.second.state_dict()
    alike = {k for k, x in first.items() if torch.equal(x, second[k]) and "num" not in k}
    assert not alike & {name for name, _ in agent.critic.first.named_parameters()}
    trials, steps, units = modnav.record(agent, trials=4, max_steps=8)
    assert trials["subject"].unique() == [agent.architecture]
    assert len(steps) == len(units) > 0
    main(["validate", "--ckpt_path", checkpoint, *TRUSTED])
    main(["evaluate", "whole", "--trials", "5", "--out", "data"])
    (curve,) = Path("data").rglob("*.csv")
    assert curve.name == f"{agent.architecture}_seed0.csv"
    assert len(pd.read_csv(curve)) == 6  # two checkpoints, three gains
