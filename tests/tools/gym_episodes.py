"""Episodes of the Gymnasium environments, as their tests run them."""

import gymnasium
import numpy as np
import torch

from modnav.gym import ENV_ID
from modnav.task import TaskParameters, Trials, make_trials

QUIET = {"process_noise": 0.0, "observation_noise": 0.0}
WIDE = TaskParameters(name="perturbation", gain=(1.0, 2.0), **QUIET)
DRIVE, STOP = np.float32([0.9, 0.0]), np.float32([0.02, -0.03])


def make_vec(count, **kwargs):
    return gymnasium.make_vec(ENV_ID, num_envs=count, **kwargs)


def trials_to(*targets, gain=1.0):
    """Trials without noise to given targets."""
    one = torch.ones(len(targets))
    return make_trials(TaskParameters(), torch.tensor(targets), gain * one, 0 * one, 0 * one)


def only(trials, k):
    return Trials(*(x[k : k + 1] for x in trials))


def random_actions(steps, count, seed=0):
    """Actions of which one in 24 is a stop: some trials terminate, some time out."""
    generator = np.random.default_rng(seed)
    actions = generator.uniform(-1, 1, (steps, count, 2)).astype(np.float32)
    return np.where(generator.random((steps, count, 1)) < 1 / 24, STOP, actions)


def record(env, actions, **reset):
    """Run one episode of an environment, or a batch of them, and stack what it returns."""
    observation, info = env.reset(**reset)
    steps = [env.step(action) for action in actions]
    infos = [info, *(step[4] for step in steps)]
    log = {key: np.stack([x[key] for x in infos]) for key in info if not key.startswith("_")}
    log["observation"] = np.stack([observation, *(step[0] for step in steps)])
    for i, key in enumerate(("reward", "terminated", "truncated"), start=1):
        log[key] = np.stack([step[i] for step in steps])
    return log


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, x in expected.items():
        np.testing.assert_array_equal(found[key], x, err_msg=key)
