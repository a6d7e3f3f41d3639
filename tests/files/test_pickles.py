"""Files from the internet: nothing in them is run, and damage is never silent."""

import collections
import io
import os
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from modnav.files import read_weights


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


@pytest.mark.parametrize("writer", list(WRITERS))
@pytest.mark.parametrize("function", [os.system, eval, exec, __import__, getattr])
def test_code_is_refused_by_name_and_not_run(writer, function, tmp_path):
    path, marker = tmp_path / "evil.pth.tar", tmp_path / "marker"
    evil = Evil(function, f"touch {marker}" if function is os.system else f"open({str(marker)!r})")
    for content in (evil, {"actor_dict": {"l1.weight": evil}, "critic_dict": {}}):
        path.write_bytes(WRITERS[writer](content))
        with pytest.raises(ValueError, match=f"asks for .*{function.__name__}") as refusal:
            read_weights(path)
        assert "\n" not in str(refusal.value)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [2, 4])
def test_only_exact_names_are_admitted(protocol, tmp_path):
    """Neighbours of what is admitted, and functions behind a dotted name, are not."""
    path = tmp_path / "x"
    for value in (torch.optim.AdamW, np.load, collections.deque([1]), np.random.default_rng(0)):
        path.write_bytes(pickle.dumps({"x": value}, protocol))
        with pytest.raises(ValueError, match="is refused: it asks for"):
            read_weights(path)
    path.write_bytes(b"\x80\x04\x8c\x07pathlib\x8c\x0ePath.read_text\x93.")
    with pytest.raises(ValueError, match=r"asks for pathlib\.Path\.read_text"):
        read_weights(path)


def test_every_truncation_is_refused(tmp_path):
    path, content = tmp_path / "x", {"lr": 3e-4, "noise": [0.2, 0.2], "gain": torch.ones(2)}
    for write in (WRITERS["torch"], WRITERS["old torch"]):
        whole = write(content)
        for k in range(50):
            path.write_bytes(whole[: k * len(whole) // 50])
            with pytest.raises(ValueError, match=str(path)):
                read_weights(path)


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


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "it is empty"), (bytes(100), "it holds nothing but zeros")],
    ids=("empty", "zeros"),
)
def test_a_file_of_nothing_is_told_as_that(content, told, tmp_path):
    """As a machine that lost its power leaves them."""
    (tmp_path / "x").write_bytes(content)
    assert str(weights_or_reason(tmp_path / "x")).endswith(
        f"is damaged or of another kind: {told}"
    )


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
        with pytest.raises(ValueError, match=r"cannot be read|is not a regular file"):
            read_weights(path)[0]
    for content in (b"", b"PK", b"text", bytes(1000)):
        Path(tmp_path / "x").write_bytes(content)
        with pytest.raises(ValueError, match="is damaged or of another kind"):
            read_weights(tmp_path / "x")[0]
