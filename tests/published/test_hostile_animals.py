"""Published trials of monkeys: files that are evil, damaged or senseless."""

import pickle

import numpy as np
import pandas as pd
import pytest
from monkey_files import FORMS, as_pandas_1_2, monkey, tables, with_calls

from modnav.files import read_columns
from modnav.published import read_monkey


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
