import math
from collections.abc import Iterator

import pytest
import torch

from modnav.task import (
    PULSE_STEPS,
    UNIT_CM,
    TaskParameters,
    advance,
    begin,
    is_moving,
    is_stop,
    make_trials,
    perturbation_at,
    reward_at,
    sample_trials,
)

TASK = TaskParameters()
STILL, SLOW, GO = (0.0, 0.0), (0.05, -0.09), (0.5, 0.0)


def one_trial(task=TASK, target=(0.0, 0.1), gain=1.0, noise=0.0, **perturbation):
    one = torch.ones(1)
    return make_trials(
        task, torch.tensor([target]), gain * one, noise * one, noise * one, **perturbation
    )


def run(actions, task=TASK, trials=None, greedy=None) -> Iterator:
    """Yield world, sensation and outcome after each action, without noise."""
    trials = one_trial(task) if trials is None else trials
    world, _ = begin(trials)
    zero = torch.zeros(1, 2)
    for action, raw in zip(actions, greedy or actions, strict=True):
        step = advance(
            task, trials, world, torch.tensor([action]), torch.tensor([raw]), zero, zero
        )
        world = step[0]
        yield step


@pytest.mark.parametrize("case", range(8))
def test_rollouts_are_the_published_ones(golden, formula_noise, case):
    entry = golden["rollouts"][case]
    perturbed = entry["task"] == "perturb"
    task = TaskParameters(name="perturbation" if perturbed else "gain")
    one = torch.ones(1)
    trials = make_trials(
        task,
        torch.tensor([entry["target"]]),
        entry["gain"] * one,
        entry["process_noise"] * one,
        entry["observation_noise"] * one,
        torch.tensor([entry["perturbation_peak"]]) if perturbed else None,
        torch.tensor([entry["perturbation_start"]]) if perturbed else None,
    )
    actions = torch.tensor(entry["actions"])[:, None]
    process, observation = formula_noise(len(actions))
    scale = float(entry["noise"] == "formula")
    world, sensation = begin(trials)
    states, observations = [world.state], [torch.cat(sensation[:3], dim=-1)]
    distances, rewards = [], []
    for t, action in enumerate(actions):
        distances.append((world.state[:, :2] - trials.target).norm(dim=-1))
        rewards.append(reward_at(distances[-1], task))
        world, sensation, outcome = advance(
            task, trials, world, action, action, scale * process[t], scale * observation[t]
        )
        assert outcome.distance == distances[-1]
        assert bool(outcome.distance < task.reward_zone_radius) == entry["reached"][t]
        assert bool(is_stop(action, task.stop_threshold)) == entry["stopped"][t]
        states.append(world.state)
        observations.append(torch.cat(sensation[:3], dim=-1))
    for found, key in (
        (states, "state"),
        (observations, "obs"),
        (distances, "distance"),
        (rewards, "reward_if_stopped"),
    ):
        expected = torch.tensor(entry[key])
        torch.testing.assert_close(torch.cat(found), expected, rtol=3e-6, atol=2e-6)


@pytest.mark.parametrize("kind", ["mixed", "gauss", "const"])
def test_rewards_are_the_published_ones(golden, kind):
    entry = golden["rewards"]
    away = torch.tensor(entry["positions"]) - torch.tensor(entry["target"])
    reward = reward_at(away.norm(dim=-1), TaskParameters(reward=kind))
    torch.testing.assert_close(reward, torch.tensor(entry[kind]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "inside", "outside", "far"),
    [("mixed", 10.0, 10 * math.exp(-(1.5**2) / 2), 0.01), ("const", 10.0, 0.0, 0.0)],
)
def test_reward_at_the_edge_of_the_zone(kind, inside, outside, far):
    task = TaskParameters(reward=kind)
    radius = 65 / 400
    reward = reward_at(torch.tensor([radius - 1e-5, radius + 1e-5, 2.0]), task)
    torch.testing.assert_close(reward, torch.tensor([inside, outside, far]), rtol=1e-3, atol=0)


def test_reward_scale_multiplies_the_reward():
    distance = torch.linspace(0, 1, 20)
    one = reward_at(distance, TaskParameters(reward_scale=1.0))
    torch.testing.assert_close(reward_at(distance, TaskParameters(reward_scale=3.0)), 3 * one)


def test_a_stop_ends_a_trial_only_after_the_start():
    actions = (STILL, SLOW, GO, SLOW)
    terminated = [bool(outcome.terminated) for *_, outcome in run(actions)]
    assert terminated == [False, False, False, True]


@pytest.mark.parametrize("axis", [0, 1])
def test_one_component_beyond_the_threshold_starts_a_trial(axis):
    go = [0.0, 0.0]
    go[axis] = -0.2
    assert [bool(o.terminated) for *_, o in run((go, STILL))] == [False, True]


def test_a_component_at_the_threshold_neither_starts_nor_stops():
    edge = torch.tensor([[0.1, 0.1]])
    assert not is_stop(edge, 0.1)
    assert not is_moving(edge, 0.1)


def test_only_noise_free_actions_start_a_trial():
    started = [bool(w.started) for w, *_ in run((GO, STILL), greedy=(SLOW, SLOW))]
    assert started == [False, False]
    started = [bool(w.started) for w, *_ in run((SLOW, STILL), greedy=(GO, SLOW))]
    assert started == [True, True]


def test_a_started_trial_stays_started():
    *_, (world, _, _) = run((GO, SLOW, STILL, STILL))
    assert world.started


def test_a_trial_times_out_at_its_last_step():
    outcomes = [outcome for *_, outcome in run([GO] * 35)]
    assert [bool(o.truncated) for o in outcomes] == [False] * 34 + [True]
    assert not any(o.terminated or o.rewarded or o.reward for o in outcomes)


def test_a_stop_at_the_last_step_is_not_a_time_out():
    *_, (_, _, outcome) = run([GO] * 34 + [STILL])
    assert outcome.terminated
    assert not outcome.truncated


def test_reward_is_given_only_at_a_stop_after_the_start():
    near = one_trial(target=(0.0, 0.05))
    actions = (STILL, (0.0, 0.2), (0.0, 0.2), STILL)
    rewards = [float(outcome.reward) for *_, outcome in run(actions, trials=near)]
    assert rewards == [0, 0, 0, 10]


def test_time_out_gives_no_reward_even_in_the_zone():
    near = one_trial(target=(0.0, 0.05))
    outcomes = [outcome for *_, outcome in run([STILL] * 35, trials=near)]
    assert [float(o.reward) for o in outcomes] == [0] * 35
    assert outcomes[-1].truncated


def test_a_trial_is_rewarded_if_it_stands_in_the_zone():
    near, far = one_trial(target=(0.0, 0.05)), one_trial(target=(0.0, 0.8))
    spin = (0.0, 0.2)
    assert [bool(o.rewarded) for *_, o in run((spin, STILL), trials=near)] == [False, True]
    assert [bool(o.rewarded) for *_, o in run((spin, STILL), trials=far)] == [False, False]


def test_outcome_is_that_of_the_state_before_the_motion():
    steps = list(run((GO, GO, GO), trials=one_trial(target=(0.0, 0.5))))
    distances = torch.cat([outcome.distance for *_, outcome in steps])
    torch.testing.assert_close(distances, torch.tensor([0.5, 0.5, 0.475]))


def test_an_action_shows_in_velocity_then_in_position():
    states = [world.state[0] for world, *_ in run(((1.0, 1.0), STILL, STILL))]
    expected = torch.tensor(
        [
            [0.0, 0.0, math.pi / 2, 0.5, math.pi / 2],
            [0.0, 0.05, math.pi / 2 + 0.1 * math.pi / 2, 0.0, 0.0],
            [0.0, 0.05, math.pi / 2 + 0.1 * math.pi / 2, 0.0, 0.0],
        ]
    )
    torch.testing.assert_close(torch.stack(states), expected)


@pytest.mark.parametrize(
    ("options", "shown"),
    [({}, 4), ({"visible_steps": 1}, 1), ({"target_always_visible": True}, 11)],
)
def test_the_target_is_shown_in_the_first_inputs(options, shown):
    task = TaskParameters(**options)
    trials = one_trial(task, target=(0.1, 0.5))
    sensations = [begin(trials)[1]] + [s for _, s, _ in run([GO] * 10, task, trials)]
    visible = [bool((s.target == trials.target).all()) for s in sensations]
    assert visible == [True] * shown + [False] * (11 - shown)
    assert all((s.target == 0).all() for s in sensations[shown:])


def test_targets_are_uniform_in_area_and_angle(generator):
    trials = sample_trials(TASK, 20_000, generator)
    distance_cm = trials.target.norm(dim=-1) * UNIT_CM
    x, y = trials.target.unbind(-1)
    angle_deg = torch.rad2deg(torch.atan2(x, y))
    assert distance_cm.min() >= 100 - 1e-3
    assert distance_cm.max() <= 400 + 1e-3
    assert angle_deg.abs().max() <= 35 + 1e-3
    for value, lo, hi in ((distance_cm**2, 100.0**2, 400.0**2), (angle_deg, -35, 35)):
        uniform = ((value - lo) / (hi - lo)).sort().values
        gap = (uniform - torch.linspace(0, 1, len(uniform))).abs().max()
        assert gap < 1.63 / math.sqrt(len(uniform))  # Kolmogorov-Smirnov at 1 %
    assert abs(torch.corrcoef(torch.stack((distance_cm, angle_deg)))[0, 1]) < 0.03


def test_positive_angles_are_to_the_right(generator):
    trials = sample_trials(TaskParameters(target_angle_deg=(20.0, 20.0)), 4, generator)
    assert (trials.target[:, 0] > 0).all()


@pytest.mark.parametrize("excluded", [(1.4, 1.6), (0.5, 1.2), (1.9, 3.0)])
def test_an_excluded_gain_is_never_drawn_and_the_rest_is(generator, excluded):
    task = TaskParameters(gain=(1.0, 2.0), excluded_gain=excluded)
    gain = sample_trials(task, 5000, generator).gain
    assert not ((gain >= excluded[0]) & (gain <= excluded[1])).any()
    edges = torch.linspace(1, 2, 11)
    allowed = [
        (lo, hi)
        for lo, hi in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        if hi <= excluded[0] + 1e-6 or lo >= excluded[1] - 1e-6
    ]
    counts = torch.tensor([((gain >= lo) & (gain < hi)).sum().item() for lo, hi in allowed])
    assert counts.sum() == len(gain)
    assert (counts / counts.sum() * len(allowed)).sub(1).abs().max() < 0.25


def test_perturbation_peaks_are_excluded_for_each_component_alone(generator):
    task = TaskParameters(
        name="perturbation",
        excluded_peak_linear_cm_s=(-100.0, 100.0),
        excluded_peak_angular_deg_s=(0.0, 120.0),
    )
    trials = sample_trials(task, 5000, generator)
    linear = trials.peak[:, 0] * UNIT_CM
    angular = torch.rad2deg(trials.peak[:, 1])
    assert ((linear.abs() > 99.99) & (linear.abs() <= 200.01)).all()
    assert (linear > 0).float().mean().sub(0.5).abs() < 0.03
    assert ((angular >= -120.01) & (angular < 0)).all()
    assert abs(torch.corrcoef(trials.peak.T)[0, 1]) < 0.05


def test_onsets_take_every_allowed_step(generator):
    trials = sample_trials(TaskParameters(name="perturbation"), 3000, generator)
    assert trials.onset.unique().tolist() == list(range(11))
    task = TaskParameters(name="perturbation", onset_steps=(4, 5))
    assert sample_trials(task, 100, generator).onset.unique().tolist() == [4, 5]


@pytest.mark.parametrize("name", ["gain", "gain_control"])
def test_gain_tasks_have_no_perturbation(generator, name):
    trials = sample_trials(TaskParameters(name=name), 50, generator)
    assert not trials.peak.any()


@pytest.mark.parametrize("name", ["perturbation", "perturbation_control"])
def test_perturbation_tasks_have_one(generator, name):
    trials = sample_trials(TaskParameters(name=name), 50, generator)
    assert trials.peak.all()


def test_perturbation_is_a_gaussian_pulse_from_its_onset():
    peak = torch.tensor([[0.4, -1.1]])
    trials = one_trial(peak=peak, onset=torch.tensor([3]))
    pulse = torch.cat([perturbation_at(trials, torch.tensor([t])) for t in range(35)])
    expected = torch.zeros(35, 2)
    for k in range(11):
        expected[3 + k] = peak[0] * math.exp(-(((k - 5) / 2) ** 2) / 2)
    assert PULSE_STEPS == 11
    torch.testing.assert_close(pulse, expected)
    torch.testing.assert_close(pulse[8], peak[0])
    assert not pulse[:3].any()
    assert not pulse[14:].any()


def test_a_perturbation_adds_to_the_velocity_of_its_step():
    trials = one_trial(peak=torch.tensor([[0.4, -1.1]]), onset=torch.tensor([0]))
    for t, (world, sensation, _) in enumerate(run([GO] * 14, trials=trials)):
        added = perturbation_at(trials, torch.tensor([t]))
        commanded = torch.tensor([[0.25, 0.0]])
        torch.testing.assert_close(world.state[:, 3:], commanded + added)
        assert torch.equal(sensation.perturbation, added)


@pytest.mark.parametrize("gain", [1.0, 1.5, 4.0])
def test_noise_scales_with_the_gain(generator, gain):
    task = TaskParameters(gain=gain, process_noise=0.3, observation_noise=0.05)
    trials = sample_trials(task, 3, generator)
    joystick = gain * torch.tensor([0.5, math.pi / 2])
    torch.testing.assert_close(trials.joystick_gain, joystick.expand(3, 2))
    torch.testing.assert_close(trials.process_noise_std, 0.3 * trials.joystick_gain)
    torch.testing.assert_close(trials.observation_noise_std, 0.05 * trials.joystick_gain)


def test_noise_enters_velocity_and_observation():
    trials = one_trial(noise=0.2, gain=2.0)
    world, _ = begin(trials)
    ones, action = torch.ones(1, 2), torch.tensor([GO])
    world, sensation, _ = advance(TASK, trials, world, action, action, ones, -2 * ones)
    torch.testing.assert_close(world.state[:, 3:], torch.tensor([[0.5 + 0.2, 0.2 * math.pi]]))
    drift = sensation.velocity - world.state[:, 3:]
    torch.testing.assert_close(drift, -2 * torch.tensor([[0.2, 0.2 * math.pi]]))


def test_noise_levels_are_drawn_for_each_trial(generator):
    task = TaskParameters(process_noise=(0.1, 0.3), observation_noise=(0.0, 0.4))
    trials = sample_trials(task, 4000, generator)
    for std, lo, hi in (
        (trials.process_noise_std, 0.1, 0.3),
        (trials.observation_noise_std, 0.0, 0.4),
    ):
        level = std / trials.joystick_gain
        torch.testing.assert_close(level[:, 0], level[:, 1])
        assert level.min() >= lo - 1e-6
        assert level.max() <= hi + 1e-6
        assert level.min() < lo + 0.02
        assert level.max() > hi - 0.02
        assert abs(level.mean() - (lo + hi) / 2) < 0.01


def test_drawing_can_be_repeated():
    task = TaskParameters(name="perturbation", gain=(1.0, 2.0), excluded_gain=(1.2, 1.5))
    first, second = (
        sample_trials(task, 20, torch.Generator().manual_seed(seed)) for seed in (5, 5)
    )
    other = sample_trials(task, 20, torch.Generator().manual_seed(6))
    assert all(map(torch.equal, first, second))
    assert not torch.equal(first.target, other.target)


@pytest.mark.parametrize(
    ("key", "value", "shown", "rule"),
    [
        ("name", "walk", "walk", "one of gain, gain_control"),
        ("reward", "big", "big", "one of mixed, gauss, const"),
        ("gain", (2.0, 1.0), "[2.0, 1.0]", "a range whose low end is not above its high"),
        ("gain", (0.0, 1.0), "[0.0, 1.0]", "above 0"),
        ("gain", -1.0, "-1.0", "above 0"),
        ("gain", math.nan, "nan", "finite"),
        ("process_noise", (0.0, math.inf), "[0.0, inf]", "finite"),
        ("process_noise", -0.2, "-0.2", "0 or more"),
        ("observation_noise", (-0.1, 0.1), "[-0.1, 0.1]", "0 or more"),
        ("reward_scale", 0.0, "0.0", "above 0"),
        ("visible_steps", -1, "-1", "above 0"),
        ("linear_gain_cm_s", 0.0, "0.0", "above 0"),
        ("angular_gain_deg_s", -90.0, "-90.0", "above 0"),
        ("target_distance_cm", (400.0, 100.0), "[400.0, 100.0]", "a range"),
        ("target_distance_cm", (0.0, 100.0), "[0.0, 100.0]", "above 0"),
        ("target_angle_deg", (35.0, -35.0), "[35.0, -35.0]", "a range"),
        ("reward_zone_radius_cm", 0.0, "0.0", "above 0"),
        ("stop_threshold", 1.0, "1.0", "below 1"),
        ("stop_threshold", -0.1, "-0.1", "0 or more"),
        ("dt", 0.0, "0.0", "above 0"),
        ("max_steps", 0, "0", "above 0"),
        ("onset_steps", (-1, 3), "[-1, 3]", "0 or more"),
        ("excluded_gain", (0.5, 1.5), "[0.5, 1.5]", "less than all of [1.0, 1.0]"),
        ("excluded_peak_linear_cm_s", (-200.0, 200.0), "[-200.0, 200.0]", "less than all of"),
        ("excluded_peak_angular_deg_s", (-500.0, 500.0), "[-500.0, 500.0]", "less than all of"),
        ("excluded_peak_linear_cm_s", (5.0, -5.0), "[5.0, -5.0]", "a range"),
    ],
)
def test_a_bad_value_is_refused_by_key_value_and_rule(key, value, shown, rule):
    with pytest.raises(ValueError, match="task") as error:
        TaskParameters(**{key: value})
    assert f"task.{key} is {shown}; it must be {rule}" in str(error.value)


def test_a_range_of_three_values_is_refused_by_key():
    with pytest.raises(ValueError, match=r"task\.gain"):
        TaskParameters(gain=(1.0, 2.0, 3.0))


def test_units_of_the_parameters():
    assert TASK.default_joystick_gain == (0.5, math.pi / 2)
    assert TASK.reward_zone_radius == pytest.approx(65 / 400)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("target", (2,)),
        ("target", (3, 3)),
        ("gain", (2,)),
        ("gain", (1,)),
        ("process_noise", ()),
        ("observation_noise", (3, 1)),
        ("peak", (3,)),
        ("onset", (3, 2)),
    ],
)
def test_conditions_of_other_shapes_are_refused(name, shape):
    given = dict.fromkeys(("gain", "process_noise", "observation_noise"), torch.ones(3))
    given |= {"target": torch.ones(3, 2), "peak": torch.ones(3, 2), "onset": torch.ones(3)}
    make_trials(TaskParameters(), **given)
    with pytest.raises(ValueError, match=r"has shape .*; it must be \(B, ?2?\), with as many"):
        make_trials(TaskParameters(), **given | {name: torch.ones(shape)})
