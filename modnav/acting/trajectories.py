"""What acting brings: trials as they went, in the forms that scores, replay and TD3 take."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from modnav.networks import Inputs
from modnav.task import Trials

__all__ = ["Finished", "Noise", "Rollout", "Segment", "Sweep"]


class Noise(NamedTuple):
    """Standard normal draws for whole trials, so that a rollout can be repeated.

    Attributes:
        process: ``(T, B, 2)``.
        observation: ``(T, B, 2)``.
    """

    process: Tensor
    observation: Tensor


class Rollout(NamedTuple):
    """Trials as they went, time first.

    Entries at and after ``steps`` of a trial are not part of it. ``T`` is the length of the
    longest trial.

    Attributes:
        trials: What was fixed during the trials.
        inputs: What the networks read, each ``(T + 1, B, F)``.
        action: Actions taken, ``(T, B, 2)``.
        state: States before each action and one after the last, ``(T + 1, B, 5)``.
        observed: Observed velocities before each action, unit/s and rad/s, ``(T, B, 2)``.
        perturbation: Velocity the world added at each step, unit/s and rad/s, ``(T, B, 2)``.
        reward: Rewards, ``(T, B)``.
        steps: Number of steps of each trial, ``(B,)``.
        terminated: Whether the trial ended by a stop, bool, ``(B,)``.
        rewarded: Whether it ended by a stop inside the reward zone, bool, ``(B,)``.
        distance: Distance to the target at the last step, before its motion, unit, ``(B,)``.
    """

    trials: Trials
    inputs: dict[str, Tensor]
    action: Tensor
    state: Tensor
    observed: Tensor
    perturbation: Tensor
    reward: Tensor
    steps: Tensor
    terminated: Tensor
    rewarded: Tensor
    distance: Tensor

    @property
    def mask(self) -> Tensor:
        """Whether each step belongs to its trial, bool, ``(T, B)``."""
        step = torch.arange(len(self.action), device=self.steps.device)
        return step[:, None] < self.steps

    def choose(self, rows: Tensor) -> "Rollout":
        """Return some of the trials, given their indices ``(N,)``, up to the longest of them."""
        length = int(self.steps[rows].max())
        steps = ("action", "observed", "perturbation", "reward")
        return self._replace(
            trials=Trials(*(x[rows] for x in self.trials)),
            inputs={name: x[: length + 1, rows] for name, x in self.inputs.items()},
            state=self.state[: length + 1, rows],
            **{key: getattr(self, key)[:length, rows] for key in steps},
            **{key: getattr(self, key)[rows] for key in self._fields[-4:]},
        )


class Segment(NamedTuple):
    """A batch of experience, time first: whole trials, or single steps for memoryless agents.

    Of a population it holds the trials of all members, ``B = P * b``, those of the first first.

    Attributes:
        inputs: What the agent read, each ``(T + 1, B, F)``.
        action: Actions in [-1, 1], ``(T, B, 2)``.
        reward: Rewards, ``(T, B, 1)``.
        terminal: 1 where the trial ends, else 0, ``(T, B, 1)``.
        mask: 1 at steps that belong to a trial, 0 at padding, ``(T, B, 1)``; None if all do.
        members: Agents whose trials these are, ``P``.
    """

    inputs: Inputs
    action: Tensor
    reward: Tensor
    terminal: Tensor
    mask: Tensor | None = None
    members: int = 1

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean over all steps ``(T, B, 1)`` that belong to a trial.

        Returns:
            The mean, ``()``; of several members that of each, ``(P,)``, 0 if it has no trials.
        """
        if self.members == 1:
            return x.mean() if self.mask is None else (x * self.mask).sum() / self.mask.sum()
        mask = x.new_ones(()).expand_as(x) if self.mask is None else self.mask
        shape = (len(x), self.members, -1, 1)
        total, count = (y.reshape(shape).sum(dim=(0, 2, 3)) for y in (x * mask, mask))
        return total / count.clamp(min=1)


class Finished(NamedTuple):
    """Trials that ended, trial first; entries after a trial's end are meaningless.

    Attributes:
        inputs: What the networks read, each ``(K, T + 1, F)``.
        action: Actions, ``(K, T, 2)``.
        reward: Reward at the last step, ``(K,)``.
        steps: Number of steps, ``(K,)``.
    """

    inputs: dict[str, Tensor]
    action: Tensor
    reward: Tensor
    steps: Tensor


class Sweep(NamedTuple):
    """One step of all parallel trials, and the trials that it ended.

    Of a population it holds the trials of all members, those of the first first.

    Attributes:
        inputs: What the networks read before acting, each ``(B, F)``.
        action: Actions taken, ``(B, 2)``.
        reward: Rewards, ``(B,)``.
        terminal: Whether the trial ended, bool, ``(B,)``.
        next_inputs: What they read next, each ``(B, F)``.
        finished: The trials that ended.
        rewarded: Whether each of those was rewarded, bool, ``(K,)``.
        counts: How many of those each member has.
    """

    inputs: dict[str, Tensor]
    action: Tensor
    reward: Tensor
    terminal: Tensor
    next_inputs: dict[str, Tensor]
    finished: Finished
    rewarded: Tensor
    counts: Sequence[int]

    def ended(self) -> list[list[int]]:
        """Return whether rewarded and steps of each trial that ended."""
        return torch.stack((self.rewarded.long(), self.finished.steps), dim=-1).tolist()
