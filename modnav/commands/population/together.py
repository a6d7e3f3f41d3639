"""Members of a population as processes, side by side.

Each is a command of its own, and none a worker of :class:`modnav.runs.WorkerPool`: a pool is broken
when one of its processes is killed, and a member that is killed must not take the others with it.
A member reads a pipe from the process that started it, which writes nothing: the pipe ends when that
process does, however that ends, and the member then saves its state and ends too.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from modnav.callbacks import MEMBER, LastCheckpoint
from modnav.errors import InterruptedRunError
from modnav.files import one_line
from modnav.machine import signals_taken
from modnav.runs import RunFolder

from .gathered import Display
from .members import Member, Outcome

POLL_S = 0.1
"""Time between two looks at the processes, s."""

_ERROR = "modnav: error: "


def end_with_parent() -> None:
    """Let this process, if it is a member, save its state and end with the one that started it."""
    if not os.environ.get(MEMBER):
        return

    def wait() -> None:
        with suppress(OSError):
            while os.read(0, 1):  # not sys.stdin, whose lock would be held when Python ends
                pass
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def train_together(
    members: Sequence[Member],
    at_once: int,
    display: Display,
    should_end: Callable[[], bool] = lambda: False,
) -> list[Outcome]:
    """Train members in processes of their own, and return how each ended.

    Args:
        members: The members, started in this order.
        at_once: How many run side by side; the next starts when one ends.
        display: Where it is shown how they stand.
        should_end: Whether those that run are to save their states and end, and no other begins.

    Raises:
        InterruptedRunError: If this process was told to stop; the members have saved their states.
    """
    waiting, running, outcomes = deque(members), dict[Member, Any](), list[Outcome]()
    received: list[int] = []
    with signals_taken(LastCheckpoint.signals, lambda number, _: received.append(number)):
        try:
            while (waiting or running) and not received and not should_end():
                while waiting and len(running) < at_once:
                    member = waiting.popleft()
                    running[member] = _start(member)
                for member in [m for m, process in running.items() if process.poll() is not None]:
                    process = running.pop(member)
                    process.stdin.close()
                    outcomes.append(_outcome(member, process.returncode))
                    display.ended(outcomes[-1])
                display.show(list(running), outcomes)
                time.sleep(POLL_S)
        finally:
            _end(list(running.values()), received)
    if received:
        raise InterruptedRunError(f"stopped by {signal.Signals(received[0]).name}")
    return outcomes


def _start(member: Member) -> "subprocess.Popen[bytes]":
    log = RunFolder(member.folder).log
    if log.is_symlink():  # of a run from elsewhere; nothing is written through it
        log.unlink()
    own = {MEMBER: "1", "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    with log.open("ab" if "--resume" in member.args else "wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "modnav", *member.args],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | own,
            # signals of the terminal are left to this process
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )


def _end(processes: Sequence["subprocess.Popen[bytes]"], received: list[int]) -> None:
    """Let processes save their states and end; a second Ctrl-C ends them at once."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    while any(process.poll() is None for process in processes):
        if signal.SIGINT in received[1:]:
            for process in processes:
                process.kill()
        time.sleep(POLL_S)


def _outcome(member: Member, code: int) -> Outcome:
    if code == 0:
        return Outcome(member, 0)
    if code < 0:
        return Outcome(member, 128 - code, f"killed by {_name(-code)}")
    return Outcome(member, code, _reason(member))


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _reason(member: Member) -> str:
    """Return what a member said at its end."""
    log = RunFolder(member.folder).log
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode("utf-8", "replace").splitlines()
        told = [line for line in lines if line.startswith(_ERROR)] or [
            x for x in lines if x.strip()
        ]
        if told:
            return one_line(told[-1].removeprefix(_ERROR))
    return f"it said nothing; see {log}"
