"""What tests call in other processes, and an agent's module of a user's own."""

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import torch

from modnav.files import replacing, written_whole
from modnav.networks import (
    Agent,
    KalmanBelief,
    RecurrentBelief,
    build_agent,
    describe_agent,
    rebuild_agent,
)


class OwnBelief(KalmanBelief):
    """A belief that modnav does not know."""


class OwnRecurrentBelief(RecurrentBelief):
    """Another one, with a memory."""


class OtherRecurrentBelief(RecurrentBelief):
    """A third."""


def own_agent() -> Agent:
    """Return an agent that is made of a module of the user's own."""
    description = describe_agent(build_agent("EKF"))
    description["actor"]["belief"]["class_path"] = f"{__name__}.{OwnBelief.__name__}"
    return rebuild_agent(description)


def about_process(name):
    """Return what a process is like."""
    interrupts_are_ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    return os.getpid(), torch.get_num_threads(), interrupts_are_ignored, name in sys.modules


def wait_for(file, limit_s=60.0):
    """Wait for a file if one is named, and return whether it came in time."""
    until = time.monotonic() + limit_s
    while file is not None and not file.exists() and time.monotonic() < until:
        time.sleep(0.01)
    return file is None or file.exists()


def refuse(number):
    """Refuse a number."""
    raise ValueError(f"it is {number}")


def end(number):
    """End the process at once."""
    os._exit(number)


def running(process):
    """Return whether a process has not ended; of one that has, its parent may not know yet."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_amid_a_folder(path):
    """End the process at once while it writes a folder."""
    with written_whole(Path(path)) as part:
        part.mkdir()
        (part / "half.txt").write_text("half")
        os._exit(9)


def die_amid_a_file(path):
    """Kill the process while it replaces a file."""
    with replacing(Path(path)):
        os.kill(os.getpid(), signal.SIGKILL)
