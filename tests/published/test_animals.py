"""Published trials of monkeys: reading them safely, and what becomes of them."""

import datetime
import json
import pickle

import numpy as np
import numpy.testing as npt
import pandas as pd
import pyarrow.parquet as pq
import pytest
from monkey_files import FORMS, as_pandas_1_2, monkey, with_calls

from modnav.cli import main as modnav
from modnav.commands.import_monkey import main
from modnav.files import read_columns
from modnav.published import SAMPLING_HZ, inside, monkey_recordings, read_monkey
from modnav.tables import read_tables


@pytest.fixture(params=list(FORMS))
def form(request):
    """Each way to pickle a table."""
    return FORMS[request.param]


@pytest.fixture
def write(tmp_path):
    """Write bytes into a file."""

    def written(content, name="monkey.pkl"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return written


def tables(frame, **options):
    """Return all trials and steps of a frame."""
    parts = list(monkey_recordings(frame, "Bruno", **options))
    trials, steps, _ = zip(*parts, strict=True)
    return pd.concat(trials, ignore_index=True), pd.concat(steps, ignore_index=True)


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


class Call:
    """Object whose pickle calls a function."""

    def __init__(self, module, name, *args):
        self.module, self.name, self.args = module, name, args

    def pickled(self, protocol):
        if protocol < 4:
            head = f"c{self.module}\n{self.name}\n".encode()
        else:
            texts = [x.encode() for x in (self.module, self.name)]
            head = b"".join(b"\x8c" + bytes([len(x)]) + x for x in texts) + b"\x93"
        return b"\x80" + bytes([protocol]) + head + pickle.dumps(self.args, 2)[2:-1] + b"R."


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("builtins", "exec"),
        ("builtins", "slice.__class__"),
        ("pandas", "eval"),
        ("pandas", "read_pickle"),
        ("pandas.core.frame", "DataFrame.eval"),
        ("pandas.core.computation.eval", "eval"),
        ("pandas.io.common", "os.system"),
        ("numpy", "load"),
        ("numpy", "ndarray.tofile"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy.core", "multiarray._reconstruct"),
        ("pyarrow.lib", "py_buffer.__class__"),
        ("modnav.files.stand_ins", "StandIn"),
    ],
)
def test_evil_files_are_refused_and_not_run(module, name, protocol, write, tmp_path):
    trace = tmp_path / "trace"
    call = Call(module, name, f"open({str(trace)!r}, 'w')")
    path = write(call.pickled(protocol))
    with pytest.raises(ValueError, match="is refused: it asks for") as refusal:
        read_monkey(path)
    assert f"{module}.{name}," in str(refusal.value)
    assert not trace.exists()


def test_evil_cell_in_an_old_table_is_refused(write, tmp_path):
    trace = tmp_path / "trace"

    class Evil:
        def __reduce__(self):
            return open, (str(trace), "w")

    frame = monkey()
    frame["rewarded"] = frame["rewarded"].astype(object)
    frame.at[1, "rewarded"] = Evil()
    for content in (with_calls(frame), as_pandas_1_2(frame)):
        with pytest.raises(ValueError, match=r"it asks for (io|_io)\.open, which no table needs"):
            read_monkey(write(content))
    assert not trace.exists()


@pytest.mark.parametrize("state", [{"kind": "x"}, (None, {"kind": "x", "named": "y"})])
def test_a_pickle_cannot_change_what_is_admitted(state, write):
    """The opcode that gives an object its state would set attributes of a class."""
    content = b"\x80\x02cpandas.core.frame\nDataFrame\n" + pickle.dumps(state, 2)[2:-1] + b"b."
    with pytest.raises(ValueError, match="damaged or of another kind"):
        read_monkey(write(content))
    assert len(read_monkey(write(as_pandas_1_2(monkey())))) == 5


def test_admitted_names_are_not_built_but_noted(write):
    """What is admitted is a record in a file that misuses it, too."""
    for module, name in (("pandas", "DataFrame"), ("numpy", "dtype"), ("builtins", "slice")):
        with pytest.raises(ValueError, match="is damaged or of another kind") as refusal:
            read_monkey(write(Call(module, name, 1).pickled(4)))
        assert "\n" not in str(refusal.value)
    # a file must not change the stand-ins: attributes of a class are set by BUILD
    assignment = b"\x80\x04cpandas\nDataFrame\n}\x8c\x04kind\x8c\x05otherss\x86b."
    with pytest.raises(ValueError, match="damaged or of another kind"):
        read_monkey(write(assignment))
    assert len(read_monkey(write(as_pandas_1_2(monkey())))) == 5


def test_damaged_files(form, write):
    content = form(monkey(3))
    for part in (0, 1, 10, len(content) // 3, len(content) // 2, len(content) - 1):
        with pytest.raises(ValueError, match="is damaged or of another kind") as refusal:
            read_monkey(write(content[:part]))
        assert "\n" not in str(refusal.value)


def test_files_of_another_kind(write):
    for content in (b"\x1f\x8b\x08 gzip", b"trial,target_x\n", pickle.dumps([1, 2])):
        with pytest.raises(ValueError, match="is damaged or of another kind"):
            read_monkey(write(content))
    with pytest.raises(ValueError, match="it holds no table, but a dict"):
        read_monkey(write(pickle.dumps({"a": 1})))


def test_missing_columns_are_named(form, write):
    frame = monkey().drop(columns=["gain_w", "action_v"])
    with pytest.raises(ValueError, match=r"monkey.pkl lacks the columns gain_w, action_v$"):
        read_monkey(write(form(frame)))


def test_incomplete_perturbations_are_named(write):
    frame = monkey(perturbed=True).drop(columns=["perturb_start_time", "perturb_w"])
    with pytest.raises(ValueError, match=r"lacks the columns perturb_start_time, perturb_w$"):
        read_monkey(write(as_pandas_1_2(frame)))


@pytest.mark.parametrize("name", ["1.2", "now", "now, protocol 4"])
def test_empty_table(name, write):
    with pytest.raises(ValueError, match="holds no trials"):
        read_monkey(write(FORMS[name](monkey(3).iloc[:0])))


def changed(name, trial, value):
    """Return trials with another value in one cell."""
    frame = monkey(3, perturbed=True)
    column = frame[name].astype(object)
    column.iloc[trial] = value
    return frame.assign(**{name: column})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("target_x", np.nan, "target_x of trial 1 is not a number"),
        ("gain_v", "fast", "gain_v of trial 1 is not a number"),
        ("pos_x", np.zeros(0), r"pos_x of trial 1 has shape \(0,\)"),
        ("pos_y", np.zeros(4), r"pos_y of trial 1 has shape \(4,\); .* as pos_x"),
        ("action_w", "abc", "action_w of trial 1 is not an array of numbers"),
        ("action_w", 3.0, r"action_w of trial 1 has shape \(\)"),
        ("rewarded", 2, "rewarded holds other values than true and false"),
        ("perturb_start_time", "late", "perturb_start_time of trial 1 is not a number"),
        ("perturb_v", np.nan, r"perturb_v of trial 1 has shape \(\)"),
    ],
)
def test_senseless_values_are_named(name, value, message):
    with pytest.raises(ValueError, match=message):
        tables(changed(name, 1, value))


def test_values_that_are_not_finite_are_named():
    frame = monkey(3)
    frame["pos_x"][2][5] = np.inf
    with pytest.raises(ValueError, match="pos_x of trial 2 holds values that are not finite"):
        tables(frame)


def test_other_sampling_is_refused():
    frame = monkey(3)
    frame["time"] = [np.arange(len(x)) / 500 for x in frame["time"]]
    with pytest.raises(ValueError, match=r"sampled every 0.002 s; it must be 0.0012005 s"):
        tables(frame)


@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")  # old names of pandas 1.2
def test_pandas_builds_nothing_of_a_file(form, write, monkeypatch):
    content = form(monkey())

    def never(*args):
        raise AssertionError("built")

    monkeypatch.setattr(pd.DataFrame, "__setstate__", never)
    with pytest.raises(AssertionError, match="built"):
        pickle.loads(content)
    assert len(read_columns(write(content), ["target_x"]).found["target_x"]) == 5
