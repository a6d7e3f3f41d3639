"""Populations: several ordinary trainings whose acting and updates are done at once.

Each member is a training as any other, with its own trainer, callbacks, replay and files; it only
leaves two things to the population: steps of the environment and updates. So what a member does
is what it would do alone, up to rounding, and it can be resumed alone.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Trainer
from torch import Tensor

from modnav.acting import Collector, join_collectors
from modnav.errors import DivergedError, InterruptedRunError
from modnav.files import one_line
from modnav.networks import Actor
from modnav.task import TaskParameters

from .batches import Batches
from .captured import forget_workspaces
from .experience import Experience
from .learner import TD3
from .meeting import Seat
from .memory import room_for
from .precision import autocast_of
from .replay import join_replays
from .ring import AbstractReplay
from .stack import JointUpdates, Turn, check_optimizers
from .stackable import check_stackable, check_unchanged, fixed_of

__all__ = ["Member", "Population"]

ROUNDS_PER_STEP = 16
"""Rounds after which a member's thread is woken, if not before."""


@dataclass(frozen=True, eq=False)
class Member:
    """A training that has taken its seat.

    Attributes:
        seat: Where it waits.
        trainer: Its trainer.
        learner: Its module.
        experience: Its data module.
        batches: Slots of the batches of which updates are still to be made.
    """

    seat: Seat
    trainer: Trainer
    learner: TD3
    experience: Experience
    batches: list[np.ndarray] = field(default_factory=list)
    rounds: Iterator[int] = field(default_factory=partial(count, 1))

    def join(self) -> None:
        """Leave steps and updates to the population from now on.

        Updates wait until all those are known that come before the next step, or until somebody
        wants to see what came of them: a callback after a block of trials, or Lightning.
        """
        experience, learner = self.experience, self.learner
        experience.act, experience.next_batch = self._act, self._next_batches
        experience.listeners.insert(0, lambda block: self._finish())
        learner.update_with, learner.after_updates = self.batches.extend, self._finish
        learner.batches_per_step = 1  # which are those of several rounds, see `take`

    def take(self, ended: list[list[int]]) -> None:
        """Take what came of a step, and draw the batches that follow.

        Its thread is woken only where there is more to do: something to be decided, scripted trials,
        or, every few rounds, what Lightning does between its steps.

        Args:
            ended: Whether rewarded, and steps, of each trial that ended.
        """
        wake = next(self.rounds) % ROUNDS_PER_STEP == 0 or self.seat.refusal is not None
        if wake or not self.experience.only_counts(len(ended)):
            self.seat.go_on(ended)
            return
        try:
            self.experience.count(ended)
            self.batches.extend(self._next_batches())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this member's alone
            self.seat.refusal = error

    def is_watched(self) -> bool:
        """Return whether callbacks that are not modnav's may change what it learns."""
        callbacks = self.trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
        return any(type(x).__module__.partition(".")[0] != "modnav" for x in callbacks)

    def fixed(self) -> dict[str, Any]:
        """Return what must stay as it is from now on."""
        return fixed_of(self.learner, self.trainer.optimizers)

    def _next_batches(self) -> list[np.ndarray]:
        """Draw all that are due."""
        experience = self.experience
        due, experience.counters.due = experience.counters.due, 0
        return [experience.replay.draw(experience.rng) for _ in range(due)]

    @property
    def waiting(self) -> list[np.ndarray]:
        """Its batches, unless it has ended."""
        return [] if self.seat.ended else self.batches

    def _act(self) -> list[list[int]]:
        while callable(answer := self.seat.ask("step", self)):
            answer()
        trials: list[list[int]] = answer
        return trials

    def _finish(self) -> None:
        if self.batches:
            self.seat.ask("updates")


class _CollectorOf:
    """What a member sees of the collector of all: its own trials.

    Args:
        joined: The collector of all.
        member: Which of its members this is.
        actor: The actor of all.
    """

    def __init__(self, joined: Collector, member: int, actor: Actor) -> None:
        self.joined, self.member, self._actor = joined, member, actor

    @property
    def task(self) -> TaskParameters:
        return self.joined.tasks[self.member]

    @task.setter
    def task(self, task: TaskParameters) -> None:
        self.joined.tasks[self.member] = task

    def restart(self, task: TaskParameters) -> None:
        self.joined.restart_member(self.member, task, self._actor)

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
        self._lone: dict[int, Collector] = {}
        self._replay: AbstractReplay | None = None
        self._unchecked: list[tuple[list[Member], Tensor]] = []

    def run(self) -> list[BaseException | None]:
        """Run all to their ends.

        Returns:
            What each raised, or ``None``.

        Raises:
            Exception: What fails of what they do together; all have then ended.
        """
        try:
            self._run()
        except BaseException as error:
            told = one_line(str(error)) or type(error).__name__
            for seat in self.seats:  # else they would hold memory and folders
                seat.give_up(InterruptedRunError(f"the population ended: {told}"))
            raise
        return [seat.error for seat in self.seats]

    def _run(self) -> None:
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

    def _compose(self, members: list[Member]) -> None:
        """Stack those that are left, or all at the start."""
        device = members[0].trainer.strategy.root_device
        if device.type == "cuda":
            torch.cuda.set_device(device)  # Lightning did so in the members' threads alone
        if self._replay is None:
            check_stackable([(m.learner, m.experience, m.trainer.precision) for m in members])
            try:
                check_optimizers([x for m in members for x in m.trainer.optimizers])  # as resumed
            except ValueError as error:
                raise ValueError(f"{error}; train them with --population processes") from error
            held = sum(m.experience.replay.held_bytes() for m in members)
            room_for(members[0].learner, members[0].experience, len(members), device, held)
            self._replay = join_replays([m.experience.replay for m in members])
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
            first.rule,
            graphs=device.type == "cuda",
        )
        self._collector, self._members = join_collectors(lone), members
        self._optimizers = [m.trainer.optimizers[0] for m in members]  # slow to come by
        self._watched = [(k, m.fixed()) for k, m in enumerate(members) if m.is_watched()]
        self._counted = [_counted_steps(m.trainer) for m in members]
        for k, m in enumerate(members):
            own = _CollectorOf(self._collector, k, self._joint.agent.actor)
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

    def _follow(self) -> None:
        """Follow callbacks of a user's own, which may have changed weights, states or constants.

        What they change in place all see anyway. Where they put others in the place of weights or of
        what optimizers remember, members are stacked anew; a member with other constants ends.
        """
        moved = False
        for k, fixed in self._watched:
            m = self._members[k]
            if m.seat.ended:
                continue
            try:
                check_unchanged(fixed, m.fixed())
            except ValueError as error:
                m.seat.refusal = error
                m.seat.go_on()
                continue
            moved |= not self._joint.holds(k, m.trainer.optimizers)
        if moved:
            self._compose([m for m in self._members if not m.seat.ended])

    def _round(self) -> None:
        """Let all members step once, and make the updates that follow."""
        self._follow()
        if any(m.seat.ended for m in self._members):
            return
        self._sweep()
        while any(m.waiting for m in self._members):
            self._updates()
            for m in self._members:
                if m.seat.asked[0] == "updates":
                    m.seat.go_on()
        if self.device.type == "cuda":
            forget_workspaces()  # those of members that have validated, each in its thread

    def _sweep(self) -> None:
        """Step the trials of all members, store what came of it, and tell them."""
        settings = [m.experience.setting for m in self._members]
        with torch.autocast(self.device.type, enabled=False):
            stds = [setting.exploration_std for setting in settings]
            sweep = self._collector.sweep_all(self._joint.agent.actor, stds)
        mirror = [setting.mirror for setting in settings]
        self._whole.add_sweep_of_all(self._replays(), sweep, mirror)
        ended = iter(sweep.ended())
        self._set_aside()
        for m, own in zip(self._members, sweep.counts, strict=True):
            m.take(list(islice(ended, own)))

    @property
    def device(self) -> torch.device:
        """Where the members are."""
        return self._members[0].trainer.strategy.root_device

    @property
    def _whole(self) -> AbstractReplay:
        assert self._replay is not None
        return self._replay

    def _replays(self) -> list[AbstractReplay]:
        return [m.experience.replay for m in self._members]

    def _updates(self) -> None:
        """Make all updates that members wait for: the first of each at once, then the second."""
        self._follow()
        drawn = [m.waiting for m in self._members]
        batches = Batches(drawn, self._replays(), self._whole, self.bucket)
        noise = batches.noise([m.learner for m in self._members], self.device)
        turns, acting = self._turns(batches.counts)
        where, real = (torch.from_numpy(x).to(self.device) for x in (batches.slots, batches.real))
        losses: list[Tensor] = []
        for k, longest in enumerate(batches.longest.tolist()):
            segment = self._whole.gather(where[k], longest, real[k])
            turn = Turn(*torch.split(turns[k], 1, dim=1))
            losses += self._joint.update(
                segment._replace(members=len(drawn)), noise[k, :longest], turn, acting=acting[k]
            )
        both = torch.stack(losses).view(-1, 2, len(drawn)).permute(2, 1, 0)  # by member, network
        self._unchecked.append((self._members, both.isfinite().flatten(1).all(dim=1)))
        self._count(both)

    def _turns(self, counts: np.ndarray) -> tuple[Tensor, list[bool]]:
        """Return whose turn each update is, ``(J, P, 4)`` as :class:`Turn`, and if any actor's."""
        learners = [m.learner for m in self._members]
        number = np.arange(counts.max())[:, None]
        updates = number < counts
        done = np.array([x.updates for x in learners])
        acts = updates & ((done + number) % learners[0].policy_delay == 0)
        rates = [optimizer.param_groups[0]["lr"] for optimizer in self._optimizers]
        own = [
            np.broadcast_to(x, acts.shape) for x in (rates, [x.action_penalty for x in learners])
        ]
        turns = np.stack((updates, acts, *own), axis=-1).astype(np.float32)
        return torch.from_numpy(turns).to(self.device), acts.any(axis=1).tolist()

    def _count(self, losses: Tensor) -> None:
        """Count updates of all members, and keep their losses, ``(P, 2, J)`` with those of others' turns."""
        parts: dict[tuple[int, int], Sequence[Sequence[Tensor]]] = {}  # most are alike
        for k, (m, steps) in enumerate(zip(self._members, self._counted, strict=True)):
            if not m.waiting:
                continue
            learner, made, delay = m.learner, len(m.batches), m.learner.policy_delay
            form = (made, -learner.updates % delay)
            if form not in parts:
                critics, actors = losses[:, 0, :made], losses[:, 1, form[1] : made : delay]
                parts[form] = critics.unbind(), actors.unbind()
            critic, actor = (own[k] for own in parts[form])
            learner.losses["critic"].append(critic)
            learner.losses["actor"].append(actor)
            acted = len(range(form[1], made, delay))
            for told in steps:
                told.ready += made + acted
                told.completed += made + acted
            learner.updates += made
            self.updates += made
            m.batches.clear()

    def _set_aside(self) -> None:
        """Refuse to go on with members whose losses were not finite."""
        for members, finite in self._unchecked:
            for m, is_finite in zip(members, finite.tolist(), strict=True):
                if not is_finite:
                    m.seat.refusal = DivergedError(m.learner.diverged("a loss was not finite"))
        self._unchecked.clear()


def _counted_steps(trainer: Trainer) -> tuple[Any, Any]:
    """Return what Lightning's optimizers count, and checkpoints are numbered by."""
    steps = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
    return steps.total, steps.current
