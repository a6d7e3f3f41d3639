"""Output that nobody may be there to read: a lost or poor terminal ends no command."""

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import FileIO, TextIOWrapper
from typing import Any

from modnav.machine import signals_taken

PIPE_STATUS = 141
"""Exit status of a command whose reader went away, as the shell has it."""


class _Outlasting:
    """A stream that goes on in silence when nobody reads it any more.

    Args:
        stream: The stream.
        losses: What it raises then.

    Attributes:
        lost: Whether nobody reads it any more.
    """

    def __init__(self, stream: Any, losses: tuple[type[Exception], ...]) -> None:
        self._stream = stream
        self._losses = losses
        self.lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, or forget it."""
        with self._forgiven():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or forget what is left."""
        with self._forgiven():
            self._stream.flush()

    @contextmanager
    def _forgiven(self) -> Iterator[None]:
        try:
            yield
        except self._losses:
            self.lost = True
            silence(self._stream)


def silence(stream: Any) -> None:
    """Send what is written to a stream from now on nowhere, also what it still holds."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextmanager
def steady_output(*, training: bool) -> Iterator[None]:
    """Write what the terminal cannot show as ``?``, and go on in silence if the reader goes away.

    So what a command writes to files is whole, whenever it would have printed.

    Args:
        training: Whether that is no failure, nor any other loss of the output. The terminal may
            then be closed, too (SIGHUP).

    Raises:
        SystemExit: With status 141 in the end if the reader went away, unless ``training``.
    """
    streams = sys.stdout or _nowhere(), sys.stderr or _nowhere()  # it was closed: `>&-`
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    losses = (OSError, ValueError) if training else (BrokenPipeError,)
    lasting = [_Outlasting(stream, losses) for stream in streams]
    sys.stdout, sys.stderr = lasting
    ended: SystemExit | None = None
    try:
        with _hang_ups_ignored() if training else nullcontext():
            yield
    except SystemExit as end:
        if end.code:
            raise
        ended = end  # `--help` and the like
    finally:
        _flush(lasting)
        sys.stdout, sys.stderr = streams
    if not training and any(stream.lost for stream in lasting):
        raise SystemExit(PIPE_STATUS)
    if ended is not None:
        raise ended


def _flush(streams: Iterable[_Outlasting]) -> None:
    try:
        for stream in streams:
            stream.flush()
    except OSError:  # a full disk, which was told
        for stream in streams:
            silence(stream)


def _hang_ups_ignored() -> AbstractContextManager[None]:
    ours = hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    return signals_taken([signal.SIGHUP] if ours else [], signal.SIG_IGN)


def _nowhere() -> TextIOWrapper:
    return TextIOWrapper(FileIO(os.devnull, "w"), encoding="utf-8")
