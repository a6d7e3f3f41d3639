"""Statistics of figures: error bars, filters, correlations, robust means.

``analysis_A`` 0.5 of the study's notebooks is :func:`tukey`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

__all__ = [
    "Numbers",
    "interquartile_mean",
    "mann_whitney",
    "mean_and_sem",
    "pearson",
    "probability_of_improvement",
    "regression_through_origin",
    "sem",
    "shuffled",
    "tukey",
    "within_fences",
]

Numbers = npt.ArrayLike
"""Anything that makes a float array ``(N,)``."""


def sem(values: Numbers) -> float:
    """Return the standard error of the mean (``ddof`` 1); NaN for fewer than two numbers."""
    x = finite(values)
    return float(x.std(ddof=1) / np.sqrt(len(x))) if len(x) > 1 else float("nan")


def mean_and_sem(table: pd.DataFrame, by: Sequence[str], column: str) -> pd.DataFrame:
    """Return mean, SEM and number of a column for each group of rows, e.g. over seeds.

    Args:
        table: The table; rows whose value is NaN are left out.
        by: Columns that make the groups, in order of appearance.
        column: The column.

    Returns:
        ``by``, ``mean``, ``sem`` (NaN for one) and ``count``.
    """
    groups = table.groupby(list(by), sort=False)[column]
    return groups.agg(mean="mean", sem="sem", count="count").reset_index()


def within_fences(values: Numbers) -> npt.NDArray[np.bool_]:
    """Return which values lie strictly within 1.5 interquartile ranges of the quartiles, ``(N,)``.

    Values that are not finite do not; values that are all the same all do.
    """
    x = np.asarray(values, float).ravel()
    finite = np.isfinite(x)
    if not finite.any():
        return finite
    low, high = np.quantile(x[finite], (0.25, 0.75))
    if low == high and (x[finite] == low).all():
        return finite
    reach = 1.5 * (high - low)
    return finite & (x > low - reach) & (x < high + reach)


def tukey(values: Numbers) -> npt.NDArray[np.float64]:
    """Return the values of :func:`within_fences`, as the study filters before every violin."""
    return np.asarray(values, float).ravel()[within_fences(values)]


def regression_through_origin(x: Numbers, y: Numbers) -> float:
    """Return the slope of ``y`` over ``x`` without an intercept; NaN if all ``x`` are 0."""
    first, second = pairs(x, y)
    square = float(first @ first)
    return float(first @ second) / square if square else float("nan")


def pearson(x: Numbers, y: Numbers) -> float:
    """Return Pearson's r of the finite pairs; NaN if one of both does not vary."""
    first, second = pairs(x, y)
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(stats.pearsonr(first, second).statistic)


def shuffled(values: Numbers, seed: int = 0) -> npt.NDArray[Any]:
    """Return a shuffled copy, along the first axis: the control of correlations and AUCs."""
    copy = np.array(values)
    np.random.default_rng(seed).shuffle(copy, axis=0)
    return copy


def mann_whitney(x: Numbers, y: Numbers) -> tuple[float, float]:
    """Return U of ``x`` and the two-sided p value; NaN if one is empty."""
    first, second = finite(x), finite(y)
    if not len(first) or not len(second):
        return float("nan"), float("nan")
    found = stats.mannwhitneyu(first, second, alternative="two-sided")
    return float(found.statistic), float(found.pvalue)


def interquartile_mean(values: Numbers) -> float:
    """Return the mean of the middle half: a quarter of the values is cut off at either end."""
    x = finite(values)
    return float(stats.trim_mean(x, 0.25)) if len(x) else float("nan")


def probability_of_improvement(x: Numbers, y: Numbers) -> float:
    """Return the probability that a random run of ``x`` is better than one of ``y``.

    A tie counts half. NaN if one is empty.

    References:
        Agarwal et al. (2021), see :func:`.resampling.bootstrap_interval`.
    """
    first, second = finite(x), finite(y)
    if not len(first) or not len(second):
        return float("nan")
    return float(np.sign(first[:, None] - second).mean() / 2 + 0.5)


def finite(values: Numbers) -> npt.NDArray[np.float64]:
    """Return the values that are finite, ``(N,)``."""
    x = np.asarray(values, float).ravel()
    return x[np.isfinite(x)]


def pairs(x: Numbers, y: Numbers) -> tuple[Any, Any]:
    """Return the pairs of which both numbers are finite, ``(N,)`` each.

    Raises:
        ValueError: If there are not as many of one as of the other.
    """
    first, second = np.asarray(x, float), np.asarray(y, float)
    if first.shape != second.shape:
        raise ValueError(f"x is {first.shape} and y {second.shape}; they must be of one shape")
    kept = np.isfinite(first) & np.isfinite(second)
    return first[kept], second[kept]
