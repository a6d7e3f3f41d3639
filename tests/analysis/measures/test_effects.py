"""Sizes of effects and mixed models: data whose parameters are known."""

import sys

import numpy as np
import pandas as pd
import pytest

from modnav.analysis.measures import hedges_g, mixed_model


def test_hedges_g_by_hand():
    # means 2 and 5, both SD 1; 1 - 3 / (4 * 4 - 1)
    found = hedges_g([1, 2, 3], [4, 5, 6])
    assert found.value == pytest.approx(-3 * (1 - 3 / 15))
    assert np.isnan(found.low)  # too few for an interval
    assert np.isnan(hedges_g([1], [2, 3]).value)
    assert np.isnan(hedges_g([1, 1], [2, 2]).value)


def test_the_interval_covers_the_true_effect_about_as_often_as_it_says():
    draw, inside = np.random.default_rng(0), 0
    for k in range(100):
        found = hedges_g(draw.normal(1, 1, 20), draw.normal(0, 1, 20), resamples=200, seed=k)
        assert found.low < found.value < found.high
        inside += found.low < 1 < found.high
    assert 85 <= inside <= 99


@pytest.fixture
def trials():
    """Errors of trials of 40 seeds, half of them of another architecture, with an effect of 3."""
    draw, parts = np.random.default_rng(0), []
    for seed in range(40):
        error = 10 + 3 * (seed % 2) + draw.normal(0, 2) + draw.normal(0, 1, 50)
        parts.append(pd.DataFrame({"seed": seed, "architecture": "AB"[seed % 2], "error": error}))
    return pd.concat(parts, ignore_index=True)


def test_a_mixed_model_recovers_what_made_the_data(trials):
    pytest.importorskip("statsmodels")
    found = mixed_model(trials, "error ~ architecture").set_index("effect")
    effect = found.loc["architecture[T.B]"]
    assert effect["low"] < 3 < effect["high"]
    assert effect["group_sd"] == pytest.approx(2, rel=0.25)
    assert effect["residual_sd"] == pytest.approx(1, rel=0.05)
    assert effect["groups"] == 40
    # The error is that of 40 seeds (2 * sqrt(2 / 20) = .63), not of 2,000 trials (.1).
    assert effect["sem"] == pytest.approx(0.63, rel=0.3)
    # of balanced data the estimate is the difference of the means of seeds
    means = trials.groupby(["architecture", "seed"])["error"].mean().groupby("architecture").mean()
    assert effect["estimate"] == pytest.approx(means["B"] - means["A"], abs=1e-6)


def test_what_a_mixed_model_needs_is_said(trials, monkeypatch):
    pytest.importorskip("statsmodels")
    with pytest.raises(ValueError, match="seed has 1 values"):
        mixed_model(trials[trials["seed"] == 0], "error ~ 1")
    holes = trials.assign(error=trials["error"].where(trials.index > 0))
    with pytest.raises(ValueError, match="error lacks values"):
        mixed_model(holes, "error ~ architecture")
    monkeypatch.setitem(sys.modules, "statsmodels.formula.api", None)
    with pytest.raises(ValueError, match=r"pip install 'modnav\[neuro\]'"):
        mixed_model(trials, "error ~ architecture")
