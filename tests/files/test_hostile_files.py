"""The fuzz of tests/fuzz.py in its short form, and the files that it once caught."""

import random
import struct
import warnings

import mutants
import pytest
import torch
import yaml
from fuzz import readers as all_readers
from fuzzing import Reader, fuzz, peak_mb

from modnav.files import read_columns, refuse_endless
from modnav.runs import find_runs, load_agent
from modnav.tables import read_table

SLOW = {"fit --resume": 8, "fit --config": 12}
"""Files for readers that run a whole command; 50 for the others."""


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {x.name: x for x in all_readers(tmp_path_factory.mktemp("readers"))}


NAMES = (
    *("checkpoint, weights", "published checkpoint", "published, before torch 1.6"),
    *("trials of a monkey", "config.yaml of a run"),
    *("training curve", "curve that goes on", "curve's .json", "trials.parquet", "steps.parquet"),
    *("targets, .csv", "targets, .parquet", "last.ckpt", "fit --resume"),
    "fit --config",
)


def test_all_readers_are_fuzzed(readers):
    assert set(NAMES) == set(readers)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_mutants_are_refused_or_harmless(name, readers):
    count = SLOW.get(name, 50)
    tally = fuzz(readers[name], count, seed=0)
    assert not [reason for reason, _ in tally.failures]
    assert tally.counts["refused"] > count // 10
    assert sum(tally.counts.values()) == count


@pytest.mark.parametrize("wrong", ["error", "silence", "message", "call"])
def test_the_fuzz_notices(wrong, tmp_path):
    """A reader that runs code, fails oddly or believes damaged bytes does not pass."""

    def read(path):
        content = path.read_bytes()
        if content != whole:
            if wrong == "error":
                raise KeyError("x")
            if wrong == "message":
                raise ValueError("no name of the file")
            if wrong == "call":
                (path.parent / "marker").touch()
        return content

    whole = bytes(range(256))
    reader = Reader("bad", tmp_path / "x", [whole], read, checked=True)
    tally = fuzz(reader, 30, seed=0)
    assert tally.counts["failures"] > 20


def test_damage_changes_nearly_every_file():
    whole, draw = bytes(range(256)) * 20, random.Random(0)
    made = [mutants.damaged(whole, draw) for _ in range(300)]
    assert sum(mutant == whole for mutant in made) < 20
    assert {len(mutant) < len(whole) for mutant in made} == {True, False}


@pytest.mark.parametrize("index", [2**20, 2**27, 2**31 - 1])
def test_a_memo_of_any_size_is_not_made(index, tmp_path):
    """The unpickler in C would take 16 bytes for each place."""
    path = tmp_path / "x"
    path.write_bytes(b"\x80\x02}X\x01\x00\x00\x00ar" + struct.pack("<I", index) + b"K\x01s.")
    before = peak_mb()
    with pytest.raises(ValueError, match="it holds no table, but a dict"):
        read_columns(path, ["a"])
    assert peak_mb() - before < 10


def test_endless_values_are_refused():
    wide, endless = [1], []
    for _ in range(60):
        wide = [wide, wide]
    endless.append(endless)
    for value in (wide, endless, {"a": {"b": wide}}):
        with pytest.raises(ValueError, match="more than 100,000 parts, or holds itself"):
            refuse_endless(value)
    refuse_endless({"a": [1, 2, {"b": (3,)}]})


def test_a_config_that_mentions_itself_without_end_is_refused(readers, tmp_path):
    lines = ["a0: &a0 [1]"] + [f"a{k}: &a{k} [*a{k - 1}, *a{k - 1}]" for k in range(1, 50)]
    run = readers["config.yaml of a run"].file.parent
    text = readers["config.yaml of a run"].wholes[0]
    (run / "config.yaml").write_text("\n".join(lines) + "\nseed_everything: *a49\n")
    with pytest.raises(ValueError, match=r"config\.yaml is not the configuration of a run"):
        find_runs([run])
    (run / "config.yaml").write_bytes(text)
    assert yaml.safe_load(text)["seed_everything"] == 3


@pytest.mark.parametrize(
    ("name", "size"), [("hidden_features", [2**40]), ("in_features", 2**31), ("num_layers", 2**40)]
)
def test_sizes_are_compared_before_anything_is_made(name, size, readers, tmp_path):
    reader = readers["checkpoint, weights"]
    reader.file.write_bytes(reader.wholes[0])
    content = torch.load(reader.file)
    content["modnav"]["agent"]["actor"]["action"]["init_args"][name] = size
    path = tmp_path / "x.ckpt"
    torch.save(content, path)
    before = peak_mb()
    with pytest.raises(ValueError, match=r"x\.ckpt"):
        load_agent(path)
    assert peak_mb() - before < 100


def test_a_flipped_bit_in_a_page_of_a_table_is_refused(readers):
    """Each page has a checksum; its bytes alone would decode to other numbers."""
    reader = readers["steps.parquet"]
    whole, draw, refused = reader.wholes[0], random.Random(0), 0
    expected = read_table(reader.file, "steps")
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[draw.randrange(4, len(whole) - 8)] ^= 1 << draw.randrange(8)
        reader.file.write_bytes(damaged)
        try:
            found = read_table(reader.file, "steps")
        except ValueError:
            refused += 1
        else:
            assert found.equals(expected)
    reader.file.write_bytes(whole)
    assert refused > 150
