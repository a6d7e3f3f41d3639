"""Nothing is fixed to the CPU: given tensors of another device, functions stay on it.

The device is torch's ``meta``, which every machine has; an operation that mixes it with the CPU
fails.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from modnav.acting import Finished, Segment
from modnav.learning import StepReplay, TrialReplay, td3
from modnav.networks import Agent, map_memory
from modnav.task import STREAMS, TaskParameters, Trials, World, advance, begin, sample_trials

META = torch.device("meta")
TRIALS, STEPS = 5, 4


def tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    return [x for part in value for x in tensors(part)] if isinstance(value, tuple) else []


def stays(value: Any) -> bool:
    found = tensors(value)
    return bool(found) and all(x.device == META for x in found)


def inputs(agent: Agent, steps: int) -> dict[str, Tensor]:
    return {
        name: torch.empty(steps, TRIALS, STREAMS[name].features, device=META)
        for name in agent.sources
    }


@pytest.fixture
def trials(generator: torch.Generator) -> Trials:
    task = TaskParameters(name="perturbation")
    return Trials(*(x.to(META) for x in sample_trials(task, TRIALS, generator)))


def test_the_task_and_its_streams_stay_on_their_device(trials: Trials):
    task = TaskParameters(name="perturbation")
    world, sensation = begin(trials)
    assert stays(tuple(world))
    assert stays(tuple(sensation))
    action = torch.empty(TRIALS, 2, device=META)
    world, sensation, outcome = advance(task, trials, world, action, action, action, action)
    assert isinstance(world, World)
    assert stays((tuple(world), tuple(sensation), tuple(outcome)))
    for stream in (make() for make in STREAMS.values()):
        first, state = stream.start(trials, sensation)
        then, state = stream.step(trials, sensation, state, task)
        assert stays((first, then))
        assert state is None or stays(tuple(state))


def test_agents_and_their_losses_stay_on_their_device(agent: Agent):
    agent = agent.to(META)
    action = torch.empty(STEPS, TRIALS, 2, device=META)
    reward = torch.empty(STEPS, TRIALS, 1, device=META)
    segment = Segment(inputs(agent, STEPS + 1), action, reward, reward, None)
    goal = td3.td_target(
        agent.actor, agent.critic, segment, action, 0.97, noise_clip=0.1, stop_threshold=0.1
    )
    assert stays(goal)
    assert stays(td3.critic_loss(agent.critic, segment, goal))
    assert stays(td3.actor_loss(agent.actor, agent.critic, segment, 1.0))
    acted, memory = agent.actor({name: x[:1] for name, x in inputs(agent, 1).items()}, None)
    assert stays(acted)
    found: list[Tensor] = []
    map_memory(lambda x: found.append(x) or x, memory)  # type: ignore[func-returns-value]
    assert all(x.device == META for x in found)


@pytest.mark.parametrize("kind", [TrialReplay, StepReplay])
def test_replay_lives_on_its_device(kind: type[TrialReplay] | type[StepReplay]):
    replay = kind(capacity=50, batch_size=2)
    replay.allocate({"observation", "kalman"}, STEPS, META)
    assert stays(replay.buffers)
    finished = Finished(
        {name: torch.empty(3, STEPS + 1, STREAMS[name].features) for name in STREAMS},
        torch.empty(3, STEPS, 2),
        torch.empty(3),
        torch.tensor([STEPS, 2, 3]),
    )
    replay.add_trials(finished, mirror=True)  # written from where they are to where it is
    assert stays(replay.buffers)
    batch = replay.sample(np.random.default_rng(0))
    assert stays((batch.inputs, batch.action, batch.reward, batch.terminal))
