import numpy as np
import pandas as pd
import pytest

from modnav.analysis.measures import (
    bootstrap_correlation,
    bootstrap_interval,
    compare,
    improvement_interval,
    interquartile_mean,
    mann_whitney,
    mean_and_sem,
    pearson,
    probability_of_improvement,
    regression_through_origin,
    sem,
    shuffled,
    tukey,
    wilson_interval,
    within_fences,
)


def test_sem_is_the_sample_deviation_over_the_root_of_n():
    assert sem([1, 2, 3, 4]) == pytest.approx(np.sqrt(5 / 3) / 2)
    assert sem([1, 3, np.nan]) == pytest.approx(1.0)


def test_one_number_has_no_sem():
    assert np.isnan(sem([3.0]))
    assert np.isnan(sem([]))


def test_mean_and_sem_of_groups():
    table = pd.DataFrame({"a": ["x", "x", "y"], "v": [1.0, 3.0, 5.0]})
    found = mean_and_sem(table, ["a"], "v").set_index("a")
    assert found.loc["x"].tolist() == [2.0, 1.0, 2]
    assert found.loc["y", "mean"] == 5
    assert np.isnan(found.loc["y", "sem"])


def test_tukey_drops_what_lies_beyond_the_fences():
    values = [1, 2, 3, 4, 5, 100]
    # quartiles 2.25 and 4.75: fences at -1.5 and 8.5
    assert tukey(values).tolist() == [1, 2, 3, 4, 5]
    assert within_fences(values).tolist() == [True] * 5 + [False]


def test_tukey_drops_a_value_on_the_fence():
    # quartiles 1 and 2: fences at -0.5 and 3.5
    assert tukey([0, 1, 1, 2, 2, 3.5]).tolist() != [0, 1, 1, 2, 2, 3.5]


def test_tukey_keeps_equal_values_and_leaves_out_nan():
    assert tukey([2, 2, np.nan, 2]).tolist() == [2, 2, 2]
    assert len(tukey([])) == 0
    assert len(tukey([np.nan])) == 0


def test_regression_through_the_origin():
    assert regression_through_origin([1, 2, 3], [2, 4, 6]) == pytest.approx(2)
    # sum xy / sum x^2 = (1 * 1 + 2 * 0) / 5
    assert regression_through_origin([1, 2], [1, 0]) == pytest.approx(0.2)
    assert np.isnan(regression_through_origin([0, 0], [1, 2]))


def test_pearson():
    assert pearson([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert np.isnan(pearson([1, 1, 1], [1, 2, 3]))
    assert np.isnan(pearson([1], [1]))


def test_vectors_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="of one shape"):
        pearson([1, 2], [1, 2, 3])


def test_bootstrap_correlation_of_a_strong_relation():
    x = np.arange(25.0)
    noise = np.random.default_rng(0).normal(0, 3, 25)
    found = bootstrap_correlation(x, x + noise, resamples=999)
    assert found.r == pytest.approx(np.corrcoef(x, x + noise)[0, 1])
    assert found.low < found.r < found.high
    assert found.mean == pytest.approx(found.r, abs=0.02)
    assert found.low > 0.8


def test_bootstrap_correlation_is_repeatable():
    x, y = np.random.default_rng(1).normal(size=(2, 16))
    assert bootstrap_correlation(x, y, resamples=99) == bootstrap_correlation(x, y, resamples=99)


def test_bootstrap_correlation_of_too_little_is_not_a_number():
    found = bootstrap_correlation([1, 2], [1, 2])
    assert found.r == pytest.approx(1)
    assert np.isnan([found.mean, found.low, found.high]).all()
    assert np.isnan(bootstrap_correlation([1, 1, 1, 1], [1, 2, 3, 4]).mean)


def test_shuffled_keeps_values_and_is_that_of_numpy():
    values = np.arange(10)
    expected = values.copy()
    np.random.default_rng(0).shuffle(expected)
    assert shuffled(values).tolist() == expected.tolist()
    assert values.tolist() == list(range(10))


def test_mann_whitney_of_the_published_panel():
    # 8 against 8 seeds, of whose 64 pairs 61 are won: U = 61, p = 0.001088 as printed in S2i
    below = [1.0, 2, 3, 4, 5, 6, 7, 8]
    above = [7.5, 6.5, 8.5, 9, 10, 11, 12, 13]
    u, p = mann_whitney(above, below)
    assert u == 61
    assert p == pytest.approx(0.001088, abs=1e-6)
    assert np.isnan(mann_whitney([], [1, 2])).all()


def test_interquartile_mean_cuts_a_quarter_off_either_end():
    assert interquartile_mean([0, 1, 2, 3, 4, 5, 6, 100]) == pytest.approx(3.5)
    assert np.isnan(interquartile_mean([]))


def test_bootstrap_interval_holds_the_value_and_needs_two():
    values = np.random.default_rng(0).normal(5, 1, 20)
    found = bootstrap_interval(values)
    assert found.low < found.value < found.high
    assert found.value == interquartile_mean(values)
    assert np.isnan(bootstrap_interval([1.0]).low)


def test_bootstrap_interval_draws_within_strata():
    # within each stratum nothing varies, so neither does what is drawn
    found = bootstrap_interval([0, 0, 1, 1], lambda x: float(np.mean(x)), ["a", "a", "b", "b"])
    assert found == (0.5, 0.5, 0.5)
    free = bootstrap_interval([0, 0, 1, 1], lambda x: float(np.mean(x)))
    assert free.low < 0.5 < free.high


def test_probability_of_improvement():
    assert probability_of_improvement([3, 4], [1, 2]) == 1
    assert probability_of_improvement([1, 2], [3, 4]) == 0
    assert probability_of_improvement([1, 2], [1, 2]) == 0.5
    assert probability_of_improvement([2], [1, 2, 3]) == 0.5
    assert np.isnan(probability_of_improvement([], [1]))


def test_improvement_has_an_interval():
    rng = np.random.default_rng(0)
    found = improvement_interval(rng.normal(0.7, 1, 20), rng.normal(0, 1, 20))
    assert 0 < found.low < found.value < found.high <= 1
    z2 = 1.959964**2  # all of five beat all of five: five pairs, by Wilson
    assert improvement_interval(range(5, 10), range(5)) == pytest.approx((1, 5 / (5 + z2), 1))
    assert np.isnan(improvement_interval([3], [1, 2]).low)


def test_compare_architectures():
    table = pd.DataFrame({"architecture": list("aaabbb"), "score": [3.0, 4, 5, 1, 2, 4]})
    found = compare(table, "architecture", "score", "a").set_index("architecture")
    assert found.loc["a", "improvement"] == 0.5
    assert found.loc["b", "improvement"] == pytest.approx((2 + 2.5 + 3) / 9)
    assert found.loc["b", "mean"] == pytest.approx(7 / 3)
    assert found["count"].tolist() == [3, 3]
    assert found["improvement_low"].isna().all()  # three seeds make no interval
    five = pd.DataFrame(
        {"architecture": list("aaaaabbbbb"), "score": [1.0 * x for x in range(10)]}
    )
    found = compare(five, "architecture", "score", "a").set_index("architecture")
    assert found["improvement_low"].isna().tolist() == [True, False]


def test_wilson_interval_of_a_share():
    z2 = 1.959964**2
    share = wilson_interval(0, 10)
    assert share == pytest.approx((0, 0, z2 / (10 + z2)))
    half = z2**0.5 * np.sqrt(4 / 9 * 5 / 9 / 9 + z2 / 18**2)
    middle = 4 / 9 + z2 / 18
    assert wilson_interval(4, 9) == pytest.approx(
        (4 / 9, (middle - half) / (1 + z2 / 9), (middle + half) / (1 + z2 / 9))
    )
    assert np.isnan(wilson_interval(0, 0)).all()
