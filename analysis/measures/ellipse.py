"""The covariance ellipse at one standard deviation, which stands for a cloud of points."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Ellipse", "ellipse_of"]


class Ellipse(NamedTuple):
    """Spread of a cloud of points.

    Attributes:
        x: Mean along x.
        y: Mean along y.
        sd_x: Standard deviation along x (``ddof`` 1); the ellipse extends from the mean by it.
        sd_y: Likewise along y.
        r: Pearson's correlation; 0 where one of both does not vary.
    """

    x: float
    y: float
    sd_x: float
    sd_y: float
    r: float

    def outline(self, points: int = 181) -> Any:
        """Return points of the outline, ``(points, 2)``, the last one equal to the first."""
        angle = np.linspace(0, 2 * np.pi, points)
        along = np.sqrt((1 + self.r) / 2) * np.cos(angle)
        across = np.sqrt((1 - self.r) / 2) * np.sin(angle)
        shape = np.stack((along - across, along + across), axis=1)
        return np.array([self.x, self.y]) + shape * [self.sd_x, self.sd_y]


def ellipse_of(x: npt.ArrayLike, y: npt.ArrayLike) -> Ellipse:
    """Return the spread of the finite points; NaN for fewer than two, r 0 where one is constant."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    kept = np.isfinite(a) & np.isfinite(b)
    a, b = a[kept], b[kept]
    if len(a) < 2:
        return Ellipse(*[float("nan")] * 5)
    sd_x, sd_y = a.std(ddof=1), b.std(ddof=1)
    r = np.corrcoef(a, b)[0, 1] if sd_x and sd_y else 0.0
    return Ellipse(float(a.mean()), float(b.mean()), float(sd_x), float(sd_y), float(r))
