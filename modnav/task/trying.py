"""Try what a user put into the task, streams and parts, before a training reads it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from .parameters import TaskParameters
from .parts import AbstractReward
from .sampling import sample_trials
from .state import Trials
from .streams import STREAMS, mirror_action, start_streams, step_streams
from .world import advance, begin, reward_of, target_at

__all__ = ["check_parts", "check_stream"]

COUNT, STEPS = 4, 6
"""Trials that a stream is tried with, and their steps."""


def check_parts(task: TaskParameters) -> bool:
    """Check that a reward and a motion of a user's own do what such parts must.

    Returns:
        Whether the reward is of chance, another each time.

    Raises:
        ValueError: If one does not; the message names it and what.
    """
    generator = Generator().manual_seed(0)
    trials = sample_trials(task, COUNT, generator)
    step = torch.arange(COUNT)
    world = begin(trials)[0]._replace(step=step, started=step > 0)
    distance = torch.rand(COUNT, generator=generator)
    chance = False
    if isinstance(task.reward, AbstractReward):
        chance = _try_part("reward", lambda *at: reward_of(task, *at), trials, world, distance)
    if task.motion is not None:
        if _try_part("motion", lambda *at: target_at(task, *at), trials, step):
            raise ValueError(
                "data.task.motion gives something else each time: what is shown, the distance and the "
                "reward would be of several targets; let it depend on trials and time alone"
            )
        if not torch.allclose(target_at(task, trials, 0 * step), trials.target, atol=1e-5):
            raise ValueError("data.task.motion must give trials.target at time 0")
    return chance


def _try_part(name: str, call: Callable[..., Tensor], *given: Any) -> bool:
    """Refuse a part that changes what it is given, or mixes trials; return whether it is of chance."""
    before = [x.clone() for x in _tensors(given)]
    with torch.random.fork_rng(devices=[]):
        together, again = call(*given), call(*given)
        rows = [call(*(_row(x, row) for x in given)) for row in range(COUNT)]
    if not all(map(torch.equal, before, _tensors(given))):
        raise ValueError(f"data.task.{name} changes what it is given; it must leave that as it is")
    if not torch.equal(together, again):
        return True
    for row, alone in enumerate(rows):
        if not torch.allclose(together[row], alone[0], atol=1e-5):
            raise ValueError(
                f"data.task.{name} gives something else to trials alone; each must depend on its own trial"
            )
    return False


def _tensors(given: Any) -> list[Tensor]:
    return [x for each in given for x in ([each] if isinstance(each, Tensor) else each)]


def _row(x: Any, row: int) -> Any:
    """Return a tensor, or each of a tuple of them, of one trial alone."""
    return x[row : row + 1] if isinstance(x, Tensor) else type(x)(*(_row(y, row) for y in x))


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
    kept = [y.clone() for y in (*trials, *sensation)]
    x, state = start_streams(streams, trials, sensation)[name]
    _refuse_changes(name, kept, [*trials, *sensation])
    found = [x]
    for draw in draws.unbind(1):
        action = draw[0].clamp(-1, 1)
        world, sensation, _ = advance(task, trials, world, action, action, draw[1], draw[2])
        given = [*trials, *sensation, x]  # x is not logged before the next step
        kept = [y.clone() for y in given]
        x, state = step_streams(streams, trials, sensation, {name: state}, task)[name]
        _refuse_changes(name, kept, given)
        found.append(x)
    return torch.stack(found)


def _refuse_changes(name: str, before: list[Tensor], after: list[Tensor]) -> None:
    if not all(map(torch.equal, before, after)):
        raise ValueError(
            f"{name} changes trials, sensations or its former inputs in place; it must leave them "
            "as they are, and may change its state alone"
        )
