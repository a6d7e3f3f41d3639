"""Where in space units are active: maps of their activity over the position.

References:
    Zhang, Pitkow & Angelaki (2024), figure 5A-B.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import LinearNDInterpolator
from scipy.ndimage import uniform_filter
from scipy.spatial import QhullError

__all__ = ["Grid", "smoothed", "spatial_maps"]


@dataclass(frozen=True)
class Grid:
    """Bins of a map.

    Attributes:
        x: Left and right end, cm.
        y: Near and far end, cm.
        size: Width of a bin, cm.
    """

    x: tuple[float, float] = (-400.0, 400.0)
    y: tuple[float, float] = (0.0, 600.0)
    size: float = 10.0

    @property
    def centres(self) -> tuple[Any, Any]:
        """Centres of the bins along x and along y, cm."""
        x, y = (np.arange(low + self.size / 2, end, self.size) for low, end in (self.x, self.y))
        return x, y


def spatial_maps(
    position: npt.ArrayLike, activity: npt.ArrayLike, grid: Grid | None = None, box: int = 5
) -> Any:
    """Return the activity of units over space.

    Activity is interpolated linearly between positions (Delaunay triangles) at the centres of the
    bins, and smoothed. Where a position occurs more than once, one of its samples counts.

    Args:
        position: Positions, cm, ``(N, 2)``.
        activity: Activity of units there, ``(N, K)``.
        grid: Bins.
        box: Width of the box that smooths, bins.

    Returns:
        Maps, ``(K, rows, columns)``, y from near to far and x from left to right; NaN where
        there is nothing near.
    """
    x, y = (grid or Grid()).centres
    points, values = np.asarray(position, float), np.asarray(activity, float)
    across, along = np.meshgrid(x, y)
    try:
        maps = LinearNDInterpolator(points, values)(across, along)
    except (QhullError, ValueError):  # fewer than three points, or all on a line
        maps = np.full((*across.shape, values.shape[1]), np.nan)
    return np.stack([smoothed(maps[..., k], box) for k in range(values.shape[1])])


def smoothed(map_: npt.ArrayLike, box: int = 5) -> Any:
    """Return a map ``(rows, columns)`` smoothed by a box, with its edges extended.

    NaN is left out of the means, so that a map grows by half the box; it remains where the box
    holds nothing else.
    """
    values = np.asarray(map_, float)
    known = np.isfinite(values)
    part = uniform_filter(known.astype(float), box, mode="nearest")
    total = uniform_filter(np.where(known, values, 0.0), box, mode="nearest")
    found = np.full(values.shape, np.nan)
    enough = part > 0.5 / box**2  # less is rounding
    np.divide(total, part, out=found, where=enough)
    return found
