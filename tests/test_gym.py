"""The Gymnasium environments: their spaces, episodes and randomness."""

import gymnasium
import numpy as np
import pytest
import torch
from gym_episodes import (
    DRIVE,
    QUIET,
    STOP,
    WIDE,
    assert_same,
    make_vec,
    only,
    random_actions,
    record,
    trials_to,
)
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from modnav.acting import Noise, rollout
from modnav.gym import ENV_ID, FireflyEnv
from modnav.task import TaskParameters, make_trials, sample_trials

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("kind", ["gain", "perturbation"])
def test_check_env_finds_nothing(kind):
    task = {"name": kind, "gain": [1.0, 2.0], "process_noise": [0.0, 0.3]}
    check_env(gymnasium.make(ENV_ID, task=task, render_mode="rgb_array").unwrapped)
    check_env(FireflyEnv(TaskParameters(**task)), skip_render_check=True)


def test_passive_checker_finds_nothing_over_episodes():
    env = gymnasium.make(ENV_ID)
    assert "PassiveEnvChecker" in str(env)
    ends = np.zeros(2)
    env.reset(seed=0)
    for action in random_actions(400, 1)[:, 0]:
        _, _, *end, _ = env.step(action)
        if any(end):
            env.reset()
        ends += end
    assert (ends >= 2).all()


@pytest.mark.parametrize(
    "task",
    [
        {"name": "perturbation", "gain": (1.0, 2.0), **QUIET},
        {"process_noise": (0.0, 0.5), "observation_noise": 0.5},
    ],
)
def test_observations_stay_in_their_space(task):
    envs = make_vec(256, task=task)
    log = record(envs, np.sign(random_actions(70, 256)), seed=0)
    assert all(envs.observation_space.contains(x) for x in log["observation"])


def test_observation_space_is_that_of_the_task():
    high = make_vec(1, task=QUIET).single_observation_space.high
    np.testing.assert_allclose(high, [0.505, 0.505 * np.pi, 1, 1, 1.01, 1.01], rtol=1e-6)


@pytest.mark.parametrize("mode", AutoresetMode)
def test_batch_of_one_equals_single(mode):
    task = {"name": "perturbation", "gain": (1.0, 2.0)}
    single = SyncVectorEnv([lambda: FireflyEnv(task)], autoreset_mode=mode)
    batch = make_vec(1, task=task, autoreset_mode=mode)
    assert batch.metadata["autoreset_mode"] is mode
    assert single.single_observation_space == batch.single_observation_space
    assert data_equivalence(single.reset(seed=5), batch.reset(seed=5), exact=True)
    ends = np.zeros(2)
    for action in random_actions(400, 1):
        expected, found = single.step(action), batch.step(action)
        assert data_equivalence(expected, found, exact=True)
        end = np.concatenate(found[2:4])
        ends += end
        if mode is AutoresetMode.DISABLED and end.any():
            mask = np.array([True])
            expected = single.reset(options={"reset_mask": mask})
            assert data_equivalence(
                expected, batch.reset(options={"reset_mask": mask}), exact=True
            )
    assert (ends >= 2).all()


@pytest.mark.parametrize("batched", [False, True])
def test_reference_rollouts(golden, batched):
    rows = [row for row in golden["rollouts"] if row["noise"] == "zero"]
    target, gain = (torch.tensor([row[key] for row in rows]) for key in ("target", "gain"))
    peak = torch.tensor([row["perturbation_peak"] or [0.0, 0.0] for row in rows])
    onset = torch.tensor([row["perturbation_start"] or 0 for row in rows])
    trials = make_trials(WIDE, target, gain, 0 * gain, 0 * gain, peak, onset)
    # They go on after the stop at step 20, an episode does not.
    actions = np.float32([row["actions"][:21] for row in rows])
    if batched:
        envs = make_vec(len(rows), task=WIDE)
        together = record(envs, actions.swapaxes(0, 1), options={"trials": trials})
        logs = [{key: x[:, k] for key, x in together.items()} for k in range(len(rows))]
    else:
        env = gymnasium.make(ENV_ID, task=WIDE)
        logs = [
            record(env, own, options={"trials": only(trials, k)}) for k, own in enumerate(actions)
        ]
    assert len(logs) == 4
    for log, row in zip(logs, rows, strict=True):
        close = {"rtol": 1e-5, "atol": 2e-6}
        np.testing.assert_allclose(log["observation"], row["obs"][:22], **close)
        np.testing.assert_allclose(log["state"], row["state"][:22], **close)
        np.testing.assert_allclose(log["distance"][1:], row["distance"][:21], **close)
        assert log["reached"][1:].tolist() == row["reached"][:21]
        assert not log["reward"][:20].any()
        np.testing.assert_allclose(log["reward"][20], row["reward_if_stopped"][20], **close)
        assert log["terminated"].tolist() == [False] * 20 + [True]
        assert not log["truncated"].any()


def test_episodes_are_rollouts(generator):
    plan = torch.from_numpy(random_actions(35, 64))

    def policy(inputs, t):
        t = t or 0
        steered = (plan[t] + 0.1 * inputs["observation"][:, :2]).clamp(-1, 1)
        return torch.where((plan[t].abs() < 0.1).all(dim=1)[:, None], 0.0, steered), t + 1

    trials = sample_trials(WIDE, 64, generator)
    quiet = Noise(torch.zeros(35, 64, 2), torch.zeros(35, 64, 2))
    expected = rollout(policy, {"observation"}, trials, quiet, WIDE)
    assert 5 < int(expected.terminated.sum()) < 59
    envs, memory = make_vec(64, task=WIDE), None
    observation, _ = envs.reset(options={"trials": trials})
    for t in range(len(expected.action)):
        under_way = (expected.steps > t).numpy()
        np.testing.assert_array_equal(
            observation[under_way], expected.inputs["observation"][t][under_way]
        )
        action, memory = policy({"observation": torch.from_numpy(observation)}, memory)
        observation, reward, terminated, truncated, info = envs.step(action.numpy())
        np.testing.assert_array_equal(reward[under_way], expected.reward[t][under_way])
        np.testing.assert_array_equal(info["state"][under_way], expected.state[t + 1][under_way])
        last = (expected.steps == t + 1).numpy()
        np.testing.assert_array_equal((terminated | truncated)[under_way], last[under_way])
        for found, key in ((terminated, "terminated"), (info["rewarded"], "rewarded")):
            np.testing.assert_array_equal(found[last], getattr(expected, key)[last])
        np.testing.assert_array_equal(np.float32(info["distance"][last]), expected.distance[last])


def test_noise_has_the_scale_of_the_gain():
    envs = make_vec(4000, task={"gain": 2.0, "process_noise": 0.2, "observation_noise": 0.1})
    log = record(envs, np.tile(np.float32([0.5, -0.5]), (3, 4000, 1)), seed=0)
    full = 2 * np.array(TaskParameters().default_joystick_gain)
    process = (log["state"][1:, :, 3:] - [0.5, -0.5] * full) / full
    observation = (log["observation"][1:, :, :2] - log["state"][1:, :, 3:]) / full
    draws = np.concatenate((process / 0.2, observation / 0.1), axis=-1)
    draws = draws.swapaxes(0, 1).reshape(4000, 12)  # 3 steps x 4 kinds
    np.testing.assert_allclose(draws.mean(axis=0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(draws.T), np.eye(12), atol=0.08)


def test_stop_terminates_and_time_out_truncates():
    env = gymnasium.make(ENV_ID, task=QUIET)
    ahead = {"options": {"trials": trials_to((0.0, 0.7))}}
    idle = record(env, [STOP] * 35, **ahead)
    assert idle["truncated"].tolist() == [False] * 34 + [True]
    assert not idle["terminated"].any()
    assert not idle["reward"].any()
    # 0.045 unit each step from the second on; the stop is judged before its own motion.
    there = record(env, [DRIVE] * 16 + [STOP], **ahead)
    assert there["terminated"].tolist() == [False] * 16 + [True]
    assert there["reward"].tolist() == [0.0] * 16 + [10.0]
    assert there["distance"][-1] == pytest.approx(0.7 - 15 * 0.045, abs=1e-6)
    assert there["reached"][-1]
    assert there["rewarded"].tolist() == [False] * 17 + [True]
    missed = record(env, [DRIVE] * 5 + [STOP], **ahead)
    assert missed["terminated"][-1]
    assert not missed["rewarded"][-1]
    assert missed["reward"][-1] == pytest.approx(0.01)  # a tenth of a percent of 10
    near = FireflyEnv({**QUIET, "reward_zone_radius_cm": 300.0})
    unstarted = record(near, [STOP] * 2, **ahead)
    assert unstarted["reached"][1:].all()
    assert not unstarted["rewarded"].any()
    late = record(env, [DRIVE] * 34 + [STOP], **ahead)
    assert late["terminated"][-1]
    assert not late["truncated"].any()


@pytest.mark.parametrize(
    "make", [lambda **k: gymnasium.make(ENV_ID, **k), lambda **k: make_vec(1, **k)]
)
def test_shorter_episodes(make):
    env = make(max_episode_steps=5)
    log = record(env, np.zeros((5, *env.action_space.shape), dtype=np.float32), seed=0)
    assert log["truncated"].ravel().tolist() == [False] * 4 + [True]


@pytest.mark.parametrize(
    "make", [lambda **k: gymnasium.make(ENV_ID, **k), lambda **k: make_vec(3, **k)]
)
def test_seed_decides_everything(make):
    env, other = make(task={"gain": (1.0, 2.0)}), make(task={"gain": (1.0, 2.0)})
    actions = np.full((4, *env.action_space.shape), 0.5, dtype=np.float32)
    first, second = record(env, actions, seed=7), record(env, actions)
    assert_same(record(other, actions, seed=7), first)
    assert_same(record(other, actions), second)
    different = record(other, actions, seed=8)
    for key in ("target", "gain"):
        assert len({log[key][0].tobytes() for log in (first, second, different)}) == 3
    noise = {log["state"][4, ..., 3].tobytes() for log in (first, second, different)}
    assert len(noise) == 3


@pytest.mark.parametrize("num_envs", [1, 3])
def test_a_seed_gives_the_same_trials_where_tensors_are_double(num_envs, request):
    actions = np.full((40, num_envs, 2), 0.5, dtype=np.float32)
    task = {"name": "perturbation", "gain": (1.0, 2.0)}
    expected = record(make_vec(num_envs, task=task), actions, seed=7)
    request.addfinalizer(lambda: torch.set_default_dtype(torch.float32))
    torch.set_default_dtype(torch.float64)
    env = make_vec(num_envs, task=task)  # Gymnasium warns of bounds that are not float32
    assert_same(record(env, actions, seed=7), expected)


def test_unseeded_episodes_differ_and_can_be_repeated():
    env, other = gymnasium.make(ENV_ID), gymnasium.make(ENV_ID)
    log = record(env, [DRIVE] * 3)
    assert not np.array_equal(log["target"], other.reset()[1]["target"])
    seed = env.unwrapped.np_random_seed
    assert_same(record(other, [DRIVE] * 3, seed=seed), log)


def test_each_role_has_its_own_generator():
    usual, noisy = make_vec(5), make_vec(5, task={"process_noise": 0.3})
    a = record(usual, random_actions(3, 5), seed=1)
    b = record(noisy, random_actions(3, 5), seed=1)
    np.testing.assert_array_equal(a["target"], b["target"])
    sensed = [log["observation"][..., :2] - log["state"][..., 3:] for log in (a, b)]
    np.testing.assert_allclose(*sensed, atol=1e-6)
    assert not np.array_equal(a["state"], b["state"])
    still = {"name": "perturbation", "peak_linear_cm_s": 0.0, "peak_angular_deg_s": 0.0}
    assert_same(record(make_vec(5, task=still), random_actions(3, 5), seed=1), a)
    # What comes next does not depend on how long an episode was, or on given trials.
    env = gymnasium.make(ENV_ID)
    record(env, [DRIVE] * 2, seed=2)
    after_short, _ = env.reset()
    record(env, [DRIVE] * 9, seed=2, options={"trials": trials_to((0.0, 0.5))})
    np.testing.assert_array_equal(env.reset()[0], after_short)
