import math

import pytest
import torch

from modnav.task import (
    STREAMS,
    KalmanStream,
    ObservationStream,
    TaskParameters,
    advance,
    begin,
    mirror_action,
    sample_trials,
)

TASK = TaskParameters()


def test_mirror_images_are_the_published_ones(golden):
    entry = {name: torch.tensor(x) for name, x in golden["mirror"].items()}
    close = torch.testing.assert_close
    close(ObservationStream().mirror(entry["state"]), entry["mirrored_state"], rtol=0, atol=0)
    close(mirror_action(entry["action"]), entry["mirrored_action"], rtol=0, atol=0)
    mirrored = KalmanStream().mirror(entry["ekf_state"])
    close(mirrored, entry["mirrored_ekf_state"], rtol=0, atol=3e-7)


@pytest.mark.parametrize("name", list(STREAMS))
def test_mirroring_twice_gives_the_inputs_back(name, generator):
    stream = STREAMS[name]()
    x = torch.randn(4, 3, stream.features, generator=generator)
    kept = x.clone()
    torch.testing.assert_close(stream.mirror(stream.mirror(x)), x)
    assert torch.equal(x, kept)
    assert not torch.equal(stream.mirror(x), x)


@pytest.mark.parametrize("name", list(STREAMS))
def test_a_stream_gives_as_many_numbers_as_it_says(name, generator):
    stream = STREAMS[name]()
    trials = sample_trials(TASK, 3, generator)
    world, sensation = begin(trials)
    x, state = stream.start(trials, sensation)
    assert x.shape == (3, stream.features)
    assert len(stream.mirrored) == stream.features
    action = torch.zeros(3, 2)
    _, sensation, _ = advance(TASK, trials, world, action, action, action, action)
    x, _ = stream.step(trials, sensation, state, TASK)
    assert x.shape == (3, stream.features)


def test_observations_are_velocity_action_and_target(generator):
    trials = sample_trials(TASK, 3, generator)
    world, sensation = begin(trials)
    stream = ObservationStream()
    first, state = stream.start(trials, sensation)
    torch.testing.assert_close(first, torch.cat((torch.zeros(3, 4), trials.target), dim=-1))
    action = torch.tensor([[0.3, -0.4]]).expand(3, 2)
    noise = torch.randn(2, 3, 2, generator=generator)
    world, sensation, _ = advance(TASK, trials, world, action, action, *noise)
    x, _ = stream.step(trials, sensation, state, TASK)
    observed = world.state[:, 3:] + trials.observation_noise_std * noise[1]
    torch.testing.assert_close(x, torch.cat((observed, action, trials.target), dim=-1))


def test_the_mirror_image_of_an_observation_is_what_the_mirrored_trial_shows(generator):
    trials = sample_trials(TASK, 3, generator)
    image = trials._replace(target=trials.target * torch.tensor([-1.0, 1.0]))
    actions = 2 * torch.rand(6, 3, 2, generator=generator) - 1
    noise = torch.randn(6, 2, 3, 2, generator=generator)
    stream = ObservationStream()

    def observed(trials, actions, noise):
        world, sensation = begin(trials)
        xs = [stream.start(trials, sensation)[0]]
        for action, draws in zip(actions, noise, strict=True):
            world, sensation, _ = advance(TASK, trials, world, action, action, *draws)
            xs.append(stream.step(trials, sensation, None, TASK)[0])
        return torch.stack(xs)

    mirrored = observed(image, mirror_action(actions), mirror_action(noise))
    torch.testing.assert_close(stream.mirror(observed(trials, actions, noise)), mirrored)


def test_heading_is_mirrored_about_straight_ahead():
    x = torch.zeros(13)
    x[2] = math.pi / 2 + 0.3
    assert float(KalmanStream().mirror(x)[2]) == pytest.approx(math.pi / 2 - 0.3)
