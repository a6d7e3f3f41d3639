"""Run whole trials, many at once; one loop for every agent, every condition and every script."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Generator, Tensor

from modnav.networks import Actor
from modnav.sequence import Memory
from modnav.streams import STREAMS, AbstractStream
from modnav.task import TaskParameters, Trials, advance, begin


class Policy(Protocol):
    """Anything that acts: maps inputs ``(B, F)`` and a memory to actions ``(B, 2)``."""

    def __call__(self, inputs: Mapping[str, Tensor], memory: Memory) -> tuple[Tensor, Memory]:
        """Return actions in [-1, 1] and the new memory; the first memory is ``None``."""


class Noise(NamedTuple):
    """Standard normal draws for whole trials, so that a rollout can be repeated.

    Attributes:
        process: ``(T, B, 2)``.
        observation: ``(T, B, 2)``.
    """

    process: Tensor
    observation: Tensor


class Rollout(NamedTuple):
    """Trials as they went, time first.

    Entries at and after ``steps`` of a trial are not part of it. ``T`` is the length of the
    longest trial.

    Attributes:
        trials: What was fixed during the trials.
        inputs: What the networks read, each ``(T + 1, B, F)``.
        action: Actions taken, ``(T, B, 2)``.
        state: States before each action and one after the last, ``(T + 1, B, 5)``.
        observed: Observed velocities before each action, unit/s and rad/s, ``(T, B, 2)``.
        perturbation: Velocity the world added at each step, unit/s and rad/s, ``(T, B, 2)``.
        reward: Rewards, ``(T, B)``.
        steps: Number of steps of each trial, ``(B,)``.
        terminated: Whether the trial ended by a stop, bool, ``(B,)``.
        rewarded: Whether it ended by a stop inside the reward zone, bool, ``(B,)``.
        distance: Distance to the target at the last step, before its motion, unit, ``(B,)``.
    """

    trials: Trials
    inputs: dict[str, Tensor]
    action: Tensor
    state: Tensor
    observed: Tensor
    perturbation: Tensor
    reward: Tensor
    steps: Tensor
    terminated: Tensor
    rewarded: Tensor
    distance: Tensor

    @property
    def mask(self) -> Tensor:
        """Whether each step belongs to its trial, bool, ``(T, B)``."""
        step = torch.arange(len(self.action), device=self.steps.device)
        return step[:, None] < self.steps


def draw_noise(steps: int, count: int, generator: Generator) -> Noise:
    """Draw noise for ``count`` trials of up to ``steps`` steps."""
    shape = (2, steps, count, 2)
    return Noise(*torch.randn(shape, generator=generator, device=generator.device))


def greedy(actor: Actor) -> Policy:
    """Return the policy that takes an actor's actions as they are."""

    def act(inputs: Mapping[str, Tensor], memory: Memory) -> tuple[Tensor, Memory]:
        action, memory = actor({name: x[None] for name, x in inputs.items()}, memory)
        return action[0], memory

    return act


@torch.no_grad()
def rollout(
    policy: Policy,
    sources: Iterable[str],
    trials: Trials,
    noise: Noise,
    task: TaskParameters,
    streams: Mapping[str, AbstractStream] | None = None,
) -> Rollout:
    """Run trials to their end.

    Args:
        policy: What acts.
        sources: Names of the streams to run.
        trials: What is fixed during each trial.
        noise: Standard normal draws.
        task: Constants of the task.
        streams: Streams to use in place of the usual ones of that name.

    Returns:
        The trials as they went.
    """
    running = {name: (streams or {}).get(name) or STREAMS[name]() for name in sorted(sources)}
    world, sensation = begin(trials)
    now = {name: stream.start(trials, sensation) for name, stream in running.items()}
    log: dict[str, list[Tensor]] = {name: [x] for name, (x, _) in now.items()}
    keys = ("action", "observed", "perturbation", "reward")
    log |= {key: [] for key in keys} | {"state": [world.state]}
    steps = torch.zeros_like(world.step)
    ended, terminated, rewarded = (torch.zeros_like(world.started) for _ in range(3))
    distance = torch.zeros_like(trials.gain)
    memory: Memory = None
    for t in range(task.max_steps):
        action, memory = policy({name: x for name, (x, _) in now.items()}, memory)
        log["observed"].append(sensation.velocity)
        world, sensation, outcome = advance(
            task, trials, world, action, action, noise.process[t], noise.observation[t]
        )
        now = {name: s.step(trials, sensation, now[name][1], task) for name, s in running.items()}
        for name, (x, _) in now.items():
            log[name].append(x)
        taken = (action, sensation.perturbation, outcome.reward)
        for key, x in zip(("action", "perturbation", "reward"), taken, strict=True):
            log[key].append(x)
        log["state"].append(world.state)
        ending = ~ended & (outcome.terminated | outcome.truncated)
        steps = torch.where(ended, steps, t + 1)
        terminated |= ending & outcome.terminated
        rewarded |= ending & outcome.rewarded
        distance = torch.where(ending, outcome.distance, distance)
        ended |= ending
        if ended.all():
            break
    whole = {key: torch.stack(xs) for key, xs in log.items()}
    return Rollout(
        trials,
        {name: whole[name] for name in running},
        whole["action"],
        whole["state"],
        whole["observed"],
        whole["perturbation"],
        whole["reward"],
        steps,
        terminated,
        rewarded,
        distance,
    )
