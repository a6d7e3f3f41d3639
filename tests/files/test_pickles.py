"""Files from the internet: nothing in them is run, and damage is never silent."""

import argparse
import collections
import io
import os
import pickle
import random
import types
import zipfile
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
import torch

from modnav.files import ADMITTED, read_hyperparameters, read_weights

READERS = (read_weights, read_hyperparameters)


class Evil:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def torch_bytes(content, zipped=True):
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


WRITERS = {
    "torch": torch_bytes,
    "old torch": lambda content: torch_bytes(content, zipped=False),
    **{f"pickle {k}": lambda content, k=k: pickle.dumps(content, k) for k in (0, 2, 4, 5)},
}


@pytest.fixture
def hyperparameters():
    """What a published ``_arg.pkl`` holds."""
    return {
        "device": "cuda:0",
        "optimizer": torch.optim.Adam,
        "RNN": torch.nn.LSTM,
        "lr": 3e-4,
        "EPISODE_LEN": 35,
        "goal_radius_range": np.array([65, 65]) / 400,
        "process_gain_default": torch.tensor([0.5, 1.5]),
        "target_fullon": False,
        "pro_noise_range": [0.2, 0.2],
        "exclude_gain": None,
    }


@pytest.mark.parametrize("writer", list(WRITERS))
@pytest.mark.parametrize("function", [os.system, eval, exec, __import__, getattr])
def test_code_is_refused_by_name_and_not_run(writer, function, tmp_path):
    path, marker = tmp_path / "evil.pth.tar", tmp_path / "marker"
    evil = Evil(function, f"touch {marker}" if function is os.system else f"open({str(marker)!r})")
    for content in (evil, {"actor_dict": {"l1.weight": evil}, "critic_dict": {}}):
        path.write_bytes(WRITERS[writer](content))
        for read in READERS:
            with pytest.raises(ValueError, match=f"asks for .*{function.__name__}") as refusal:
                read(path)
            assert "\n" not in str(refusal.value)
    assert not marker.exists()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("protocol", [2, 4])
def test_only_exact_names_are_admitted(read, protocol, tmp_path):
    """Neighbours of what is admitted, and functions behind a dotted name, are not."""
    path = tmp_path / "x"
    for value in (torch.optim.AdamW, np.load, collections.deque([1]), np.random.default_rng(0)):
        path.write_bytes(pickle.dumps({"x": value}, protocol))
        with pytest.raises(ValueError, match="is refused: it asks for"):
            read(path)
    path.write_bytes(b"\x80\x04\x8c\x07pathlib\x8c\x0ePath.read_text\x93.")
    with pytest.raises(ValueError, match=r"asks for pathlib\.Path\.read_text"):
        read(path)


def test_a_pickle_cannot_change_what_is_admitted(tmp_path):
    """The opcode that gives an object its state would set attributes of a class."""
    path = tmp_path / "x"
    before = {kind: dict(vars(kind)) for kind in ADMITTED.values()}
    for state in ({"named": "x"}, (None, {"named": "x", "meaning": "y"})):
        text = pickle.dumps(state, 2)[2:-1]
        path.write_bytes(b"\x80\x02cpathlib\nWindowsPath\n" + text + b"b.")
        with pytest.raises(ValueError, match="damaged or of another kind"):
            read_hyperparameters(path)
    assert before == {kind: dict(vars(kind)) for kind in ADMITTED.values()}


@pytest.mark.parametrize("writer", ["torch", "pickle 2", "pickle 4"])
def test_hyperparameters_become_plain_values(writer, hyperparameters, tmp_path):
    path = tmp_path / "20220101-120000_arg.pkl"
    if writer != "torch":
        del hyperparameters["process_gain_default"]  # tensors come by torch.save alone
    path.write_bytes(WRITERS[writer](hyperparameters))
    expected = hyperparameters | {
        "optimizer": "torch.optim.adam.Adam",
        "RNN": "torch.nn.modules.rnn.LSTM",
        "goal_radius_range": [0.1625, 0.1625],
    }
    if writer == "torch":
        expected["process_gain_default"] = [0.5, 1.5]
    assert read_hyperparameters(path) == expected


@pytest.mark.parametrize("writer", ["torch", "pickle 2", "pickle 4"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.arange(6).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]),
        (np.asfortranarray(np.arange(6).reshape(2, 3)), [[0, 1, 2], [3, 4, 5]]),
        (np.arange(3, dtype=">i4"), [0, 1, 2]),
        (np.zeros((0, 3)), []),
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
        (PureWindowsPath("C:/data/agents"), PureWindowsPath("C:/data/agents")),
        (PosixPath("/data/agents"), PurePosixPath("/data/agents")),
        (argparse.Namespace(a=1), {"a": 1}),
        (types.SimpleNamespace(a=(1, 2)), {"a": [1, 2]}),
        (collections.OrderedDict(a=b"b"), {"a": b"b"}),
        (torch.device("cuda", 1), "cuda:1"),
    ],
)
def test_each_kind_of_value(writer, value, expected, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(WRITERS[writer]({"x": value}))
    found = read_hyperparameters(path)["x"]
    assert found == expected
    assert type(found) is type(expected)


def test_a_path_of_windows_is_read_anywhere(tmp_path):
    """As Python 3.8 on Windows writes it; a real ``WindowsPath`` cannot be made elsewhere."""
    path = tmp_path / "x"
    path.write_bytes(
        b"\x80\x02}X\x01\x00\x00\x00pcpathlib\nWindowsPath\n"
        b"X\x03\x00\x00\x00C:\\X\x04\x00\x00\x00data\x86Rs."
    )
    assert read_hyperparameters(path) == {"p": PureWindowsPath("C:/data")}


def test_hyperparameters_that_make_no_sense_are_refused(tmp_path):
    path = tmp_path / "x"
    endless = []
    endless.append(endless)
    for value in (np.array([object()]), np.array(["text"]), endless):
        path.write_bytes(pickle.dumps({"x": value}, 4))
        with pytest.raises(ValueError, match=str(path)):
            read_hyperparameters(path)
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match="holds no hyperparameters, but a list"):
        read_hyperparameters(path)


def test_mentions_of_mentions_take_no_time(tmp_path):
    path, value = tmp_path / "x", [1]
    for _ in range(100):
        value = [value, value]
    path.write_bytes(pickle.dumps({"x": value}, 4))
    assert len(read_hyperparameters(path)["x"]) == 2


@pytest.mark.parametrize("read", READERS)
def test_every_truncation_is_refused(read, hyperparameters, tmp_path):
    path = tmp_path / "x"
    del hyperparameters["optimizer"], hyperparameters["RNN"]
    hyperparameters["goal_radius_range"] = [0.1625, 0.1625]
    for write in (WRITERS["torch"], WRITERS["old torch"]):
        whole = write(hyperparameters)
        for k in range(50):
            path.write_bytes(whole[: k * len(whole) // 50])
            with pytest.raises(ValueError, match=str(path)):
                read(path)


def weights_or_reason(path):
    """What a file holds, or why it is refused."""
    try:
        return read_weights(path)[0]
    except ValueError as error:
        return str(error)


def test_a_flipped_bit_is_harmless_or_refused(tmp_path):
    path, expected = tmp_path / "x", torch.arange(100.0)
    whole, generator, refused = torch_bytes({"x": expected}), random.Random(0), 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        found = weights_or_reason(path)
        if isinstance(found, str):
            refused += 1
            assert "\n" not in found
        else:
            assert list(found) == ["x"]
            assert torch.equal(found["x"], expected)
    assert refused > 100


def test_a_flipped_weight_is_refused(tmp_path):
    """The checksum of the record says so; torch itself would not notice."""
    path, weights = tmp_path / "x", torch.arange(100.0)
    whole = bytearray(torch_bytes({"x": weights}))
    whole[whole.index(weights.numpy().tobytes()) + 50] ^= 1
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="Bad CRC-32 for file 'archive/data/0'"):
        read_weights(path)[0]


def test_a_record_that_is_called_a_folder_is_read_all_the_same(tmp_path):
    """One bit of the archive's directory; torch would return what was in memory."""
    path, weights = tmp_path / "x", torch.arange(100.0)
    whole = bytearray(torch_bytes({"x": weights}))
    entry = whole.rindex(b"archive/data/0") - 46
    assert whole[entry : entry + 4] == b"PK\x01\x02"
    whole[entry + 38] ^= 0x10  # the folder bit of the attributes
    path.write_bytes(whole)
    assert torch.equal(read_weights(path)[0]["x"], weights)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_torch_does_not_write_are_refused(tmp_path):
    path, whole = tmp_path / "x", torch_bytes({"x": torch.zeros(10000)})
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as other:
            for name in archive.namelist():
                other.writestr(name, archive.read(name))
        with pytest.raises(ValueError, match="its records are compressed or overlap"):
            read_weights(path)[0]
        with zipfile.ZipFile(path, "w") as other:
            for name in [*archive.namelist(), "archive/data/0"]:
                other.writestr(name, archive.read(name))
    with pytest.raises(ValueError, match="its records are compressed or overlap"):
        read_weights(path)[0]


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(ValueError, match="cannot be read"):
            read_weights(path)[0]
    for content in (b"", b"PK", b"text", bytes(1000)):
        Path(tmp_path / "x").write_bytes(content)
        with pytest.raises(ValueError, match="is damaged or of another kind"):
            read_weights(tmp_path / "x")[0]
