"""Similarity of representations: rotations, unrelated noise, and chance."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ortho_group

from modnav.analysis.measures import (
    SIMILARITIES,
    likeness,
    linear_cka,
    procrustes_similarity,
    shared_moments,
    shuffled_trials,
)
from modnav.tables import Recording

TRIALS = np.repeat(np.arange(30), 8)


@pytest.fixture
def draw():
    return np.random.default_rng(0)


@pytest.fixture
def x(draw):
    return draw.normal(size=(240, 12)) * np.linspace(0.2, 2, 12)


@pytest.mark.parametrize(
    "measure", [*SIMILARITIES.values(), lambda x, y: linear_cka(x, y, debiased=False)]
)
def test_all_are_1_for_what_is_the_same_and_know_no_order_of_units(measure, x, draw):
    assert measure(x, x) == pytest.approx(1)
    assert measure(x, 3 * x[:, draw.permutation(12)]) == pytest.approx(1)


@pytest.mark.parametrize("measure", [linear_cka, procrustes_similarity])
def test_rotations_and_shifts_change_nothing(measure, x):
    turned = x @ ortho_group.rvs(12, random_state=0) + 5
    assert measure(x, turned) == pytest.approx(1)
    # scaling one direction does: these are not invariant to all linear maps
    assert measure(x, x * np.array([40.0, *[1.0] * 11])) < 0.8


@pytest.mark.parametrize("measure", SIMILARITIES.values())
def test_what_is_no_activity_is_refused_by_what_is_wrong(measure, x):
    hole = x.copy()
    hole[7, 3] = np.nan
    with pytest.raises(ValueError, match="is nan at moment 7, unit 3"):
        measure(x, hole)
    with pytest.raises(ValueError, match=r"shape \(240,\)"):
        measure(x, x[:, 0])
    same = measure(x, x[:, ::-1])
    assert measure(torch.tensor(x), pd.DataFrame(x[:, ::-1])) == pytest.approx(same)


def test_correlations_across_units_know_rotations_and_need_two_units(x):
    turned = x @ ortho_group.rvs(12, random_state=0)
    assert SIMILARITIES["RSA"](x, turned) < 0.97
    with pytest.raises(ValueError, match="one unit"):
        SIMILARITIES["RSA"](x, x[:, :1])


def test_unrelated_activity_is_0_only_if_debiased(draw):
    x, y = draw.normal(size=(60, 200)), draw.normal(size=(60, 200))
    assert abs(linear_cka(x, y)) < 0.05
    assert linear_cka(x, y, debiased=False) > 0.7  # the known bias of many units, few moments


def test_cka_is_what_the_definition_says(x, draw):
    """By kernels, centred by a matrix, as Kornblith et al. define it."""
    y = x[:, :5] + draw.normal(size=(240, 5))
    centre = np.eye(240) - 1 / 240
    k, m = (centre @ (a @ a.T) @ centre for a in (x, y))
    expected = (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())
    assert linear_cka(x, y, debiased=False) == pytest.approx(expected)
    assert linear_cka(x, y) == pytest.approx(linear_cka(y, x))
    assert linear_cka(x, y) < linear_cka(x, y, debiased=False)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_a_shared_code_is_beyond_chance_and_a_shared_course_is_not(name, draw):
    measure = SIMILARITIES[name]
    own = np.repeat(draw.normal(size=(30, 3)), 8, axis=0)  # what tells trials apart
    course = np.tile(draw.normal(size=(8, 3)), (30, 1))  # what all trials share

    def units(*codes):
        return np.hstack(codes) @ draw.normal(size=(3 * len(codes), 9)) + 0.1 * draw.normal(
            size=(240, 9)
        )

    found = likeness(measure, units(own, course), units(own, course), TRIALS, shuffles=60)
    assert found.p == pytest.approx(1 / 61)
    assert found.value > found.null_high > found.null_mean
    chance = likeness(measure, units(course), units(course), TRIALS, shuffles=60)
    assert chance.value > 0.5  # alike, but no trial knows which it is
    assert chance.p > 0.05


def test_activity_that_never_changes_has_no_likeness(x):
    for measure in SIMILARITIES.values():
        with pytest.raises(ValueError, match="never changes"):
            measure(x, np.ones_like(x))
        with pytest.raises(ValueError, match="never changes"):
            measure(x, np.full_like(x, 0.1))  # which rounding alone moves from its mean
    dead = x.copy()
    dead[0] = 1.0  # a moment at which all units are alike has no correlation distance
    found = likeness(SIMILARITIES["RSA"], x, dead, TRIALS, shuffles=3)
    assert np.isnan([found.value, found.p, found.null_high]).all()


def test_shuffling_keeps_steps_in_order_and_puts_every_trial_somewhere(draw):
    trials = np.repeat([7, 3, 9], [2, 4, 3])
    rows = shuffled_trials(trials, draw)
    assert len(rows) == 9
    parts = np.split(rows, [2, 6])
    assert {trials[part[0]] for part in parts} == {3, 7, 9}
    for part in parts:
        start = np.flatnonzero(trials == trials[part[0]])[0]
        length = (trials == trials[part[0]]).sum()
        assert (part - start == np.minimum(np.arange(len(part)), length - 1)).all()
    with pytest.raises(ValueError, match="stand apart"):
        shuffled_trials(np.tile([0, 1], 3), draw)
    with pytest.raises(ValueError, match="there is one trial"):
        shuffled_trials(np.zeros(4, int), draw)


def recording(lengths, units, target=30.0):
    trial = np.repeat(np.arange(len(lengths)), lengths)
    step = np.concatenate([np.arange(n) for n in lengths])
    steps = pd.DataFrame({"trial": trial, "step": step})
    names = [f"actor.belief.{k}" for k in range(units)]
    table = pd.DataFrame(np.arange(len(steps) * units).reshape(-1, units), columns=names)
    trials = pd.DataFrame(
        {"trial": np.arange(len(lengths)), "target_x_cm": target, "target_y_cm": 2.0}
    )
    return Recording(trials, steps, table)


def test_moments_that_both_lived_through_are_taken():
    x, y, trials = shared_moments(recording([3, 5], 2), recording([4, 2], 3))
    assert trials.tolist() == [0, 0, 0, 1, 1]
    assert x[:, 0].tolist() == [0, 2, 4, 6, 8]  # rows 0 to 2, then 3 and 4
    assert y[:, 0].tolist() == [0, 3, 6, 12, 15]  # rows 0 to 2, then 4 and 5
    with pytest.raises(ValueError, match="of other trials"):
        shared_moments(recording([3, 5], 2), recording([4, 2], 3, target=31))
    with pytest.raises(ValueError, match="no unit of critic"):
        shared_moments(recording([3], 2), recording([3], 2), other_layer="critic.belief")
    with pytest.raises(ValueError, match="without units"):
        shared_moments(recording([3], 2)._replace(units=None), recording([3], 2))


def test_too_few_moments_are_refused(x):
    with pytest.raises(ValueError, match="there are 240 and 239 moments"):
        linear_cka(x, x[1:])
    with pytest.raises(ValueError, match="4 or more"):
        linear_cka(x[:3], x[:3])
