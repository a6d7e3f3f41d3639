"""``modnav fit --population stacked``: the trainings of many members in one process, at once."""

import operator
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from typing_extensions import override

from modnav.callbacks import LastCheckpoint, Summary, Together, callback_of
from modnav.learning import Member, Population, Seat
from modnav.runs import RunFolder, read

from . import training

__all__ = ["JointSaves", "common_states", "train_together"]

BUCKET = 5
"""On a GPU batches are padded to multiples of so many steps: each length is a graph of its own."""


class _MemberCLI(training.ModnavCLI):
    """The parts of every run, but for what is shown: that is left to the population."""

    seat: Seat

    @override
    def before_instantiate_classes(self) -> None:
        self.config[self.subcommand].trainer.enable_progress_bar = False
        super().before_instantiate_classes()

    def _callbacks(self, config: Any) -> list[Any]:
        found = [x for x in super()._callbacks(config) if not isinstance(x, Summary)]
        return [*found, Together(self.seat)]


def _train(args: list[str], seat: Seat) -> None:
    training.run(args, type("MemberCLI", (_MemberCLI,), {"seat": seat}))


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

    def __call__(self, members: Sequence[Member]) -> list[Callable[[], None]] | None:
        """Return what each member shall do before its next step."""
        lasts = [callback_of(m.trainer, LastCheckpoint) for m in members]
        seats = [m.seat for m in members]
        if not self._seats:  # they have just begun, and are saved
            self._seats = seats
            self._meeting = max(last.meeting for last in lasts)
        started = any(m.experience.counters.total_env_steps for m in members)
        late = time.monotonic() - self._saved_at > 60 * min(x.every_minutes for x in lasts)
        if not (self.received or late or (seats != self._seats and started)):
            return None
        self._seats, self._saved_at = seats, time.monotonic()
        self._meeting += 1
        what = zip(lasts, members, strict=True)
        return [
            partial(last.save_together, m.trainer, self._meeting, self.received)
            for last, m in what
        ]

    def remember(self, number: int, frame: FrameType | None) -> None:
        """Take a signal; a second Ctrl-C ends all at once."""
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number


def train_together(
    runs: Sequence[list[str]], watch: Callable[[Sequence[Member]], None] = lambda members: None
) -> list[BaseException | None]:
    """Train members at once.

    Args:
        runs: The arguments of ``modnav fit`` for each.
        watch: Called after each step of all with the members that are under way.

    Returns:
        Why each ended before its time, or ``None``.
    """
    saves = JointSaves()
    cuda = torch.cuda.is_available()
    population = Population(
        [partial(_train, args) for args in runs], saves, watch, bucket=BUCKET if cuda else 1
    )
    former = {s: signal.signal(s, saves.remember) for s in LastCheckpoint.signals}
    try:
        return population.run()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


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
    if not meetings:
        return {}
    common = min(meetings.values())
    for folder, meeting in meetings.items():
        former = RunFolder(folder).former
        if meeting > common and former.is_file() and _meeting(former) == common:
            found[folder] = former
    return found


def _meeting(state: Path) -> int:
    callbacks = read(state).content.get("callbacks", {})
    held = callbacks.get(LastCheckpoint().state_key, {})
    return operator.index(held.get("meeting", 0))
