"""Comparisons of runs with the study's seeds, and with other runs, against numbers by hand."""

import math
from pathlib import Path

import pandas as pd
import pytest
from learning_runs import make_training
from scipy.stats import spearmanr

from modnav.analysis.comparison import (
    AGES,
    compare_sides,
    ordering_probability,
    rank_correlation,
)
from modnav.analysis.comparison_figure import draw_sides, write_comparison
from modnav.analysis.sides import Side, runs_side, study_side

MODULAR, HOLISTIC = "Actor3Critic5", "Actor1Critic1"


def side(folder: Path, *fractions: float, architecture: str = MODULAR) -> Side:
    """Return runs that are rewarded in these fractions of trials at 500, then in a tenth more."""
    for seed, x in enumerate(fractions):
        curve = {500: x, 1000: x, 2500: x + 0.1}
        make_training(folder, architecture, seed, curve, phase_one=1000 * (seed + 1))
    return runs_side([folder])[0]


def test_every_row_of_the_picture_says_its_gain(tmp_path: Path):
    ours, other = side(tmp_path / "a", 0.2), side(tmp_path / "b", 0.1)
    axes = draw_sides(ours, other, compare_sides(ours, other)).axes
    labels = [one.get_ylabel() for one in axes]
    assert len(labels) > 3
    assert all("gain" in label for label in labels[1:])


def row(table: pd.DataFrame, quantity: str, trials: int, architecture: str = MODULAR) -> pd.Series:
    keys = ["architecture", "quantity", "trials"]
    return table.set_index(keys).loc[(architecture, quantity, trials)]


def test_means_deviations_and_errors_of_both_sides(tmp_path: Path):
    ours = side(tmp_path / "a", 0.2, 0.4, 0.6)  # mean .4, SD .2
    other = side(tmp_path / "b", 0.1, 0.3)  # mean .2, SD .2 / sqrt 2
    found = row(compare_sides(ours, other), "reward_fraction gain1x", 500)
    assert found["mean"] == pytest.approx(0.4)
    assert found["sd"] == pytest.approx(0.2)
    assert (found["n"], found["n_other"]) == (3, 2)
    assert found["sd_other"] == pytest.approx(0.1 * math.sqrt(2))
    assert found["difference"] == pytest.approx(0.2)
    # variances of the means .04 / 3 and .02 / 2, together 7 / 300
    assert found["in_sem"] == pytest.approx(0.2 / math.sqrt(7 / 300))
    # of 6 pairs .2 > .1, .4 > .1, .4 > .3, .6 > both
    assert found["improvement"] == pytest.approx(5 / 6)
    assert math.isnan(found["improvement_low"])  # too few seeds
    rate = row(compare_sides(ours, other), "reward_rate gain2x", 2500)
    assert rate["mean"] == pytest.approx(0.05)


def test_probabilities_have_intervals_from_five_seeds_of_each_side_on(tmp_path: Path):
    five = side(tmp_path / "a", 0.1, 0.2, 0.3, 0.4, 0.5)
    more = side(tmp_path / "b", 0.25, 0.35, 0.45, 0.55, 0.65)
    four = side(tmp_path / "c", 0.1, 0.2, 0.3, 0.4)
    found = row(compare_sides(five, more), "reward_rate gain1x", 500)
    # 0, 0, 1, 2, 3 of 5 are surpassed by the five
    assert found["improvement"] == pytest.approx(6 / 25)
    assert 0 <= found["improvement_low"] < 6 / 25 < found["improvement_high"] < 0.9
    found = row(compare_sides(five, four), "reward_rate gain1x", 500)
    assert found["improvement"] == pytest.approx(12 / 20)  # 10 greater and 4 equal, of 20
    assert math.isnan(found["improvement_low"])


def test_fewer_trials_of_phase_one_are_better(tmp_path: Path):
    ours, other = side(tmp_path / "a", 0.1), side(tmp_path / "b", 0.1, 0.1, 0.1)
    found = row(compare_sides(ours, other), "phase1_trials", 0)
    assert (found["mean"], found["mean_other"], found["sd_other"]) == (1000, 2000, 1000)
    assert found["improvement"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert math.isnan(found["in_sem"])  # one run has no error


def test_runs_in_phase_one_count_there_and_nowhere_else(tmp_path: Path):
    side(tmp_path, 0.2, 0.4, 0.6)
    make_training(tmp_path, seed=3, phase_one=49_500)
    make_training(tmp_path, seed=4, phase_one=7_000)
    table = compare_sides(runs_side([tmp_path])[0], study_side())
    failed = row(table, "phase1_given_up", 0)
    assert (failed["mean"], failed["n"], failed["unfinished"]) == (0.25, 4, 1)
    # Wilson: (1 / 4 + z2 / 8 -+ z sqrt(3 / 64 + z2 / 64)) / (1 + z2 / 4), z2 = 3.8415 / 1
    assert failed["low"] == pytest.approx(0.0456, abs=1e-4)
    assert failed["high"] == pytest.approx(0.6994, abs=1e-4)
    assert math.isnan(failed["mean_other"])  # the study kept none that failed
    assert row(table, "phase1_trials", 0)[["mean", "n"]].tolist() == [2000, 3]
    assert row(table, "reward_fraction gain1x", 500)["n"] == 3
    later = row(table, "reward_fraction gain1x", 10_000)
    assert (later["n"], later["n_other"]) == (0, 8)
    assert later[["mean", "difference", "in_sem"]].isna().all()


def test_the_study_has_no_single_seeds_and_no_gain_of_one_and_a_half(tmp_path: Path):
    table = compare_sides(side(tmp_path, 0.2, 0.4), study_side())
    assert table["improvement"].isna().all()
    assert set(table["quantity"]) == {
        "phase1_given_up",
        "phase1_trials",
        "reward_fraction gain1x",
        "reward_rate gain1x",
        "reward_rate gain2x",
    }
    assert sorted(set(table["trials"])) == [0, *AGES]
    found = row(table, "reward_rate gain1x", 2500)
    assert found["mean_other"] == pytest.approx(0.65, abs=0.001)
    assert found["sd_other"] == pytest.approx(0.069, abs=0.001)
    squares = found["sd"] ** 2 / 2 + found["sd_other"] ** 2 / 8
    assert found["in_sem"] == pytest.approx(found["difference"] / math.sqrt(squares))


def test_all_runs_in_phase_one_can_be_compared(tmp_path: Path):
    make_training(tmp_path, phase_one=7_000)
    ours, _ = runs_side([tmp_path])
    table, _ = write_comparison(ours, study_side(), tmp_path / "out")
    assert table["quantity"].tolist() == ["phase1_given_up", "phase1_trials"]
    assert table["n"].tolist() == [0, 0]
    assert math.isnan(table.loc[0, "low"])


def test_no_difference_has_no_error_to_be_measured_in(tmp_path: Path):
    ours, other = side(tmp_path / "a", 0.0, 0.0), side(tmp_path / "b", 0.3, 0.3)
    found = row(compare_sides(ours, other), "reward_fraction gain1x", 500)
    assert found["difference"] == pytest.approx(-0.3)
    assert math.isnan(found["in_sem"])


def test_table_and_figure_are_written(tmp_path: Path):
    side(tmp_path / "runs", 0.2, 0.4, architecture=HOLISTIC)
    make_training(tmp_path / "runs" / "more", HOLISTIC, 5, phase_one=50_000)
    ours = side(tmp_path / "runs" / "modular $_{", 0.1)._replace(name="odd $_{")
    ours = runs_side([tmp_path / "runs"])[0]._replace(name=ours.name)
    table, files = write_comparison(ours, study_side(), tmp_path / "out")
    names = ["comparison.csv", "seeds.csv", "comparison.pdf", "comparison.png"]
    assert sorted(names) == sorted(p.name for p in (tmp_path / "out").iterdir())
    assert [file.name for file in files] == names
    assert list(dict.fromkeys(table["architecture"])) == [HOLISTIC, MODULAR]
    read = pd.read_csv(files[0])
    assert list(read) == list(table)
    pd.testing.assert_frame_equal(read, table, check_dtype=False, rtol=1e-5)
    assert files[3].stat().st_size > 20_000


def test_every_seed_is_in_the_figure_before_the_band(tmp_path: Path):
    ours, other = side(tmp_path / "a", 0.2, 0.4, 0.6), side(tmp_path / "b", 0.1, 0.3)
    figure = draw_sides(ours, other, compare_sides(ours, other))
    phase, fraction, *_ = figure.axes
    assert len(phase.lines) == 1 + 3  # the other's mean, a mark for each seed
    mean, *seeds = fraction.lines
    assert mean.get_ydata() == pytest.approx([0.2, 0.2, 0.3])
    assert [list(line.get_ydata()) for line in seeds] == [
        pytest.approx([x, x, x + 0.1]) for x in (0.2, 0.4, 0.6)
    ]
    assert seeds[0].get_xdata() == pytest.approx([0.05, 0.1, 0.25])
    (band,) = fraction.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(0.3 + 0.1 * math.sqrt(2))


def test_the_key_counts_seeds_of_the_architectures_that_are_shown(tmp_path: Path):
    side(tmp_path / "b", 0.1, 0.3)
    side(tmp_path / "c", 0.1, 0.2, 0.3, architecture=HOLISTIC)
    side(tmp_path / "d", 0.2, architecture=HOLISTIC)
    other = runs_side([tmp_path / "b", tmp_path / "c"])[0]

    def key(ours: Side) -> str:
        (legend,) = draw_sides(ours, other, compare_sides(ours, other)).legends
        return next(text.get_text() for text in legend.get_texts() if "SD" in text.get_text())

    assert key(side(tmp_path / "a", 0.2)).endswith("SD (n = 2)")
    assert key(runs_side([tmp_path / "a", tmp_path / "d"])[0]).endswith("SD (n = 2 to 3)")


def test_sides_without_a_common_architecture_are_refused(tmp_path: Path):
    ours, other = side(tmp_path / "a", 0.2), side(tmp_path / "b", 0.2, architecture=HOLISTIC)
    with pytest.raises(ValueError, match="must have an architecture in common"):
        compare_sides(ours, other)


def summary(*means: float, sd: float = 0.1, n: int = 4) -> Side:
    """Return a side of the four main architectures with these means."""
    names = ("Actor1Critic1", "Actor3Critic1", "Actor1Critic5", "Actor3Critic5")
    rows = {"architecture": names, "trials": 500, "quantity": "x", "mean": means, "sd": sd, "n": n}
    return Side("side", pd.DataFrame(rows), pd.DataFrame())


def test_the_ordering_of_the_study_has_a_probability():
    assert ordering_probability(summary(0, 0, 1, 2), "x", 500) == 1
    assert ordering_probability(summary(0, 1.5, 1, 2), "x", 500) == 0
    # alike: modular is above, and the next above both others, in 1 of 12 orders twice
    alike = ordering_probability(summary(1, 1, 1, 1), "x", 500)
    assert alike == pytest.approx(2 / 24, abs=0.005)
    # two means that differ by one standard error of their difference
    near = ordering_probability(summary(-9, -9, 0, 0.05 * math.sqrt(2)), "x", 500)
    assert near == pytest.approx(0.8413, abs=0.005)
    assert math.isnan(ordering_probability(summary(0, 0, 1, 2, sd=math.nan, n=1), "x", 500))
    assert math.isnan(ordering_probability(summary(0, 0, 1, 2), "x", 2500))
    assert ordering_probability(study_side(), "reward_rate gain2x", 10_000) > 0.9


def named(means: dict[str, float]) -> Side:
    rows = {"architecture": list(means), "trials": 500, "quantity": "x", "mean": means.values()}
    later = {"architecture": list(means), "trials": 2500, "quantity": "x", "mean": 0.0}
    table = pd.concat([pd.DataFrame(rows), pd.DataFrame(later)], ignore_index=True)
    return Side("side", table.assign(sd=0.1, n=4), pd.DataFrame())


def test_the_ranks_of_what_both_sides_have_are_correlated():
    ours = named({"a": 0.1, "b": 0.3, "c": 0.3, "d": 0.2, "e": 5, "mine": -1})
    other = named({"e": 0.9, "d": 0.1, "c": 0.4, "b": 0.2, "a": 0.3, "theirs": 9})
    value, count = rank_correlation(ours, other, "x", 500)
    expected = spearmanr([0.1, 0.3, 0.3, 0.2, 5], [0.3, 0.2, 0.4, 0.1, 0.9]).statistic
    assert (value, count) == (pytest.approx(expected), 5)
    assert math.isnan(rank_correlation(ours, other, "x", 2500)[0])  # all alike
    assert math.isnan(rank_correlation(ours, named({"a": 1, "b": 2}), "x", 500)[0])
    value, count = rank_correlation(study_side(), study_side(), "reward_rate gain2x", 10_000)
    assert (value, count) == (pytest.approx(1), 15)
