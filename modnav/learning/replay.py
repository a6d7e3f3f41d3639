"""Replay memories: preallocated tensors that TD3 draws its batches from.

Two kinds share one interface: :class:`TrialReplay` holds whole trials for recurrent agents,
:class:`StepReplay` single steps for memoryless ones (a segment with ``T = 1``). They stand together,
as each is read beside what they share.
"""

import abc
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from modnav.acting import Finished, Segment, Sweep
from modnav.errors import require
from modnav.machine import memory_bytes
from modnav.task import STREAMS, mirror_action

__all__ = ["AbstractReplay", "StepReplay", "TrialReplay", "join_replays"]


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

    @abc.abstractmethod
    def _note(
        self,
        members: Sequence["AbstractReplay"],
        slots: Sequence[np.ndarray],
        items: dict[str, Tensor],
    ) -> None:
        """Note which items members put into which slots."""


class TrialReplay(AbstractReplay):
    """Whole trials, for agents that remember.

    Published batches hold trials of one length: from a random tenth of the memory's capacity (all
    of it if it holds fewer), the length of a random trial is taken, and up to ``batch_size``
    trials of that length. Here the same distribution is drawn in time that does not depend on
    the number of trials: by symmetry the length is that of any trial, and the number of its like
    in the random tenth is hypergeometric.

    Args:
        capacity: Trials it holds, mirror images counted.
        batch_size: Trials in a batch.
        padded: Draw trials of any length instead, padded to the longest and masked.
    """

    def __init__(
        self, capacity: int = 100_000, batch_size: int = 16, padded: bool = False
    ) -> None:
        super().__init__(capacity, batch_size)
        self.padded = padded
        self.lengths = np.zeros(0, dtype=np.int64)
        self.index: _LengthIndex | None = None

    @override
    def shapes(self, sources: set[str], max_steps: int) -> dict[str, tuple[int, ...]]:
        inputs = {name: (max_steps + 1, STREAMS[name].features) for name in sorted(sources)}
        return {**inputs, "action": (max_steps, 2), "reward": (), "steps": ()}

    @override
    def clear(self) -> None:
        super().clear()
        if not len(self.lengths):
            self.lengths = np.zeros(self.capacity, dtype=np.int64)
        self.lengths[:] = 0  # it may be a part of a population's
        self.index = _LengthIndex(self.buffers["action"].shape[1], self.capacity)

    @override
    def _items_of(self, sweep: Sweep) -> tuple[dict[str, Tensor], Sequence[int]]:
        return self._of_trials(sweep.finished), sweep.counts

    @override
    def add_trials(self, trials: Finished, mirror: bool) -> None:
        self._write([self], self._of_trials(trials), [len(trials.steps)], [mirror])

    def _of_trials(self, trials: Finished) -> dict[str, Tensor]:
        rest = {"action": trials.action, "reward": trials.reward, "steps": trials.steps}
        return {**trials.inputs, **rest}

    @override
    def _note(
        self,
        members: Sequence[AbstractReplay],
        slots: Sequence[np.ndarray],
        items: dict[str, Tensor],
    ) -> None:
        lengths = iter(items["steps"].long().tolist())
        for member, part in zip(members, slots, strict=True):
            assert isinstance(member, TrialReplay)
            member._index(part.tolist(), lengths)

    def _index(self, slots: Sequence[int], lengths: Iterator[int]) -> None:
        assert self.index is not None
        for slot, length in zip(slots, lengths, strict=False):  # slots first: others' lengths stay
            if self.lengths[slot]:
                self.index.remove(slot, int(self.lengths[slot]))
            self.index.add(slot, length)
            self.lengths[slot] = length

    @override
    def draw(self, rng: np.random.Generator) -> np.ndarray:
        return super().draw(rng) if self.padded else self._of_one_length(rng)

    @override
    def gather(self, where: Tensor, longest: int, real: Tensor | None = None) -> Segment:
        steps = self.buffers["steps"][where].long()
        inputs = {
            name: buffer[where, : longest + 1].transpose(0, 1)
            for name, buffer in self.buffers.items()
            if name in STREAMS
        }
        step = torch.arange(longest, device=where.device)[:, None]
        last = (step == steps - 1).float()[..., None]
        mask = None
        if self.padded or real is not None:
            counted = step < steps
            if real is not None:
                counted = counted & real
            mask = counted.float()[..., None]
        action = self.buffers["action"][where, :longest].transpose(0, 1)
        return Segment(inputs, action, last * self.buffers["reward"][where, None], last, mask)

    @override
    def lengths_of(self, slots: np.ndarray) -> np.ndarray:
        return self.lengths[slots]

    def _of_one_length(self, rng: np.random.Generator) -> np.ndarray:
        assert self.index is not None
        length = self.lengths[rng.integers(self.size)]
        alike = int(self.index.counts[length])
        subset = max(1, self.capacity // 10)
        if self.size > subset:
            others = self.size - alike
            found = 1 + int(rng.hypergeometric(alike - 1, others, subset - 1))
        else:
            found = alike
        picks = rng.choice(alike, size=min(self.batch_size, found), replace=False)
        return self.index.members[length, picks].astype(np.int64)

    @override
    def state_dict(self) -> dict[str, Any]:
        assert self.index is not None
        return {**super().state_dict(), "index": self.index.state_dict()}

    @override
    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.clear()
        super().load_state_dict(state)
        assert self.index is not None
        self.lengths[: self.size] = self.buffers["steps"][: self.size].cpu().numpy()
        self.index.load_state_dict(state["index"])


class StepReplay(AbstractReplay):
    """Single steps, for agents that remember nothing.

    Args:
        capacity: Steps it holds, mirror images counted.
        batch_size: Steps in a batch.
    """

    def __init__(self, capacity: int = 1_600_000, batch_size: int = 256) -> None:
        super().__init__(capacity, batch_size)

    @override
    def shapes(self, sources: set[str], max_steps: int) -> dict[str, tuple[int, ...]]:
        inputs = {name: (2, STREAMS[name].features) for name in sorted(sources)}
        return {**inputs, "action": (2,), "reward": (), "terminal": ()}

    @override
    def _items_of(self, sweep: Sweep) -> tuple[dict[str, Tensor], Sequence[int]]:
        items = {
            name: torch.stack((x, sweep.next_inputs[name]), dim=1)
            for name, x in sweep.inputs.items()
        }
        items |= {"action": sweep.action, "reward": sweep.reward, "terminal": sweep.terminal}
        members = len(sweep.counts)
        return items, [len(sweep.action) // members] * members

    @override
    def _note(
        self,
        members: Sequence[AbstractReplay],
        slots: Sequence[np.ndarray],
        items: dict[str, Tensor],
    ) -> None:
        pass  # all steps are alike

    @override
    def add_trials(self, trials: Finished, mirror: bool) -> None:
        step = torch.arange(trials.action.shape[1], device=trials.steps.device)
        real = step < trials.steps[:, None]
        last = step == trials.steps[:, None] - 1
        items = {
            name: torch.stack((x[:, :-1], x[:, 1:]), dim=2)[real]
            for name, x in trials.inputs.items()
        }
        items |= {
            "action": trials.action[real],
            "reward": (last * trials.reward[:, None])[real],
            "terminal": last[real],
        }
        self._write([self], items, [len(items["reward"])], [mirror])

    @override
    def gather(self, where: Tensor, longest: int, real: Tensor | None = None) -> Segment:
        inputs = {
            name: buffer[where].transpose(0, 1)
            for name, buffer in self.buffers.items()
            if name in STREAMS
        }
        action, reward, terminal = (
            self.buffers[name][where][None] for name in ("action", "reward", "terminal")
        )
        mask = None if real is None else real.to(reward)[None, :, None]
        return Segment(inputs, action, reward[..., None], terminal[..., None], mask)


def join_replays(members: Sequence[AbstractReplay]) -> AbstractReplay:
    """Return a memory to gather from that holds those of all members.

    What the members hold are views of its own from now on. Slot ``i`` of a member is its slot
    ``first + i``.

    Args:
        members: Memories of one kind and capacity, allocated.
    """
    joined = copy.copy(members[0])
    joined.buffers = {}
    for name, buffer in members[0].buffers.items():
        whole = buffer.new_zeros((len(members), joined.capacity, *buffer.shape[1:]))
        for member, part in zip(members, whole, strict=True):
            part[: member.size] = member.buffers[name][: member.size]
            member.buffers[name] = part
        joined.buffers[name] = whole.flatten(0, 1)
    for k, member in enumerate(members):
        member.first = k * joined.capacity
    if isinstance(joined, TrialReplay):
        joined.lengths = np.concatenate([m.lengths for m in members if isinstance(m, TrialReplay)])
        for member, part in zip(members, np.split(joined.lengths, len(members)), strict=True):
            member.lengths = part  # type: ignore[attr-defined]  # all are of one kind
    return joined


class _LengthIndex:
    """Slots by trial length; adding, removing and drawing take constant time."""

    def __init__(self, max_steps: int, capacity: int) -> None:
        self.members = np.zeros((max_steps + 1, capacity), dtype=np.int32)
        self.counts = np.zeros(max_steps + 1, dtype=np.int64)
        self.places = np.zeros(capacity, dtype=np.int64)

    def add(self, slot: int, length: int) -> None:
        place = self.counts[length]
        self.members[length, place] = slot
        self.places[slot] = place
        self.counts[length] += 1

    def remove(self, slot: int, length: int) -> None:
        self.counts[length] -= 1
        last = self.members[length, self.counts[length]]
        place = self.places[slot]
        self.members[length, place] = last
        self.places[last] = place

    def state_dict(self) -> dict[str, Tensor]:
        rows = [row[:count] for row, count in zip(self.members, self.counts, strict=True)]
        members = torch.from_numpy(np.concatenate(rows))
        return {"members": members, "counts": torch.from_numpy(self.counts.copy())}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.counts[:] = state["counts"].numpy()
        rows = np.split(state["members"].numpy(), np.cumsum(self.counts)[:-1])
        for length, row in enumerate(rows):
            self.members[length, : len(row)] = row
            self.places[row] = np.arange(len(row))


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
