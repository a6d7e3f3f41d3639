"""Commands of modnav in processes of their own, without the seconds in which Python imports PyTorch.

A server that has imported all begins each of them by a fork, so that it may be killed, sent signals and
limited like any other. What is about the start itself (``python -m modnav``, encodings) starts Python.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import reduction
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

from typing_extensions import Self

from modnav.commands.population import together

_SERVER: Any = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
_SERVER.set_forkserver_preload(["modnav.commands.training", "modnav.callbacks.figures", "seaborn"])


class Forked:
    """A command under way; its methods are those of ``subprocess.Popen``.

    Args:
        args: What stands after ``modnav``.
        begin: Called in the process before the command.
        stdout: Open file that it writes to, kept for ``communicate`` by default.
        stderr: Likewise.
        environment: Its environment, that of this process by default.
        context: How the process begins: from the server, or as a fork of this one.
    """

    def __init__(
        self,
        *args: str,
        begin: Callable[[], object] | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        environment: Mapping[str, str] = os.environ,
        context: Any = _SERVER,
    ) -> None:
        self.args = args
        reading, writing = os.pipe()
        self.stdin = os.fdopen(writing, "wb")
        self._told = [Path(tempfile.mkstemp()[1]) for _ in ("out", "err")]
        out, err = (os.open(path, os.O_WRONLY) for path in self._told)
        chosen = (reading, out if stdout is None else stdout, err if stderr is None else stderr)
        files = [_Passed(x) if context is _SERVER else os.dup(x) for x in chosen]
        given = (args, os.getcwd(), dict(environment), files, begin)
        self._process = context.Process(target=_run, args=given)
        self._process.start()
        for number in (reading, out, err, *(x for x in files if isinstance(x, int))):
            os.close(number)
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Status of the process, less than 0 if a signal ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the status, or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the status."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; return what it wrote to standard output and error, and forget it."""
        self.stdin.close()
        self.wait(timeout)
        out, err = (path.read_text() for path in self._told)
        for path in self._told:
            path.unlink(missing_ok=True)
        return out, err

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.pid is not None and self.poll() is None:
            os.kill(self.pid, number)

    def __enter__(self) -> Self:
        """Leave it as it is."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for its end."""
        self.stdin.close()
        self.wait()

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


def with_forked_members(context: Any = _SERVER) -> None:
    """Let populations that this process trains fork their members."""

    def popen(
        command: Sequence[str], stdout: IO[Any], stderr: int, env: Mapping[str, str], **_: object
    ) -> Forked:
        assert list(command[:3]) == [sys.executable, "-m", "modnav"]
        assert stderr == subprocess.STDOUT
        both = {"stdout": stdout.fileno(), "stderr": stdout.fileno()}
        return Forked(*command[3:], **both, environment=env, context=context)

    together.subprocess = SimpleNamespace(  # type: ignore[assignment]  # what members need of it
        Popen=popen, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT
    )


def forking_members() -> None:
    """Let members be forks of the process that this is called in."""
    with_forked_members(multiprocessing.get_context("fork"))


class _Passed:
    """An open file on its way to another process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return _opened, (reduction.DupFd(self.number),)


def _opened(passed: Any) -> int:
    return passed.detach()


def _run(
    args: tuple[str, ...],
    folder: str,
    environment: dict[str, str],
    files: list[int],
    begin: Callable[[], object] | None,
) -> None:
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, 256)  # what others hold, such as the writing ends of members' pipes
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["modnav", *args]
    if begin is not None:
        begin()
    from modnav.cli import main

    main()
