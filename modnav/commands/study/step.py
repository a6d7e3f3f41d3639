"""One job of a study in a process of its own, as the engine starts it in the study's folder.

``python -m modnav.commands.study.step JOB THREADS ENGINE``. The process is that of the command itself: what kills
the job kills the training, and the engine sees how it ended. If the engine (or whatever started the
job, whose process id ``ENGINE`` is) ends, however it does, the job ends too; a training saves its
state before.
"""

import os
import signal
import sys
import threading
import time

__all__ = ["main"]

POLL_S = 0.5
"""Time between two looks whether the engine is there, s."""


def main(name: str, threads: str, engine: str) -> int:
    """Do a job, and return its exit status.

    Args:
        name: Its name.
        threads: Cores that it may use.
        engine: Process id of what started it.
    """
    threading.Thread(target=_end_with, args=(int(engine),), daemon=True).start()
    from .job import do  # it takes seconds, in which the engine may be killed

    try:
        return do(name, threads)
    except (ValueError, OSError) as error:
        print(f"modnav: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _end_with(engine: int) -> None:
    while os.getppid() == engine:
        time.sleep(POLL_S)
    signal.raise_signal(signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
