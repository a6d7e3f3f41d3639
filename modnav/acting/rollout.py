"""Run whole trials, many at once; one loop for every agent, every condition and every script."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Generator, Tensor

from modnav.networks import Actor, Memory, evaluating, map_memory
from modnav.task import (
    STREAMS,
    AbstractStream,
    Outcome,
    Sensation,
    StreamState,
    TaskParameters,
    Trials,
    World,
    advance,
    begin,
    start_streams,
    step_streams,
)

from .trajectories import Noise, Rollout

__all__ = ["Policy", "draw_noise", "greedy", "rollout"]


class Policy(Protocol):
    """Anything that acts: maps inputs ``(B, F)`` and a memory to actions ``(B, 2)``."""

    def __call__(self, inputs: Mapping[str, Tensor], memory: Memory) -> tuple[Tensor, Memory]:
        """Return actions in [-1, 1] and the new memory; the first memory is ``None``."""


def draw_noise(steps: int, count: int, generator: Generator) -> Noise:
    """Draw noise for ``count`` trials of up to ``steps`` steps."""
    shape = (2, steps, count, 2)
    device, dtype = generator.device, torch.float32
    return Noise(*torch.randn(shape, generator=generator, device=device, dtype=dtype))


def greedy(actor: Actor) -> Policy:
    """Return the policy that takes an actor's actions as they are, in eval mode."""

    def act(inputs: Mapping[str, Tensor], memory: Memory) -> tuple[Tensor, Memory]:
        with evaluating(actor):
            action, memory = actor({name: x[None] for name, x in inputs.items()}, memory)
        return action[0], memory

    return act


class _Running(NamedTuple):
    """What a rollout works on: the trials that still run, or all of them.

    Attributes:
        rows: Which trials these are, ``(R,)``.
        alive: Whether each still runs, bool, ``(R,)``.
        trials: What is fixed during them.
        world: Where they stand.
        sensation: What was sensed last.
        streams: Last input and state of each stream.
        memory: Memory of the policy.
    """

    rows: Tensor
    alive: Tensor
    trials: Trials
    world: World
    sensation: Sensation
    streams: dict[str, tuple[Tensor, StreamState]]
    memory: Memory

    def without_ended(self) -> "_Running":
        """Return the same of the trials that still run."""
        kept = self.alive.nonzero()[:, 0]

        def keep(x: Tensor) -> Tensor:
            return x.index_select(0, kept)

        return _Running(
            keep(self.rows),
            keep(self.alive),
            Trials(*map(keep, self.trials)),
            World(*map(keep, self.world)),
            Sensation(*map(keep, self.sensation)),
            {name: map_memory(keep, part) for name, part in self.streams.items()},
            map_memory(lambda x: x.index_select(1, kept), self.memory),
        )


class _Log:
    """Tables of what happened, ``(T + 1, B, ...)``, and of how trials ended, ``(B,)``.

    Args:
        steps: Most steps of a trial.
        trials: The trials.
    """

    def __init__(self, steps: int, trials: Trials) -> None:
        count, device = len(trials.target), trials.target.device
        self.shape = (steps + 1, count)
        self.tables: dict[str, Tensor] = {}
        self.steps = torch.zeros(count, dtype=torch.long, device=device)
        self.terminated, self.rewarded = (torch.zeros_like(self.steps).bool() for _ in range(2))
        self.distance = torch.zeros_like(trials.gain)

    def write(self, t: int, rows: Tensor, **values: Tensor) -> None:
        """Write what happened at a step of some trials."""
        for key, x in values.items():
            if key not in self.tables:
                self.tables[key] = x.new_zeros(*self.shape, *x.shape[1:])
            self.tables[key][t].index_copy_(0, rows, x)

    def end(self, t: int, rows: Tensor, chosen: Tensor, outcome: Outcome) -> None:
        """Write how those trials among ``rows`` ended that ``chosen`` marks."""
        rows = rows[chosen]
        self.steps[rows] = t + 1
        self.terminated[rows] = outcome.terminated[chosen]
        self.rewarded[rows] = outcome.rewarded[chosen]
        self.distance[rows] = outcome.distance[chosen]


@torch.no_grad()
def rollout(
    policy: Policy,
    sources: Iterable[str],
    trials: Trials,
    noise: Noise,
    task: TaskParameters,
    streams: Mapping[str, AbstractStream] | None = None,
    *,
    drop_ended: bool = False,
) -> Rollout:
    """Run trials to their end.

    Args:
        policy: What acts.
        sources: Names of the streams to run.
        trials: What is fixed during each trial.
        noise: Standard normal draws.
        task: Constants of the task.
        streams: Streams to use in place of the usual ones of that name.
        drop_ended: Whether the policy is asked about running trials only, which is faster: most
            trials are much shorter than the longest. It must then keep what it knows of trials in
            a :data:`~modnav.networks.Memory`, as actors do, and nowhere else.

    Returns:
        The trials as they went; entries after the end of a dropped trial are 0.

    Raises:
        ValueError: If there is no such stream, or the policy returns something else.
    """
    used = _streams_of(sources, streams or {})
    now = _begin(used, trials)
    log = _Log(task.max_steps, trials)
    log.write(0, now.rows, state=now.world.state, **_inputs(now))
    for t in range(task.max_steps):
        action, memory = _acted(policy(_inputs(now), now.memory), now.world.state)
        log.write(t, now.rows, action=action, observed=now.sensation.velocity)
        draws = noise.process[t, now.rows], noise.observation[t, now.rows]
        world, sensation, outcome = advance(task, now.trials, now.world, action, action, *draws)
        states = {name: state for name, (_, state) in now.streams.items()}
        after = step_streams(used, now.trials, sensation, states, task)
        ending = now.alive & (outcome.terminated | outcome.truncated)
        now = now._replace(
            alive=now.alive & ~ending,
            world=world,
            sensation=sensation,
            streams=after,
            memory=memory,
        )
        log.write(t, now.rows, perturbation=sensation.perturbation, reward=outcome.reward)
        log.write(t + 1, now.rows, state=world.state, **_inputs(now))
        log.end(t, now.rows, ending, outcome)
        if not now.alive.any():
            break
        if drop_ended and ending.any():
            now = now.without_ended()
    return _finished(log, trials, list(used), t + 1)


def _streams_of(
    sources: Iterable[str], given: Mapping[str, AbstractStream]
) -> dict[str, AbstractStream]:
    """Return the streams of some names, those that are given in place of the usual ones."""
    names = {sources} if isinstance(sources, str) else set(sources)
    for name in sorted(names, key=str):
        if not given.get(name) and name not in STREAMS:
            raise ValueError(
                f"sources has {name!r}; it must be of {', '.join(STREAMS)}, or the path of a "
                "modnav.task.AbstractStream in an imported module"
            )
    return {name: given.get(name) or STREAMS[name]() for name in sorted(names)}


def _begin(used: Mapping[str, AbstractStream], trials: Trials) -> _Running:
    world, sensation = begin(trials)
    rows = torch.arange(len(trials.target), device=trials.target.device)
    started = start_streams(used, trials, sensation)
    return _Running(rows, rows >= 0, trials, world, sensation, started, None)


def _acted(given: Any, state: Tensor) -> tuple[Tensor, Memory]:
    """Return what a policy, which may be anybody's, did in the states ``(R, 5)``."""
    two = isinstance(given, (tuple, list)) and len(given) == 2
    action, memory = given if two else (given, None)
    found = type(action).__name__
    if isinstance(action, Tensor):
        found = f"a tensor {tuple(action.shape)} of {action.dtype}"
        fits = torch.promote_types(action.dtype, state.dtype) == state.dtype
        if two and fits and action.shape == (len(state), 2):
            return action, memory
    rule = f"a tensor ({len(state)}, 2) of {state.dtype} and a memory (None if it has none)"
    raise ValueError(f"the policy returned {found}{' and a memory' * two}; it must return {rule}")


def _inputs(now: _Running) -> dict[str, Tensor]:
    return {name: x for name, (x, _) in now.streams.items()}


def _finished(log: _Log, trials: Trials, sources: list[str], length: int) -> Rollout:
    steps = ("action", "observed", "perturbation", "reward")
    return Rollout(
        trials,
        {name: log.tables[name][: length + 1] for name in sources},
        state=log.tables["state"][: length + 1],
        **{key: log.tables[key][:length] for key in steps},
        steps=log.steps,
        terminated=log.terminated,
        rewarded=log.rewarded,
        distance=log.distance,
    )
