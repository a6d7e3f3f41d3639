"""Maps of activity over space: known answers."""

import numpy as np
import pytest

from modnav.analysis.measures import tuning


def test_linear_activity_is_mapped_exactly():
    draw = np.random.default_rng(0)
    position = draw.uniform((-300, 50), (300, 500), (3000, 2))
    activity = np.stack((position[:, 0], 2 * position[:, 1], np.full(3000, 0.7)), axis=1)
    maps = tuning.spatial_maps(position, activity)
    assert maps.shape == (3, 60, 80)
    x, y = tuning.Grid().centres
    inner = (slice(12, 40), slice(20, 60))  # away from edges, where smoothing is one-sided
    assert maps[0][inner] == pytest.approx(np.broadcast_to(x, (60, 80))[inner])
    assert maps[1][inner] == pytest.approx(2 * np.broadcast_to(y[:, None], (60, 80))[inner])
    known = np.isfinite(maps[2])
    assert maps[2][known] == pytest.approx(0.7)
    assert not known[:3].any()  # the box reaches two bins beyond the samples
    assert not known[:, :7].any()
    assert known[8:48, 14:66].all()


def test_smoothing_leaves_nan_out_and_extends_edges():
    map_ = np.full((9, 9), np.nan)
    map_[4, 4], map_[0, 0] = 3.0, 1.0
    found = tuning.smoothed(map_)
    assert found[6, 6] == pytest.approx(3)
    assert found[2, 2] == pytest.approx((3 + 1) / 2)
    assert np.isnan(found[8, 8])
    edge = np.tile(np.arange(6.0), (6, 1))
    assert tuning.smoothed(edge)[3, 0] == pytest.approx((0 + 0 + 0 + 1 + 2) / 5)


def test_too_few_samples_give_an_empty_map():
    on_a_line = np.stack((np.zeros(9), np.arange(9.0)), axis=1)
    for position in (on_a_line, on_a_line[:2]):
        assert np.isnan(tuning.spatial_maps(position, np.ones((len(position), 2)))).all()


def test_grid():
    x, y = tuning.Grid().centres
    assert (x[0], x[-1], len(x)) == (-395, 395, 80)
    assert (y[0], y[-1], len(y)) == (5, 595, 60)
