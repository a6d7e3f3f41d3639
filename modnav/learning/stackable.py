"""Whether trainings can be one stacked population."""

from collections.abc import Sequence
from typing import Any

import torch

from modnav.networks import check_stack, describe_agent, name_of_class

from .experience import Experience
from .learner import TD3
from .precision import autocast_of
from .stack import check_optimizers

__all__ = ["check_stackable"]

SHARED = ("discount", "tau", "policy_delay", "noise_std", "smoothing")
"""What :class:`TD3` must have the same for all members."""

OWN = ("process_noise", "observation_noise", "gain")
"""What of the task may differ between members."""


def check_stackable(parts: Sequence[tuple[TD3, Experience, str]]) -> None:
    """Check that trainings can be one stacked population.

    Args:
        parts: Module, data module and precision of each that is not like the first but for its
            seed.

    Raises:
        ValueError: If not; the message says why.
    """
    first = _shared(*parts[0])
    for part in parts[1:]:
        for key, value in _shared(*part).items():
            if first[key] != value:
                raise ValueError(f"{key} is {first[key]} for one member and {value} for another")
    learner, _, precision = parts[0]
    check_stack(learner.agent)
    if not learner.rule.stacked:
        raise ValueError(
            f"model.losses is {name_of_class(learner.rule)}, which does not say stacked = True"
        )
    if any(True for _ in learner.agent.buffers()):
        raise ValueError("the agent keeps buffers, which have no stacked form")
    autocast_of(precision, torch.device("cpu"))
    check_optimizers([x for other, _, _ in parts for x in other.configure_optimizers()])


def _told(part: object) -> str:
    """Return class and arguments of a part of a user's own; None for none."""
    if part is None:
        return "None"
    known = {k: v for k, v in sorted(vars(part).items()) if not k.startswith("_")}
    return f"{name_of_class(part)}({', '.join(f'{k}={v}' for k, v in known.items())})"


def _shared(learner: TD3, experience: Experience, precision: str) -> dict[str, Any]:
    """Return what members must have the same."""
    task = {k: v for k, v in experience.task.plain().items() if k not in OWN}
    replay = experience.replay
    return {
        "the agent": describe_agent(learner.agent),
        **{f"model.{key}": getattr(learner, key) for key in SHARED},
        **{f"data.task.{key}": value for key, value in task.items()},
        "model.losses": _told(learner.rule),
        "data.exploration": _told(experience.exploration),
        "data.parallel_trials": experience.parallel_trials,
        "data.replay": type(replay).__name__,
        "data.replay.capacity": replay.capacity,
        "data.replay.batch_size": replay.batch_size,
        "trainer.precision": precision,
    }
