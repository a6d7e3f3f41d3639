"""How the checkpoints of a study are selected."""

from dataclasses import dataclass
from typing import Literal

from .members import DEFAULT, DEFAULT_TRIALS, EXTENSIVE

__all__ = ["LONGEST", "Selection", "Test"]

Test = Literal["gain", "perturbation"]

LONGEST = {DEFAULT: DEFAULT_TRIALS, EXTENSIVE: 100_000}
"""Checkpoints of a group are taken before this trial, as published."""


@dataclass(frozen=True)
class Selection:
    """How the checkpoints of a study are selected.

    Attributes:
        group: What the agents were trained on, see :func:`.members.group_of`.
        on: Test tasks whose reward rates are summed; all of the curve if None.
        before: Only checkpoints whose episode is below; if None 10,000, or 100,000 for groups of
            extensive training.
        test: Kind of test tasks.
        extensive: Whether the test tasks are those of the extensive training; if None for groups
            of such.
    """

    group: str = DEFAULT
    on: tuple[str, ...] | None = None
    before: int | None = None
    test: Test = "gain"
    extensive: bool | None = None

    @property
    def limit(self) -> int:
        """Episode that checkpoints are taken before."""
        usual = LONGEST[EXTENSIVE if self._trained_for_long else DEFAULT]
        return usual if self.before is None else self.before

    @property
    def full(self) -> bool:
        """Whether the test tasks are those of the extensive training."""
        return self._trained_for_long if self.extensive is None else self.extensive

    @property
    def _trained_for_long(self) -> bool:
        return self.group.startswith(EXTENSIVE)
