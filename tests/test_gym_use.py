"""The Gymnasium environments in use: trials that begin anew, wrappers, pictures, mistakes."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from gym_episodes import (
    DRIVE,
    QUIET,
    STOP,
    make_vec,
    random_actions,
    record,
    trials_to,
)
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from modnav.gym import ENV_ID, FireflyEnv, FireflyVectorEnv
from modnav.task import UNIT_CM

pytestmark = pytest.mark.filterwarnings("error")


def staggered(mode):
    """Three trials straight ahead; the first ends at the third step, the second at the fourth."""
    envs = make_vec(3, task=QUIET, autoreset_mode=mode)
    options = {"trials": trials_to((0.0, 0.5), (0.1, 0.5), (0.2, 0.5))}
    envs.reset(seed=0, options=options)
    envs.step(np.stack([DRIVE] * 3))
    envs.step(np.stack([DRIVE] * 3))
    return envs, envs.step(np.stack([STOP, DRIVE, DRIVE])), np.stack([DRIVE, STOP, DRIVE])


def test_autoreset_in_the_next_step():
    envs, (observation, _, terminated, _, info), actions = staggered(AutoresetMode.NEXT_STEP)
    assert terminated.tolist() == [True, False, False]
    np.testing.assert_allclose(observation[0, 2:4], STOP)
    assert "final_obs" not in info
    observation, reward, terminated, _, info = envs.step(actions)
    assert terminated.tolist() == [False, True, False]
    np.testing.assert_array_equal(observation[0], [0, 0, 0, 0, *info["target"][0]])
    np.testing.assert_allclose(observation[2], [0.45, 0, 0.9, 0, 0, 0], atol=1e-6)
    assert reward[0] == 0
    assert info["distance"][0] == pytest.approx(np.hypot(*info["target"][0]))
    observation, *_ = envs.step(actions)  # now the first drives, and the second begins
    np.testing.assert_allclose(observation[0, :4], [0.45, 0, 0.9, 0])
    np.testing.assert_array_equal(observation[1, :4], 0)


def test_autoreset_in_the_same_step():
    envs, (observation, reward, terminated, _, info), actions = staggered("SameStep")
    assert terminated.tolist() == [True, False, False]
    assert reward[0] > 0
    np.testing.assert_array_equal(observation[0], [0, 0, 0, 0, *info["target"][0]])
    assert info["final_obs"][1] is None
    np.testing.assert_allclose(info["final_obs"][0], [0.01, -0.015 * np.pi, *STOP, 0, 0.5])
    final = info["final_info"]
    for mask in (info["_final_obs"], info["_final_info"], final["_state"], final["_gain"]):
        assert mask.tolist() == [True, False, False]
    assert final["distance"].tolist() == pytest.approx([0.5 - 0.045, 0, 0])
    assert info["_state"].all()
    _, _, terminated, _, info = envs.step(actions)
    assert terminated.tolist() == [False, True, False]
    assert info["_final_obs"].tolist() == [False, True, False]
    assert "final_obs" not in envs.step(np.stack([DRIVE] * 3))[4]


def test_reset_by_mask():
    envs, (before, *_), actions = staggered(AutoresetMode.DISABLED)
    with pytest.raises(ResetNeeded, match=r"\[0\]"):
        envs.step(actions)
    options = {"reset_mask": np.array([True, False, False])}
    observation, info = envs.reset(options=options)
    assert options.keys() == {"reset_mask"}
    np.testing.assert_array_equal(observation[1:], before[1:])
    np.testing.assert_array_equal(observation[0, :4], 0)
    assert info["_target"].tolist() == [True, False, False]
    assert info["target"][0].any()
    assert not info["target"][1:].any()
    observation, _, terminated, *_ = envs.step(actions)
    assert terminated.tolist() == [False, True, False]
    trials = trials_to((0.0, 0.9), (0.1, 0.9), (0.2, 0.9))
    given = {"reset_mask": np.array([False, True, False]), "trials": trials}
    _, info = envs.reset(options=given)
    np.testing.assert_allclose(info["target"], [[0, 0], [0.1, 0.9], [0, 0]])
    *_, info = envs.step(np.stack([DRIVE] * 3))
    np.testing.assert_allclose(info["target"][1:], [[0.1, 0.9], [0.2, 0.5]])


def test_nothing_returned_or_given_is_shared():
    envs, twin = (make_vec(3, autoreset_mode="Disabled") for _ in range(2))
    clean = record(twin, random_actions(5, 3), seed=3)
    observation, info = envs.reset(seed=3)
    for action in random_actions(5, 3):
        for x in (observation, *info.values()):
            x[:] = 0
        observation, _, terminated, truncated, info = envs.step(action)
        action[:] = 0
        terminated[:], truncated[:] = True, True
    mask = {"reset_mask": np.array([True, False, False])}
    np.testing.assert_array_equal(observation, clean["observation"][5])
    np.testing.assert_array_equal(envs.reset(options=mask)[0][1:], clean["observation"][5, 1:])
    np.testing.assert_array_equal(info["state"], clean["state"][5])


def test_gymnasium_wrappers_work():
    envs = RecordEpisodeStatistics(make_vec(4, autoreset_mode="NextStep"))
    envs.reset(seed=0)
    for action in random_actions(100, 4):
        envs.step(action)
    assert 35 >= max(envs.length_queue) > min(envs.length_queue) > 0


def centre(picture, color):
    """Mean position of the pixels of a colour, in cm."""
    rows, columns = np.nonzero((picture == color).all(axis=-1))
    cm = 2 * (400 + 65) / 400
    return (columns.mean() + 0.5) * cm - 465, (399.5 - rows.mean()) * cm - 465 / 2


def test_pictures():
    env = gymnasium.make(ENV_ID, task=QUIET, render_mode="rgb_array")
    env.reset(options={"trials": trials_to((-0.3, 0.7))})
    before = env.render()
    assert before.shape == (400, 400, 3)
    assert before.dtype == np.uint8
    assert (before == 255).all(axis=-1).mean() > 0.5
    zone, agent = (152, 251, 152), (65, 105, 225)  # pale green, royal blue
    target = np.array([-0.3, 0.7]) * UNIT_CM
    np.testing.assert_allclose(centre(before, zone), target, atol=4)
    np.testing.assert_allclose(centre(before, agent), (0, 7), atol=4)  # with its nose ahead
    for _ in range(11):
        env.step(DRIVE)
    after = env.render()
    np.testing.assert_allclose(centre(after, zone), target, atol=4)
    np.testing.assert_allclose(centre(after, agent), (0, 187), atol=4)
    black = (0, 0, 0)
    assert not (before == black).all(axis=-1).any()
    np.testing.assert_allclose(centre(after, black), (0, 80), atol=4)  # the agent hides the rest
    env.reset()
    for _ in range(11):
        env.step(np.float32([0, -1]))  # to the right by 90 deg in 10 steps
    np.testing.assert_allclose(centre(env.render(), agent), (7, 0), atol=4)
    assert gymnasium.make(ENV_ID).unwrapped.render() is None


def test_pictures_of_a_batch():
    envs = make_vec(2, task=QUIET, render_mode="rgb_array")
    envs.reset(options={"trials": trials_to((-0.3, 0.7), (0.3, 0.7))})
    left, right = envs.render()
    assert centre(left, (152, 251, 152))[0] == pytest.approx(-120, abs=4)
    assert centre(right, (152, 251, 152))[0] == pytest.approx(120, abs=4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"task": {"gian": 2}}, TypeError, "gian"),
        ({"task": "gain"}, TypeError, r"task is 'gain'; it must be modnav\.task\.TaskParameters"),
        ({"task": {"gain": -1}}, ValueError, r"task\.gain is -1; it must be above 0"),
        ({"render_mode": "ascii"}, ValueError, "render_mode is 'ascii'"),
        ({"num_envs": 0}, ValueError, "num_envs is 0"),
        ({"num_envs": 2.5}, ValueError, r"num_envs is 2\.5; it must be a whole number"),
        ({"autoreset_mode": "Sometimes"}, ValueError, "Sometimes"),
        ({"max_episode_steps": 0}, ValueError, "max_steps is 0"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        FireflyVectorEnv(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trial": 1}, "unknown options.*'trial'"),
        ({"trials": [1, 2]}, "must be modnav.task.Trials, 2 in all"),
        ({"trials": trials_to((0.0, 0.5))}, "must be modnav.task.Trials, 2 in all"),
        ({"trials": trials_to((0.0, 0.5), (0.0, 1.5))}, "leave the observation space"),
        ({"trials": trials_to((0.0, 0.5), (0.0, 0.5), gain=3.0)}, "leave the observation space"),
        ({"trials": trials_to((0.0, 0.5), (0.0, float("nan")))}, "leave the observation space"),
        ({"reset_mask": np.array([True])}, "must be 2 booleans"),
        ({"reset_mask": np.array([1, 0])}, "must be 2 booleans"),
        ({"reset_mask": np.array([False, False])}, "not all of them false"),
    ],
)
def test_wrong_reset_options(options, message):
    envs = make_vec(2, task=QUIET)
    with pytest.raises(ValueError, match=message):
        envs.reset(options=options)


@pytest.mark.parametrize(
    "action",
    [[0.5], [0.5, 0.5, 0.5], [[0.5, 0.5]], 0.5, [0.5, 1.1], [0.5, float("nan")], ["0.5", "0"],
     "go", None, [True, False], [0.5, [0.1]]],
)  # fmt: skip
def test_wrong_actions(action):
    env, envs = FireflyEnv(), make_vec(2)
    env.reset(seed=0)
    envs.reset(seed=0)
    for either, given in ((env, action), (envs, [action, action])):
        with pytest.raises(InvalidAction, match=r"in \[-1, 1\]|array of numbers"):
            either.step(given)


def test_actions_may_be_any_array_of_numbers():
    given = [0.5, -0.25]
    kinds = (given, tuple(given), np.array(given), torch.tensor(given, requires_grad=True))
    found = []
    for action in kinds:
        env = FireflyEnv()
        env.reset(seed=0)
        found.append(env.step(action)[0])
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)
    envs = make_vec(2)
    envs.reset(seed=0)
    envs.step(torch.zeros(2, 2, dtype=torch.float64, requires_grad=True))


def test_no_step_before_reset_or_after_the_end():
    env = FireflyEnv()
    for either, action in ((env, DRIVE), (make_vec(2), [DRIVE, DRIVE])):
        with pytest.raises(ResetNeeded, match="call reset"):
            either.step(action)
    record(env, [DRIVE, STOP], seed=0)
    with pytest.raises(ResetNeeded, match="call reset"):
        env.step(DRIVE)


def test_registered_by_name_and_only_on_demand():
    code = (
        "import sys, modnav, modnav.task.world; assert 'gymnasium' not in sys.modules;"
        "import gymnasium; env = gymnasium.make('modnav.gym:modnav/Firefly-v0', task={'gain': 2});"
        "assert env.reset(seed=0)[1]['gain'] == 2; assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_wrappers_find_when_trials_begin_anew(mode):
    env = gymnasium.make_vec(ENV_ID, num_envs=2, autoreset_mode=mode)
    assert env.unwrapped.autoreset_mode is env.metadata["autoreset_mode"] is mode
