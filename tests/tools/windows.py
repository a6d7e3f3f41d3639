"""Run commands of modnav where ``os`` and ``signal`` lack what Windows lacks.

``python tests/tools/windows.py OUT`` trains, evaluates and records in the folder ``OUT``. The names
go after other libraries are imported, which ask what system this is, and before anything of ours.
"""

import importlib
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

from pytorch_lightning.trainer.connectors import signal_connector

OF_OS = (
    *("chown", "chroot", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid"),
    *(
        "getgroups",
        "getloadavg",
        "getpgid",
        "getpgrp",
        "getpriority",
        "getsid",
        "getuid",
        "killpg",
    ),
    *("lchown", "mkfifo", "mknod", "nice", "openpty", "pathconf", "posix_fadvise", "posix_spawn"),
    *("register_at_fork", "sched_getaffinity", "sched_setaffinity", "sched_yield", "setsid"),
    *("setuid", "statvfs", "fstatvfs", "sync", "sysconf", "uname", "wait", "wait3", "wait4"),
    *("WIFSIGNALED", "WTERMSIG"),
)
OF_SIGNAL = (
    *("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP"),
    *("SIGTSTP", "SIGUSR1", "SIGUSR2", "alarm", "getitimer", "pause", "pthread_kill"),
    *("pthread_sigmask", "setitimer", "siginterrupt", "sigpending", "sigwait"),
)
MODULES = ("fcntl", "grp", "posix", "pwd", "resource", "termios", "tty")
LIBRARIES = (
    "torch",
    "pytorch_lightning",
    "psutil",
    "rich.console",
    "tensorboard",
    "pyarrow",
    "filelock",
)


def remove(module: ModuleType, names: tuple[str, ...]) -> None:
    """Take names out of a module."""
    for name in names:
        if hasattr(module, name):
            delattr(module, name)


def main() -> None:
    """Train, evaluate and record."""
    for name in LIBRARIES:
        importlib.import_module(name)
    assert not [name for name in sys.modules if name.partition(".")[0] == "modnav"]
    signal_connector._IS_WINDOWS = True  # Lightning has a way of its own there
    remove(os, OF_OS)
    remove(signal, OF_SIGNAL)
    signal.valid_signals = lambda: {signal.SIGINT, signal.SIGTERM}
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it fails
    from modnav.cli import main as modnav

    out = Path(sys.argv[1])
    config = Path(__file__).with_name("small.yaml")
    modnav(["fit", "--config", str(config), "--runs", str(out / "runs"), "--phases.trials", "40"])
    modnav(["fit", "--config", str(config), "--runs", str(out / "runs"), "--seeds", "1"])
    run = next((out / "runs").glob("*/seed0"))
    modnav(["fit", "--resume", str(run), "--phases.trials", "60"])
    modnav(["evaluate", str(run), "--trials", "5", "--out", str(out)])
    modnav(["best", str(run), "--out", str(out)])
    modnav(["record", str(run / "last.ckpt"), "--trials", "5", "--out", str(out / "tables")])


if __name__ == "__main__":
    main()
