"""What subjects do: known answers from hand-made tables."""

import numpy as np
import pandas as pd
import pytest

from modnav.analysis.measures import behaviour
from modnav.task import arc_length as published_arc_length


def trials_of(end, target, **columns):
    """Make a table of trials from ends and targets, cm."""
    end, target = np.asarray(end, float), np.asarray(target, float)
    table = {
        "trial": np.arange(len(end)),
        "end_x_cm": end[:, 0],
        "end_y_cm": end[:, 1],
        "target_x_cm": target[:, 0],
        "target_y_cm": target[:, 1],
        "radial_error_cm": np.linalg.norm(end - target, axis=1),
    }
    return pd.DataFrame({**table, **columns})


def steps_of(*paths):
    """Make a table of steps from paths, cm, each ``(T, 2)``."""
    position = np.concatenate([np.asarray(path, float) for path in paths])
    count = [len(path) for path in paths]
    return pd.DataFrame(
        {
            "trial": np.repeat(np.arange(len(paths)), count),
            "step": np.concatenate([np.arange(n) for n in count]),
            "x_cm": position[:, 0],
            "y_cm": position[:, 1],
        }
    )


@pytest.fixture
def prior():
    """Targets from the task's prior."""
    draw = np.random.default_rng(3)
    r, angle = np.sqrt(draw.uniform(100**2, 400**2, 2000)), np.deg2rad(draw.uniform(55, 125, 2000))
    return np.stack((r * np.cos(angle), r * np.sin(angle)), axis=1)


def test_perfect_stops_have_an_auc_of_nearly_one(prior):
    curve = behaviour.psychometric(trials_of(prior, prior))
    assert curve["true"].iloc[0] == 0
    assert (curve["true"].iloc[1:] == 1).all()
    assert curve["shuffled"].iloc[-1] == 1
    assert behaviour.auc(curve) == pytest.approx(1, abs=0.002)
    # as the study's own targets: 159 cm apart on average, 12 % within the reward zone
    _, other = behaviour.distances(trials_of(prior, prior))
    assert other.mean() == pytest.approx(159, abs=5)
    assert curve["shuffled"][65] == pytest.approx(0.121, abs=0.03)


def test_stops_that_do_not_know_the_target_have_an_auc_of_a_half(prior):
    stops = behaviour.other_targets(prior, 8)
    assert behaviour.performance(trials_of(stops, prior)) == pytest.approx(0.5, abs=0.02)


def test_fractions_count_strictly_nearer_stops():
    target = np.array([[0.0, 100.0], [0.0, 100.0], [0.0, 300.0]])
    end = target + np.array([[10, 0], [20, 0], [30, 0]])
    curve = behaviour.psychometric(trials_of(end, target), [10, 11, 20, 30, 31])
    assert curve["true"].tolist() == [0, 1 / 3, 1 / 3, 2 / 3, 1]


def test_shuffle_is_the_published_one():
    targets = np.arange(8.0).reshape(4, 2)
    expected = targets.copy()
    generator = np.random.default_rng(1)
    generator.shuffle(expected)
    assert np.array_equal(behaviour.other_targets(targets), expected)
    both = np.random.default_rng(1)
    assert np.array_equal(behaviour.other_targets(targets, both), expected)
    generator.shuffle(again := targets.copy())
    assert np.array_equal(behaviour.other_targets(targets, both), again)


def test_boundaries_reach_beyond_the_largest_distance_unless_cut():
    assert behaviour.boundaries([3.7, 1]).tolist() == [0, 1, 2, 3, 4, 5]
    assert behaviour.boundaries([3.2], [1.0], cut=True).tolist() == [0, 1, 2, 3]
    assert behaviour.boundaries([]).tolist() == [0, 1]


def test_performances_of_groups(prior):
    good, blind = trials_of(prior, prior, seed=1), trials_of(prior[::-1], prior, seed=0)
    both = pd.concat([good, blind])
    found = behaviour.performances(both, ["seed"])
    assert found["seed"].tolist() == [1, 0]
    assert found["value"].tolist() == [behaviour.performance(x) for x in (good, blind)]
    cut = behaviour.performances(both, ["seed"], cut=True)["value"]
    radii = np.arange(int(blind["radial_error_cm"].max()) + 1)
    assert cut.tolist() == [behaviour.performance(x, radii) for x in (good, blind)]
    assert (cut <= found["value"]).all()  # a sliver is lost


def test_no_trials_give_no_performance():
    assert np.isnan(behaviour.performance(trials_of(np.empty((0, 2)), np.empty((0, 2)))))


def test_sign_of_the_radial_error_compares_arcs():
    target = [[100, 200]] * 5
    end = [[90, 180], [110, 220], [0, 250], [0, 0], [-10, -20]]
    table = trials_of(end, target)
    signs = np.sign(behaviour.signed_radial_error(table))
    # an arc to a point right behind the start is long; the start itself is not reached beyond
    assert signs.tolist() == [-1, 1, 1, -1, -1]
    far_behind = trials_of([[-10.0, -180.0]], [[100.0, 200.0]])
    assert behaviour.signed_radial_error(far_behind)[0] > 0
    assert behaviour.signed_radial_error(far_behind, published=True)[0] < 0
    published = np.sign(behaviour.signed_radial_error(table, published=True))
    assert published.tolist() == [-1, 1, 1, -1, -1]  # the arc to the start itself is 0
    sizes = abs(behaviour.signed_radial_error(table))
    assert sizes == pytest.approx(table["radial_error_cm"])


def test_published_signs_straight_ahead():
    table = trials_of([[0, 250], [0, 150], [1, 250]], [[0, 200]] * 3)
    signs = np.sign(behaviour.signed_radial_error(table, published=True))
    assert signs.tolist() == [1, -1, 1]


def test_arcs():
    import torch

    # a quarter of a circle of radius 100, and a straight line
    assert behaviour.arc_length([[100, 100], [-100, 100]]) == pytest.approx(50 * np.pi)
    assert behaviour.arc_length([[0, 70]])[0] == pytest.approx(70)
    front = np.random.default_rng(0).uniform((-200, 1), (200, 400), (50, 2))
    published = published_arc_length(torch.from_numpy(front)).numpy()
    assert behaviour.arc_length(front) == pytest.approx(published)


def circle(radius, count=300, turn=0.02):
    angle = turn * np.arange(count)
    return radius * np.stack((np.cos(angle) - 1, np.sin(angle)), axis=1)


def test_curvature_of_circles_and_lines():
    line = np.stack((np.arange(30.0), 2 * np.arange(30.0)), axis=1)
    still = np.zeros((6, 2))
    steps = steps_of(circle(100), line, circle(50), still, np.zeros((1, 2)))
    trials = pd.DataFrame({"trial": [2, 1, 0, 3, 4, 9]})
    found = behaviour.curvature(trials, steps)
    assert found[[0, 2]] == pytest.approx([1 / 50, 1 / 100], rel=0.01)
    assert np.isnan(found[[1, 3, 4, 5]]).all()  # as published, no value is below the line's own
    straight = behaviour.step_curvature(steps_of(line), all_steps=True)
    assert (straight["curvature_per_cm"] == 0).all()


def test_curvature_is_that_of_numpys_gradient_below_the_95th_percentile():
    path = np.random.default_rng(1).normal(size=(25, 2)).cumsum(axis=0)
    path[1] = path[2] = path[0]
    dx, dy = np.gradient(path, axis=0).T
    ddx, ddy = np.gradient(dx), np.gradient(dy)
    with np.errstate(invalid="ignore"):
        kappa = abs(dx * ddy - dy * ddx) / (dx**2 + dy**2) ** 1.5
    kept = kappa[kappa < np.nanpercentile(kappa, 95)]
    other = circle(70)
    found = behaviour.step_curvature(steps_of(other, path))
    assert found.loc[found["trial"] == 1, "curvature_per_cm"].to_numpy() == pytest.approx(kept)
    everything = behaviour.step_curvature(steps_of(other, path), all_steps=True)
    assert len(everything) == 300 + np.isfinite(kappa).sum()


def test_path_length_adds_up_within_trials():
    steps = steps_of([[0, 0], [3, 4], [3, 10]], [[0, 0]], [[500, 0], [500, 7]])
    trials = pd.DataFrame({"trial": [2, 0, 1]})
    assert behaviour.path_length(trials, steps).tolist() == [7, 11, 0]
