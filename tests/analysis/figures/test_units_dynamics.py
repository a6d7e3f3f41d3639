"""Dynamics of units beside others', and the plane that paths are drawn in."""

import sys

import numpy as np
import pandas as pd
import pytest
from panel_tables import table_of

from modnav.analysis.drawing import missing_of, picture
from modnav.analysis.figures import units_dynamics
from modnav.analysis.measures import (
    LAYER,
    RANK,
    dynamical_distance,
    linear_dynamics,
    unit_trials,
)
from modnav.analysis.study import HOLISTIC, MAIN, MODULAR, Conditions, Missing

PANEL = units_dynamics.PANELS[0]


def test_all_pairs_of_agents_are_compared_and_halves_of_each(tiny_study):
    table = table_of(units_dynamics.compute_dynamics, tiny_study)
    agents = 2 * len(MAIN)
    same = (table["first"] == table["second"]) & (table["first_seed"] == table["second_seed"])
    assert same.sum() == agents
    assert len(table) == agents + agents * (agents - 1) // 2
    assert (table["value"] > 0).all()


def test_a_missing_package_is_told(tiny_study, monkeypatch):
    monkeypatch.setitem(sys.modules, "DSA", None)
    with pytest.raises(Missing, match=r"pip install 'modnav\[neuro\]'"):
        units_dynamics.compute_dynamics(tiny_study)


def test_between_agents_it_is_the_mean_of_all_pairs_of_halves(tiny_study):
    table = table_of(units_dynamics.compute_dynamics, tiny_study)
    agents = [a for a in tiny_study.cohort(MAIN)[0] if a.architecture in (HOLISTIC, MODULAR)]
    agents = [agents[0], agents[-1]]
    conditions = Conditions("gain 1", tiny_study.prior_targets(units_dynamics.TRIALS))
    each = [
        [linear_dynamics(unit_trials(recording)[half::2]) for half in (0, 1)]
        for recording in tiny_study.simulate(agents, conditions, (LAYER,))
    ]
    expected = np.mean([dynamical_distance(a, b) for a in each[0] for b in each[1]])
    keys = [(a.architecture, a.seed) for a in agents]
    rows = table.set_index(["first", "first_seed", "second", "second_seed"])["value"]
    assert rows[(*keys[0], *keys[1])] == pytest.approx(expected, rel=1e-5)
    assert rows[(*keys[0], *keys[0])] == pytest.approx(dynamical_distance(*each[0]), rel=1e-5)


def test_the_map_has_means_over_pairs_and_is_symmetric():
    rows = [
        (HOLISTIC, 0, HOLISTIC, 0, 0.01),
        (HOLISTIC, 1, HOLISTIC, 1, 0.03),
        (HOLISTIC, 0, HOLISTIC, 1, 0.2),
        (HOLISTIC, 0, MODULAR, 0, 0.4),
        (MODULAR, 0, HOLISTIC, 1, 0.6),
        (MODULAR, 0, MODULAR, 0, 0.05),
    ]
    names = ["first", "first_seed", "second", "second_seed", "value"]
    axes = picture(PANEL, pd.DataFrame(rows, columns=names)).axes[0]
    cells = [text.get_text() for text in axes.texts]
    assert cells == [".020", ".200", ".500", ".050", ".500"]  # one modular seed has no other


def test_agents_that_hardly_move_are_named_and_others_kept(tiny_study, monkeypatch):
    """Their tables are empty, as :func:`kept_dynamics` leaves them."""
    still = (HOLISTIC, 0)
    whole = tiny_study.measure

    def measured(*args):
        table = whole(*args)
        return table[~((table["architecture"] == still[0]) & (table["seed"] == still[1]))]

    monkeypatch.setattr(tiny_study, "measure", measured)
    table = units_dynamics.compute_dynamics(tiny_study)
    assert (
        f"Holistic, seed 0: too few steps, or units fill fewer than {RANK} directions"
        in missing_of(table)
    )
    assert len(table) == 7 + 7 * 6 // 2
    monkeypatch.setattr(tiny_study, "measure", lambda *args: whole(*args)[:0])
    with pytest.raises(Missing, match="Modular, seed 1: too few steps, or units fill fewer"):
        units_dynamics.compute_dynamics(tiny_study)


def test_states_that_were_visited_lie_on_their_paths():
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(50, 6))
    middle = activity.mean(axis=0)
    along = np.linalg.svd(activity - middle, full_matrices=False)[2][:2].T
    plane = pd.DataFrame((activity - middle) @ along, columns=["pc1", "pc2"])
    found = units_dynamics._projected(activity[:5], activity, plane)
    assert found == pytest.approx(plane.to_numpy()[:5])
