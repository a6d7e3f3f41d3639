"""Sizes of effects, and models in which seeds or animals are random effects.

Trials of one seed or animal are no independent samples: a test over all of them finds differences
that a new seed would not show. Either take one number a seed (:mod:`.resampling`), or model the seed.

References:
    Hedges, "Distribution theory for Glass's estimator of effect size", Journal of Educational
    Statistics 6, 107 (1981).
    Saravanan, Berman & Sober, "Application of the hierarchical bootstrap to multi-level data in
    neuroscience", NBDT (2020).
"""

import re

import numpy as np
import pandas as pd
from scipy import stats

from .resampling import LEAST, RESAMPLES, Interval
from .statistics import Numbers, finite
from .too_few import TooFewError

__all__ = ["hedges_g", "mixed_model"]


def hedges_g(x: Numbers, y: Numbers, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Return the difference of two means in standard deviations, with a bootstrap interval of 95 %.

    Args:
        x: One number for each seed or animal of a group.
        y: Those of the other.
        resamples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Hedges' g, positive where ``x`` is greater; all NaN for fewer than two of a group or no
        variance, and no interval for fewer than five of one.
    """
    first, second = finite(x), finite(y)
    value = _hedges(first, second)
    if min(len(first), len(second)) < LEAST or not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    draws = [
        _hedges(rng.choice(first, len(first)), rng.choice(second, len(second)))
        for _ in range(resamples)
    ]
    low, high = np.nanquantile(draws, (0.025, 0.975))
    return Interval(value, float(low), float(high))


def _hedges(x: Numbers, y: Numbers) -> float:
    first, second = np.asarray(x, float), np.asarray(y, float)
    free = len(first) + len(second) - 2
    if min(len(first), len(second)) < 2:
        return float("nan")
    squares = (len(first) - 1) * first.var(ddof=1) + (len(second) - 1) * second.var(ddof=1)
    if squares <= 0:
        return float("nan")
    small = 1 - 3 / (4 * free - 1)
    return float(small * (first.mean() - second.mean()) / np.sqrt(squares / free))


def mixed_model(
    table: pd.DataFrame, formula: str, group: str = "seed", confidence: float = 0.95
) -> pd.DataFrame:
    """Fit a linear mixed model with a random intercept for each seed or animal.

    Args:
        table: A row for each trial (or session, ...), with the columns of the formula.
        formula: What depends on what, e.g. ``"error_cm ~ architecture * gain"``.
        group: Column that tells seeds or animals apart; give each of another architecture a name of
            its own, e.g. ``architecture + seed``.
        confidence: Of the intervals.

    Returns:
        A row for each fixed effect: ``effect``, ``estimate``, ``sem``, ``low``, ``high``, ``p``
        (Wald), and ``group_sd``, ``residual_sd``, ``groups``, ``rows`` in all of them.

    Raises:
        ValueError: If statsmodels is not installed, there are fewer than two groups, or a column of
            the formula lacks values.
    """
    try:
        import statsmodels.formula.api as models  # type: ignore[import-not-found,import-untyped,unused-ignore]  # of an extra
    except ImportError as error:
        raise ValueError("mixed models need statsmodels: pip install 'modnav[neuro]'") from error
    count = table[group].nunique()
    if count < 2:
        raise TooFewError(f"{group} has {count} values; a random effect needs two or more")
    names = [name for name in table.columns if re.search(rf"\b{re.escape(str(name))}\b", formula)]
    if bad := [name for name in [*names, group] if table[name].isna().any()]:
        raise ValueError(f"{bad[0]} lacks values; leave those rows out")
    fit = models.mixedlm(formula, table, groups=table[group]).fit(reml=True)
    names = list(fit.fe_params.index)
    z = stats.norm.ppf(0.5 + confidence / 2)
    estimate, errors = fit.fe_params.to_numpy(float), fit.bse_fe.to_numpy(float)
    return pd.DataFrame(
        {
            "effect": names,
            "estimate": estimate,
            "sem": errors,
            "low": estimate - z * errors,
            "high": estimate + z * errors,
            "p": 2 * stats.norm.sf(np.abs(estimate / errors)),
            "group_sd": float(np.sqrt(fit.cov_re.to_numpy(float)[0, 0])),
            "residual_sd": float(np.sqrt(fit.scale)),
            "groups": count,
            "rows": len(table),
        }
    )
