"""Decoding with checks: what units know is read in new trials, what they do not is not."""

import numpy as np
import pytest
from coded_units import recording_of
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from modnav.analysis.measures import (
    PENALTIES,
    cross_validated,
    decoding_null,
    fitted_ridge,
    path_length,
    transfer,
)


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


def test_what_is_known_of_a_target_from_another_condition_does_not_count():
    """Units that code which trial it is, alike in both conditions, and nothing of any position."""
    rng = np.random.default_rng(0)
    recording = recording_of()
    _, trial = np.unique(recording.steps["trial"], return_inverse=True)
    recording.units.iloc[:, :12] = rng.normal(size=(40, 12))[trial]
    recording.steps["x_cm"] = rng.normal(size=40)[trial]
    table = transfer({"a": recording, "b": recording}, ["x_cm"])
    assert (table["r2"] < 0.3).all()


def test_ridge_is_scikit_learns_where_each_step_is_a_trial():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 9)) * np.logspace(0, 2, 9)
    y = x[:, :2] + rng.normal(size=(80, 2)) * (1, 50)
    scale, to = StandardScaler().fit(x), StandardScaler().fit(y)
    theirs = RidgeCV(PENALTIES).fit(scale.transform(x), to.transform(y))
    new = rng.normal(size=(5, 9))
    ours = fitted_ridge(x, y, np.arange(80))(new)
    np.testing.assert_allclose(ours, to.inverse_transform(theirs.predict(scale.transform(new))))


@pytest.mark.parametrize("moments", [6, 40])
def test_the_penalty_is_chosen_by_trials_that_are_left_out(moments, monkeypatch):
    """As :func:`fitted_ridge` with each single penalty, fitted anew without each trial."""
    sizes, solve = [], np.linalg.solve
    monkeypatch.setattr(np.linalg, "solve", lambda a, b: sizes.append(a.shape[-1]) or solve(a, b))
    rng = np.random.default_rng(0)
    trials = np.repeat(np.arange(12), moments)
    x = rng.normal(size=(12, 8))[trials] + 0.3 * rng.normal(size=(len(trials), 8))
    y = x[:, :1] + rng.normal(size=(12, 1))[trials]
    x, y = StandardScaler().fit_transform(x), StandardScaler().fit_transform(y)
    errors = [
        sum(
            (
                (
                    y[~seen]
                    - y[seen].mean(0)
                    - (x[~seen] - x[seen].mean(0)) @ _weights(x[seen], y[seen], p)
                )
                ** 2
            ).sum()
            for seen in (trials != k for k in range(12))
        )
        for p in PENALTIES
    ]
    best = PENALTIES[int(np.argmin(errors))]
    assert PENALTIES[0] < best < PENALTIES[-1]
    np.testing.assert_allclose(fitted_ridge(x, y, trials)(x), x @ _weights(x, y, best))
    assert max(sizes) <= 8 + 1  # no system as large as an animal's trial is long


def _weights(x, y, penalty):
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)


@pytest.mark.parametrize("folds", [1, 41])
def test_folds_that_cannot_be_are_refused(folds):
    with pytest.raises(ValueError, match=rf"folds is {folds}; it must be from 2 to .*, 40"):
        cross_validated(recording_of(), folds=folds)


def test_recordings_without_units_are_refused():
    with pytest.raises(ValueError, match="without units"):
        cross_validated(recording_of()._replace(units=None))


def test_tables_that_do_not_belong_together_are_refused():
    recording = recording_of()
    trials, steps, units = recording
    moved = trials.assign(target_x_cm=trials["target_x_cm"] + 1)
    with pytest.raises(ValueError, match="of other targets"):
        transfer({"a": recording, "b": recording._replace(trials=moved)})
    with pytest.raises(ValueError, match="not of the same steps"):
        cross_validated(recording._replace(units=units[1:]))
    with pytest.raises(ValueError, match="nonsense"):
        cross_validated(recording, ["nonsense"])
    with pytest.raises(ValueError, match="x_cm is not finite"):
        cross_validated(recording._replace(steps=steps.assign(x_cm=np.nan)))
    with pytest.raises(ValueError, match="stand apart or not in order"):
        path_length(trials, steps[::-1])
