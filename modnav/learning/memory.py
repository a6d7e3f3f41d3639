"""How much memory a stacked population takes, so that it can be said before it starts."""

import torch

from modnav.machine import memory_bytes

from .experience import Experience
from .learner import TD3

__all__ = ["device_bytes", "population_bytes", "room_for"]

COPIES = 15
"""Copies of a member's weights: agent, target and two moments, these again while members that are
left are stacked anew, and seven for a step of the optimizer."""

BOTH = 2
"""What updates keep for their backward pass is held twice: by graphs, and by what ran before them."""


def population_bytes(learner: TD3, experience: Experience, members: int) -> int:
    """Estimate the memory that stacked members take where they are, bytes.

    Replay is exact. What an update keeps is taken to be a number for each unit, gate and step,
    which is what it was on a processor for 16 members (0.74 to 0.93 of it, all else included).

    Args:
        learner: A member's module.
        experience: Its data module.
        members: How many there are.
    """
    agent, replay, steps = learner.agent, experience.replay, experience.task.max_steps
    weights = list(agent.parameters())
    units = sum(len(x) for x in weights if x.dim() == 2)
    rows = replay.batch_size * (steps + 1 if agent.recurrent else 2)
    numbers = COPIES * sum(x.numel() for x in weights) + BOTH * units * rows
    return members * (replay.bytes_of(agent.sources, steps) + 4 * numbers)


def device_bytes(device: torch.device) -> int:
    """Return how much memory a GPU has left for this process, or how much a machine has, bytes."""
    if device.type != "cuda":
        return memory_bytes()
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def room_for(
    learner: TD3, experience: Experience, members: int, device: torch.device, held: int = 0
) -> tuple[int, int]:
    """Return the bytes that stacked members take, and those that there are.

    Args:
        learner: A member's module.
        experience: Its data module.
        members: How many there are.
        device: Where they are.
        held: What their replays take there already, bytes; it becomes part of that of all.

    Raises:
        ValueError: If there are too few; the message says how much they take.
    """
    need, have = population_bytes(learner, experience, members), device_bytes(device)
    have += held if device.type == "cuda" else 0  # elsewhere it is all that the machine has
    if need > have:
        replay = members * experience.replay.bytes_of(
            learner.agent.sources, experience.task.max_steps
        )
        raise ValueError(
            f"{members} stacked members take {need / 2**30:.1f} GiB, {replay / 2**30:.1f} of them "
            f"for replay.capacity {experience.replay.capacity}; they must fit into the "
            f"{have / 2**30:.1f} GiB of the {'GPU' if device.type == 'cuda' else 'machine'}"
        )
    return need, have
