import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from modnav.acting import Noise, rollout
from modnav.gym import ENV_ID, FireflyEnv, FireflyVectorEnv
from modnav.task import UNIT_CM, TaskParameters, Trials, make_trials, sample_trials

pytestmark = pytest.mark.filterwarnings("error")

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
        ({"task": {"gain": -1}}, ValueError, r"task\.gain is -1; it must be above 0"),
        ({"render_mode": "ascii"}, ValueError, "render_mode is 'ascii'"),
        ({"num_envs": 0}, ValueError, "num_envs is 0"),
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
    "action", [[0.5], [0.5, 0.5, 0.5], [[0.5, 0.5]], 0.5, [0.5, 1.1], [0.5, float("nan")]]
)
def test_wrong_actions(action):
    env, envs = FireflyEnv(), make_vec(2)
    env.reset(seed=0)
    envs.reset(seed=0)
    for either, given in ((env, action), (envs, [action, action])):
        with pytest.raises(InvalidAction, match=r"in \[-1, 1\]"):
            either.step(given)


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
