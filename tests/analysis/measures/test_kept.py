"""What is kept of recordings of agents, and what is drawn of it."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from analysis_runs import steering_agent

from modnav.analysis.measures import behaviour, decoding, perturbation
from modnav.analysis.measures import kept as measures
from modnav.recording import make_session, record
from modnav.tables import open_loop

COUNT = 6


@pytest.fixture(scope="module")
def agent():
    return steering_agent("Actor3Critic5")


def targets():
    r, theta = np.linspace(150, 380, COUNT), np.deg2rad(np.linspace(60, 120, COUNT))
    return pd.DataFrame({"target_x_cm": r * np.cos(theta), "target_y_cm": r * np.sin(theta)})


@pytest.fixture(scope="module")
def gains(agent):
    table = pd.concat([targets().assign(gain=g) for g in (1.0, 2.0)], ignore_index=True)
    return record(agent, make_session(targets=table), layers=["actor.belief"])


def test_replay_is_that_of_the_base_trials(gains):
    found = measures.compared(gains, COUNT)
    assert found["pair"].tolist() == [*range(COUNT)] * 2
    assert found["replay_end_x_cm"].isna().tolist() == [True] * COUNT + [False] * COUNT
    others = gains.trials.iloc[COUNT:]
    expected = open_loop(others, gains.steps, range(COUNT)).trials
    replay = measures.replayed(found)
    assert replay["end_y_cm"].to_numpy() == pytest.approx(expected["end_y_cm"].to_numpy())
    assert replay["radial_error_cm"].mean() > found["radial_error_cm"].iloc[:COUNT].mean()


def test_outcomes_hold_shape_and_sums_of_paths(gains):
    found = measures.outcomes(gains)
    assert found["path_cm"].tolist() == behaviour.path_length(*gains[:2]).tolist()
    mean = found["curvature_sum"] / found["curvature_count"]
    assert mean.to_numpy() == pytest.approx(found["curvature_per_cm"].to_numpy())


def test_what_is_decoded_keeps_to_the_test_trials(gains):
    found = measures.decoded(gains)
    test = decoding.split(gains.trials)[1]
    assert found.loc[found["last"], "trial"].tolist() == test.tolist()
    last = found[found["last"]].set_index("trial")
    ends = gains.trials.set_index("trial").loc[test, "end_x_cm"]
    assert last["x_cm"].to_numpy() == pytest.approx(ends.to_numpy(), rel=1e-5)
    table = measures.decoded_trials(gains)
    assert table["error_count"].gt(0).tolist() == table["trial"].isin(test).tolist()
    total = found.groupby("trial")["error_cm"].sum()
    assert table["error_sum_cm"].dropna().to_numpy() == pytest.approx(total.to_numpy(), rel=1e-5)


def test_compensation_compares_with_the_base(agent):
    null = targets().assign(
        perturbation_peak_v_cm_s=0.0, perturbation_peak_w_deg_s=0.0, perturbation_onset_s=0.3
    )
    pushed = null.assign(perturbation_peak_v_cm_s=[150.0, -150] * 3)
    session = make_session(
        targets=pd.concat([null, pushed], ignore_index=True), name="perturbation", seed=1
    )
    recording = record(agent, session, layers=())
    found = partial(measures.compensation_of, base=COUNT)(recording)
    assert set(found["direction"]) == {"forward", "backward", "incongruent"}
    trials = recording.trials.iloc[COUNT:].assign(trial=range(COUNT))
    steps = recording.steps.assign(trial=recording.steps["trial"] - COUNT)
    expected = perturbation.compensation(trials, steps[steps["trial"] >= 0], recording.steps)
    pd.testing.assert_frame_equal(found, expected)
    sizes = found.groupby("direction")["change"].sum()
    assert sizes["forward"] < sizes["backward"]  # less speed when pushed ahead


def test_maps_have_a_column_for_each_unit(gains):
    found = measures.maps(gains)
    assert found.shape == (4800, 130)
    assert np.isfinite(found.to_numpy()).any(axis=0).all()
    with pytest.raises(ValueError, match="needs units"):
        measures.maps(gains._replace(units=None))
