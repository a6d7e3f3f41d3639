"""Parallel trials that end and restart independently: where experience comes from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from modnav.networks import Actor, Memory, cat_memories, map_memory
from modnav.task import (
    STREAMS,
    StreamState,
    TaskParameters,
    Trials,
    World,
    advance,
    begin,
    given_by,
    is_moving,
    sample_trials,
    sample_trials_of_each,
    start_streams,
    step_streams,
)

from .exploration import AbstractExploration
from .trajectories import Finished, Sweep

__all__ = ["ROLES", "Collector", "join_collectors"]

ROLES = ("trials", "process_noise", "observation_noise", "exploration")
"""What the collector draws; each has a generator of its own, so that runs can be repeated."""


class Collector:
    """Acts in ``B`` parallel trials, one step of all of them at a time.

    The trials may be those of several members of a population, ``P * b`` trials with those of the
    first member first. Each member has draws of its own, those that it would have alone, and its
    own noises and gains; all other constants of the task are those of the first.

    Args:
        task: Constants of the task.
        sources: Names of the streams that the agent's networks read.
        parallel_trials: Number of trials of a member, ``b``.
        generators: A generator for each of :data:`ROLES`, all on the device of the agent.
        others: Task and generators of the other members, if there are any.
        exploration: What makes exploration noise; plain noise if None.
    """

    def __init__(
        self,
        task: TaskParameters,
        sources: set[str],
        parallel_trials: int,
        generators: dict[str, Generator],
        others: Sequence[tuple[TaskParameters, dict[str, Generator]]] = (),
        exploration: AbstractExploration | None = None,
    ) -> None:
        self.tasks = [task, *(other for other, _ in others)]
        self.generators = generators
        self.all_generators = [generators, *(other for _, other in others)]
        self.streams = {name: STREAMS[name]() for name in sorted(sources)}
        self.parallel_trials = parallel_trials
        self.members = len(self.tasks)
        count, steps = self.members * parallel_trials, task.max_steps
        device = generators["trials"].device
        self.slots = torch.arange(count, device=device)
        self.action_log = torch.zeros(count, steps, 2, device=device)
        self.input_logs = {
            name: torch.zeros(count, steps + 1, stream.features, device=device)
            for name, stream in self.streams.items()
        }
        self.exploration = exploration
        self.explored = self.action_log.new_zeros(count, 2)  # the last noise, for one's own alone
        self.memory: Memory = None
        self.trials: Trials
        self.world: World
        self.now: dict[str, Tensor] = {}
        self.states: dict[str, StreamState] = {}
        if not others:
            self.restart(task)

    @property
    def task(self) -> TaskParameters:
        """Constants of the task of the first member."""
        return self.tasks[0]

    @task.setter
    def task(self, task: TaskParameters) -> None:
        self.tasks[0] = task

    def restart(self, task: TaskParameters) -> None:
        """Drop the trials under way and begin new ones of ``task``."""
        assert self.members == 1
        self.task = task
        self.trials = sample_trials(task, self.parallel_trials, self.generators["trials"])
        self.world, sensation = begin(self.trials)
        self.memory = None
        self.explored = torch.zeros_like(self.explored)
        for name, first in start_streams(self.streams, self.trials, sensation).items():
            self.now[name], self.states[name] = first

    def restart_member(self, member: int, task: TaskParameters, actor: Actor) -> None:
        """Drop the trials of a member and begin new ones of ``task``."""
        self.tasks[member] = task
        counts = [self.parallel_trials * (k == member) for k in range(self.members)]
        self._restart_some(actor, self.slots[self._rows(member)], counts)

    def sweep(self, actor: Actor, exploration_std: float) -> Sweep:
        """Take one step in all trials, as :meth:`sweep_all` for a lone agent."""
        return self.sweep_all(actor, [exploration_std])

    @torch.no_grad()
    def sweep_all(self, actor: Actor, exploration_std: Sequence[float]) -> Sweep:
        """Take one step in all trials; those that end restart. The actor stays in its mode.

        Exploration noise is added only to actions that move: a stop stays a stop.

        Args:
            actor: Policy.
            exploration_std: Standard deviation of the exploration noise of each member, action
                units.

        Returns:
            The step, and the trials that it ended.
        """
        inputs, step = self.now, self.world.step
        raw, self.memory = actor({name: x[None] for name, x in inputs.items()}, self.memory)
        greedy = raw[0]
        moving = is_moving(greedy, self.task.stop_threshold)[:, None]
        noise = self._noise(self._of_each(exploration_std))
        action = torch.where(moving, greedy + noise, greedy).clamp(-1, 1)
        self.world, sensation, outcome = advance(
            self.task,
            self.trials,
            self.world,
            action,
            greedy,
            self._normal("process_noise"),
            self._normal("observation_noise"),
        )
        self.now = {}
        after = step_streams(self.streams, self.trials, sensation, self.states, self.task)
        for name, (x, state) in after.items():
            self.now[name], self.states[name] = x, state
            self.input_logs[name][self.slots, step] = inputs[name]
            self.input_logs[name][self.slots, step + 1] = self.now[name]
        self.action_log[self.slots, step] = action
        ended = outcome.terminated | outcome.truncated
        which = ended.nonzero()[:, 0]
        counts = self._by_member(which)
        finished = Finished(
            {name: log[which] for name, log in self.input_logs.items()},
            self.action_log[which],
            outcome.reward[which],
            self.world.step[which],
        )
        rewarded = outcome.rewarded[which]
        sweep = Sweep(
            inputs, action, outcome.reward, ended, dict(self.now), finished, rewarded, counts
        )
        if len(which):
            self._restart_some(actor, which, counts)
        return sweep

    def _restart_some(self, actor: Actor, which: Tensor, counts: Sequence[int]) -> None:
        """Begin new trials in the rows ``which``, so many of each member, in order."""
        some = [k for k, count in enumerate(counts) if count]
        trials = sample_trials_of_each(
            [self.tasks[k] for k in some],
            [counts[k] for k in some],
            [self.all_generators[k]["trials"] for k in some],
        )
        world, sensation = begin(trials)

        def put(old: Tensor, new: Tensor) -> Tensor:
            return old.index_copy(0, which, new)

        self.trials = Trials(*map(put, self.trials, trials))
        self.world = World(*map(put, self.world, world))
        for name, (first, state) in start_streams(self.streams, trials, sensation).items():
            self.now = {**self.now, name: put(self.now[name], first)}
            if state is not None:
                self.states[name] = tuple(map(put, self.states[name], state))
        self.memory = None if self.memory is None else actor.reset(self.memory, which)
        if self.exploration is not None:
            self.explored = self.explored.index_fill(0, which, 0.0)

    def _noise(self, std: float | Tensor) -> Tensor:
        """Return exploration noise, ``(B, 2)``."""
        draws = self._normal("exploration")
        if self.exploration is None:
            return std * draws
        noise = self.exploration.noise(draws, std, self.explored)
        self.explored = given_by("data.exploration", noise, draws)
        return self.explored

    def _by_member(self, which: Tensor) -> list[int]:
        """Return how many of the rows ``which`` ``(K,)`` are of each member."""
        if self.members == 1:
            return [len(which)]
        members = which.cpu().numpy() // self.parallel_trials
        return np.bincount(members, minlength=self.members).tolist()

    def _rows(self, member: int) -> slice:
        return slice(member * self.parallel_trials, (member + 1) * self.parallel_trials)

    def _normal(self, role: str) -> Tensor:
        """Return draws of all members, ``(B, 2)``."""
        drawn = torch.empty(len(self.slots), 2, device=self.slots.device)
        for part, own in zip(
            torch.split(drawn, self.parallel_trials), self.all_generators, strict=True
        ):
            part.normal_(generator=own[role])
        return drawn

    def _of_each(self, values: Sequence[float]) -> float | Tensor:
        """Return a number of each member as one of each trial, ``(B, 1)``; a lone one as it is."""
        if self.members == 1:
            return values[0]
        each = torch.tensor(values, device=self.slots.device)
        return each.repeat_interleave(self.parallel_trials)[:, None]

    def state_dict(self, member: int = 0) -> dict[str, Any]:
        """Return the trials of a member that are under way."""
        if self.members > 1:
            return self._state_of(member)
        return {
            "trials": tuple(self.trials),
            "world": tuple(self.world),
            "memory": self.memory,
            "now": self.now,
            "states": {k: None if s is None else tuple(s) for k, s in self.states.items()},
            "action_log": self.action_log.clone(),  # the others are replaced, not written to
            "input_logs": {name: log.clone() for name, log in self.input_logs.items()},
            **self._own_noise(),
        }

    def _state_of(self, member: int) -> dict[str, Any]:
        rows = self._rows(member)
        state = {
            "trials": tuple(self.trials),
            "world": tuple(self.world),
            "now": self.now,
            "states": {k: None if s is None else tuple(s) for k, s in self.states.items()},
            "action_log": self.action_log,
            "input_logs": self.input_logs,
            **self._own_noise(),
        }
        found: dict[str, Any] = map_memory(lambda x: x[rows].clone(), state)
        found["memory"] = map_memory(lambda x: x[:, rows].clone(), self.memory)
        return found

    def _own_noise(self) -> dict[str, Tensor]:
        return {} if self.exploration is None else {"explored": self.explored}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the trials that :meth:`state_dict` returned.

        Raises:
            ValueError: If their number is another.
        """
        count = len(state["trials"][0])
        if count != len(self.slots):
            raise ValueError(
                f"parallel_trials is {self.parallel_trials}; the checkpoint has {count} under way"
            )

        state = map_memory(lambda x: x.to(self.slots.device, copy=True), state)
        self.trials, self.world = Trials(*state["trials"]), World(*state["world"])
        self.memory, self.now, self.states = state["memory"], state["now"], state["states"]
        self.action_log, self.input_logs = state["action_log"], state["input_logs"]
        self.explored = state.get("explored", torch.zeros_like(self.explored))


def join_collectors(members: Sequence[Collector]) -> Collector:
    """Return a collector that goes on with the trials of all members.

    Args:
        members: Collectors of one member each, of as many trials and the same streams.
    """
    first = members[0]
    if len(members) == 1:
        return first
    others = [(m.task, m.generators) for m in members[1:]]
    joined = Collector(
        first.task,
        set(first.streams),
        first.parallel_trials,
        first.generators,
        others,
        first.exploration,
    )
    states = [m.state_dict() for m in members]
    memory = cat_memories([state.pop("memory") for state in states], dim=1)
    joined.load_state_dict({**cat_memories(states, dim=0), "memory": memory})
    return joined
