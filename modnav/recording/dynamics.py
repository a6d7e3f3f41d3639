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

    jacobian = torch.func.jacrev(lambda state: step(state[None])[0])
    with torch.no_grad():
        states = _slowed(step, jacobian, start, iterations)
        speeds = (step(states) - states).norm(dim=1)
        chosen = _distinct(states, speeds, fast, apart)
        found = [torch.linalg.eigvals(jacobian(states[k])) for k in chosen]
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
    """Return states that go downhill in speed by damped least squares, ``(B, n)``, each on its own."""
    states, still = start.clone(), torch.eye(start.shape[1], dtype=start.dtype)
    damping = torch.full((len(start), 1, 1), 0.1, dtype=start.dtype)
    moved = step(states) - states
    slopes = torch.stack([jacobian(state) for state in states]) - still
    for _ in range(iterations):
        normal = slopes.mT @ slopes + damping * still
        tried = states - torch.linalg.solve(normal, slopes.mT @ moved[..., None])[..., 0]
        after = step(tried) - tried
        better = after.norm(dim=1) < moved.norm(dim=1)  # not where it is NaN
        states[better], moved[better] = tried[better], after[better]
        damping *= torch.where(better, 0.3, 3.0)[:, None, None]
        damping.clamp_(LEAST, MOST)
        rest = (moved.norm(dim=1) < LEAST) | (damping.flatten() >= MOST)  # there, or no way down
        if rest.all():
            break
        for k in better.nonzero().flatten().tolist():
            slopes[k] = jacobian(states[k]) - still
    return states


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
