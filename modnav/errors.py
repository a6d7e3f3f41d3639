"""Errors that end a run on purpose, each with an exit status of its own; checks of numbers."""

import operator
from typing import Any

USAGE_STATUS = 2
"""Exit status for a mistake in the arguments or the files."""


class UnitWarning(UserWarning):
    """A column of a table seems to be in another unit of measure."""


class RunEndedError(RuntimeError):
    """A run ended before its time.

    Attributes:
        exit_status: Exit status of the command line.
    """

    exit_status = 1


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


FOR_GOOD = (PhaseOneFailedError.exit_status, DivergedError.exit_status)
"""Exit statuses of runs that would end likewise if they went on as they are."""


class MembersFailedError(RunEndedError):
    """Members of a population failed, and the others finished.

    Args:
        message: What is to be said.
        exit_status: The highest status of those that failed.
    """

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class RunFinishedError(ValueError):
    """A run that is to go on has nothing left to do."""


class JobsFailedError(RunEndedError):
    """Jobs of a study failed, and all that did not build on them were done."""


MOST = 1_000_000_000
"""Number above which whatever a user gives is taken for a mistake."""


def require(
    key: str, value: float, low: float, high: float = MOST, *, strict: bool = False
) -> None:
    """Check that a number is in a range; NaN is in none.

    Args:
        key: What the user calls it.
        value: The number.
        low: Least value that is allowed.
        high: Largest.
        strict: Whether ``low`` itself is not allowed.

    Raises:
        ValueError: If it is not; the message names the key, the value and the rule.
    """
    if not ((low < value if strict else low <= value) and value <= high):
        rule = f"above {low:,}" if strict else f"{low:,} or more"
        rule = f"{rule} and at most {high:,}"
        if not strict and high != MOST:
            rule = f"in [{low:,}, {high:,}]"
        raise ValueError(f"{key} is {value}; it must be {rule}")


def require_kind(key: str, value: Any, kind: type, rule: str) -> None:
    """Check that a value is of a kind.

    Args:
        key: What the user calls it.
        value: The value.
        kind: Its class.
        rule: What it must be, in words.

    Raises:
        TypeError: If it is not; the message names the key, the value's class and the rule.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{key} is of kind {type(value).__name__}; it must be {rule}")


def whole(key: str, value: Any) -> int:
    """Return a whole number, of Python or of NumPy, as one of Python.

    Args:
        key: What the user calls it.
        value: The number.

    Raises:
        ValueError: If it is none; the message names the key and the value.
    """
    try:
        return operator.index(value)
    except TypeError as error:
        raise ValueError(f"{key} is {value!r}; it must be a whole number") from error
