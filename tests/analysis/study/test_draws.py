"""The draws of the study are known where its random stream is; see analysis_A section 6."""

import numpy as np
import pytest

from modnav.analysis.measures import distances
from modnav.analysis.study import LARGE, STANDARD, Peaks, prior_perturbations, prior_targets

PLACES = ["target_x_cm", "target_y_cm"]
PEAKS = ["perturbation_peak_v_cm_s", "perturbation_peak_w_deg_s"]


def test_targets_are_the_published_ones():
    found = prior_targets(2000)[PLACES].to_numpy()
    first = [(-170.520, 310.091), (134.562, 255.748), (-146.055, 221.191), (121.348, 316.109)]
    assert found[:4] == pytest.approx(np.array(first), abs=1e-3)
    assert found[-1] == pytest.approx((-41.713, 133.600), abs=1e-3)
    radius, theta = np.hypot(*found.T), np.rad2deg(np.arctan2(found[:, 1], found[:, 0]))
    numbers = (radius.min(), radius.max(), radius.mean(), theta.min(), theta.max(), theta.mean())
    assert numbers == pytest.approx((100.22, 399.97, 281.73, 55.01, 124.99, 90.71), abs=6e-3)


def test_targets_do_not_depend_on_the_gains():
    one, other = prior_targets(50)[PLACES], prior_targets(50, (3.0, 4.0001))[PLACES]
    assert one.equals(other)


def test_gains_of_the_hardest_task_are_the_published_ones():
    gain = prior_targets(2000, (3.0, 4.0001))["gain"].to_numpy()
    assert 0.5 * gain[:4] == pytest.approx([1.56602, 1.72784, 1.58444, 1.58052], abs=1e-5)
    assert (gain.min(), gain.max()) == pytest.approx((3.0001, 4.0), abs=1e-4)


def test_perturbations_are_the_published_ones():
    (found,) = prior_perturbations(3, STANDARD)
    peaks = [(158.578, -114.642), (-135.588, 99.647), (-185.534, -75.545)]
    assert found[PEAKS].to_numpy() == pytest.approx(np.array(peaks), abs=1e-3)


def test_large_perturbations_are_the_published_ones():
    (found,) = prior_perturbations(6, LARGE)
    peaks = [(107.423, 142.720), (318.522, -74.200), (715.194, 134.696)]
    assert found[PEAKS].to_numpy()[:3] == pytest.approx(np.array(peaks), abs=1e-3)
    assert found["perturbation_onset_s"].tolist() == pytest.approx([0.6, 0.5, 0.1, 0.4, 0.3, 0.4])


def test_weak_perturbations_are_left_out_only_where_they_should_be():
    strong, all_ = prior_perturbations(300, STANDARD, Peaks(weak_linear=None, weak_angular=None))
    assert (strong[PEAKS[0]].abs() >= 100).all()
    assert (strong[PEAKS[1]].abs() >= 60).all()
    assert (all_[PEAKS[0]].abs() < 100).any()


def test_later_tables_go_on_in_the_stream():
    first, second = prior_perturbations(5, STANDARD, STANDARD)
    assert not np.allclose(first, second)
    assert prior_perturbations(5, STANDARD)[0].equals(first)


def test_perfect_stops_at_the_published_targets():
    trials = prior_targets(2000)
    trials["end_x_cm"], trials["end_y_cm"] = trials["target_x_cm"], trials["target_y_cm"]
    true, other = distances(trials)
    assert true.max() == 0
    found = (other.mean(), other.max(), (other < 65).mean())
    assert found == pytest.approx((159.0, 395.4, 0.121), abs=0.06)


def test_what_is_returned_may_be_changed():
    found = prior_targets(4)
    found["gain"] = 7.0
    assert (prior_targets(4)["gain"] == 1).all()
