"""Dimensions of shapes that are known."""

import numpy as np
import pytest
from coded_units import recording_of

from modnav.analysis.measures import LAYER, leading_plane, participation_ratio, variances


def test_the_participation_ratio_counts_dimensions():
    draw = np.random.default_rng(0)
    line = draw.normal(size=(500, 1)) @ draw.normal(size=(1, 20))
    assert participation_ratio(line) == pytest.approx(1)
    ball = draw.normal(size=(200_000, 4)) @ np.linalg.qr(draw.normal(size=(10, 4)))[0].T
    assert participation_ratio(ball) == pytest.approx(4, rel=1e-3)
    # variances 4 and 1: 25 / 17
    x = np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])
    assert participation_ratio(x) == pytest.approx(25 / 17)
    assert variances(x) == pytest.approx([8 / 3, 2 / 3])
    assert np.isnan(participation_ratio(np.ones((5, 3))))
    with pytest.raises(ValueError, match="1 moments"):
        participation_ratio(np.ones((1, 3)))


def test_the_leading_plane_has_the_position_that_units_code():
    recording = recording_of()
    plane = leading_plane(recording, components=2)
    assert sum(plane.attrs["explained"]) == pytest.approx(1)  # units code two numbers only
    position = recording.steps[["x_cm", "y_cm"]].to_numpy()
    known = np.column_stack((plane[["pc1", "pc2"]].to_numpy(), np.ones(len(plane))))
    fitted = known @ np.linalg.lstsq(known, position, rcond=None)[0]
    assert np.abs(fitted - position).max() < 1e-6
    with pytest.raises(ValueError, match="components is 13"):
        leading_plane(recording, components=13)
    still = recording.units.copy()
    still[[c for c in still if c.startswith(LAYER)]] = 0.5
    with pytest.raises(ValueError, match="all units are constant"):
        leading_plane(recording._replace(units=still))
