"""Published trials of monkeys: reading them, and what becomes of them."""

import datetime
import json

import numpy as np
import numpy.testing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest
from monkey_files import as_pandas_1_2, monkey, tables, with_calls

from modnav.cli import main as modnav
from modnav.commands.import_monkey import main
from modnav.files import read_columns
from modnav.published import SAMPLING_HZ, inside, monkey_recordings, read_monkey
from modnav.tables import read_tables


def test_columns_are_read_as_they_were_written(form, write):
    frame = monkey()
    frame["number"] = [np.float32(2), 3, 4.5, True, None]
    found, others = read_columns(write(form(frame)), list(frame.columns))
    assert others == []
    assert set(found) == set(frame.columns)
    for name in frame.columns:
        assert len(found[name]) == len(frame)
        for a, b in zip(found[name], frame[name], strict=True):
            assert a is None if b is None else np.array_equal(a, b)
            assert np.asarray(a).dtype == np.asarray(b).dtype


def test_text_is_no_hindrance(form, write):
    frame = monkey().assign(session=["m51s1", "m51s2", "m51s3", "m51s4", "m51s5"])
    assert list(read_monkey(write(form(frame)))["target_x"]) == list(frame["target_x"])


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_in_cells_may_have_any_form(order, write):
    cells = np.empty(4, object)
    cells[0] = np.arange(6, dtype=">f4")
    cells[1] = np.array([1.5, 2], object)
    cells[2] = np.asarray(np.arange(6.0).reshape(2, 3), order=order)
    cells[3] = np.arange(10.0)[::2]
    for content in (
        with_calls(pd.DataFrame({"a": cells, "b": 1})),
        as_pandas_1_2(pd.DataFrame({"a": cells, "b": 1})),
    ):
        found = read_columns(write(content), ["a"]).found["a"]
        for a, b in zip(found, cells, strict=True):
            npt.assert_array_equal(a, np.asarray(b, float))


def test_trials_hold_what_was_published(form, write):
    frame = monkey()
    trials, steps = tables(read_monkey(write(form(frame))))
    assert list(trials["trial"]) == list(range(5))
    assert set(trials["subject"]) == {"Bruno"}
    assert set(trials["task"]) == {"gain"}
    for name, published in {
        "target_x_cm": "target_x",
        "target_y_cm": "target_y",
        "target_r_cm": "target_r",
        "target_theta_deg": "target_theta",
        "end_r_cm": "pos_r_end",
        "radial_error_cm": "relative_radius_end",
        "gain_v_cm_s": "gain_v",
        "gain_w_deg_s": "gain_w",
    }.items():
        npt.assert_allclose(trials[name], frame[published], rtol=1e-5, err_msg=name)
    assert list(trials["rewarded"]) == list(frame["rewarded"])
    count = [len(x) for x in frame["pos_x"]]
    assert list(trials["steps"]) == count
    npt.assert_allclose(trials["duration_s"], (np.array(count) - 1) / 833)
    for name, published in {
        "x_cm": "pos_x",
        "y_cm": "pos_y",
        "time_s": "time",
        "action_v": "action_v",
        "action_w": "action_w",
    }.items():
        npt.assert_array_equal(steps[name], np.concatenate(list(frame[published])).astype("f4"))


def test_gain_and_perturbation_files(write):
    frame = monkey(gain=1.5, perturbed=True).drop(columns=["time", "rewarded"])
    frame["gain_w"] = 180.0
    trials, steps = tables(read_monkey(write(as_pandas_1_2(frame))))
    assert set(trials["task"]) == {"perturbation"}
    assert set(trials["gain"]) == {1.5}
    assert set(trials["gain_w_deg_s"]) == {180}
    npt.assert_array_equal(trials["perturbation_peak_v_cm_s"], frame["perturb_vpeak"])
    npt.assert_array_equal(trials["perturbation_peak_w_deg_s"], frame["perturb_wpeak"])
    npt.assert_array_equal(trials["perturbation_onset_s"], frame["perturb_start_time"])
    nominal = frame["perturb_start_time_ori"]  # scheduled also where the peaks are then 0
    npt.assert_array_equal(trials["perturbation_nominal_onset_s"], nominal)
    for k in range(5):
        rows = steps[steps["trial"] == k]
        expected = np.zeros(len(rows)) if k == 2 else frame["perturb_v"][k]
        npt.assert_array_equal(rows["perturbation_v_cm_s"], np.float32(expected))
        npt.assert_allclose(rows["time_s"], np.arange(len(rows)) / 833, rtol=1e-6)


def test_nominal_onset_may_be_missing_or_unknown():
    frame = monkey(perturbed=True)
    without, _ = tables(frame.drop(columns="perturb_start_time_ori"))
    assert "perturbation_nominal_onset_s" not in without
    frame.loc[1, "perturb_start_time_ori"] = np.nan
    unknown = tables(frame)[0]["perturbation_nominal_onset_s"].isna()
    assert list(unknown) == [False, True, False, False, False]


def test_peaks_of_unperturbed_files_mean_nothing(write):
    frame = monkey(perturbed=True)
    frame[["perturb_vpeak", "perturb_wpeak"]] = np.nan
    trials, steps = tables(read_monkey(write(as_pandas_1_2(frame))))
    assert set(trials["task"]) == {"gain"}
    assert not [name for name in (*trials, *steps) if name.startswith("perturb")]


def test_perturbations_without_an_onset_did_not_fire(form, write):
    frame = monkey(perturbed=True)
    frame.loc[1, "perturb_start_time"] = np.nan
    trials, steps = tables(read_monkey(write(form(frame))))
    peaks = trials[["perturbation_peak_v_cm_s", "perturbation_peak_w_deg_s"]]
    assert list(peaks.any(axis=1)) == [True, False, False, True, True]
    assert list(trials["perturbation_onset_s"].isna()) == [False, True, True, False, False]
    still = steps[steps["trial"] == 1]
    assert not still[["perturbation_v_cm_s", "perturbation_w_deg_s"]].any(axis=None)
    assert set(tables(frame.assign(perturb_start_time=np.nan))[0]["task"]) == {"gain"}


EXTRA = {
    "dates": pd.date_range("2020", periods=5),
    "dates with zones": pd.date_range("2020", periods=5, tz="UTC"),
    "times": [datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)] * 5,
    "days": np.array([datetime.date(2020, 1, 1)] * 5, object),
    "durations": pd.to_timedelta(range(5), unit="s"),
    "categories": pd.Categorical(list("aabbc")),
    "integers": pd.array([1, None, 3, 4, 5], dtype="Int64"),
    "floats": pd.array([1, None, 3, 4, 5], dtype="Float64"),
    "booleans": pd.array([True, None, True, True, False], dtype="boolean"),
    "lists": [[1, "a", {"b": 2}]] * 5,
    "text": list("abcde"),
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", list(EXTRA))
def test_extra_columns_are_named_and_left_out(name, protocol, write, tmp_path, capsys):
    frame = monkey(perturbed=True)
    path = write(with_calls(frame.assign(**{name: EXTRA[name]}), protocol))
    main([str(path), "--subject", "Bruno", "--out", str(tmp_path / "bruno")])
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "left out" in x]
    assert line.startswith(f"modnav: {path}: columns that no table has")
    assert line.endswith(f": target_r, target_theta, pos_r_end, floor_density, {name}")
    for found, expected in zip(read_tables(tmp_path / "bruno"), tables(frame), strict=False):
        pd.testing.assert_frame_equal(found, expected)


SORTS = {
    "objects": lambda x: np.array(x, object),
    "texts": lambda x: pd.Series(x, dtype="str"),
    "python texts": lambda x: pd.array(x, dtype=pd.StringDtype("python", na_value=np.nan)),
    "categories": pd.Categorical,
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("kind", list(SORTS))
def test_categories_of_trials_are_kept(kind, protocol, write, tmp_path):
    said = ["normal", "skip", "normal", None, "crash"]
    path = write(with_calls(monkey().assign(category=SORTS[kind](said)), protocol))
    main([str(path), "--subject", "Bruno", "--out", str(tmp_path / "bruno")])
    trials = read_tables(tmp_path / "bruno").trials
    assert list(trials["category"]) == ["normal", "skip", "normal", "", "crash"]


def spikes_of(frame):
    """Return counts of three neurons in each sample of each trial."""
    draw = np.random.default_rng(1)
    return [draw.poisson(0.02, (len(x), 3)).astype("i4") for x in frame["pos_x"]]


def times_of(counts):
    """Return the times of these counts, and some outside of the trial, a neuron each."""
    outside = np.array([-0.1, len(counts) / 833 + 0.01])
    return [np.append(np.repeat(np.arange(len(x)), x) / 833, outside) for x in counts.T]


def as_objects(items):
    found = np.empty(len(items), object)
    for k, item in enumerate(items):
        found[k] = item
    return found


FORMS_OF_SPIKES = {
    "samples x neurons": lambda counts: counts,
    "neurons x samples": lambda counts: np.ascontiguousarray(counts.T),
    "list of times": times_of,
    "list of lists": lambda counts: [x.tolist() for x in times_of(counts)],
    "array of times": lambda counts: as_objects(times_of(counts)),
}


@pytest.mark.parametrize("form", list(FORMS_OF_SPIKES))
def test_spikes_become_units(form, write, tmp_path):
    frame = monkey()
    counts = spikes_of(frame)
    cells = as_objects([FORMS_OF_SPIKES[form](x) for x in counts])
    path = write(with_calls(frame.assign(spikes=cells)))
    main([str(path), "--subject", "Bruno", "--out", str(tmp_path / "bruno")])
    _, steps, units = read_tables(tmp_path / "bruno")
    assert list(units) == ["trial", "step", "neuron.0", "neuron.1", "neuron.2"]
    pd.testing.assert_frame_equal(units[["trial", "step"]], steps[["trial", "step"]])
    npt.assert_array_equal(units.iloc[:, 2:], np.concatenate(counts))
    assert units.iloc[:, 2:].to_numpy().sum() > 100
    parts = [part.units for part in monkey_recordings(read_monkey(path), "Bruno", block=2)]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), units)


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (np.zeros((5, 3)), "trial 2 are neither counts"),
        (np.zeros(7), "trial 2 are neither counts"),
        (None, "trial 2 are neither counts"),
        ([np.zeros(2), np.zeros((2, 2)), np.zeros(1)], "trial 2 are neither counts"),
        ([np.zeros(2), np.zeros(1)], "trial 2 are of 2 neurons, those before of 3"),
    ],
)
def test_odd_spikes_are_refused(spoilt, said, write):
    frame = monkey()
    cells = as_objects(spikes_of(frame))
    cells[2] = spoilt
    read = read_monkey(write(with_calls(frame.assign(spikes=cells))))
    with pytest.raises(ValueError, match=f"spikes of {said}"):
        tables(read, block=1)


def test_a_category_of_a_type_that_is_passed_over_is_left_out(write):
    numbers = pd.array([1, None, 3, 4, 5], dtype="Int64")
    read = read_monkey(write(with_calls(monkey().assign(category=numbers))))
    assert "category" not in read
    assert "category" in read.attrs["left_out"]


def test_extra_columns_of_one_name_are_no_hindrance_and_others_are(write):
    frame = monkey()
    extra, twice = frame[["floor_density"]], frame[["pos_x"]]
    path = write(with_calls(pd.concat([frame, extra], axis=1)))
    assert len(read_monkey(path)) == 5
    path = write(with_calls(pd.concat([frame, twice], axis=1)))
    with pytest.raises(ValueError, match="do not match one to one"):
        read_monkey(path)


INDEXES = {
    "repeated": [0, 0, 1, 1, 0],
    "text": list("aabbc"),
    "pairs": pd.MultiIndex.from_tuples([("a", 0), ("a", 0), ("b", 0), ("b", 1), ("b", 2)]),
    "dates": pd.DatetimeIndex(["2020-01-01"] * 5),
    "days in a row": pd.date_range("2020", periods=5),
    "categories": pd.CategoricalIndex(list("aabbc")),
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", list(INDEXES))
def test_any_index_of_trials_will_do(name, protocol, write):
    frame = monkey(perturbed=True)
    path = write(with_calls(frame.set_axis(INDEXES[name]), protocol))
    for found, expected in zip(tables(read_monkey(path)), tables(frame), strict=True):
        pd.testing.assert_frame_equal(found, expected)


def test_reward_zone_is_65_cm():
    frame = monkey(20)
    trials, _ = tables(frame.drop(columns="rewarded"))
    assert list(trials["rewarded"]) == list(frame["relative_radius_end"] < 65)
    assert list(trials["rewarded"][:2]) == [True, False]
    flagged, _ = tables(frame.assign(rewarded=~frame["rewarded"]))
    assert list(flagged["rewarded"]) == list(~frame["rewarded"])  # the animal's own record counts
    assert list(inside(flagged)) == list(frame["rewarded"])


def test_parts_make_the_whole():
    frame = monkey(7, perturbed=True)
    for a, b in zip(tables(frame, block=3), tables(frame), strict=True):
        pd.testing.assert_frame_equal(a, b)


def test_command_writes_tables(write, tmp_path, capsys):
    frame = monkey()
    frame.loc[0, "rewarded"] = False
    path, out = write(as_pandas_1_2(frame)), tmp_path / "bruno"
    main([str(path), "--subject", "Bruno", "--out", str(out)])
    told = capsys.readouterr()
    assert "1 of 5 trials are flagged" in told.err
    assert "5 trials" in told.out
    trials, steps, units = read_tables(out)
    expected = tables(frame)
    pd.testing.assert_frame_equal(trials, expected[0])
    pd.testing.assert_frame_equal(steps, expected[1])
    assert units is None
    notes = json.loads(pq.read_schema(out / "trials.parquet").metadata[b"modnav"])
    assert notes["sampling_hz"] == SAMPLING_HZ == 833
    with pytest.raises(ValueError, match=r"holds trials.parquet, steps.parquet already"):
        main([str(path), "--subject", "Bruno", "--out", str(out)])
    main([str(path), "--subject", "Schro", "--out", str(out), "--overwrite"])
    assert set(read_tables(out).trials["subject"]) == {"Schro"}


def test_failure_leaves_tables_alone(write, tmp_path):
    out = tmp_path / "bruno"
    main([str(write(as_pandas_1_2(monkey()))), "--subject", "Bruno", "--out", str(out)])
    frame = monkey(600)
    frame.at[599, "action_v"] = np.zeros(3)  # in the second part
    bad = write(as_pandas_1_2(frame), "bad.pkl")
    with pytest.raises(ValueError, match=r"bad.pkl: action_v of trial 599 has shape \(3,\)"):
        main([str(bad), "--subject", "Bruno", "--out", str(out), "--overwrite"])
    assert len(read_tables(out).trials) == 5
    assert len(list(out.iterdir())) == 2


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--subject", "Bruno", "--out", "x"], "required: FILE"),
        (["x.pkl", "--out", "x"], "required: --subject"),
        (["x.pkl", "--subject", "Bruno"], "required: --out"),
        (["x.pkl", "--subject", " ", "--out", "x"], "--subject is empty"),
        (["absent.pkl", "--subject", "Bruno", "--out", "x"], "absent.pkl cannot be read"),
    ],
)
def test_mistakes_in_arguments(args, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        modnav(["import-monkey", *args])
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())
