"""Whole runs of agents with modules of a user's own: trained, resumed, loaded, evaluated."""

from pathlib import Path

import own_modules
import pandas as pd
import pytest
import torch
from same_weights import same_runs

import modnav
from modnav.cli import main

NAMES = [kind.__name__ for kind in own_modules.BELIEFS]
TRUSTED = ["--import", "own_modules"]


def fit(config: Path, folder: str, trials: int, *more: str) -> None:
    where = ["--folder", folder, "--phases.trials", str(trials), "--data.epoch_trials", "10"]
    main(["fit", "--config", str(config), *where, *more])


@pytest.mark.parametrize(
    ("actor", "critic"), list(zip(NAMES[::4], (NAMES * 2)[2::4], strict=False))
)
def test_own_modules_train_resume_load_and_are_evaluated(small: Path, actor: str, critic: str):
    beliefs = ["--model.actor.init_args.belief", f"own_modules.{actor}"]
    beliefs += ["--model.critic.init_args.belief", f"own_modules.{critic}"]
    fit(small, "whole", 20, *beliefs)
    fit(small, "broken", 10, *beliefs)
    main(["fit", "--resume", "broken", "--phases.trials", "20", *TRUSTED])
    assert same_runs("whole", "broken")
    checkpoint = "whole/checkpoints/00019.ckpt"
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
