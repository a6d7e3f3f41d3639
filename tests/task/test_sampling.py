"""Trials of several tasks at once are those that each would have alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Generator

from modnav.task import TaskParameters, sample_trials, sample_trials_of_each

PERTURBED = TaskParameters(name="perturbation")
EXCLUDED = TaskParameters(gain=(1.0, 3.0), excluded_gain=(1.2, 2.9))


@pytest.mark.parametrize("task", [TaskParameters(), PERTURBED, EXCLUDED])
def test_each_task_draws_what_it_would_draw_alone(task: TaskParameters):
    tasks = [
        task,
        replace(task, process_noise=(0.1, 0.5)),
        replace(task, observation_noise=0.3, gain=(1.5, 3.0)),
    ]
    counts = [7, 1, 20]
    together, alone = ([Generator().manual_seed(k) for k in range(3)] for _ in range(2))
    for _ in range(3):
        trials = sample_trials_of_each(tasks, counts, together)
        own = [sample_trials(*given) for given in zip(tasks, counts, alone, strict=True)]
        for found, *expected in zip(trials, *own, strict=True):
            assert torch.equal(found, torch.cat(expected))
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one.get_state(), other.get_state())


@pytest.mark.parametrize("generator", [0, None, np.random.default_rng(0)])
def test_a_seed_is_no_generator(generator):
    with pytest.raises(TypeError, match=r"it must be a torch\.Generator, such as"):
        sample_trials(TaskParameters(), 3, generator)
