"""Which subjects a panel looks at, and in how many trials, for its caption."""

from typing import Any

from .members import DEFAULT
from .words import counted

__all__ = ["Subjects"]


class Subjects:
    """Subjects that were looked at since they were asked for last."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], dict[Any, dict[Any, int]]] = {}

    def note(
        self, name: str, subject: Any, condition: Any, trials: int, group: str = DEFAULT
    ) -> None:
        """Note that a subject was looked at.

        Args:
            name: Its architecture, or the animal.
            subject: What tells it from others of its architecture.
            condition: What it went through; the same again counts once.
            trials: In how many trials; 0 where that is not known.
            group: What it was trained on.
        """
        self._seen.setdefault((name, group), {}).setdefault(subject, {})[condition] = trials

    def taken(self, *, example: bool = False) -> str:
        """Return in words which subjects there were and in how many trials, and begin anew.

        Args:
            example: Whether one of the trials is shown, and the others are not.
        """
        found, self._seen = self._seen, {}
        return counted(found, example=example)
