"""Runs that say how they learned: a checkpoint, a configuration, and validations that are made up."""

from pathlib import Path

import pandas as pd
import yaml

from modnav.networks import build_agent
from modnav.runs import CONFIG, save_agent

GAINS = ("gain1x", "gain1.5x", "gain2x")


def make_training(
    folder: Path,
    architecture: str = "Actor3Critic5",
    seed: int = 0,
    curve: dict[int, float] | None = None,
    phase_one: int = 900,
    trials: int = 10_000,
    **task: float,
) -> Path:
    """Make the folder of a run, ``seed<k>`` in ``folder``.

    Args:
        folder: Where.
        architecture: Its architecture.
        seed: Its seed.
        curve: Rewarded fraction at gain 1 by trials after phase I; a half of it are the rewards/s,
            a tenth those at gain 2. In the in-training validation all is 0.99. None if the run is
            still in phase I.
        phase_one: Trials of phase I, so far if there is no ``curve``.
        trials: Trials that are planned.
        task: Constants of its task.
    """
    run = folder / f"seed{seed}"
    last = max(curve) if curve else phase_one
    name = f"{last - 1:05d}{'' if curve else '_pre'}.ckpt"
    save_agent(build_agent(architecture), run / "checkpoints" / name)
    config = {
        "seed_everything": seed,
        "data": {"task": task, "epoch_trials": 500},
        "phases": {"trials": trials, "give_up": 50_000},
    }
    (run / CONFIG).write_text(yaml.safe_dump(config))
    rows = []
    ages = [(phase_one, 1, 0.1)] + [(age, 2, x) for age, x in (curve or {}).items()]
    for age, phase, fraction in ages:
        total = age + phase_one * (phase > 1)
        for validation, value in (("training", 0.99), ("selection", fraction)):
            about = {"total_trials": total, "trials": age, "phase": phase, "updates": 4 * total}
            for gain, factor in zip(GAINS, (0.5, 0.2, 0.1), strict=True):
                scores = {"reward_fraction": value, "reward_rate": factor * value}
                rows.append(about | {"validation": validation, "task": gain} | scores)
    pd.DataFrame(rows).to_csv(run / "validation.csv", index=False)
    return run
