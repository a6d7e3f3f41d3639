"""Commands of modnav in processes of their own, without the seconds in which Python imports PyTorch.

A server that has imported all begins each of them by a fork, so that it may be killed, sent signals and
limited like any other. What is about the start itself (``python -m modnav``, encodings) starts Python.
"""

import importlib
import itertools
import multiprocessing
import os
import shlex
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

# the server must not have threads of OpenMP, of which a fork of a fork waits in vain for an answer
os.environ.setdefault("OMP_NUM_THREADS", "1")
SERVER: Any = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
SERVER.set_forkserver_preload(
    [
        *("modnav.cli", "modnav.commands.population", "modnav.commands.training"),
        *("modnav.callbacks.figures", "matplotlib.backends.backend_agg", "PIL.JpegImagePlugin"),
        *("PIL.GifImagePlugin", "pandas.io.formats.csvs", "pyarrow.pandas_compat", "attr"),
    ]
)


def _modnav(*args: str) -> None:
    """Run the command line of modnav."""
    sys.argv = ["modnav", *args]
    from modnav.cli import main

    main()


def script(name: str, *args: str) -> None:
    """Run a script of this folder."""
    sys.argv = [name, *args]
    importlib.import_module(name).main()


def _job(name: str, threads: str) -> None:
    """Do a job of the study in the current folder."""
    from modnav.commands.study.step import main

    sys.exit(main(name, threads, str(os.getppid())))


class Forked:
    """A command under way; its methods are those of ``subprocess.Popen``.

    Args:
        args: What stands after ``modnav``, or other arguments of ``call``.
        begin: Called in the process before the command.
        stdout: Open file that it writes to, kept for ``communicate`` by default.
        stderr: Likewise.
        environment: Its environment, that of this process by default.
        context: How the process begins: from the server, or as a fork of this one.
        call: What it does.
    """

    def __init__(
        self,
        *args: str,
        begin: Callable[[], object] | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        environment: Mapping[str, str] = os.environ,
        context: Any = SERVER,
        call: Callable[..., None] = _modnav,
    ) -> None:
        self.args = args
        reading, writing = os.pipe()
        self.stdin = os.fdopen(writing, "wb")
        self._told = [Path(tempfile.mkstemp()[1]) for _ in ("out", "err")]
        out, err = (os.open(path, os.O_WRONLY) for path in self._told)
        chosen = (reading, out if stdout is None else stdout, err if stderr is None else stderr)
        files = [_Passed(x) if context is SERVER else os.dup(x) for x in chosen]
        given = (call, args, os.getcwd(), dict(environment), files, begin)
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
        self.stdin.close()
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


def with_forked_members(context: Any = SERVER) -> None:
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


def forking_ranks(number: int | None = None) -> None:
    """Let the other processes of a run of several be forks of the one that this is called in.

    Args:
        number: Signal that the second of them gets after a validation.
    """
    from pytorch_lightning.strategies.launchers import subprocess_script

    from modnav.callbacks import Monitor

    fork = multiprocessing.get_context("fork")

    def popen(command: Sequence[str], env: Mapping[str, str], cwd: None) -> Forked:
        name, *args = sys.argv
        assert list(command[-len(args) :]) == args
        how = {"stdout": 1, "stderr": 2, "environment": env, "context": fork}
        if name == "modnav":
            return Forked(*args, **how)
        return Forked(name, *args, call=script, **how)

    subprocess_script.subprocess = SimpleNamespace(Popen=popen)  # type: ignore[assignment]
    if number is not None:
        told_at(Monitor, "on_validation_end", 1, number, rank="1")


def forked_jobs() -> SimpleNamespace:
    """Return what ``snakemake.shell`` needs of ``subprocess``, for jobs of studies that are forked."""

    def popen(command: str, env: Mapping[str, str], **_: object) -> Forked:
        *_, python, m, module, job, threads, engine, _to, log, _err = shlex.split(command)
        assert (python, m, module) == (sys.executable, "-m", "modnav.commands.study.step")
        assert engine == "$PPID"
        with open(log, "ab") as told:
            both = {"stdout": told.fileno(), "stderr": told.fileno()}
            return Forked(job, threads, **both, environment=env, call=_job)

    return SimpleNamespace(**{**vars(subprocess), "Popen": popen})


def told_at(owner: type, method: str, count: int, *numbers: int, rank: str | None = None) -> None:
    """Let this process get signals when a method was called so often.

    So they always come in the midst of a training, however short it is.

    Args:
        owner: Class of the method.
        method: Its name.
        count: At which call.
        numbers: The signals.
        rank: Which process of a run of several it is for, if not for each.
    """
    function, calls = getattr(owner, method), itertools.count(1)

    def counted(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        if next(calls) == count and rank in (None, os.environ.get("LOCAL_RANK")):
            for number in numbers:
                os.kill(os.getpid(), number)
        return found

    setattr(owner, method, counted)


class _Passed:
    """An open file on its way to another process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[Any]]:
        return _opened, (reduction.DupFd(self.number),)


def _opened(passed: Any) -> int:
    return passed.detach()


def _run(
    call: Callable[..., None],
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
    if begin is not None:
        begin()
    call(*args)
