"""Runs for the tests of modnav.analysis: agents that steer by hand-set weights, made in seconds."""

import math
import os

import numpy as np
import pandas as pd
import torch
import yaml
from torch import nn

from modnav.evaluation import fixed_gain_conditions, run, score
from modnav.networks import Agent, build_agent
from modnav.runs import CONFIG, save_agent
from modnav.task import TaskParameters

ARCHITECTURES = (
    "Actor1Critic1",
    "Actor3Critic1",
    "Actor1Critic5",
    "Actor3Critic5",
    "EKF",
    "ActorEKFCritic1",
)
SEEDS = 2
EPISODES = (499, 999)
SCALE = 0.05  # of what a cell sums up, so that tanh of it is nearly itself
DT = 0.1


@torch.no_grad()
def steering_agent(architecture: str, seed: int = 0, skill: float = 1.0) -> Agent:
    """Return an agent that drives to the target and stops, the better the nearer its skill to 1.

    A unit holds the way that is left straight ahead, another the turn that is left. The others are
    as they were drawn, and what they do is not heard.
    """
    torch.manual_seed(seed)
    agent = build_agent(architecture)
    actor = agent.actor
    skilled = skill * (1 + 0.05 * float(torch.randn(())))
    if actor.belief.source == "kalman":
        ahead = torch.tensor([0.0, -3.0] + [0.0] * 11)
        turn = torch.tensor([3.0, 0.0, -1.5] + [0.0] * 10)
        _pass(actor.action, torch.stack((skilled * ahead, turn)), (0.0, 1.5 * math.pi / 2))
        return agent
    lstm = next(m for m in actor.modules() if isinstance(m, nn.LSTM))
    size = lstm.hidden_size
    for bias in (lstm.bias_ih_l0, lstm.bias_hh_l0):
        bias.view(4, size)[:, :2] = 0
    for weight in (lstm.weight_ih_l0, lstm.weight_hh_l0):
        weight.view(4, size, -1)[:, :2] = 0
    gates = lstm.bias_ih_l0.view(4, size)
    gates[:, :2] = torch.tensor([9.0, 9.0, 0.0, 9.0])[:, None]  # nothing is gated or forgotten
    candidate = lstm.weight_ih_l0.view(4, size, -1)[2]
    candidate[0, [0, 5]] = SCALE * torch.tensor([-4 * DT, 1.0])  # 4 inputs show the target
    candidate[1, [1, 4]] = SCALE * torch.tensor([-4 * DT, -1.5])
    readout = torch.zeros(2, size)
    readout[0, 0] = 3 / (4 * SCALE) * skilled
    readout[1, 1] = 2 / (4 * SCALE)
    _pass(actor.action, readout, (0.0, 0.0))
    return agent


def _pass(action: nn.Module, readout: torch.Tensor, bias: tuple[float, float]) -> None:
    """Make an MLP do no more than ``tanh(readout @ x + bias)``."""
    layers = [m for m in action.modules() if isinstance(m, nn.Linear)]
    for layer in layers:
        layer.weight *= 0 if layer is layers[-1] else 1
        layer.bias.zero_()
    if len(layers) == 1:
        layers[0].weight.copy_(readout)
        layers[0].bias.copy_(torch.tensor(bias))
        return
    first, *between, last = layers
    first.weight[:4] = torch.cat((readout, -readout))
    first.bias[:4] = torch.tensor([*bias, *(-x for x in bias)])
    for layer in between:
        layer.weight[:4] = 0
        layer.weight[range(4), range(4)] = 1
    last.weight[[0, 0, 1, 1], [0, 2, 1, 3]] = torch.tensor([1.0, -1.0, 1.0, -1.0])


def make_run(folder, architecture, seed, episodes=EPISODES, trials=10_000, skill=1.0, **task):
    """Make the folder of a run whose agent gets better from checkpoint to checkpoint."""
    folder.mkdir(parents=True)
    config = {
        "seed_everything": seed,
        "data": {"task": task},
        "model": {"discount": 0.97},
        "phases": {"trials": trials},
    }
    (folder / CONFIG).write_text(yaml.safe_dump(config))
    rows = []
    conditions = fixed_gain_conditions(TaskParameters(**task), count=10)
    for k, episode in enumerate(episodes):
        agent = steering_agent(architecture, seed, skill=skill * (k + 1) / len(episodes))
        save_agent(agent, folder / "checkpoints" / f"{episode:05d}.ckpt")
        found = score(agent, conditions, run(agent, conditions))
        about = {"total_trials": episode + 901, "trials": episode + 1, "phase": 2}
        about["validation"] = "selection"
        rows += [{**about, "task": label, **row} for label, row in found.items()]
    pd.DataFrame(rows).to_csv(folder / "validation.csv", index=False)
    return folder


def make_runs(folder):
    """Make the runs of :data:`ARCHITECTURES`, and some trained at other noise or for longer."""
    for name in ARCHITECTURES:
        for seed in range(SEEDS):
            make_run(folder / name / f"seed{seed}", name, seed)
    other = {"process_noise": 0.1, "observation_noise": 0.2}
    for name in ("Actor3Critic5", "EKF"):
        make_run(folder / f"{name}-0.1_0.2" / "seed0", name, 0, (499,), **other)
    return folder


def make_animal(count: int = 40, seed: int = 0) -> pd.DataFrame:
    """Return trials of an animal as the study's files hold them, after :func:`read_monkey`."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        radius, theta = rng.uniform(100, 400), np.deg2rad(rng.uniform(55, 125))
        time = np.arange(int(833 * radius / 150)) / 833
        rows.append(
            {
                "target_x": radius * np.cos(theta),
                "target_y": radius * np.sin(theta),
                "gain_v": 200.0,
                "gain_w": 90.0,
                "pos_x": 150 * time * np.cos(theta),
                "pos_y": 150 * time * np.sin(theta),
                "action_v": np.where(time < time[-1] - 0.1, 0.75, 0.0),
                "action_w": np.where(time < 0.3, (np.rad2deg(theta) - 90) / 27, 0.0),
                "time": time,
                "rewarded": True,
            }
        )
    return pd.DataFrame(rows)


def die(recording):
    """End the process that measures."""
    os._exit(1)
