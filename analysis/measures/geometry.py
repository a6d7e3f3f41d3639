"""Geometry of units: dimensions that are used.

References:
    Gao et al., "A theory of multineuronal dimensionality, dynamics and measurement", bioRxiv
    214262 (2017): the participation ratio.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.decomposition import PCA

from modnav.tables import Recording

from .arrays import Activity, as_activity, centred
from .decoding import LAYER, units_of
from .too_few import TooFewError

__all__ = ["leading_plane", "participation_ratio", "variances"]


def variances(x: Activity) -> npt.NDArray[np.float64]:
    """Return the variance along each principal component, largest first, ``(min(N - 1, units),)``.

    Args:
        x: Activity, ``(N, units)``.

    Raises:
        ValueError: If there are fewer than two rows, or activity is not finite.
    """
    x = as_activity(x)
    if len(x) < 2:
        raise TooFewError(f"there are {len(x)} moments; variance needs two or more")
    return np.linalg.svd(centred(x), compute_uv=False)[: len(x) - 1] ** 2 / (len(x) - 1)


def participation_ratio(x: Activity) -> float:
    """Return how many dimensions activity fills: 1 for a line, ``d`` for a ball in ``d`` dimensions.

    It is the squared sum of the variances over the sum of their squares; NaN for no variance.

    Args:
        x: Activity, ``(N, units)``.

    Raises:
        ValueError: If there are fewer than two rows.
    """
    found = variances(x)
    squares = float((found**2).sum())
    return float(found.sum() ** 2) / squares if squares else float("nan")


def leading_plane(recording: Recording, layer: str = LAYER, components: int = 2) -> pd.DataFrame:
    """Return trials in the plane of the leading principal components of a layer.

    Args:
        recording: Tables with units.
        layer: The layer.
        components: How many.

    Returns:
        ``trial``, ``step``, ``pc1``, ``pc2``, ...; ``attrs["explained"]`` has the share of variance
        of each.

    Raises:
        ValueError: If there are no units, fewer of them or of steps than components, or all are constant.
    """
    x = units_of(recording, layer)
    if components < 1:
        raise ValueError(f"components is {components}; it must be 1 or more")
    moments, units = x.shape
    if components > units:
        raise ValueError(f"components is {components}; the layer has {units} units")
    if components > moments:
        raise TooFewError(f"components is {components}; there are {moments} moments")
    if not np.ptp(x, axis=0).any():
        raise TooFewError("all units are constant: there is no plane that they move in")
    model = PCA(components, svd_solver="full").fit(x)
    found = recording.steps[["trial", "step"]].reset_index(drop=True)
    found[[f"pc{k + 1}" for k in range(components)]] = model.transform(x)
    found.attrs["explained"] = model.explained_variance_ratio_.tolist()
    return found
