"""Matching trials and sampling them at 0.1 s, by examples worked out by hand."""

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest

from modnav.tables import downsample, downsample_steps, match, scaled


def pairs(found):
    """Return (row of the pool, row of the reference) of each pair."""
    return list(zip(found.pool.tolist(), found.reference.tolist(), strict=True))


def test_each_reference_trial_takes_the_nearest_that_is_left():
    pool = [[0, 0], [10, 0], [13, 4], [100, 0]]
    reference = [[10, 1], [10, 0], [0, 3]]
    found = match(pool, reference)
    # the first takes what would suit the second better, which takes the next best, 5 cm away
    assert pairs(found) == [(1, 0), (2, 1), (0, 2)]
    npt.assert_allclose(found.distance, [1, 5, 3])


def test_replacement():
    found = match([[0, 0], [10, 0]], [[9, 0], [10, 0], [11, 0]], replace=True)
    assert pairs(found) == [(1, 0), (1, 1), (1, 2)]
    npt.assert_allclose(found.distance, [1, 0, 1])


def test_best_pairs_come_first():
    pool = [[0.0], [10.0], [20.0], [30.0]]
    reference = [[3.0], [10.5], [20.0], [33.0]]
    found = match(pool, reference, best=3)
    assert pairs(found) == [(2, 2), (1, 1), (0, 0)]  # of equals, 3 apart, the earlier
    npt.assert_allclose(found.distance, [0, 0.5, 3])
    assert len(match(pool, reference, best=99).pool) == 4


def test_of_equals_the_first_is_taken():
    assert pairs(match([[1.0], [-1.0]], [[0.0], [0.0]])) == [(0, 0), (1, 1)]


def test_scaling_changes_who_matches():
    pool = pd.DataFrame({"target_x_cm": [0.0, 90.0], "perturbation_onset_s": [1.0, 0.0]})
    reference = pd.DataFrame({"target_x_cm": [0.0], "perturbation_onset_s": [0.0]})
    variables = ["target_x_cm", "perturbation_onset_s"]
    plain = match(pool[variables], reference[variables])
    assert pairs(plain) == [(0, 0)]
    relative = match(scaled(pool, variables), scaled(reference, variables))
    assert pairs(relative) == [(1, 0)]
    npt.assert_allclose(relative.distance, 90 / 458.86, rtol=1e-4)


def test_ranges_are_those_of_the_experiment():
    ends = pd.DataFrame(
        {
            "target_x_cm": [-229.4306, 229.4306],
            "target_y_cm": [81.91520, 400],
            "perturbation_peak_v_cm_s": [-200, 200],
            "perturbation_peak_w_deg_s": [-120, 120],
            "perturbation_onset_s": [0, 1],
        }
    )
    npt.assert_allclose(scaled(ends, list(ends)), [[0] * 5, [1] * 5], atol=1e-6)
    published = pd.DataFrame({"perturb_vpeak": [50.0]})
    given = scaled(published, ["perturb_vpeak"], {"perturb_vpeak": (0, 200)})
    npt.assert_allclose(given, [[0.25]])
    with pytest.raises(ValueError, match="no range is known for perturb_vpeak"):
        scaled(published, ["perturb_vpeak"])


@pytest.mark.parametrize(
    ("pool", "reference", "options", "message"),
    [
        ([[0.0]], [[0.0], [1.0]], {}, "the pool has 1 trials; the reference needs 2"),
        (np.zeros((0, 1)), [[0.0]], {"replace": True}, "the pool has 0 trials"),
        ([[np.nan]], [[0.0]], {}, "must be finite"),
        ([[0.0, 1.0]], [[0.0]], {}, r"pool is \(1, 2\) and reference \(1, 1\)"),
        ([0.0], [0.0], {}, r"must be \(trials, variables\)"),
        ([[0.0]], [[0.0]], {"best": -1}, "best is -1"),
    ],
)
def test_wrong_conditions(pool, reference, options, message):
    with pytest.raises(ValueError, match=message):
        match(pool, reference, **options)


def test_no_reference_no_pairs():
    assert pairs(match([[0.0]], np.zeros((0, 1)))) == []


GAIN = (200.0, 90.0)


def test_path_by_hand():
    """Four bins: ahead at full speed, turn left and drive, stop, and more rest that is cut off."""
    time = np.array([0.0, 0.05, 0.1, 0.12, 0.19, 0.2, 0.25, 0.31, 0.39])
    linear = np.array([0.8, 1.0, 0.5, 0.5, 0.5, 0.05, 0.05, 0.0, 0.0])
    angular = np.array([0.0, 0.0, 1.0, 0.9, 0.8, 0.0, -0.1, 0.0, 0.0])
    path = downsample(time, np.stack((linear, angular), axis=1), GAIN)
    npt.assert_allclose(path.action, [[0.9, 0], [0.5, 0.9], [0.05, -0.05]], atol=1e-12)
    npt.assert_allclose(path.velocity, [[0, 0], [180, 0], [100, 81]])
    # the action of a step sets the velocity of the next, which moves the one after that
    npt.assert_allclose(path.heading, [90, 90, 90])
    npt.assert_allclose(path.position, [[0, 0], [0, 0], [0, 18]], atol=1e-12)


def test_turns_count_from_the_step_after():
    time = np.arange(50) / 100 + 0.001
    action = np.repeat([[1, 1], [1, 1], [1, 0], [1, 0], [0, 0]], 10, axis=0)
    path = downsample(time, action, (100.0, 900.0))
    npt.assert_allclose(path.heading, [90, 90, 180, 270, 270])
    expected = [[0, 0], [0, 0], [0, 10], [-10, 10], [-10, 0]]
    npt.assert_allclose(path.position, expected, atol=1e-12)


def test_bins_without_samples_are_left_out():
    action = [[1, 0], [1, 0], [0.5, 0], [0, 0]]
    path = downsample([0.0, 0.11, 0.55, 0.61], action, GAIN)
    npt.assert_array_equal(path.action, action)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_bins_begin_with_their_first_sample(kind):
    time = (np.arange(20) / 10).astype(kind)
    action = np.stack((np.arange(20) / 20 + 0.1, np.zeros(20)), axis=1)
    npt.assert_array_equal(downsample(time, action, GAIN).action, action)


def test_movement_to_the_end_keeps_all():
    path = downsample([0.0, 0.1, 0.2], [[1, 0], [0, 0], [0, -0.1]], GAIN)
    assert len(path.action) == 3


def test_rest_alone_is_one_step():
    path = downsample([0.0, 0.1, 0.2], np.full((3, 2), 0.09), GAIN)
    npt.assert_array_equal(path.position, [[0, 0]])


@pytest.mark.parametrize(
    ("time", "action", "message"),
    [
        ([], np.zeros((0, 2)), "there are 0 times"),
        ([0.0], np.zeros((2, 2)), r"there are 1 times and actions \(2, 2\)"),
        ([-0.1, 0.0], np.zeros((2, 2)), "times must count from the start"),
        ([0.0, np.nan], np.zeros((2, 2)), "times must count from the start"),
    ],
)
def test_wrong_samples(time, action, message):
    with pytest.raises(ValueError, match=message):
        downsample(time, action, GAIN)


def test_tables_are_sampled_trial_by_trial():
    time = np.arange(300) / 833
    action = np.stack((0.5 + time, np.sin(9 * time)), axis=1)
    trials = pd.DataFrame(
        {"trial": [4, 2], "gain_v_cm_s": [200.0, 300.0], "gain_w_deg_s": [90.0, 135.0]}
    )
    one = pd.DataFrame({"time_s": time, "action_v": action[:, 0], "action_w": action[:, 1]})
    steps = pd.concat([one.assign(trial=2), one[:200].assign(trial=4)], ignore_index=True)
    found = downsample_steps(trials, steps.astype({"time_s": "float32"}))
    assert list(found["trial"]) == [2] * 4 + [4] * 3
    assert list(found["step"]) == [0, 1, 2, 3, 0, 1, 2]
    npt.assert_allclose(found["time_s"], [0, 0.1, 0.2, 0.3, 0, 0.1, 0.2], rtol=1e-6)
    for trial, gain, count in ((2, (300.0, 135.0), 300), (4, (200.0, 90.0), 200)):
        path = downsample(time[:count], action[:count], gain)
        rows = found[found["trial"] == trial]
        npt.assert_allclose(rows[["x_cm", "y_cm"]], path.position, rtol=1e-5, atol=1e-5)
        npt.assert_allclose(rows["heading_deg"], path.heading, rtol=1e-6)
        npt.assert_allclose(rows["action_w"], path.action[:, 1], rtol=1e-5)
