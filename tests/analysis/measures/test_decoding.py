"""Reading latent variables from units: known answers."""

import numpy as np
import pandas as pd
import pytest
from coded_units import recording_of
from sklearn.linear_model import RidgeCV

from modnav.analysis.measures import decoding


def test_split_keeps_the_order_and_rounds_as_published():
    trials = pd.DataFrame({"trial": [5, 3, 9, 1]})
    first, rest = decoding.split(trials)
    assert first.tolist() == [5, 3, 9]
    assert rest.tolist() == [1]
    with pytest.raises(ValueError, match="1 trials cannot be split"):
        decoding.split(trials.iloc[:1])


def test_linear_code_decodes_exactly():
    recording = recording_of()
    found = decoding.decode_position(recording)
    test = decoding.split(recording.trials)[1]
    assert set(found["trial"]) == set(test)
    assert len(found) == recording.steps["trial"].isin(test).sum()
    assert found["error_cm"].max() < 0.5  # the ridge shrinks a little
    assert decoding.scores(found)[["x_cm", "y_cm"]].min() > 0.9999


def test_noise_in_units_makes_decoding_errors():
    clear, noisy = (decoding.decode_position(recording_of(noise=n)) for n in (0.1, 0.5))
    assert 1 < clear["error_cm"].mean() < noisy["error_cm"].mean()


def test_decoder_is_scikit_learns_on_the_first_trials():
    recording = recording_of(noise=0.3)
    first = recording.steps["trial"].isin(decoding.split(recording.trials)[0]).to_numpy()
    features = recording.units.filter(like="belief").to_numpy()
    position = recording.steps[["x_cm", "y_cm"]].to_numpy()
    expected = RidgeCV((0.1, 1, 10)).fit(features[first], position[first])
    found = decoding.decode_position(recording)
    read = found[["decoded_x_cm", "decoded_y_cm"]].to_numpy()
    assert read == pytest.approx(expected.predict(features[~first]))
    error = np.linalg.norm(read - position[~first], axis=1)
    assert found["error_cm"].to_numpy() == pytest.approx(error)


def test_units_that_know_nothing_decode_nothing():
    recording = recording_of(count=200)
    recording.units.iloc[:, :12] = np.random.default_rng(1).normal(size=(len(recording.steps), 12))
    assert decoding.scores(decoding.decode_position(recording)).abs().max() < 0.1


def test_what_is_missing_is_named():
    recording = recording_of()
    with pytest.raises(ValueError, match=r"no unit of critic\.belief"):
        decoding.decode_position(recording, "critic.belief")
    with pytest.raises(ValueError, match="needs units"):
        decoding.decode_position(recording._replace(units=None))


@pytest.mark.parametrize("rows", [slice(0, 20), [0, 0, 1]])
def test_steps_of_trials_that_were_left_out_are_refused(rows):
    recording = recording_of()
    some = recording.trials.iloc[rows]
    told = "steps holds trials that trials does not|trials holds a trial more than once"
    with pytest.raises(ValueError, match=told):
        decoding.decode_position(recording._replace(trials=some))
    with pytest.raises(ValueError, match=told):
        decoding.latents(some, recording.steps)
    kept = recording.steps["trial"].isin(some["trial"])
    if isinstance(rows, slice):
        decoding.decode_position(type(recording)(some, *(x[kept] for x in recording[1:])))


def test_latents():
    recording = recording_of()
    trials, steps, _ = recording
    steps.loc[0, ["x_cm", "y_cm", "heading_deg"]] = [30.0, 100.0, 80.0]
    steps.loc[1, ["x_cm", "y_cm", "heading_deg"]] = [-70.0, 100.0, 90.0]
    found = decoding.latents(trials, steps)
    assert found["relative_distance_cm"][:2].tolist() == pytest.approx([100, np.hypot(100, 100)])
    assert found["relative_angle_deg"][:2].tolist() == pytest.approx([-10, 45])
    assert found["v_cm_s"].tolist() == steps["v_cm_s"].tolist()
    published = decoding.latents(trials, steps, published=True)["relative_angle_deg"]
    polar = np.rad2deg(np.arctan2(200, 30) - np.arctan2(100, 30))
    assert published[0] == pytest.approx(80 + polar)


def test_belief_errors():
    decoded = pd.DataFrame(
        {
            "trial": [4, 4, 2],
            "step": [0, 1, 0],
            "x_cm": [0.0, 0.0, -100.0],
            "y_cm": [100.0, 100.0, -1.0],
            "decoded_x_cm": [0.0, 50.0, -100.0],
            "decoded_y_cm": [150.0, 50.0, 1.0],
        }
    )
    found = decoding.belief_errors(decoded)
    assert found["linear_error_cm"].tolist() == pytest.approx([50, np.hypot(50, 50) - 100, 0])
    assert found["angular_error_deg"].tolist() == pytest.approx([0, -45, -1.146], abs=1e-3)
    unwrapped = decoding.belief_errors(decoded, wrapped=False)["angular_error_deg"]
    assert unwrapped[2] == pytest.approx(360 - 1.146, abs=1e-3)
