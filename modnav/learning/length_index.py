"""Which trials have which length."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["LengthIndex"]


class LengthIndex:
    """Slots by trial length; adding, removing and drawing take constant time.

    Args:
        max_steps: Most steps of a trial.
        capacity: Number of slots.

    Attributes:
        members: Slots of each length, ``(max_steps + 1, capacity)``.
        counts: How many there are, ``(max_steps + 1,)``.
        places: Where each slot stands in its row, ``(capacity,)``.
    """

    def __init__(self, max_steps: int, capacity: int) -> None:
        self.members = np.zeros((max_steps + 1, capacity), dtype=np.int32)
        self.counts = np.zeros(max_steps + 1, dtype=np.int64)
        self.places = np.zeros(capacity, dtype=np.int64)

    def add(self, slot: int, length: int) -> None:
        """Note that a slot holds a trial of some length."""
        place = self.counts[length]
        self.members[length, place] = slot
        self.places[slot] = place
        self.counts[length] += 1

    def remove(self, slot: int, length: int) -> None:
        """Forget a slot and the length of its trial."""
        self.counts[length] -= 1
        last = self.members[length, self.counts[length]]
        place = self.places[slot]
        self.members[length, place] = last
        self.places[last] = place

    def state_dict(self) -> dict[str, Tensor]:
        """Return the slots by length, ``members``, and how many there are of each, ``counts``."""
        rows = [row[:count] for row, count in zip(self.members, self.counts, strict=True)]
        members = torch.from_numpy(np.concatenate(rows))
        return {"members": members, "counts": torch.from_numpy(self.counts.copy())}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.counts[:] = state["counts"].numpy()
        rows = np.split(state["members"].numpy(), np.cumsum(self.counts)[:-1])
        for length, row in enumerate(rows):
            self.members[length, : len(row)] = row
            self.places[row] = np.arange(len(row))
