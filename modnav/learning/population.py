"""Populations: several ordinary trainings whose acting and updates are done at once.

Each member is a training as any other, with its own trainer, callbacks, replay and files; it only
leaves two things to the population: steps of the environment and updates. So what a member does
is what it would do alone, up to rounding, and it can be resumed alone.
"""

import gc
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from modnav.acting import Collector, Segment, Sweep, join_collectors
from modnav.errors import DivergedError
from modnav.networks import Actor
from modnav.task import TaskParameters

from .experience import Experience
from .learner import TD3
from .meeting import Seat
from .memory import room_for
from .precision import autocast_of
from .replay import AbstractReplay, join_replays
from .stack import JointUpdates, Turn
from .stackable import check_stackable

__all__ = ["Member", "Population"]


class Member(NamedTuple):
    """A training that has taken its seat.

    Attributes:
        seat: Where it waits.
        trainer: Its trainer.
        learner: Its module.
        experience: Its data module.
    """

    seat: Seat
    trainer: Trainer
    learner: TD3
    experience: Experience

    def join(self) -> None:
        """Leave steps and updates to the population from now on."""
        self.experience.before_step = self._meet
        self.experience.draw_batch = self.experience.replay.draw
        self.learner.update_with = partial(self.seat.ask, "update")

    def _meet(self) -> None:
        while (order := self.seat.ask("step", self)) is not None:
            order()


class _CollectorOf:
    """What a member sees of the collector of all: its own trials.

    Args:
        seat: Its seat.
        joined: The collector of all.
        member: Which of its members this is.
        actor: The actor of all.
    """

    def __init__(self, seat: Seat, joined: Collector, member: int, actor: Actor) -> None:
        self._seat, self.joined, self.member, self._actor = seat, joined, member, actor

    @property
    def task(self) -> TaskParameters:
        return self.joined.tasks[self.member]

    @task.setter
    def task(self, task: TaskParameters) -> None:
        self.joined.tasks[self.member] = task

    def restart(self, task: TaskParameters) -> None:
        self.joined.restart_member(self.member, task, self._actor)

    def sweep(self, actor: Actor, exploration_std: float) -> Sweep:
        sweep: Sweep = self._seat.ask("sweep", exploration_std)
        return sweep

    def state_dict(self) -> dict[str, Any]:
        return self.joined.state_dict(self.member)


class Population:
    """Runs trainings together.

    Args:
        runs: What each does: trains, and joins by ``Member(seat, ...).join()`` before its first
            step.
        orders: Called when all are about to step; returns what each shall do before it goes on,
            in the order of the members given, or nothing. How states are saved at one moment.
        watch: Called after each round with the members that are under way.
        bucket: Batches are padded to a multiple of so many steps.

    Attributes:
        updates: Updates of all members so far.
    """

    def __init__(
        self,
        runs: Sequence[Callable[[Seat], None]],
        orders: Callable[[Sequence[Member]], Sequence[Callable[[], None]] | None],
        watch: Callable[[Sequence[Member]], None] = lambda members: None,
        *,
        bucket: int = 1,
    ) -> None:
        self.seats = [Seat(run) for run in runs]
        self.orders, self.watch = orders, watch
        self.bucket = bucket
        self.updates = 0
        self._members: list[Member] = []
        self._rows: dict[int, int] = {}
        self._lone: dict[int, Collector] = {}
        self._replay: AbstractReplay | None = None

    def run(self) -> list[BaseException | None]:
        """Run all to their ends.

        Returns:
            What each raised, or ``None``.
        """
        for seat in self.seats:
            seat.go_on()
        while waiting := [seat.asked[1] for seat in self.seats if not seat.ended]:
            if [m.seat for m in waiting] != [m.seat for m in self._members]:
                self._compose(waiting)
            orders = self.orders(waiting)
            if orders is not None:
                for member, order in zip(waiting, orders, strict=True):
                    member.seat.go_on(order)
                continue  # some may have ended
            self._round()
            self.watch(self._members)
        return [seat.error for seat in self.seats]

    def _compose(self, members: list[Member]) -> None:
        """Stack those that are left, or all at the start."""
        device = members[0].trainer.strategy.root_device
        if self._replay is None:
            check_stackable([(m.learner, m.experience, m.trainer.precision) for m in members])
            room_for(members[0].learner, members[0].experience, len(members), device)
            self._replay = join_replays([m.experience.replay for m in members])
            self._rows = {id(m.seat): k for k, m in enumerate(members)}
        lone = [self._lone_collector(m) for m in members]
        learners, first = [m.learner for m in members], members[0].learner
        self._joint = JointUpdates(
            [x.agent for x in learners],
            [x.target for x in learners],
            [m.trainer.optimizers for m in members],
            first.discount,
            first.tau,
            first.smoothing,
            autocast_of(members[0].trainer.precision, device),
            graphs=device.type == "cuda",
        )
        self._collector, self._members = join_collectors(lone), members
        for k, m in enumerate(members):
            own = _CollectorOf(m.seat, self._collector, k, self._joint.agent.actor)
            m.experience.collector = own  # type: ignore[assignment]  # what it uses of one
            self._lone[id(m.seat)] = lone[k]
        if device.type == "cuda":
            gc.collect()  # graphs of those who were more, which hold memory there

    def _lone_collector(self, member: Member) -> Collector:
        own = member.experience.collector
        if not isinstance(own, _CollectorOf):
            return own
        lone = self._lone[id(member.seat)]
        lone.load_state_dict(own.state_dict())
        lone.task = own.task
        return lone

    def _round(self) -> None:
        """Let all members step once, and make the updates that follow."""
        for m in self._members:
            m.seat.go_on()
        stds = [m.seat.asked[1] if _asks(m, "sweep") else 0.0 for m in self._members]
        with torch.autocast(self.device.type, enabled=False):
            sweeps = self._collector.sweep_all(self._joint.agent.actor, stds)
        for m, sweep in zip(self._members, sweeps, strict=True):
            if _asks(m, "sweep"):  # else it failed on its way here
                m.seat.go_on(sweep)
        finite = []
        while any(_asks(m, "update") for m in self._members):
            finite.append(self._update())
        if finite:
            self._set_aside(torch.stack(finite).all(dim=0).tolist())

    @property
    def device(self) -> torch.device:
        """Where the members are."""
        return self._members[0].trainer.strategy.root_device

    def _update(self) -> Tensor:
        """Make one update of all that ask for one; return whose losses are finite, ``(P,)``."""
        turn, acting = self._turn()
        segment, noise = self._batch()
        losses = self._joint.update(segment, noise, turn, acting=acting)
        for k, m in enumerate(self._members):
            if _asks(m, "update"):
                self._count(m, [loss[k] for loss in losses])
                m.seat.go_on()
        return torch.stack(losses).isfinite().all(dim=0)

    def _turn(self) -> tuple[Turn, bool]:
        rows = []
        for m in self._members:
            asks = _asks(m, "update")
            acts = asks and m.learner.updates % m.learner.policy_delay == 0
            rate = m.trainer.optimizers[0].param_groups[0]["lr"]
            rows.append((float(asks), float(acts), rate, m.learner.action_penalty))
        columns = torch.split(torch.tensor(rows).to(self.device), 1, dim=1)
        return Turn(*columns), any(row[1] for row in rows)

    def _batch(self) -> tuple[Segment, Tensor]:
        """Return experience and smoothing noise of all, padded to one size."""
        replay = self._replay
        assert replay is not None
        size, count = replay.batch_size, len(self._members)
        slots = np.zeros((count, size), dtype=np.int64)
        real = np.zeros((count, size), dtype=bool)
        shapes = []
        for k, m in enumerate(self._members):
            drawn = m.seat.asked[1] if _asks(m, "update") else slots[k, :0]
            slots[k, : len(drawn)] = drawn
            slots[k] += self._rows[id(m.seat)] * m.experience.replay.capacity
            real[k, : len(drawn)] = True
            shapes.append((m.experience.replay.longest(drawn), len(drawn)))
        longest = -(-max(steps for steps, _ in shapes) // self.bucket) * self.bucket
        segment = replay.gather(slots.reshape(-1), real.reshape(-1), longest)
        noise = torch.zeros_like(segment.action)
        for k, (m, (steps, trials)) in enumerate(zip(self._members, shapes, strict=True)):
            if trials:
                noise[:steps, k * size : k * size + trials] = m.learner.noise(steps, trials)
        return segment._replace(members=count), noise

    def _count(self, member: Member, losses: list[Tensor]) -> None:
        learner = member.learner
        acted = learner.updates % learner.policy_delay == 0
        names = ("critic", "actor") if acted else ("critic",)
        for name, loss in zip(names, losses, strict=False):
            learner.losses[name].append(loss)
            # what Lightning's optimizers count, and checkpoints are numbered by
            steps = member.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
            steps.increment_ready()
            steps.increment_completed()
        learner.updates += 1
        self.updates += 1

    def _set_aside(self, finite: Iterable[bool]) -> None:
        for m, is_finite in zip(self._members, finite, strict=True):
            if not is_finite:
                m.seat.refusal = DivergedError(m.learner.diverged("a loss was not finite"))
                m.seat.go_on()


def _asks(member: Member, word: str) -> bool:
    return not member.seat.ended and member.seat.asked[0] == word
