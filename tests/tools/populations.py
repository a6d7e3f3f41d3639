"""Real populations in processes of their own, and their members' runs."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forked import Forked, forking_members

from modnav.runs import read

FIT = ["fit", "--config", "small.yaml"]
RUNS = Path("runs/small")
LIMIT = 300  # s; a member that never ends is the fault, a slow machine is none


def weights(folder: Path) -> dict[str, Any]:
    """Return the weights of the last state of a run."""
    found: dict[str, Any] = read(folder / "last.ckpt").content["state_dict"]
    return found


def start(*args: str) -> Forked:
    """Start a command of modnav, whose members are forks of its process."""
    return Forked(*args, begin=forking_members)


def wait_until(condition: Callable[[], object], process: Forked) -> None:
    """Wait until something holds; fail if the process ends before."""
    until = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.02)
