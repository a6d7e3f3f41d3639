"""Sizes of effects and mixed models: data whose parameters are known."""

import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from modnav.analysis.measures import hedges_g, mixed_model


def test_hedges_g_by_hand():
    # means 2 and 5, both SD 1; 1 - 3 / (4 * 4 - 1)
    found = hedges_g([1, 2, 3], [4, 5, 6])
    assert found.value == pytest.approx(-3 * (1 - 3 / 15))
    assert np.isnan(found.low)  # too few for an interval
    assert np.isnan(hedges_g([1], [2, 3]).value)
    assert np.isnan(hedges_g([1, 1], [2, 2]).value)


@pytest.mark.parametrize("count", [5, 8, 20])
def test_the_interval_covers_the_true_effect_as_often_as_it_says(count):
    draw, runs = np.random.default_rng(0), 2000
    for effect in (0, 2):
        x, y = draw.normal(effect, 1, (runs, count)), draw.normal(0, 1, (runs, count))
        found = [hedges_g(*pair) for pair in zip(x, y, strict=True)]
        assert all(each.low < each.value < each.high for each in found)
        covered = np.mean([each.low < effect < each.high for each in found])
        assert abs(covered - 0.95) < 0.015  # 3 SEM of 2,000
        # the same verdict as the t test of the same numbers
        significant = stats.ttest_ind(x, y, axis=1).pvalue < 0.05
        assert [each.low > 0 or each.high < 0 for each in found] == significant.tolist()


def test_intervals_of_vast_effects_and_of_rounding():
    x = np.arange(5.0)
    near, far = hedges_g(x + 999.9, x), hedges_g(x + 1000.1, x)
    assert near.low / near.value == pytest.approx(far.low / far.value, rel=1e-3)
    assert near.high / near.value == pytest.approx(far.high / far.value, rel=1e-3)
    assert hedges_g(x, x + 1e9).high < 0
    assert hedges_g(x, x + 1).low == pytest.approx(-hedges_g(x + 1, x).high)
    assert np.isnan(hedges_g([0.3] * 5, [0.3, 0.3, 0.3, 0.3, 0.1 + 0.2])).all()  # but for rounding


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


@pytest.mark.filterwarnings("ignore:.*(Hessian|boundary)")
def test_one_seed_of_each_has_no_spread_over_seeds(trials):
    """What a fit gives for it then is where the fit began, the SD over trials."""
    pytest.importorskip("statsmodels")
    found = mixed_model(trials[trials["seed"] < 2], "error ~ architecture")
    assert found[["low", "high", "p", "group_sd"]].isna().all(axis=None)
    assert found["residual_sd"].iloc[0] == pytest.approx(1, rel=0.2)
    two = mixed_model(trials[trials["seed"] < 4], "error ~ architecture")
    assert two["group_sd"].notna().all()


def test_what_varies_within_seeds_has_slopes_of_its_own():
    """The effect of the gain differs between 8 seeds and is 0 on average: trials are not 8 x 90."""
    pytest.importorskip("statsmodels")
    draw, gain = np.random.default_rng(1), np.repeat([0.0, 0.5, 1.0], 30)
    parts = [
        pd.DataFrame({"seed": k, "gain": gain, "who": "ab"[k % 2], "error": noise + slope * gain})
        for k, slope in enumerate(draw.normal(0, 3, 8))
        for noise in [draw.normal(0, 1) + draw.normal(0, 0.5, 90)]
    ]
    table = pd.concat(parts).sample(frac=1, random_state=0)  # neither sorted nor of a unique index
    table["who"] = pd.Categorical(table["who"], ["a", "b", "absent"])
    found, naive = (
        mixed_model(table, "error ~ who + gain", slopes=x).set_index("effect").loc["gain"]
        for x in (None, ())
    )
    slopes = table.groupby("seed").apply(lambda x: np.polyfit(x["gain"], x["error"], 1)[0])
    assert found["sem"] == pytest.approx(slopes.std() / 8**0.5, rel=0.1)
    assert found["sem"] > 5 * naive["sem"]
    assert found["df"] == 6
    assert found["high"] - found["estimate"] == pytest.approx(2.446912 * found["sem"])


def test_what_a_mixed_model_needs_is_said(trials, monkeypatch):
    pytest.importorskip("statsmodels")
    with pytest.raises(ValueError, match="seed has 1 values"):
        mixed_model(trials[trials["seed"] == 0], "error ~ 1")
    holes = trials.assign(error=trials["error"].where(trials.index > 0))
    with pytest.raises(ValueError, match="error lacks values"):
        mixed_model(holes, "error ~ architecture")
    with pytest.raises(ValueError, match="group is animal; the table has seed, architecture"):
        mixed_model(trials, "error ~ architecture", "animal")
    with pytest.raises(ValueError, match=r"cannot be fitted .*nonsense"):
        mixed_model(trials, "error ~ nonsense")
    monkeypatch.setitem(sys.modules, "statsmodels.formula.api", None)
    with pytest.raises(ValueError, match=r"pip install 'modnav\[neuro\]'"):
        mixed_model(trials, "error ~ architecture")
