"""What is said of the agents behind a panel: which there were, which are missing."""

from collections.abc import Iterable, Mapping
from typing import Any

from .members import DEFAULT
from .names import ANIMALS, FEW, MAIN, SEEDS, short

__all__ = ["counted", "shortfall"]


def counted(
    ran: Mapping[tuple[str, str], Mapping[Any, Mapping[Any, int]]], *, example: bool = False
) -> str:
    """Return in words how many agents there are of each architecture and training, and how many trials of each.

    Args:
        ran: Trials by architecture and group, agent and condition; agents of one of each are its seeds.
        example: Whether one trial of a condition is shown of them all.
    """
    counts = {key: len(agents) for key, agents in ran.items()}
    names = {name for name, _ in counts}
    if len(counts) > len(MAIN) + len(ANIMALS):
        several = "architectures" if len(names) == len(counts) else "architectures and trainings"
        told = f"{len(counts)} {several}, {_span(counts.values())} of each"
    else:
        told = ", ".join(
            short(name) if name in ANIMALS else f"{short(name)}{_training(group)} {count}"
            for (name, group), count in counts.items()
        )
    runs = [each.values() for agents in ran.values() for each in agents.values()]
    trials = {count for each in runs for count in (each if example else [sum(each)])} - {0}
    each = ""
    if trials:
        span = _span(trials)
        each = f"; one trial of {span} is shown" if example else f"; {span} trials of each"
    who = "Agents (a seed each)"
    if animals := names & set(ANIMALS):
        who = "Animals" if animals == names else f"{who} and animals"
    return f"{who}: {told}{each}." if told else ""


def _span(numbers: Iterable[int]) -> str:
    """Return the least and the largest of some numbers in words."""
    least, most = min(numbers := list(numbers)), max(numbers)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _training(group: str) -> str:
    """Return what a group was trained on, in brackets; nothing for the default."""
    return "" if group == DEFAULT else f" ({group.replace('_', '/')} training)"


def shortfall(counts: dict[str, int], group: str = DEFAULT) -> list[str]:
    """Return in words which architectures and seeds a group lacks.

    Args:
        counts: Number of seeds that there are of each architecture.
        group: The group.
    """
    what = _training(group)
    absent = [short(name) for name, count in counts.items() if not count]
    few = [f"{short(name)}{what} {count}" for name, count in counts.items() if 0 < count < SEEDS]
    found = [f"no {', '.join(absent)}{what}"] if absent else []
    return found + ([f"{FEW}{', '.join(few)}"] if few else [])
