"""Decoding with checks: what units know is read in new trials, what they do not is not."""

import numpy as np
import pytest
from coded_units import recording_of

from modnav.analysis.measures import cross_validated, decoding_null, transfer


def test_what_units_code_is_read_in_every_trial():
    recording = recording_of()
    found = cross_validated(recording, ["x_cm", "y_cm", "v_cm_s"])
    assert found.groupby("variable")["steps"].sum().tolist() == [len(recording.steps)] * 3
    r2 = found.groupby("variable")["r2"].mean()
    assert r2["x_cm"] > 0.999
    assert r2["y_cm"] > 0.999
    assert r2["v_cm_s"] < 0.05  # drawn at random beside them


def test_noise_of_known_size_costs_what_it_must():
    """Units that code nothing but x, with as much variance of noise: half of it can be read."""
    recording = recording_of(count=400, units=1)
    x = recording.steps["x_cm"].to_numpy()
    noise = np.random.default_rng(1).normal(size=len(x)) * x.std()
    recording.units["actor.belief.0"] = x + noise
    r2 = cross_validated(recording, ["x_cm"])["r2"].mean()
    assert r2 == pytest.approx(0.5, abs=0.05)


def test_other_trials_in_their_place_tell_nothing():
    null = decoding_null(recording_of(), shuffles=3)
    assert len(null) == 3 * 2
    assert (null["r2"] < 0.1).all()
    assert set(null["shuffle"]) == {0, 1, 2}
    again = decoding_null(recording_of(), shuffles=3)
    assert (again["r2"] == null["r2"]).all()


def test_a_code_that_turns_does_not_transfer():
    near, same = recording_of(seed=0), recording_of(seed=0)
    turned = recording_of(seed=0)
    turned.units.iloc[:] = -turned.units.to_numpy()
    table = transfer({"a": near, "b": same, "turned": turned})
    matrix = table[table["variable"] == "x_cm"].pivot(
        index="fitted", columns="tested", values="r2"
    )
    assert matrix.loc["a", "b"] > 0.999
    assert matrix.loc["a", "a"] > 0.999
    assert matrix.loc["a", "turned"] < -1
    assert matrix.loc["turned", "turned"] > 0.999


@pytest.mark.parametrize("folds", [1, 41])
def test_folds_that_cannot_be_are_refused(folds):
    with pytest.raises(ValueError, match=rf"folds is {folds}; it must be from 2 to .*, 40"):
        cross_validated(recording_of(), folds=folds)


def test_recordings_without_units_are_refused():
    with pytest.raises(ValueError, match="without units"):
        cross_validated(recording_of()._replace(units=None))
