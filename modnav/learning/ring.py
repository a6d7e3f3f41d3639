"""A ring buffer of experience: what replay memories of every kind share."""

import abc
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modnav.acting import Finished, Segment, Sweep
from modnav.errors import require
from modnav.machine import memory_bytes
from modnav.task import STREAMS, mirror_action

__all__ = ["AbstractReplay"]


class AbstractReplay(abc.ABC):
    """A ring buffer of experience.

    Args:
        capacity: Items it holds, mirror images counted.
        batch_size: Items in a batch.

    Attributes:
        size: Items held.
        cursor: Slot of the next one.
        first: Its slot 0 in the memory of all members, if it is a part of one.

    Raises:
        ValueError: If the numbers are not positive or a batch would not fit.
    """

    def __init__(self, capacity: int, batch_size: int) -> None:
        require("replay.batch_size", batch_size, 1)
        if capacity < batch_size:
            raise ValueError(
                f"replay.batch_size is {batch_size}; "
                f"it must be at most replay.capacity, which is {capacity}"
            )
        self.capacity = capacity
        self.batch_size = batch_size
        self.size = 0
        self.cursor = 0
        self.first = 0
        self.buffers: dict[str, Tensor] = {}

    def __len__(self) -> int:
        """Return the number of items held."""
        return self.size

    @abc.abstractmethod
    def shapes(self, sources: set[str], max_steps: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of one item in each buffer."""

    def add_sweep(self, sweep: Sweep, mirror: bool) -> None:
        """Store what a step of the parallel trials brought, with mirror images if asked."""
        self.add_sweep_of_all([self], sweep, [mirror])

    def add_sweep_of_all(
        self, members: Sequence["AbstractReplay"], sweep: Sweep, mirror: Sequence[bool]
    ) -> None:
        """Store what a step of several members brought.

        Args:
            members: Memories that are parts of this one, see :func:`join_replays`.
            sweep: The step of these members.
            mirror: Whether each stores mirror images too.
        """
        items, counts = self._items_of(sweep)
        self._write(members, items, counts, mirror)

    @abc.abstractmethod
    def _items_of(self, sweep: Sweep) -> tuple[dict[str, Tensor], Sequence[int]]:
        """Return what a step brought, and how many items each member has."""

    @abc.abstractmethod
    def add_trials(self, trials: Finished, mirror: bool) -> None:
        """Store whole trials, with mirror images if asked."""

    def sample(self, rng: np.random.Generator) -> Segment:
        """Draw a batch."""
        slots = self.draw(rng)
        return self.gather(_on(slots, self.buffers), int(self.lengths_of(slots).max()))

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the slots of a batch, ``(B,)``: any items that are held."""
        return rng.choice(self.size, size=min(self.batch_size, self.size), replace=False)

    @abc.abstractmethod
    def gather(self, where: Tensor, longest: int, real: Tensor | None = None) -> Segment:
        """Return a batch.

        Args:
            where: Slots of its items, ``(B,)``.
            longest: Steps of the batch: those of its longest trial or more.
            real: Whether each counts, bool, ``(B,)``; the others only fill up. All do if None.
        """

    def lengths_of(self, slots: np.ndarray) -> np.ndarray:
        """Return the steps of the items in some slots."""
        return np.ones_like(slots)

    def bytes_of(self, sources: set[str], max_steps: int) -> int:
        """Return how much memory items read from ``sources`` take when it is full."""
        shapes = self.shapes(sources, max_steps).values()
        return 4 * self.capacity * sum(int(np.prod(shape)) for shape in shapes)

    def held_bytes(self) -> int:
        """Return how much memory it takes now."""
        return sum(x.nbytes for x in self.buffers.values())

    def allocate(self, sources: set[str], max_steps: int, device: torch.device) -> None:
        """Get ready for items read from ``sources``.

        Room for all of them is taken when the first is written: a population takes it for its
        members.

        Raises:
            ValueError: If the machine has not enough memory; the message says how much it takes.
        """
        need, have = self.bytes_of(sources, max_steps), _memory_bytes(device)
        if need > have:
            raise ValueError(
                f"replay.capacity is {self.capacity}, which takes {need / 2**30:.1f} GiB; "
                f"it must fit into the {have / 2**30:.1f} GiB of this machine"
            )
        shapes = self.shapes(sources, max_steps)
        self.buffers = {name: torch.zeros((0, *x), device=device) for name, x in shapes.items()}
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.size = self.cursor = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the items held and where the next one goes."""
        items = {name: x[: self.size].clone() for name, x in self.buffers.items()}
        return {"items": items, "cursor": self.cursor, "capacity": self.capacity}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Raises:
            ValueError: If it is of another capacity or of an agent with other inputs.
        """
        items = state["items"]
        if state["capacity"] != self.capacity or items.keys() != self.buffers.keys():
            raise ValueError(
                f"the saved replay holds {sorted(items)} with capacity {state['capacity']}; "
                f"this one {sorted(self.buffers)} with capacity {self.capacity}"
            )
        for name, x in items.items():
            if not x.isfinite().all():
                raise ValueError(f"the saved replay's {name} holds numbers that are not finite")
            if x.shape[1:] != self.buffers[name].shape[1:]:
                raise ValueError(
                    f"the saved replay's {name} has items of shape {list(x.shape[1:])}; "
                    f"it must be {list(self.buffers[name].shape[1:])}"
                )
        self.size, self.cursor = len(next(iter(items.values()))), state["cursor"]
        for name, x in items.items():
            buffer = self.buffers[name]
            if len(buffer) < self.size:
                self.buffers[name] = x.to(buffer, copy=True)
            else:
                buffer[: self.size] = x

    def _take_room(self) -> None:
        for name, held in self.buffers.items():
            if len(held) < self.capacity:
                self.buffers[name] = held.new_zeros((self.capacity, *held.shape[1:]))
                self.buffers[name][: len(held)] = held

    def _write(
        self,
        members: Sequence["AbstractReplay"],
        items: dict[str, Tensor],
        counts: Sequence[int],
        mirror: Sequence[bool],
    ) -> None:
        """Write items of members at their cursors, oldest overwritten first."""
        if not sum(counts):
            return
        self._take_room()
        if any(mirror):
            items = _with_mirror_images(items)
            if not all(mirror):
                kept = np.stack((np.ones(sum(counts), bool), np.repeat(mirror, counts)), axis=1)
                rows = _on(kept.reshape(-1).nonzero()[0], items)
                items = {name: x[rows] for name, x in items.items()}
        counts = [count * (1 + own) for count, own in zip(counts, mirror, strict=True)]
        slots = [m._advance(count) for m, count in zip(members, counts, strict=True)]
        self._note(members, slots, items)
        where = np.concatenate([m.first + part for m, part in zip(members, slots, strict=True)])
        where -= self.first
        if max(counts) > self.capacity:  # what is overwritten at once is left out
            where, last = np.unique(where[::-1], return_index=True)
            rows = _on(sum(counts) - 1 - last, items)
            items = {name: x[rows] for name, x in items.items()}
        at = _on(where, items)
        for name, x in items.items():
            self.buffers[name][at] = x.to(torch.float32)

    def _advance(self, count: int) -> np.ndarray:
        """Take slots for the next items, and return them."""
        slots = (self.cursor + np.arange(count)) % self.capacity
        self.cursor = (self.cursor + count) % self.capacity
        self.size = min(self.size + count, self.capacity)
        return slots

    def _note(  # noqa: B027 - not abstract: memories need not
        self,
        members: Sequence["AbstractReplay"],
        slots: Sequence[np.ndarray],
        items: dict[str, Tensor],
    ) -> None:
        """Note which items members put into which slots; needless where all are alike."""


def _with_mirror_images(items: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return each item followed by its mirror image."""
    both = {}
    for name, x in items.items():
        image = x
        if name in STREAMS:
            image = STREAMS[name]().mirror(x)
        elif name == "action":
            image = mirror_action(x)
        both[name] = torch.stack((x, image), dim=1).flatten(0, 1)
    return both


def _on(where: np.ndarray, items: dict[str, Tensor]) -> Tensor:
    """Return indices on the device of some items."""
    return torch.from_numpy(where).to(next(iter(items.values())).device)


def _memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return memory_bytes()
