"""Try an input stream of a user's own before a training reads it."""

import torch
from torch import Generator, Tensor

from .parameters import TaskParameters
from .sampling import sample_trials
from .state import Trials
from .streams import STREAMS, mirror_action, start_streams, step_streams
from .world import advance, begin

__all__ = ["check_stream"]

COUNT, STEPS = 4, 6
"""Trials that a stream is tried with, and their steps."""


def check_stream(name: str, task: TaskParameters) -> None:
    """Check that a stream has a meaning in a task, and one's own does what streams must.

    Raises:
        ValueError: If it has not, or does not; the message names it and what.
    """
    STREAMS[name].check(task)
    if "." not in name:
        return
    generator = Generator().manual_seed(0)
    trials = sample_trials(task, COUNT, generator)
    draws = torch.randn(3, STEPS, COUNT, 2, generator=generator)
    together = _inputs(name, task, trials, draws)
    for row in (slice(0, 1), slice(1, COUNT)):
        alone = _inputs(name, task, Trials(*(x[row] for x in trials)), draws[:, :, row])
        if not torch.allclose(together[:, row], alone, atol=1e-5):
            raise ValueError(
                f"{name} gives other inputs to trials alone; each must depend on its own trial"
            )
    if task.motion is None:  # which may know left from right
        mirrored = trials._replace(
            target=trials.target * trials.target.new_tensor((-1, 1)),
            peak=mirror_action(trials.peak),
        )
        image = _inputs(name, task, mirrored, mirror_action(draws))
        if not torch.allclose(STREAMS[name]().mirror(together), image, atol=1e-4):
            raise ValueError(
                f"{name}.mirrored does not give the inputs of a trial's mirror image, in which "
                "left is right; a number that changes its sign there has -1"
            )


def _inputs(name: str, task: TaskParameters, trials: Trials, draws: Tensor) -> Tensor:
    """Return the inputs of some steps of random actions, ``(STEPS + 1, B, F)``."""
    streams = {name: STREAMS[name]()}
    world, sensation = begin(trials)
    x, state = start_streams(streams, trials, sensation)[name]
    found = [x]
    for draw in draws.unbind(1):
        action = draw[0].clamp(-1, 1)
        world, sensation, _ = advance(task, trials, world, action, action, draw[1], draw[2])
        x, state = step_streams(streams, trials, sensation, {name: state}, task)[name]
        found.append(x)
    return torch.stack(found)
