import pandas as pd
import pytest

from modnav.analysis.measures import (
    CELL,
    INCREMENTS,
    bootstrapped_likeness,
    performance,
    performance_by_noise,
    performance_of,
    row_of_grid,
    seed_means,
    vector,
)
from modnav.analysis.study import prior_targets
from modnav.networks import build_agent
from modnav.recording import simulate


def table_of(**functions):
    """Make grids of AUCs, two seeds each, from functions of the increments."""
    rows = [
        {"set": name, "seed": seed, CELL[0]: o, CELL[1]: p, "auc": f(o, p) + 0.01 * seed}
        for name, f in functions.items()
        for seed in range(2)
        for o in INCREMENTS
        for p in INCREMENTS
    ]
    return pd.DataFrame(rows)


def test_a_row_of_the_grid_has_all_targets_at_each_process_noise():
    targets = prior_targets(3)
    found = row_of_grid(targets, 0.2)
    assert found["process_noise"].tolist() == [x for x in (0.2, 0.4, 0.6, 0.8, 1.0) for _ in "abc"]
    assert found["target_x_cm"].tolist() == 5 * targets["target_x_cm"].tolist()


def test_seed_means_and_drops():
    means = seed_means(table_of(a=lambda o, p: 0.9 - 0.1 * o))
    cell = means.set_index(CELL).loc[(0.8, 0.2)]
    assert cell["auc"] == pytest.approx(0.9 - 0.08 + 0.005)
    assert cell["drop"] == pytest.approx(-0.08)
    assert cell["sem"] == pytest.approx(0.005)
    assert cell["count"] == 2


def test_drops_are_from_the_first_cell_of_each_seed():
    table = table_of(a=lambda o, p: 0.9 - 0.1 * o)
    third = table[table["seed"] == 0].assign(seed=2, auc=lambda t: t["auc"] - 0.3)
    means = seed_means(pd.concat([table, third], ignore_index=True)).set_index(CELL)
    assert means["sem"].min() > 0.05  # seeds differ,
    assert means["drop_sem"].to_numpy() == pytest.approx(0, abs=1e-12)  # what they lose does not
    assert means.loc[(0.8, 0.2), "drop"] == pytest.approx(-0.08)


def test_vectors_are_row_by_row():
    found = vector(seed_means(table_of(a=lambda o, p: 10 * o + p)), "a")
    assert found.is_monotonic_increasing


def test_likeness_of_like_and_unlike_agents():
    means = seed_means(
        table_of(
            senses=lambda o, p: 0.9 - 0.1 * o,
            also=lambda o, p: 0.8 - 0.2 * o,
            motion=lambda o, p: 0.9 - 0.1 * p,
        )
    )
    assert bootstrapped_likeness(means, "motion", "senses")[0].r == pytest.approx(0, abs=1e-9)
    ours, control = bootstrapped_likeness(means, "also", "senses")
    assert ours.r == pytest.approx(1)
    assert abs(control.r) < 0.5


def test_likeness_compares_cells_that_both_have():
    table = table_of(a=lambda o, p: o + p, b=lambda o, p: o + p)
    last = (table["set"] == "b") & (table[CELL] == 0.8).all(axis=1)
    ours, _ = bootstrapped_likeness(seed_means(table[~last]), "b", "a")
    assert ours.r == pytest.approx(1)


def test_what_is_measured():
    recording = simulate(build_agent("EKF"), targets=prior_targets(10))
    found = performance_of(recording)
    assert len(found) == 1
    assert found["auc"][0] == pytest.approx(performance(recording.trials))
    assert found["stopped"][0] == recording.trials["terminated"].mean()


def test_what_is_measured_at_each_noise():
    trials = row_of_grid(prior_targets(10), 0.2)
    recording = simulate(build_agent("EKF"), targets=trials)
    found = performance_by_noise(recording).set_index("process_noise")["auc"]
    assert found.index.tolist() == [0.2, 0.4, 0.6, 0.8, 1.0]
    third = recording.trials.iloc[20:30]
    assert third["process_noise"].to_numpy() == pytest.approx(0.6)
    assert found[0.6] == pytest.approx(performance(third))
