"""Members of a population stacked: trained in one process, their acting and updates at once."""

import operator
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from typing_extensions import override

from modnav.callbacks import (
    LastCheckpoint,
    MemberReport,
    Summary,
    Together,
    TrialProgress,
    callback_of,
)
from modnav.commands.arguments import with_run
from modnav.commands.own import own_part, own_part_noted, taken_imports, told_error
from modnav.commands.training import ModnavCLI, run
from modnav.errors import USAGE_STATUS, InterruptedRunError, RunEndedError
from modnav.files import one_line
from modnav.learning import Member as Training
from modnav.learning import Population, Seat
from modnav.machine import signals_taken, threads_everywhere
from modnav.runs import RunFolder, read

from .gathered import Display
from .members import Member, Outcome
from .plan import Plan

BUCKET = 5
"""On a GPU batches are padded to multiples of so many steps: each length is a graph of its own."""


class _MemberCLI(ModnavCLI):
    """The parts of every run, but for what is shown: that is left to the population."""

    seat: Seat
    members: int

    @override
    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        return super().instantiate_trainer(enable_progress_bar=False, **kwargs)

    @override
    def _is_stacked(self, kind: str | None) -> bool:
        return False  # it is a member already

    @override
    def _callbacks(self, config: Any) -> list[Any]:
        shown = (Summary, TrialProgress)
        found = [x for x in super()._callbacks(config) if not isinstance(x, shown)]
        return [*found, MemberReport(), Together(self.seat, self.members)]


class JointSaves:
    """Says when the members of a population save their states: all at one moment.

    Only so do they go on exactly as they would have: what members compute together depends, in
    the last bits, on each other.

    Attributes:
        received: The signal that was received, or 0.
    """

    def __init__(self) -> None:
        self.received = 0
        self._meeting = 0
        self._seats: list[Seat] = []
        self._saved_at = time.monotonic()

    def __call__(self, members: Sequence[Training]) -> list[Callable[[], None]] | None:
        """Return what each member shall do before its next step; None if nothing."""
        lasts = [callback_of(m.trainer, LastCheckpoint) for m in members]
        seats = [m.seat for m in members]
        if not self._seats:
            self._seats = seats
            self._meeting = max(last.meeting for last in lasts)
        if not any(m.experience.counters.total_env_steps for m in members):
            return None  # a run that has not stepped begins from its beginning
        late = time.monotonic() - self._saved_at > 60 * min(x.every_minutes for x in lasts)
        if not (self.received or late or seats != self._seats or self._meeting == 0):
            return None
        self._seats, self._saved_at = seats, time.monotonic()
        self._meeting += 1
        return [
            partial(last.save_together, m.trainer, self._meeting, self.received)
            for last, m in zip(lasts, members, strict=True)
        ]

    def listening(self) -> AbstractContextManager[None]:
        """Take signals while the context lasts."""
        return signals_taken(LastCheckpoint.signals, self._remember)

    def _remember(self, number: int, _: object) -> None:
        """Take a signal; a second Ctrl-C ends all at once."""
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number


def train_stacked(plan: Plan, imported: Sequence[str], display: Display) -> list[Outcome]:
    """Train members at once, and return how each ended.

    Raises:
        InterruptedRunError: If this process was told to stop; the members have saved their states.
    """
    saves, told, members = JointSaves(), dict[Member, Outcome](), plan.members
    runs = [partial(_train, _arguments(m, plan.states, imported), len(members)) for m in members]

    def watch(under_way: Sequence[Training]) -> None:
        for member, seat in zip(members, population.seats, strict=True):
            if seat.ended and member not in told:
                told[member] = _outcome(member, seat.error)
                display.ended(told[member])
        display.show([m for m in members if m not in told], list(told.values()))

    population = Population(runs, saves, watch, bucket=_bucket())
    with saves.listening(), threads_everywhere(plan.threads):
        errors = population.run()
    if saves.received:
        for member, error in zip(members, errors, strict=True):
            if member not in told and not isinstance(error, (InterruptedRunError, type(None))):
                display.ended(_outcome(member, error))
        raise InterruptedRunError(f"stopped by {signal.Signals(saves.received).name}")
    return [_outcome(member, error) for member, error in zip(members, errors, strict=True)]


def fit_alone(trainer: Trainer, fit: Callable[[], None]) -> None:
    """Train a lone run as a population of one."""

    def train(seat: Seat) -> None:
        trainer.callbacks.append(Together(seat))  # type: ignore[attr-defined]  # set by a connector
        with own_part_noted():
            fit()

    saves = JointSaves()
    with saves.listening():
        (error,) = Population([train], saves, bucket=_bucket()).run()
    if error is not None:
        raise error


def _bucket() -> int:
    return BUCKET if torch.cuda.is_available() else 1


def _arguments(member: Member, states: dict[Path, Path], imported: Sequence[str]) -> list[str]:
    """Return the arguments of a member in this process, which has imported what is asked for."""
    args = list(member.args)
    taken_imports(args)
    if "--resume" in args and member.folder in states:
        args[args.index("--resume") + 1] = str(states[member.folder])
    return with_run(args, imported)


def _train(args: list[str], members: int, seat: Seat) -> None:
    with own_part_noted():
        run(args, type("_MemberCLI", (_MemberCLI,), {"seat": seat, "members": members}))


def _outcome(member: Member, error: BaseException | None) -> Outcome:
    if error is None:
        return Outcome(member, 0)
    if isinstance(error, RunEndedError):
        return Outcome(member, error.exit_status, one_line(str(error)))
    mistake = isinstance(error, (ValueError, OSError)) or own_part(error) is not None
    return Outcome(
        member, USAGE_STATUS if mistake else 1, one_line(told_error(error) or type(error).__name__)
    )


def common_states(folders: Sequence[Path]) -> dict[Path, Path]:
    """Return the states from which runs go on as they went on together.

    A run killed while states were saved left some members with a new state and some without; the
    state before it is kept for that.

    Args:
        folders: Folders of the runs of a population that are not finished.

    Returns:
        The state of each that has one.
    """
    found = {folder: RunFolder(folder).last for folder in folders}
    found = {folder: state for folder, state in found.items() if state.is_file()}
    meetings = {folder: _meeting(state) for folder, state in found.items()}
    common = _common(meetings.values())
    for folder, meeting in meetings.items():
        former = RunFolder(folder).former
        if meeting > common > 0 and former.is_file() and _meeting(former) == common:
            found[folder] = former
    return found


def rejoin(plan: Plan) -> None:
    """Let members go on from the states of one moment.

    Those that were finished when the others were killed before they were saved again do their ends
    again, so that the others have the company that they had.
    """
    plan.states = common_states([m.folder for m in plan.members])
    common = _common(map(_meeting, plan.states.values()))
    alone = []
    for outcome in plan.left_alone:
        folder = RunFolder(outcome.member.folder)
        there = common and not outcome.status and folder.former.is_file()
        if there and common == _meeting(folder.last) == _meeting(folder.former):
            plan.states[folder.path] = folder.former
            args = ("fit", "--resume", str(folder.path))
            plan.members.append(replace(outcome.member, args=args))
        else:
            alone.append(outcome)
    plan.left_alone = alone


def _common(meetings: Iterable[int]) -> int:
    """Return the last moment of which all have a state that went on together, or 0."""
    return min(filter(None, meetings), default=0)


def _meeting(state: Path) -> int:
    """Return the moment at which a state was saved with others; 0 if it does not tell.

    What is wrong with it is said by the run that goes on from it.
    """
    try:
        callbacks = read(state).content["callbacks"]
        return operator.index(callbacks[LastCheckpoint().state_key]["meeting"])
    except (ValueError, TypeError, LookupError):
        return 0
