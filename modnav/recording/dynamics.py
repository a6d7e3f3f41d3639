"""Dynamics of recurrent modules: points where a belief stands still.

References:
    Sussillo & Barak, "Opening the black box: low-dimensional dynamics in high-dimensional recurrent
    neural networks", Neural Computation 25, 626 (2013).
    Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", SIAM J. 11, 431 (1963).
"""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from modnav.acting import greedy, rollout
from modnav.networks import AbstractSequence, Agent, Memory, map_memory

from .session import Session

__all__ = ["SlowPoints", "slow_points", "trial_memories"]

LEAST, MOST = 1e-12, 1e8
"""Speed below which a state stands still, and bounds of the damping of the search."""

AT_ONCE = 2**21
"""Slopes that are kept in memory at a time: 16 MB, and some times that for what is made of them."""


class SlowPoints(NamedTuple):
    """States that hardly move under a constant input.

    Attributes:
        states: ``(points, numbers of the memory)``.
        speeds: How far each moves in a step, ``(points,)``; about 0 for fixed points.
        eigenvalues: Of the Jacobian of a step at each, complex, ``(points, numbers)``. Of a fixed
            point all within the unit circle: it attracts; some outside: a saddle.
    """

    states: Tensor
    speeds: Tensor
    eigenvalues: Tensor


def slow_points(
    module: AbstractSequence,
    memories: Memory,
    x: Tensor | None = None,
    *,
    fast: float = 1e-3,
    apart: float = 1e-2,
    iterations: int = 200,
) -> SlowPoints:
    """Find states near some where a recurrent module stands still, by going downhill in speed.

    Each state goes its own way (damped least squares): that another finds nothing is nothing to it.

    Args:
        module: E.g. ``agent.actor.belief``; its weights stay as they are.
        memories: States to start from, as :meth:`~modnav.networks.AbstractSequence.forward` returns
            them, e.g. those that trials go through; dimension 1 counts them.
        x: The input that stays, ``(in_features,)``; zeros by default.
        fast: Points that move more in a step are left out.
        apart: Points that are nearer to each other than this count once, the slowest of them.
        iterations: Most steps downhill; where there are fixed points 10 to 30 do.

    Returns:
        The points, slowest first; in double precision.

    Raises:
        ValueError: If there is no state to start from, e.g. as the module remembers nothing, one is not
            finite, or the input is not, or has not the features of the module.
    """
    inputs = torch.zeros(module.in_features) if x is None else x
    _check(inputs, memories, module.in_features)
    module = copy.deepcopy(module).double().eval().requires_grad_(requires_grad=False)
    start, back = _flat(map_memory(lambda part: part.detach().double(), memories))
    inputs = inputs.detach().double().expand(1, 1, -1)

    def step(states: Tensor) -> Tensor:
        after = module(inputs.expand(1, len(states), -1), back(states))[1]
        return _flat(after)[0]

    # states do not act on each other: the slopes of their sum are those of each
    summed = torch.func.jacrev(lambda states: step(states).sum(dim=0))

    def jacobian(states: Tensor) -> Tensor:
        return summed(states).transpose(0, 1)

    few = max(1, AT_ONCE // start.shape[1] ** 2)
    with torch.no_grad():
        parts = [_slowed(step, jacobian, part, iterations) for part in torch.split(start, few)]
        states = torch.cat(parts)
        speeds = (step(states) - states).norm(dim=1)
        chosen = _distinct(states, speeds, fast, apart)
        found = [torch.linalg.eigvals(jacobian(states[[k]])[0]) for k in chosen]
    none = torch.empty((0, start.shape[1]), dtype=torch.complex128)
    return SlowPoints(states[chosen], speeds[chosen], torch.stack(found) if found else none)


@torch.no_grad()
def trial_memories(agent: Agent, session: Session, steps: int) -> Memory:
    """Return what the actor's belief remembers after some steps of the trials that last longer.

    Args:
        agent: An agent without a Kalman filter; it acts without exploration.
        session: The trials.
        steps: How many.

    Returns:
        States to give to :func:`slow_points`; None if the belief remembers nothing.

    Raises:
        ValueError: If no trial lasts that long.
    """
    trials, noise, task = session.trials, session.noise, session.task
    went = rollout(greedy(agent.actor), agent.sources, trials, noise, task, drop_ended=True)
    longer = went.steps > steps
    if not longer.any():
        raise ValueError(f"steps is {steps}; no trial lasts longer")
    belief = agent.actor.belief
    return belief(went.inputs[belief.source][:steps, longer])[1]


def _check(x: Tensor, memories: Memory, features: int) -> None:
    parts: list[Tensor] = []
    map_memory(lambda part: parts.append(part) or part, memories)  # type: ignore[func-returns-value]  # as in _flat
    if not parts:
        raise ValueError("there is no memory to start from; slow points are of recurrent modules")
    if not all(part.numel() for part in parts):
        raise ValueError("memories hold no state to start from")
    if not all(part.isfinite().all() for part in parts):
        raise ValueError("memories hold numbers that are not finite")
    if x.shape != (features,):
        raise ValueError(f"x has shape {tuple(x.shape)}; it must be ({features},), as the module")
    if not x.isfinite().all():
        raise ValueError(f"x is {x.tolist()}; it must be finite")


def _slowed(
    step: Callable[[Tensor], Tensor],
    jacobian: Callable[[Tensor], Tensor],
    start: Tensor,
    iterations: int,
) -> Tensor:
    """Return states that go downhill in speed by damped least squares, ``(B, n)``, each on its own.

    Damping is of the size of the slopes (Marquardt). States that are at rest are left alone.
    """
    found = start.clone()
    which, states = torch.arange(len(start)), start
    damping = torch.full((len(start),), 0.1, dtype=start.dtype)
    moved, slopes = step(states) - states, _slopes(jacobian, states)
    for _ in range(iterations):
        change, solved = _downhill(slopes, moved, damping)
        tried = states - change
        after = step(tried) - tried
        better = solved & (after.norm(dim=1) < moved.norm(dim=1))  # not where it is NaN
        states = torch.where(better[:, None], tried, states)
        moved = torch.where(better[:, None], after, moved)
        found[which] = states
        damping = (damping * torch.where(better, 0.1, 3.0)).clamp(LEAST, MOST)
        tiny = change.norm(dim=1) <= torch.finfo(start.dtype).eps * states.norm(dim=1)
        rest = (moved.norm(dim=1) < LEAST) | (solved & tiny) | (damping >= MOST)  # or no way down
        on = (~rest).nonzero().flatten()
        if not len(on):
            break
        which, states, moved, damping = which[on], states[on], moved[on], damping[on]
        slopes, anew = slopes[on], better[on]
        if anew.any():
            slopes[anew] = _slopes(jacobian, states[anew])
    return found


def _slopes(jacobian: Callable[[Tensor], Tensor], states: Tensor) -> Tensor:
    """Return how what states move in a step changes with them, ``(B, n, n)``."""
    slopes = jacobian(states).clone()
    slopes.diagonal(dim1=1, dim2=2).sub_(1)
    return slopes


def _downhill(slopes: Tensor, moved: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    """Return what to take from each state, ``(B, n)``, and where that could be solved, ``(B,)``."""
    normal = slopes.mT @ slopes
    diagonal = normal.diagonal(dim1=1, dim2=2)
    floor = (1e-6 * diagonal.amax(dim=1, keepdim=True)).clamp(min=LEAST)
    diagonal += damping[:, None] * torch.maximum(diagonal, floor)
    factor, wrong = torch.linalg.cholesky_ex(normal)
    change = torch.cholesky_solve(slopes.mT @ moved[..., None], factor)[..., 0]
    return change, wrong == 0


def _distinct(states: Tensor, speeds: Tensor, fast: float, apart: float) -> list[int]:
    """Return which states are slow, slowest first, and not near to a slower one."""
    chosen: list[int] = []
    for k in speeds.argsort().tolist():
        near = any((states[k] - states[other]).norm() < apart for other in chosen)
        if speeds[k] <= fast and not near:
            chosen.append(k)
    return chosen


def _flat(memory: Memory) -> tuple[Tensor, Callable[[Tensor], Memory]]:
    """Return the states of a memory, ``(B, numbers)``, and what makes a memory of such states."""
    parts: list[Tensor] = []
    map_memory(lambda part: parts.append(part) or part, memory)  # type: ignore[func-returns-value]  # it is None, as it must be here
    states = torch.cat([part.transpose(0, 1).flatten(1) for part in parts], dim=1)

    def back(flat: Tensor) -> Memory:
        sizes = [part[:, :1].numel() for part in parts]
        pieces = iter(zip(torch.split(flat, sizes, dim=1), parts, strict=True))

        def one(_: Tensor) -> Tensor:
            piece, like = next(pieces)
            shape = (len(piece), like.shape[0], *like.shape[2:])
            return piece.reshape(shape).transpose(0, 1).contiguous()

        return map_memory(one, memory)

    return states, back
