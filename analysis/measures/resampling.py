"""Statistics by resampling: intervals of correlations, and comparisons of architectures over seeds.

``analysis_A`` 0.6 of the study's notebooks is :func:`bootstrap_correlation`; the comparisons over
seeds are not in the study.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from .statistics import (
    Numbers,
    finite,
    interquartile_mean,
    pairs,
    pearson,
    probability_of_improvement,
    sem,
)

__all__ = [
    "LEAST",
    "RESAMPLES",
    "Correlation",
    "Interval",
    "bootstrap_correlation",
    "bootstrap_interval",
    "compare",
    "improvement_interval",
    "wilson_interval",
]


LEAST = 5
"""Seeds below which nothing is said of an interval: resampling so few knows no others."""

RESAMPLES = 9999
"""Bootstrap resamples, as published."""


class Interval(NamedTuple):
    """A number and the range it may lie in.

    Attributes:
        value: The number.
        low: Low end of the interval.
        high: High end.
    """

    value: float
    low: float
    high: float


class Correlation(NamedTuple):
    """A correlation and its bootstrap distribution.

    Attributes:
        r: Pearson's r.
        mean: Mean of the bootstrap distribution, which the study draws.
        low: Low end of the 95 % interval.
        high: High end.
    """

    r: float
    mean: float
    low: float
    high: float


def bootstrap_correlation(
    x: Numbers, y: Numbers, *, resamples: int = RESAMPLES, seed: int = 0
) -> Correlation:
    """Return Pearson's r with its paired bootstrap: BCa interval of 95 %.

    Args:
        x: One vector ``(N,)``; cells of a grid are flattened row by row.
        y: The other.
        resamples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        The correlation; mean and interval are NaN for fewer than three pairs or where the
        bootstrap is degenerate.
    """
    first, second = pairs(np.ravel(np.asarray(x, float)), np.ravel(np.asarray(y, float)))
    r = pearson(first, second)
    if np.isnan(r) or len(first) < 3:
        return Correlation(r, *[float("nan")] * 3)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (first, second),
            _rowwise_pearson,
            paired=True,
            vectorized=True,
            n_resamples=resamples,
            confidence_level=0.95,
            method="BCa",
            rng=seed,
        )
    low, high = found.confidence_interval
    return Correlation(r, float(np.nanmean(found.bootstrap_distribution)), float(low), float(high))


def _rowwise_pearson(x: Any, y: Any, axis: int = -1) -> Any:
    a, b = x - x.mean(axis=axis, keepdims=True), y - y.mean(axis=axis, keepdims=True)
    norm = np.sqrt((a**2).sum(axis=axis) * (b**2).sum(axis=axis))
    return (a * b).sum(axis=axis) / norm


def bootstrap_interval(
    values: Numbers,
    statistic: Callable[[Numbers], float] = interquartile_mean,
    strata: Sequence[Any] | None = None,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return a statistic over seeds with its expanded percentile bootstrap interval.

    Percentiles are those that make the interval of a mean as wide as Student's: resamples of few
    seeds vary less than new seeds would (plain percentiles of five hold their mean 84 times of 100).

    Args:
        values: A number for each seed (and stratum), ``(N,)``.
        statistic: The statistic.
        strata: What each value belongs to, e.g. its test task, ``(N,)``; values are drawn anew
            within each stratum alone.
        resamples: Number of resamples.
        confidence: Coverage of the interval.
        seed: Seed of the resampling.

    Returns:
        The statistic and the interval; the interval is NaN if no stratum has two values.

    Raises:
        ValueError: If values are no vector, there is not a stratum for each, or the confidence is
            not between 0 and 1.

    References:
        Hesterberg, "What teachers should know about the bootstrap", The American Statistician
        69, 371 (2015).
        Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice",
        NeurIPS (2021).
    """
    x = np.asarray(values, float)
    if x.ndim != 1 or (strata is not None and len(strata) != len(x)):
        raise ValueError(f"values are {x.shape}; they must be (N,), with a stratum for each")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must be between 0 and 1, e.g. 0.95")
    kept = np.isfinite(x)
    labels = np.zeros(len(x)) if strata is None else pd.factorize(np.asarray(strata))[0]
    groups = [x[kept & (labels == label)] for label in np.unique(labels[kept])]
    value = statistic(x[kept])
    if not any(len(group) > 1 for group in groups):
        return Interval(value, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    drawn = [
        statistic(np.concatenate([rng.choice(group, len(group)) for group in groups]))
        for _ in range(resamples)
    ]
    least = min(len(group) for group in groups if len(group) > 1)
    reach = stats.t.ppf(0.5 + confidence / 2, least - 1) * np.sqrt(least / (least - 1))
    low, high = np.quantile(drawn, stats.norm.cdf((-reach, reach)))
    return Interval(value, float(low), float(high))


def improvement_interval(x: Numbers, y: Numbers, *, confidence: float = 0.95) -> Interval:
    """Return :func:`probability_of_improvement` with an interval that also holds near 0 and 1.

    It is Wilson's for as many pairs as the smaller group has seeds: pairs that share no seed are
    independent, and the mean over all pairs varies no more than theirs (Birnbaum & Klose 1957). A
    bootstrap knows no other value where every seed of one beats all of the other, however few.

    Args:
        x: A number for each seed of one architecture.
        y: Those of the other.
        confidence: Coverage of the interval.

    Returns:
        The probability and the interval; the interval is NaN if either has fewer than two.
    """
    first, second = finite(x), finite(y)
    value, pairs = probability_of_improvement(first, second), min(len(first), len(second))
    if pairs < 2:
        return Interval(value, float("nan"), float("nan"))
    return Interval(value, *_wilson(value, pairs, confidence))


def _wilson(share: float, of: int, confidence: float) -> tuple[float, float]:
    """Return the ends of Wilson's score interval of a share.

    SciPy has it for whole counts alone; a probability of improvement is a mean over all pairs.
    """
    z2 = stats.norm.ppf(0.5 + confidence / 2) ** 2
    middle = share + z2 / (2 * of)
    half = np.sqrt(z2 * (share * (1 - share) / of + z2 / (4 * of**2)))
    low, high = ((middle + sign * half) / (1 + z2 / of) for sign in (-1, 1))
    return float(max(low, 0.0)), float(min(high, 1.0))


def wilson_interval(count: int, of: int, confidence: float = 0.95) -> Interval:
    """Return a share with Wilson's score interval; NaN of nothing.

    Args:
        count: How many did.
        of: How many there were.
        confidence: Coverage of the interval.

    Raises:
        ValueError: If there were more who did than there were.
    """
    if not of:
        return Interval(*[float("nan")] * 3)
    if not 0 <= count <= of:
        raise ValueError(f"count is {count}; it must be from 0 to of, {of}")
    return Interval(count / of, *_wilson(count / of, of, confidence))


def compare(table: pd.DataFrame, by: str, column: str, reference: str) -> pd.DataFrame:
    """Compare architectures over seeds.

    Args:
        table: A row for each seed.
        by: Column that names the architecture.
        column: What is compared; more is better.
        reference: The architecture that the others are compared with.

    Returns:
        For each architecture ``count``, ``mean``, ``sem``, ``iqm`` with ``iqm_low`` and
        ``iqm_high``, and the ``improvement``: the probability that a run of the reference is
        better than one of it, with ``improvement_low`` and ``improvement_high`` (NaN for the
        reference itself). Ends of intervals are NaN where there are fewer than :data:`LEAST` seeds.
    """
    rows = []
    best = table.loc[table[by] == reference, column].to_numpy(float)
    for name, part in table.groupby(by, sort=False)[column]:
        x = part.to_numpy(float)
        few = len(finite(x)) < LEAST
        iqm = _unsure(interquartile_mean(finite(x))) if few else bootstrap_interval(x)
        if few or len(finite(best)) < LEAST or name == reference:  # one half, whatever its seeds
            better = _unsure(probability_of_improvement(finite(best), finite(x)))
        else:
            better = improvement_interval(best, x)
        rows.append(
            {
                by: name,
                "count": len(finite(x)),
                "mean": float(np.mean(finite(x))) if len(finite(x)) else float("nan"),
                "sem": sem(x),
                "iqm": iqm.value,
                "iqm_low": iqm.low,
                "iqm_high": iqm.high,
                "improvement": better.value,
                "improvement_low": better.low,
                "improvement_high": better.high,
            }
        )
    return pd.DataFrame(rows)


def _unsure(value: float) -> Interval:
    return Interval(value, float("nan"), float("nan"))
