"""Batches of all members of a population, for as many updates as they wait for.

``J`` is the number of updates, ``P`` that of members, ``b`` that of trials in a member's batch, of
which it may have fewer, or none.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from modnav.networks import ACTIONS

from .learner import TD3
from .ring import AbstractReplay

__all__ = ["Batches"]


class Batches:
    """What members draw for their next updates, in one form for all.

    Args:
        drawn: Slots of the batches of each member.
        replays: Their memories, parts of one.
        whole: The memory of all.
        bucket: Batches are padded to a multiple of so many steps, or to those that are held.

    Attributes:
        counts: Batches of each member, ``(P,)``.
        trials: Trials of each batch, ``(J, P)``.
        steps: Steps of its longest trial, ``(J, P)``.
        longest: Steps that each update is padded to, ``(J,)``.
        slots: Where the trials are in the memory of all, ``(J, P * b)``.
        real: Whether each is one, bool, ``(J, P * b)``; the others only fill up.
    """

    def __init__(
        self,
        drawn: Sequence[Sequence[np.ndarray]],
        replays: Sequence[AbstractReplay],
        whole: AbstractReplay,
        bucket: int,
    ) -> None:
        self.counts = np.array([len(own) for own in drawn])
        shape = (self.counts.max(), len(drawn), whole.batch_size)
        slots, real = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
        for k, (own, replay) in enumerate(zip(drawn, replays, strict=True)):
            slots[:, k] = replay.first
            for j, some in enumerate(own):
                slots[j, k, : len(some)] += some
                real[j, k, : len(some)] = True
        self.trials = real.sum(axis=-1)
        self.steps = (whole.lengths_of(slots) * real).max(axis=-1)
        held = whole.buffers["action"]  # (N, T, 2) of trials, (N, 2) of steps
        most = held.shape[1] if held.dim() == 3 else 1
        self.longest = np.minimum(-(-self.steps.max(axis=1) // bucket) * bucket, most)
        self.slots, self.real = (x.reshape(len(x), -1) for x in (slots, real))

    def noise(self, learners: Sequence[TD3], device: torch.device) -> Tensor:
        """Return smoothing noise for all, 0 at padding, ``(J, T, P * b, 2)``.

        Each member draws what it would draw alone.
        """
        drawn = []
        for learner, count, *shapes in zip(
            learners,
            self.counts.tolist(),
            self.steps.T.tolist(),
            self.trials.T.tolist(),
            strict=True,
        ):
            if count:
                drawn.append(learner.noise(list(zip(*shapes, strict=True))[:count]))
        given = np.stack((self.steps.T, self.trials.T))[..., None, None]
        steps, trials = torch.from_numpy(given).to(device)  # (P, J, 1, 1)
        step = torch.arange(int(self.longest.max()), device=device)[:, None]
        trial = torch.arange(self.slots.shape[1] // len(self.counts), device=device)
        real = ((step < steps) & (trial < trials))[..., None]
        noise = torch.zeros(*real.shape[:-1], ACTIONS, device=device)
        noise.masked_scatter_(real, torch.cat(drawn))  # in the order of members
        return noise.permute(1, 2, 0, 3, 4).flatten(2, 3)
