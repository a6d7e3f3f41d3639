"""Where trials end relative to the target: arcs, and errors along them."""

import torch
from torch import Tensor

__all__ = ["arc_length", "signed_radial_error"]


def arc_length(position: Tensor) -> Tensor:
    """Return the length of the arc from the origin, tangent to straight ahead, to a point.

    Args:
        position: Points, ``(..., 2)``.

    Returns:
        Lengths, ``(...)``, in the unit of ``position``; the straight line where x is 0, NaN
        where both coordinates are.
    """
    x, distance = position[..., 0], position.norm(dim=-1)
    radius = distance**2 / (2 * x)
    arc = 2 * radius * torch.asin((distance / (2 * radius)).clamp(-1, 1))
    return torch.where((x == 0) & (distance > 0), distance, arc)


def signed_radial_error(distance: Tensor, end: Tensor, target: Tensor) -> Tensor:
    """Return the distance to the target, negative for an undershoot.

    An undershoot is an end point whose arc is shorter than the target's; an undefined arc
    counts as an overshoot. Straight ahead (x = 0), where the published formula divides by 0, the
    straight line is taken for the arc.

    Args:
        distance: Distances to the target, ``(N,)``.
        end: End points, ``(N, 2)``, in the same unit.
        target: Targets, ``(N, 2)``.
    """
    return torch.where(arc_length(end) < arc_length(target), -distance, distance)
