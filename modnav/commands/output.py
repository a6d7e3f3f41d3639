"""Output that nobody may be there to read: a lost or poor terminal ends no training."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO, TextIOWrapper
from typing import Any

PIPE_STATUS = 141
"""Exit status of a command whose reader went away, as the shell has it."""


class _Outlasting:
    """A stream that goes on in silence when nobody reads it any more.

    Args:
        stream: The stream.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

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
        except (OSError, ValueError):  # the reader is gone; the terminal is; it was closed
            silence(self._stream)


def silence(stream: Any) -> None:
    """Send what is written to a stream from now on nowhere, also what it still holds."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextmanager
def steady_output(*, outlast: bool) -> Iterator[None]:
    """Write what the terminal cannot show as ``?``, and end quietly if the reader goes away.

    Args:
        outlast: Whether to go on then, and when the terminal is closed (SIGHUP), as trainings do.

    Raises:
        SystemExit: With status 141 if the reader went away, unless ``outlast``.
    """
    sys.stdout = sys.stdout or _nowhere()  # it was closed: `>&-`
    sys.stderr = sys.stderr or _nowhere()
    streams = sys.stdout, sys.stderr
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    hung_up = signal.getsignal(signal.SIGHUP) if hasattr(signal, "SIGHUP") else None
    if outlast:
        sys.stdout, sys.stderr = map(_Outlasting, streams)
        if hung_up is signal.SIG_DFL:
            with suppress(ValueError):  # not the main thread
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        for stream in streams:
            silence(stream)
        raise SystemExit(PIPE_STATUS) from None
    finally:
        sys.stdout, sys.stderr = streams
        if outlast and hung_up is signal.SIG_DFL:
            with suppress(ValueError):
                signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _nowhere() -> TextIOWrapper:
    return TextIOWrapper(FileIO(os.devnull, "w"), encoding="utf-8")
