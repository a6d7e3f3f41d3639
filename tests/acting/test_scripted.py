"""Scripted trials: rewarded by chance or by aim, and stored as any other trial."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Generator

from modnav.acting import Warmup, scripted_trials
from modnav.task import TaskParameters, is_stop

TASK = TaskParameters(observation_noise=0.0)


def run(warmup: Warmup, count: int = 1000, task: TaskParameters = TASK, seed: int = 0):
    generator = Generator().manual_seed(seed)
    return scripted_trials(warmup, task, {"observation", "kalman"}, count, generator)


def test_a_few_random_arcs_are_rewarded_by_chance():
    fraction = (run(Warmup()).reward == 10).float().mean().item()
    assert 0.05 < fraction < 0.2


def test_aimed_arcs_are_mostly_rewarded_and_always_without_noise():
    assert (run(Warmup(aimed=1.0)).reward == 10).float().mean() > 0.7
    exact = run(Warmup(aimed=1.0, jitter=0.0), task=replace(TASK, process_noise=0.0))
    in_time = exact.steps < TASK.max_steps  # slow ones do not reach far targets
    assert (exact.reward[in_time] == 10).all()


def test_each_trial_drives_and_then_stops():
    trials = run(Warmup())
    step = torch.arange(trials.action.shape[1])
    last = (step == trials.steps[:, None] - 1)[..., None]
    stopped = is_stop(trials.action[last.expand_as(trials.action)].view(-1, 2), 0.1)
    assert stopped[trials.steps < TASK.max_steps].all()
    driving = (step < trials.steps[:, None] - 1)[..., None].expand_as(trials.action)
    assert not is_stop(trials.action[driving].view(-1, 2), 0.1).all()


def test_they_have_the_shapes_of_replay():
    trials = run(Warmup(), count=7)
    assert trials.inputs["observation"].shape == (7, 36, 6)
    assert trials.inputs["kalman"].shape == (7, 36, 13)
    assert trials.action.shape == (7, 35, 2)
    assert trials.reward.shape == trials.steps.shape == (7,)


def test_one_seed_gives_the_same_trials():
    first, again, other = run(Warmup(), 20), run(Warmup(), 20), run(Warmup(), 20, seed=1)
    assert torch.equal(first.action, again.action)
    assert not torch.equal(first.action, other.action)


def test_the_mean_distance_driven_is_that_of_the_range():
    warmup = Warmup(distance_cm=(100.0, 100.0), jitter=0.0, linear=(0.5, 0.5))
    trials = run(warmup, task=replace(TASK, process_noise=0.0))
    # 100 cm at half of 200 cm/s take 10 steps, and one to stop
    assert trials.steps.unique().tolist() == [11]
    assert math.isclose(trials.action[:, :10, 0].mean().item(), 0.5, abs_tol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"share": 1.0}, "warmup.share is 1.0"),
        ({"aimed": 1.5}, "warmup.aimed is 1.5"),
        ({"trials": -1}, "warmup.trials is -1"),
        ({"linear": (0.0, 1.0)}, "warmup.linear"),
        ({"distance_cm": (100.0, 50.0)}, "warmup.distance_cm"),
    ],
)
def test_wrong_numbers_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        Warmup(**wrong)
