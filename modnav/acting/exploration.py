"""Exploration noise of one's own."""

import abc

from torch import Tensor

__all__ = ["AbstractExploration"]


class AbstractExploration(abc.ABC):
    """What makes exploration noise of standard normal draws; plain noise has no need of it.

    The noise is added to actions that move, and the sum is cut to [-1, 1]. It must treat trials
    alike: in stacked populations it is asked for those of all members at once. Keep each
    argument of ``__init__`` in an attribute of its name; members must have the same.
    """

    @abc.abstractmethod
    def noise(self, draws: Tensor, std: float | Tensor, former: Tensor) -> Tensor:
        """Return the noise of a step, action units, ``(B, 2)``.

        Args:
            draws: Standard normal draws, ``(B, 2)``; take all randomness from these.
            std: ``exploration_std`` of the phase, a number, or one of each trial, ``(B, 1)``.
            former: What was returned at the step before, ``(B, 2)``; 0 at the start of a trial.
        """
