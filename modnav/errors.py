"""Errors that end a run on purpose; each has an exit status of its own."""

from typing import ClassVar

USAGE_STATUS = 2
"""Exit status for a mistake in the arguments or the files."""


class RunEndedError(RuntimeError):
    """A run ended before its time.

    Attributes:
        exit_status: Exit status of the command line.
    """

    exit_status: ClassVar[int] = 1


class PhaseOneFailedError(RunEndedError):
    """The agent did not learn to find rewards within phase I."""

    exit_status = 3


class DivergedError(RunEndedError):
    """A loss became NaN or infinite."""

    exit_status = 4


class InterruptedRunError(RunEndedError):
    """The run was told to stop; a checkpoint to resume from was left."""

    exit_status = 130


class ProcessLostError(RunEndedError):
    """A process that this one needs has ended."""

    exit_status = 5
