"""Activity as measures take it: finite numbers, moments by units, steps in their order."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Activity", "as_activity", "centred"]

Activity = npt.NDArray[np.float64]
"""Activity of units, ``(moments, units)``."""


def as_activity(x: Any) -> Activity:
    """Return activity in double precision, of an array, a tensor or a table.

    Raises:
        ValueError: If it is not ``(moments, units)`` with a unit or more, or not finite.
    """
    found = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x, float)
    if found.ndim != 2 or not found.shape[1]:
        raise ValueError(f"activity has shape {found.shape}; it must be (moments, units)")
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        moment, unit = bad[0]
        raise ValueError(
            f"activity is {found[moment, unit]} at moment {moment}, unit {unit}; it must be finite"
        )
    return found


def centred(x: Activity) -> Activity:
    """Return activity less the mean of each unit; exactly 0 where it varies by rounding alone."""
    spread = x.std(axis=0)
    least = 10 * np.finfo(float).eps * len(x) ** 0.5 * np.abs(x).max(axis=0, initial=0)
    return np.where(spread > least, x - x.mean(axis=0), 0.0)
