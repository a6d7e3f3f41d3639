"""Responses to perturbations, and ellipses: known answers from hand-made tables."""

import numpy as np
import pandas as pd
import pytest

from modnav.analysis.measures import ellipse_of, perturbation


def tables(peaks, theta, onset, actions, pulses):
    """Make trials and steps; ``actions`` and ``pulses`` are ``(T, 2)`` for each trial."""
    count = [len(x) for x in actions]
    trials = pd.DataFrame(
        {
            "trial": np.arange(len(peaks)),
            "perturbation_peak_v_cm_s": [p[0] for p in peaks],
            "perturbation_peak_w_deg_s": [p[1] for p in peaks],
            "perturbation_onset_s": onset,
            "target_theta_deg": theta,
            "gain_v_cm_s": 200.0,
            "gain_w_deg_s": 90.0,
            "dt_s": 0.1,
        }
    )
    flat = {
        "trial": np.repeat(np.arange(len(peaks)), count),
        "step": np.concatenate([np.arange(n) for n in count]),
    }
    names = ("action_v", "action_w"), ("perturbation_v_cm_s", "perturbation_w_deg_s")
    for columns, values in zip(names, (actions, pulses), strict=True):
        flat |= dict(zip(columns, np.concatenate(values).T, strict=True))
    return trials, pd.DataFrame(flat)


def null_and(changes, onset):
    """Return actions without perturbation, and with changes at the onset."""
    null = [np.full((8, 2), 0.5) for _ in changes]
    changed = [x.copy() for x in null]
    for x, change, start in zip(changed, changes, onset, strict=True):
        x[start] += change
    return null, changed


def test_compensation_of_known_changes():
    peaks = [(100, 60), (100, -60), (-100, 60), (-100, -60)]
    theta = [100, 100, 80, 80]  # targets left, left, right, right
    onset = [0, 2, 4, 6]
    changes = [(-0.1, -0.2), (-0.3, 0.2), (0.2, -0.4), (0.4, 0.4)]
    null, changed = null_and(changes, onset)
    pulse = [np.ones((8, 2)) for _ in peaks]
    trials, steps = tables(peaks, theta, [0.1 * t for t in onset], changed, pulse)
    found = perturbation.compensation(trials, steps, steps.assign(**_columns(null)))
    table = found.set_index(["axis", "direction", "time_s"])["change"]
    assert table["linear", "forward", 0] == pytest.approx(200 * -0.2)
    assert table["linear", "backward", 0] == pytest.approx(200 * 0.3)
    # congruent: 0 (left, left) and 3 (right, right, mirrored); both turn left then
    assert table["angular", "congruent", 0] == pytest.approx(90 * (-0.2 - 0.4) / 2)
    assert table["angular", "incongruent", 0] == pytest.approx(90 * (0.2 + 0.4) / 2)
    later = found[found["time_s"] > 0.05]
    assert later["change"].to_numpy() == pytest.approx(0)
    assert len(found) == 4 * 35
    assert set(found["trials"]) == {2}


def _columns(actions):
    return dict(zip(("action_v", "action_w"), np.concatenate(actions).T, strict=True))


def test_actions_count_as_zero_after_a_trial_ends():
    null, changed = [np.full((4, 2), 0.5)], [np.full((6, 2), 0.5)]
    trials, steps = tables([(100, 50)], [100], [0.2], changed, [np.ones((6, 2))])
    _, without = tables([(100, 50)], [100], [0.2], null, [np.zeros((4, 2))])
    change = perturbation.action_changes(trials, steps, without)
    assert change.shape == (1, 35, 2)
    assert change[0, :, 0].tolist() == [0, 0, 0.5, 0.5, *[0] * 31]


def test_perturbations_that_were_not_felt_do_not_count():
    null, changed = null_and([(0.3, 0.3), (0.1, 0.1)], [1, 1])
    pulse = [np.zeros((8, 2)), np.ones((8, 2))]
    trials, steps = tables([(100, 50)] * 2, [100, 100], [0.1, 0.1], changed, pulse)
    found = perturbation.compensation(trials, steps, steps.assign(**_columns(null)))
    assert found["change"].max() == pytest.approx(20)
    nothing = steps.assign(perturbation_v_cm_s=0.0, perturbation_w_deg_s=0.0)
    assert perturbation.compensation(trials, nothing, nothing).empty


def test_delivered_sums_what_was_felt():
    pulse = [np.array([[10.0, -4.0], [20.0, 0.0]]), np.zeros((3, 2))]
    actions = [np.zeros((2, 2)), np.zeros((3, 2))]
    trials, steps = tables([(1, 1), (2, 2)], [90, 90], [0.0, 0.0], actions, pulse)
    found = perturbation.delivered(trials.iloc[::-1], steps)
    assert found["linear_cm"].tolist() == pytest.approx([0, 3])
    assert found["angular_deg"].tolist() == pytest.approx([0, -0.4])
    assert found["felt"].tolist() == [False, True]


def test_magnitude():
    trials, _ = tables(
        [(3, 4), (-6, 8)], [90, 90], [0.0, 0.0], [np.zeros((1, 2))] * 2, [[[0, 0]]] * 2
    )
    assert perturbation.magnitude(trials).tolist() == [5, 10]


def test_rolling_mean_along_a_quantity():
    x = np.array([3.0, 1.0, 2.0, 4.0, 5.0])
    found = perturbation.rolling(x, 10 * x, window=3)
    assert found["x"].tolist() == [1, 2, 3, 4, 5]
    assert found["mean"].tolist() == [15, 20, 30, 40, 45]
    assert found["sd"][1:4].tolist() == pytest.approx([10, 10, 10])


def test_ellipse_extends_by_one_standard_deviation():
    draw = np.random.default_rng(0)
    x = draw.normal(5, 2, 4000)
    y = -0.5 * x + draw.normal(0, 1, 4000)
    found = ellipse_of(x, y)
    assert found.r == pytest.approx(np.corrcoef(x, y)[0, 1])
    outline = found.outline(20001)
    assert outline.max(axis=0) == pytest.approx([found.x + found.sd_x, found.y + found.sd_y])
    assert outline.min(axis=0) == pytest.approx([found.x - found.sd_x, found.y - found.sd_y])
    # each point of it lies one Mahalanobis distance away
    away = outline - [found.x, found.y]
    inverse = np.linalg.inv(np.cov(x, y))
    assert np.einsum("ij,jk,ik->i", away, inverse, away) == pytest.approx(1)


def test_ellipse_of_few_points():
    assert np.isnan(ellipse_of([1], [2]).r)
    flat = ellipse_of([1, 2, 3], [5, 5, 5])
    assert (flat.sd_y, flat.r) == (0, 0)
