import math

import pytest
import torch

from modnav.task import (
    KalmanStream,
    TaskParameters,
    advance,
    begin,
    kalman,
    make_trials,
    mirror_action,
    move,
    sample_trials,
)

PERTURBED = TaskParameters(name="perturbation")


def filtered(task, trials, actions, process, observation, stream=None):
    """Return the filter's features ``(T + 1, B, 13)`` and the observations ``(T, B, 2)``."""
    stream = stream or KalmanStream()
    world, sensation = begin(trials)
    features, state = stream.start(trials, sensation)
    features, observed = [features], []
    for action, *noise in zip(actions, process, observation, strict=True):
        world, sensation, _ = advance(task, trials, world, action, action, *noise)
        x, state = stream.step(trials, sensation, state, task)
        features.append(x)
        observed.append(sensation.velocity)
    return torch.stack(features), torch.stack(observed)


@pytest.mark.parametrize("case", ["ekf", "ekf_perturbed"])
def test_filter_is_the_published_one(golden, formula_noise, case):
    entry = golden[case]
    one = torch.ones(1)
    peak = torch.tensor([entry.get("perturbation_peak", (0.0, 0.0))])
    trials = make_trials(
        PERTURBED,
        torch.tensor([entry["target"]]),
        entry["gain"] * one,
        entry["process_noise"] * one,
        entry["observation_noise"] * one,
        peak,
        torch.tensor([entry.get("perturbation_start", 0)]),
    )
    actions = torch.tensor(entry["actions"])[:, None]
    noise = formula_noise(len(actions))
    features, observed = filtered(PERTURBED, trials, actions, *noise)
    close = torch.testing.assert_close
    close(observed[:, 0], torch.tensor(entry["observations"]), rtol=1e-6, atol=5e-7)
    expected = torch.tensor(entry["belief_state"])
    close(features[:, 0, :5], expected[:, :5], rtol=1e-6, atol=1e-6)
    close(features[:, 0, 5:], expected[:, 5:], rtol=1e-5, atol=1e-9)


def test_the_filter_starts_at_the_true_state():
    target = torch.tensor([[0.3, 0.7], [-0.2, 0.5]])
    features = kalman.features(kalman.start(target))
    assert features.shape == (2, kalman.FEATURES)
    torch.testing.assert_close(features[:, :2], -target)
    assert (features[:, 2] == math.pi / 2).all()
    assert not features[:, 3:5].any()
    variances = torch.tensor([1e-8, 0, 0, 1e-8, 0, 1e-8, 1e-8, 1e-8])
    torch.testing.assert_close(features[:, 5:], variances.expand(2, 8), rtol=1e-6, atol=0)


def test_the_filter_equals_a_textbook_filter(generator):
    """The textbook form: 5 x 5 matrices, in double precision, with a matrix inverse."""
    trials = sample_trials(PERTURBED, 1, generator)
    trials = type(trials)(*(x.double() if x.is_floating_point() else x for x in trials))
    world, sensation = begin(trials)
    belief = kalman.start(trials.target)
    mean = belief.mean[0]
    covariance = 1e-8 * torch.eye(5, dtype=torch.float64)
    observe = torch.eye(5, dtype=torch.float64)[3:]
    process = torch.diag(torch.cat((torch.zeros(3), trials.process_noise_std[0] ** 2)))
    noise = torch.diag(trials.observation_noise_std[0] ** 2)
    for _ in range(20):
        action = torch.rand(1, 2, generator=generator).double() * 2 - 1
        draws = torch.randn(2, 1, 2, generator=generator).double()
        world, sensation, _ = advance(PERTURBED, trials, world, action, action, *draws)
        velocity = trials.joystick_gain * action + sensation.perturbation
        belief = kalman.step(
            belief,
            velocity,
            sensation.velocity,
            trials.process_noise_std,
            trials.observation_noise_std,
            PERTURBED.dt,
        )

        def motion(m, velocity=velocity):
            return move(m[None], velocity, PERTURBED.dt)[0]

        jacobian = torch.autograd.functional.jacobian(motion, mean)
        mean = motion(mean)
        covariance = jacobian @ covariance @ jacobian.T + process
        gain = covariance @ observe.T @ (observe @ covariance @ observe.T + noise).inverse()
        mean = mean + gain @ (sensation.velocity[0] - observe @ mean)
        covariance = (torch.eye(5) - gain @ observe) @ covariance
        torch.testing.assert_close(belief.mean[0], mean)
        torch.testing.assert_close(belief.pose_covariance[0], covariance[:3, :3])
        torch.testing.assert_close(belief.velocity_variance[0], covariance.diag()[3:])


@pytest.mark.parametrize("levels", [(0.2, 0.1), (0.0, 0.0), (0.3, 0.0)])
def test_mirrored_inputs_are_the_filter_of_the_mirrored_trial(generator, levels):
    task = TaskParameters(
        name="perturbation", gain=(1.0, 2.0), process_noise=levels[0], observation_noise=levels[1]
    )
    trials = sample_trials(task, 8, generator)
    actions = 2 * torch.rand(20, 8, 2, generator=generator) - 1
    process, observation = torch.randn(2, 20, 8, 2, generator=generator)
    features, _ = filtered(task, trials, actions, process, observation)
    image = trials._replace(
        target=trials.target * torch.tensor([-1.0, 1.0]), peak=mirror_action(trials.peak)
    )
    mirrored, _ = filtered(
        task,
        image,
        mirror_action(actions),
        mirror_action(process),
        mirror_action(observation),
    )
    assert not torch.allclose(features, mirrored, atol=0.05)
    torch.testing.assert_close(KalmanStream().mirror(features), mirrored, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("process_noise", [0.0, 0.2])
def test_without_observation_noise_the_filter_follows_the_observation(generator, process_noise):
    task = TaskParameters(process_noise=process_noise, observation_noise=0.0)
    trials = sample_trials(task, 5, generator)
    actions = 2 * torch.rand(35, 5, 2, generator=generator) - 1
    noise = torch.randn(2, 35, 5, 2, generator=generator)
    features, observed = filtered(task, trials, actions, *noise)
    assert features.isfinite().all()
    torch.testing.assert_close(features[1:, :, 3:5], observed, rtol=1e-6, atol=1e-6)


def test_without_any_noise_the_filter_knows_the_state(generator):
    task = TaskParameters(process_noise=0.0, observation_noise=0.0)
    trials = sample_trials(task, 5, generator)
    actions = 2 * torch.rand(35, 5, 2, generator=generator) - 1
    zero = torch.zeros(35, 5, 2)
    features, _ = filtered(task, trials, actions, zero, zero)
    world, _ = begin(trials)
    for action in actions:
        world, _, _ = advance(task, trials, world, action, action, zero[0], zero[0])
    relative = torch.cat((world.state[:, :2] - trials.target, world.state[:, 2:]), dim=-1)
    torch.testing.assert_close(features[-1, :, :5], relative, rtol=1e-5, atol=1e-5)
    assert (features[-1, :, 5:].abs() < 1e-6).all()


def test_without_process_noise_the_filter_ignores_the_observation(generator):
    task = TaskParameters(process_noise=0.0, observation_noise=0.3)
    trials = sample_trials(task, 5, generator)
    actions = 2 * torch.rand(10, 5, 2, generator=generator) - 1
    noise = torch.randn(2, 10, 5, 2, generator=generator)
    features, _ = filtered(task, trials, actions, *noise)
    torch.testing.assert_close(features[1:, :, 3:5], trials.joystick_gain * actions)


def test_position_is_believed_less_with_time(generator):
    task = TaskParameters()
    trials = sample_trials(task, 5, generator)
    actions = torch.ones(20, 5, 2) * 0.5
    noise = torch.randn(2, 20, 5, 2, generator=generator)
    features, _ = filtered(task, trials, actions, *noise)
    spread = features[..., 5] + features[..., 8]
    assert (spread[2:] > spread[1:-1]).all()


def test_the_filter_may_assume_other_noise_than_the_trial_has(generator):
    quiet = TaskParameters(process_noise=0.0, observation_noise=0.0)
    usual = TaskParameters(process_noise=0.2, observation_noise=0.1, gain=2.0)
    trials = sample_trials(quiet, 3, generator)._replace(gain=torch.full((3,), 2.0))
    trials = make_trials(usual, trials.target, trials.gain, *torch.zeros(2, 3))
    assumed = make_trials(usual, trials.target, trials.gain, *torch.tensor([[0.2] * 3, [0.1] * 3]))
    actions = 2 * torch.rand(10, 3, 2, generator=generator) - 1
    noise = torch.zeros(2, 10, 3, 2)
    given, _ = filtered(quiet, trials, actions, *noise, KalmanStream(0.2, 0.1))
    expected, _ = filtered(quiet, assumed, actions, *noise)
    torch.testing.assert_close(given, expected)
    own, _ = filtered(quiet, trials, actions, *noise)
    assert not torch.allclose(own[1:, :, 5:], given[1:, :, 5:])
