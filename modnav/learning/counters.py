"""Where the stream of experience stands, and what a training phase decides about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

__all__ = ["Block", "Counters", "Setting"]


class Setting(NamedTuple):
    """What a training phase decides about experience.

    Attributes:
        exploration_std: Standard deviation of the exploration noise, action units.
        observation_noise: Whether observations are noisy.
        mirror: Whether trials are also stored mirrored.
        scripted: Whether scripted trials are mixed in, if there is a warm-up.
        steps_per_update: Environment steps per batch; those of the data module if None.
    """

    exploration_std: float = 0.5
    observation_noise: bool = True
    mirror: bool = True
    scripted: bool = False
    steps_per_update: int | None = None


class Block(NamedTuple):
    """How the last trials went.

    Attributes:
        trials: Trials of phase I, or since its end.
        total_trials: Trials since the start of training.
        reward_fraction: Rewarded fraction of the block's trials.
        reward_rate: Rewarded trials per second, 1/s.
        steps_per_trial: Mean number of steps.
        outcomes: Whether each of its trials was rewarded, and its steps.
    """

    trials: int
    total_trials: int
    reward_fraction: float
    reward_rate: float
    steps_per_trial: float
    outcomes: Sequence[Sequence[int]] = ()


@dataclass
class Counters:
    """Where the stream stands; all of it is saved.

    Attributes:
        trials: Trials that ended in phase I, or since its end.
        env_steps: Environment steps in phase I, or since its end.
        total_trials: Trials since the start.
        total_env_steps: Environment steps since the start.
        due: Updates that the steps so far still owe.
        checked: Trials at the last check of the phase.
        closed: Trials at the end of the last epoch.
        scripted: Scripted trials that the trials so far still owe.
        recent: Whether each trial since the last check was rewarded, and its steps.
    """

    trials: int = 0
    env_steps: int = 0
    total_trials: int = 0
    total_env_steps: int = 0
    due: int = 0
    checked: int = 0
    closed: int = 0
    scripted: float = 0.0
    recent: list[list[int]] = field(default_factory=list)

    def check(self) -> None:
        """Check counters that were read from a file.

        Raises:
            ValueError: If one cannot be right.
        """
        flat = {k: v for k, v in vars(self).items() if k not in ("scripted", "recent")}
        whole = [*flat.values(), *(x for pair in self.recent for x in pair)]
        if (
            not all(type(x) is int and 0 <= x < 1e15 for x in whole)
            or not 0 <= self.scripted < 1e9
        ):
            raise ValueError("its counters are damaged")

    def has_block(self, more: int, size: int, epoch: int) -> bool:
        """Return whether a block of trials, or the epoch, has ended after so many more trials.

        Args:
            more: Trials.
            size: Trials in a block.
            epoch: Trials in an epoch.
        """
        trials = self.trials + more
        return trials - self.checked >= size or trials - self.closed >= epoch

    def next_block(self, size: int, epoch: int, dt: float) -> Block | None:
        """Return how the next full block of trials of this epoch went, if it has ended.

        Args:
            size: Trials in a block.
            epoch: Trials in an epoch.
            dt: Length of a step, s.
        """
        if self.trials - self.checked < size or self.checked >= self.closed + epoch:
            return None
        self.checked += size
        earlier = self.trials - self.checked
        cut = len(self.recent) - earlier
        outcomes, self.recent = self.recent[:cut], self.recent[cut:]
        part = np.array(outcomes)
        rewarded, steps = part[:, 0].sum(), part[:, 1]
        return Block(
            self.checked,
            self.total_trials - earlier,
            float(rewarded / len(part)),
            float(rewarded / (dt * (steps - 1).sum())),
            float(steps.mean()),
            outcomes,
        )
