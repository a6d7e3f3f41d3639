"""Replay memories: preallocated tensors that TD3 draws its batches from.

Two kinds share one interface: :class:`TrialReplay` holds whole trials for recurrent agents,
:class:`StepReplay` single steps for memoryless ones (a segment with ``T = 1``).
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from modnav.acting import Finished, Segment, Sweep
from modnav.task import STREAMS

from .length_index import LengthIndex
from .ring import AbstractReplay

__all__ = ["StepReplay", "TrialReplay", "join_replays"]


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
        self.index: LengthIndex | None = None

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
        self.index = LengthIndex(self.buffers["action"].shape[1], self.capacity)

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
