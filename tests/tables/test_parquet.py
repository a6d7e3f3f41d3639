import json
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from modnav.files import replacing
from modnav.tables import (
    SCHEMA,
    Recording,
    check,
    conform,
    read_table,
    read_tables,
    write_tables,
)

pytestmark = pytest.mark.filterwarnings("ignore::modnav.errors.UnitWarning")  # values are made up

LENGTHS = {4: 3, 9: 1, 2: 5}
"""Steps of each trial of the tables below."""


@pytest.fixture
def animal():
    """Tables with nothing but what every table must have, as an animal's."""
    trials = pd.DataFrame({"trial": list(LENGTHS), "steps": list(LENGTHS.values())})
    for column in SCHEMA["trials"]:
        if column.required and column.name not in trials:
            fill = {"str": "B", "bool": True}.get(column.dtype, 0.25)
            trials[column.name] = fill
    steps = pd.DataFrame(
        [(trial, step) for trial, count in LENGTHS.items() for step in range(count)],
        columns=["trial", "step"],
    )
    for k, name in enumerate(["time_s", "x_cm", "y_cm", "action_v", "action_w"]):
        steps[name] = (steps.index + k) / 833
    return Recording(trials, steps)


@pytest.fixture
def whole(animal):
    """Tables with every column and with units."""
    trials, steps, _ = animal
    random = np.random.default_rng(0)
    for frame, table in ((trials, "trials"), (steps, "steps")):
        for column in SCHEMA[table]:
            if column.name not in frame:
                fill = {"str": "monkey, Bé", "bool": False, "int64": 7}.get(column.dtype)
                frame[column.name] = random.normal(size=len(frame)) if fill is None else fill
    trials.loc[1, "perturbation_onset_s"] = np.nan
    units = steps[["trial", "step"]].copy()
    for name in ("actor.belief.0", "actor.belief.1", "critic.value.mlp.1.0"):
        units[name] = random.normal(size=len(units)).astype(np.float32)
    return Recording(conform(trials, "trials"), conform(steps, "steps"), conform(units, "units"))


def equal(found, expected):
    for frame, other in zip(found, expected, strict=True):
        assert (frame is None) == (other is None)
        if frame is not None:
            pd.testing.assert_frame_equal(frame, other)


def test_names_end_in_the_unit_of_measure():
    suffixes = {
        "cm": "_cm",
        "deg": "_deg",
        "s": "_s",
        "cm/s": "_cm_s",
        "deg/s": "_deg_s",
        "cm^2": "_cm2",
        "cm deg": "_cm_deg",
        "deg^2": "_deg2",
        "cm^2/s^2": "_cm2_s2",
        "deg^2/s^2": "_deg2_s2",
    }
    for columns in SCHEMA.values():
        for column in columns:
            assert column.meaning
            if column.unit in suffixes:
                end = re.search(r"(_cm2?|_deg2?)?(_deg)?(_s2?)?$", column.name).group()
                assert end == suffixes[column.unit]
            else:
                assert column.unit == ("1" if column.dtype.startswith(("int", "float")) else "")


def test_tables_read_back_are_equal(whole, tmp_path):
    files = write_tables(tmp_path / "new" / "folder", whole)
    assert [file.name for file in files] == ["trials.parquet", "steps.parquet", "units.parquet"]
    equal(read_tables(tmp_path / "new" / "folder"), whole)


def test_tables_without_what_animals_lack_read_back_equal(animal, tmp_path):
    write_tables(tmp_path, animal)
    found = read_tables(tmp_path)
    equal(found, Recording(conform(animal.trials, "trials"), conform(animal.steps, "steps")))
    assert found.steps["x_cm"].dtype == np.float32


def test_parts_written_one_after_the_other_are_the_whole(whole, tmp_path):
    def part(trial):
        return Recording(*(frame[frame["trial"] == trial] for frame in whole))

    write_tables(tmp_path, (part(trial) for trial in LENGTHS))
    equal(read_tables(tmp_path), whole)
    assert pq.ParquetFile(tmp_path / "units.parquet").num_row_groups == len(LENGTHS)


def test_files_tell_units_meanings_and_notes(whole, tmp_path):
    write_tables(tmp_path, whole, notes={"seed": 7, "gain": [1, 2]})
    for table, columns in SCHEMA.items():
        schema = pq.read_schema(tmp_path / f"{table}.parquet")
        for column in columns:
            told = schema.field(column.name).metadata
            assert told == {b"unit": column.unit.encode(), b"meaning": column.meaning.encode()}
        assert json.loads(schema.metadata[b"modnav"]) == {
            "schema": 1,
            "table": table,
            "seed": 7,
            "gain": [1, 2],
        }


def test_layers_can_be_read_alone(whole, tmp_path):
    write_tables(tmp_path, whole)
    units = read_tables(tmp_path, layers=["actor.belief"]).units
    assert list(units) == ["trial", "step", "actor.belief.0", "actor.belief.1"]
    assert read_tables(tmp_path, units=False).units is None
    with pytest.raises(ValueError, match=r"no layer 'actor'; it has actor.belief, critic.value.m"):
        read_tables(tmp_path, layers=["actor"])


def test_tables_are_not_overwritten_unless_asked(whole, tmp_path):
    write_tables(tmp_path, whole)
    with pytest.raises(ValueError, match=r"holds trials.parquet, steps.parquet, units.parquet"):
        write_tables(tmp_path, whole)
    write_tables(tmp_path, whole._replace(units=None), overwrite=True)
    assert read_tables(tmp_path).units is None  # those of the former session are gone


def test_a_failure_leaves_former_tables_as_they_were(whole, tmp_path):
    write_tables(tmp_path, whole)
    files = sorted(tmp_path.iterdir())
    before = [file.read_bytes() for file in files]

    def parts():
        yield whole
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tables(tmp_path, parts(), overwrite=True)
    assert sorted(tmp_path.iterdir()) == files
    assert [file.read_bytes() for file in files] == before


def test_columns_are_put_in_order_and_converted(whole):
    mixed = whole.steps[whole.steps.columns[::-1]].astype({"step": "float64", "x_cm": "float64"})
    mixed.index = mixed.index[::-1]
    pd.testing.assert_frame_equal(conform(mixed, "steps"), whole.steps)


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("steps", lambda f: f.drop(columns=["x_cm", "time_s"]), "steps lacks time_s, x_cm"),
        ("steps", lambda f: f.assign(speed=1.0), "steps holds unknown columns: speed; it may ha"),
        (
            "steps",
            lambda f: f.assign(perturbation_z_cm_s=1.0),
            "than the schema knows: perturbation_z_cm_s; there is one in a trial, in perturbation_v",
        ),
        ("trials", lambda f: f.assign(perturbation_2_onset_s=1.0), "more perturbation than"),
        ("trials", lambda f: f.assign(gain=[1.0, np.nan, np.inf]), "trials.gain holds 2 values "),
        ("trials", lambda f: f.assign(trial=[0.5, 1, 2]), "trials.trial is float64; it must be i"),
        ("trials", lambda f: f.assign(rewarded=[1, 0, 2]), "trials.rewarded is int64; it must be"),
        ("trials", lambda f: f.assign(gain=["a", "b", "c"]), "trials.gain is str|object; it must"),
        ("trials", lambda f: f.assign(subject=["B", None, "B"]), "trials.subject has 1 values mi"),
        ("trials", lambda f: pd.concat([f, f["gain"]], axis=1), "holds gain more than once"),
        ("units", lambda f: f.assign(belief=1.0), "units holds belief; a unit is named by layer"),
    ],
)
def test_what_does_not_fit_the_schema_is_refused(whole, table, change, message):
    frame = dict(zip(SCHEMA, whole, strict=True))[table]
    with pytest.raises(ValueError, match=message):
        conform(change(frame), table)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r._replace(steps=r.steps[::-1]), "steps must count 0, 1, 2"),
        (lambda r: r._replace(steps=r.steps.drop(index=1)), "steps must count 0, 1, 2"),
        (lambda r: r._replace(steps=r.steps[:-1]), "trials.steps differs"),
        (lambda r: r._replace(steps=pd.concat([r.steps, r.steps[:3]])), "in more than one place"),
        (lambda r: r._replace(trials=r.trials[:2]), "not of the same trials"),
        (lambda r: r._replace(trials=r.trials.assign(trial=4)), "holds a trial more than once"),
        (lambda r: r._replace(units=r.units[:-1]), "units and steps are not of the same"),
    ],
)
def test_tables_that_do_not_belong_together_are_refused(whole, change, message):
    check(whole)
    with pytest.raises(ValueError, match=message):
        check(change(whole))


def test_a_column_in_another_unit_of_measure_is_refused(whole, tmp_path):
    write_tables(tmp_path, whole)
    path = tmp_path / "steps.parquet"
    rows = pq.read_table(path)
    place = rows.schema.get_field_index("x_cm")
    metres = rows.schema.field("x_cm").with_metadata({"unit": "m"})
    pq.write_table(rows.cast(rows.schema.set(place, metres)), path)
    with pytest.raises(ValueError, match=r"steps.x_cm is in 'm'; it must be 'cm'"):
        read_table(path, "steps")


def test_files_that_are_no_tables_are_refused(whole, tmp_path):
    write_tables(tmp_path, whole)
    path = tmp_path / "steps.parquet"
    with pytest.raises(ValueError, match="not a table of modnav: trials lacks subject"):
        read_table(path, "trials")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="not a readable Parquet file"):
        read_tables(tmp_path)
    with pytest.raises(ValueError, match="is not a file; a table of steps is expected"):
        read_table(tmp_path / "nothing.parquet", "steps")
    with pytest.raises(ValueError, match="is a file; a folder is expected"):
        write_tables(path, whole)


def test_what_a_killed_command_left_is_swept(whole, tmp_path):
    under_way = [replacing(tmp_path / f"{table}.parquet") for table in SCHEMA]
    for each in under_way:
        each.__enter__()  # and never left, as after SIGKILL
    mine = tmp_path / ".steps.parquet.notes"
    mine.touch()
    files = write_tables(tmp_path, whole)
    assert set(tmp_path.iterdir()) == {mine, *files}
