"""Linear systems whose eigenvalues are known, seen through other units."""

import sys

import numpy as np
import pytest
import torch
from coded_units import recording_of
from DSA import DSA

from modnav.analysis.measures import (
    LAYER,
    TooFewError,
    dynamical_distance,
    halves_dynamics,
    kept_dynamics,
    linear_dynamics,
    unit_trials,
    units_of,
)

RADIUS = 0.98


def turning(angle):
    """Return a map that turns by an angle (rad) a step and shrinks a little."""
    return RADIUS * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def seen(step, seed, units, trials=40, noise=0.0):
    """Return trials of a linear system, of 2 to 29 steps, through units in any directions."""
    draw = np.random.default_rng(seed)
    along = np.linalg.qr(draw.normal(size=(units, units)))[0][: len(step)]
    found = []
    for _ in range(trials):
        states = [draw.normal(size=len(step))]
        for _ in range(draw.integers(1, 29)):
            states.append(step @ states[-1] + noise * draw.normal(size=len(step)))
        found.append(np.stack(states) @ along)
    return found


def test_maps_have_the_eigenvalues_of_the_system():
    found = np.linalg.eigvals(linear_dynamics(seen(turning(0.3), 0, 20), rank=2))
    assert sorted(found, key=np.imag) == pytest.approx(RADIUS * np.exp([-0.3j, 0.3j]), abs=1e-4)


def test_one_of_two_states_is_enough_with_delays():
    trials = [x[:, :1] for x in seen(turning(0.3), 0, 2)]
    found = np.linalg.eigvals(linear_dynamics(trials, rank=2, delays=2))
    assert sorted(found, key=np.imag) == pytest.approx(RADIUS * np.exp([-0.3j, 0.3j]), abs=1e-3)


def test_distances_are_of_the_dynamics_and_not_of_the_units():
    first, alike, other = (
        linear_dynamics(seen(turning(angle), seed, units), rank=2)
        for seed, (angle, units) in enumerate([(0.3, 20), (0.3, 31), (0.9, 20)])
    )
    assert dynamical_distance(first, alike) == pytest.approx(0, abs=1e-6)
    chord = 2 * RADIUS * np.sin(0.3)  # between e^.3i and e^.9i
    assert dynamical_distance(first, other) == pytest.approx(chord**2, abs=1e-4)


def test_other_directions_of_the_same_map_are_no_distance():
    draw = np.random.default_rng(0)
    one = draw.normal(size=(10, 10)) / 4
    turned = np.linalg.qr(draw.normal(size=(10, 10)))[0]
    assert dynamical_distance(one, turned @ one @ turned.T) == pytest.approx(0, abs=1e-6)
    half = np.mean(np.abs(np.linalg.eigvals(one) / 2) ** 2)
    assert 0 < dynamical_distance(one, one / 2) <= half + 1e-6  # paired as they are, it is this


def test_halves_of_one_are_nearer_than_others():
    halves = [
        linear_dynamics(seen(turning(angle), seed, 20, noise=0.2)[half::2], rank=2)
        for seed, angle in enumerate([0.3, 0.4])
        for half in (0, 1)
    ]
    within = dynamical_distance(*halves[:2]), dynamical_distance(*halves[2:])
    between = [dynamical_distance(a, b) for a in halves[:2] for b in halves[2:]]
    assert max(within) < min(between)


def test_trials_of_a_recording_stand_apart_and_halves_are_every_other():
    recording = recording_of(noise=0.1)
    trials = unit_trials(recording)
    assert np.array_equal(np.concatenate(trials), units_of(recording, LAYER))
    assert [len(x) for x in trials] == recording.steps["trial"].value_counts(sort=False).tolist()
    mixed = recording.steps.sample(frac=1, random_state=0).index
    with pytest.raises(ValueError, match="not in order; sort them by trial and step"):
        unit_trials(
            recording._replace(steps=recording.steps.loc[mixed], units=recording.units.loc[mixed])
        )
    table = halves_dynamics(recording, rank=4)
    assert table.columns.tolist() == ["half", "row", "0", "1", "2", "3"]
    second = table[table["half"] == 1].iloc[:, 2:].to_numpy()
    assert np.array_equal(second, linear_dynamics(trials[1::2], rank=4))


def test_distances_are_those_of_the_package_itself():
    """Called as its authors do, with trials of any length, and several delays."""
    pair = [seen(turning(angle), seed, 6, noise=0.3) for seed, angle in enumerate((0.3, 0.9))]
    whole = [[x for x in each if len(x) >= 3] for each in pair]
    expected = DSA(*([each] for each in whole), n_delays=3, rank=3, score_method="wasserstein")
    assert len(whole[0]) < len(pair[0])  # those that hold no state are left out
    maps = [linear_dynamics(each, rank=3, delays=3) for each in pair]
    assert dynamical_distance(*maps) == pytest.approx(float(expected.fit_score()), rel=1e-5)


def test_few_moments_in_trials_of_one_length_are_enough():
    """The package refuses them as they stand."""
    trials = [x[:5] for x in seen(turning(0.3), 0, 64) if len(x) >= 5][:6]
    found = np.linalg.eigvals(linear_dynamics(trials, rank=2))
    assert np.abs(found) == pytest.approx(RADIUS, abs=1e-3)


def test_small_directions_are_no_rounding_however_many_moments():
    draw = np.random.default_rng(0)
    trials = list(1 + 0.003 * draw.normal(size=(1500, 20, 12)))
    assert linear_dynamics(trials).shape == (10, 10)
    low = draw.normal(size=(1500, 20, 4)) @ draw.normal(size=(4, 12)) + 5
    with pytest.raises(TooFewError, match=r"activity fills [45] directions"):
        linear_dynamics(list(low))


def test_neither_precision_nor_inference_nor_a_device_changes_a_distance():
    """Notebooks have their own; they find them, and all seeds, as they were."""
    trials = [seen(turning(angle), 0, 6) for angle in (0.3, 0.9)]
    expected = dynamical_distance(*(linear_dynamics(each, rank=2) for each in trials))
    state = torch.get_rng_state()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.device("meta"):
            assert (
                dynamical_distance(*(linear_dynamics(each, rank=2) for each in trials)) == expected
            )
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(state, torch.get_rng_state())


def test_what_cannot_be_fitted_is_told():
    trials = seen(turning(0.3), 0, 20)
    with pytest.raises(TooFewError, match="rank is 10; activity fills 2 directions"):
        linear_dynamics(trials)
    with pytest.raises(TooFewError, match="fills 0 directions"):
        linear_dynamics([np.zeros((20, 12))])
    with pytest.raises(TooFewError, match="trials have 1 transitions"):
        linear_dynamics([trials[0][:2], trials[1][:1]])
    with pytest.raises(ValueError, match=r"trials have \[20, 21\] units"):
        linear_dynamics([trials[0], np.ones((5, 21))])
    with pytest.raises(ValueError, match="delays is 0"):
        linear_dynamics(trials, delays=0)
    for bad in (np.eye(3), np.ones((2, 3))):
        with pytest.raises(ValueError, match="must be square, of one rank"):
            dynamical_distance(bad, bad if bad.shape == (2, 3) else np.eye(2))
    with pytest.raises(ValueError, match="must be finite"):
        dynamical_distance(np.eye(2), np.full((2, 2), np.nan))
    assert kept_dynamics(recording_of(units=3)).empty


def test_the_extra_is_named_where_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "DSA", None)
    with pytest.raises(ValueError, match=r"pip install 'modnav\[neuro\]'"):
        linear_dynamics(seen(turning(0.3), 0, 20), rank=2)
