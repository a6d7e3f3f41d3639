"""Parallel trials that end and restart independently: where experience comes from."""

from typing import Any

import torch
from torch import Generator, Tensor

from modnav.networks import Actor, Memory, map_memory
from modnav.task import (
    STREAMS,
    StreamState,
    TaskParameters,
    Trials,
    World,
    advance,
    begin,
    is_moving,
    sample_trials,
)

from .trajectories import Finished, Sweep

__all__ = ["ROLES", "Collector"]

ROLES = ("trials", "process_noise", "observation_noise", "exploration")
"""What the collector draws; each has a generator of its own, so that runs can be repeated."""


class Collector:
    """Acts in ``B`` parallel trials, one step of all of them at a time.

    Args:
        task: Constants of the task.
        sources: Names of the streams that the agent's networks read.
        parallel_trials: Number of trials ``B``.
        generators: A generator for each of :data:`ROLES`, all on the device of the agent.
    """

    def __init__(
        self,
        task: TaskParameters,
        sources: set[str],
        parallel_trials: int,
        generators: dict[str, Generator],
    ) -> None:
        self.task = task
        self.streams = {name: STREAMS[name]() for name in sorted(sources)}
        self.generators = generators
        self.parallel_trials = parallel_trials
        device = generators["trials"].device
        self.slots = torch.arange(parallel_trials, device=device)
        steps = task.max_steps
        self.action_log = torch.zeros(parallel_trials, steps, 2, device=device)
        self.input_logs = {
            name: torch.zeros(parallel_trials, steps + 1, stream.features, device=device)
            for name, stream in self.streams.items()
        }
        self.restart(task)

    def restart(self, task: TaskParameters) -> None:
        """Drop the trials under way and begin new ones of ``task``."""
        self.task = task
        self.trials: Trials = sample_trials(task, self.parallel_trials, self.generators["trials"])
        self.world: World
        self.world, sensation = begin(self.trials)
        self.memory: Memory = None
        self.now: dict[str, Tensor] = {}
        self.states: dict[str, StreamState] = {}
        for name, stream in self.streams.items():
            self.now[name], self.states[name] = stream.start(self.trials, sensation)

    @torch.no_grad()
    def sweep(self, actor: Actor, exploration_std: float) -> Sweep:
        """Take one step in all trials; those that end restart. The actor stays in its mode.

        Exploration noise is added only to actions that move: a stop stays a stop.

        Args:
            actor: Policy.
            exploration_std: Standard deviation of the exploration noise, action units.

        Returns:
            The step, and the trials that it ended.
        """
        inputs, step = self.now, self.world.step
        raw, self.memory = actor({name: x[None] for name, x in inputs.items()}, self.memory)
        greedy = raw[0]
        moving = is_moving(greedy, self.task.stop_threshold)[:, None]
        noise = exploration_std * self._normal("exploration")
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
        for name, stream in self.streams.items():
            self.now[name], self.states[name] = stream.step(
                self.trials, sensation, self.states[name], self.task
            )
            self.input_logs[name][self.slots, step] = inputs[name]
            self.input_logs[name][self.slots, step + 1] = self.now[name]
        self.action_log[self.slots, step] = action
        ended = outcome.terminated | outcome.truncated
        which = ended.nonzero()[:, 0]
        finished = Finished(
            {name: log[which] for name, log in self.input_logs.items()},
            self.action_log[which],
            outcome.reward[which],
            self.world.step[which],
        )
        sweep = Sweep(
            inputs, action, outcome.reward, ended, self.now, finished, outcome.rewarded[which]
        )
        if len(which):
            self._restart_some(which)
            self.memory = None if self.memory is None else actor.reset(self.memory, which)
        return sweep

    def _restart_some(self, which: Tensor) -> None:
        trials = sample_trials(self.task, len(which), self.generators["trials"])
        world, sensation = begin(trials)

        def put(old: Tensor, new: Tensor) -> Tensor:
            return old.index_copy(0, which, new)

        self.trials = Trials(*map(put, self.trials, trials))
        self.world = World(*map(put, self.world, world))
        for name, stream in self.streams.items():
            first, state = stream.start(trials, sensation)
            self.now = {**self.now, name: put(self.now[name], first)}
            if state is not None:
                self.states[name] = tuple(map(put, self.states[name], state))

    def _normal(self, role: str) -> Tensor:
        generator = self.generators[role]
        return torch.randn(self.parallel_trials, 2, generator=generator, device=generator.device)

    def state_dict(self) -> dict[str, Any]:
        """Return the trials under way."""
        return {
            "trials": tuple(self.trials),
            "world": tuple(self.world),
            "memory": self.memory,
            "now": self.now,
            "states": {k: None if s is None else tuple(s) for k, s in self.states.items()},
            "action_log": self.action_log.clone(),  # the others are replaced, not written to
            "input_logs": {name: log.clone() for name, log in self.input_logs.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the trials that :meth:`state_dict` returned.

        Raises:
            ValueError: If their number is another.
        """
        count = len(state["trials"][0])
        if count != self.parallel_trials:
            raise ValueError(
                f"parallel_trials is {self.parallel_trials}; the checkpoint has {count} under way"
            )

        state = map_memory(lambda x: x.to(self.slots.device, copy=True), state)
        self.trials, self.world = Trials(*state["trials"]), World(*state["world"])
        self.memory, self.now, self.states = state["memory"], state["now"], state["states"]
        self.action_log, self.input_logs = state["action_log"], state["input_logs"]
