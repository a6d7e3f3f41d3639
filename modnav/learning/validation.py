"""How agents are validated while they learn."""

from dataclasses import dataclass

from modnav.errors import require
from modnav.evaluation import GAINS

__all__ = ["Validation"]

LARGEST = 1_000_000
"""Most parallel trials, and trials of a validation: more would not fit into memory."""


@dataclass(frozen=True)
class Validation:
    """How agents are validated while they learn.

    Attributes:
        gains: Test gains.
        trials: Trials at each gain of the published in-training validation: new targets each
            time, no process noise.
        selection_trials: Trials at each gain of the validation that selects checkpoints: the same
            targets each time, both noises on.
    """

    gains: tuple[float, ...] = GAINS
    trials: int = 300
    selection_trials: int = 500

    def __post_init__(self) -> None:
        """Check every value."""
        if not self.gains:
            raise ValueError("validation.gains is []; it must hold a gain")
        for gain in self.gains:
            require("validation.gains", gain, 0, LARGEST, strict=True)
        for key in ("trials", "selection_trials"):
            require(f"validation.{key}", getattr(self, key), 1, LARGEST)
