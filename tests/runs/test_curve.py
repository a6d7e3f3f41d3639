import contextlib
import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from curve_files import SETTINGS, TASKS, checkpoint, make, rows_of

from modnav.runs import (
    COLUMNS,
    CurveLocation,
    TrainingCurve,
    best_episode,
    digest,
    notes_path,
    read_curve,
)
from modnav.task import TaskParameters


def files_of(folder, name="a"):
    path = folder / f"{name}.csv"
    return [path.read_bytes(), notes_path(path).read_bytes()]


def test_notes_lie_in_a_tree_of_their_own():
    place = CurveLocation("gain", TaskParameters(process_noise=0.0))
    for out in (Path(), Path("data"), Path("/a/training_curve/b")):
        found = notes_path(place.file(out, "EKF", 3))
        assert found == out / "made_by_modnav/training_curve/gain_control/0_0.1/EKF_seed3.json"


@pytest.mark.parametrize(
    ("test", "noise", "options", "expected"),
    [
        ("gain", (0.2, 0.1), {}, "gain"),
        ("gain", (0.2, 0.1), {"extensive": True}, "gain_full"),
        ("gain", (0.2, 0.1), {"pre": True}, "gain_pre"),
        ("gain", (0.0, 0.1), {}, "gain_control/0_0.1"),
        ("gain", (0.4, 0.1), {"extensive": True}, "gain_control_full/0.4_0.1"),
        ("perturbation", (0.2, 0.1), {}, "perturbation"),
        ("perturbation", (0.3, 0.0), {}, "perturbation_control/0.3_0"),
        ("perturbation", (0.0, 0.0), {"extensive": True}, "perturbation_control_full/0_0"),
        ("gain", ((0.0, 0.3), (0.1, 0.1)), {}, "gain_control/0-0.3_0.1"),
        ("gain", ((0.2, 0.2), 0.1), {}, "gain"),
    ],
)
def test_folders_and_names_are_the_published_ones(test, noise, options, expected):
    task = TaskParameters(process_noise=noise[0], observation_noise=noise[1])
    path = CurveLocation(test, task, **options).file(Path("data"), "Actor3Critic5", 7)
    assert path.as_posix() == f"data/training_curve/{expected}/Actor3Critic5_seed7.csv"


def test_a_curve_is_a_csv_file_of_the_published_columns(tmp_path):
    curve = make(tmp_path, (999, 499, 2499))
    header, *lines = (tmp_path / "a.csv").read_text().splitlines()
    assert header == (
        "episode,task,reward_fraction,error_distance,error_distance_shoot,reward_rate,"
        "TD_error_abs,TD_error,value_est,ordered_episode"
    )
    table = read_curve(str(tmp_path / "a.csv"))
    assert table["episode"].tolist() == [499, 499, 999, 999, 2499, 2499]
    assert table["ordered_episode"].tolist() == [499, 499, 999, 999, 1499, 1499]
    assert table["task"].tolist() == [*TASKS] * 3
    numbers = rows_of(999)["gain1x"]
    assert lines[2] == ",".join(["999", "gain1x", *map(repr, numbers.values()), "999"])
    assert table.loc[2, list(numbers)].to_dict() == numbers
    pd.testing.assert_frame_equal(curve.table(), table, check_exact=True)


def test_a_curve_goes_on_and_keeps_what_is_there(tmp_path):
    make(tmp_path, (499, 999))
    later = TrainingCurve(tmp_path / "a.csv", SETTINGS)
    assert later.holds(499, tmp_path / "00499.ckpt")
    assert not later.holds(1499, checkpoint(tmp_path, 1499))
    assert later.rows == {499: rows_of(499), 999: rows_of(999)}
    make(tmp_path, (1499,))
    found = files_of(tmp_path)
    make(tmp_path, (499, 999, 1499), name="b.csv")
    assert found == files_of(tmp_path, "b")


def test_a_curve_cut_off_anywhere_becomes_what_it_was(tmp_path):
    make(tmp_path)
    whole = files_of(tmp_path)
    for size in range(len(whole[0])):
        (tmp_path / "a.csv").write_bytes(whole[0][:size])
        curve = TrainingCurve(tmp_path / "a.csv", SETTINGS)
        assert all(found == rows_of(episode) for episode, found in curve.rows.items())
        assert len(curve.rows) == max(whole[0][:size].count(b"\n") - 1, 0) // len(TASKS)
        if size % 41 == 0:
            make(tmp_path)
            assert files_of(tmp_path) == whole


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line.rpartition(b",")[0],
        lambda line: line + b",1",
        lambda line: re.sub(rb",22[^,]*,", b",,", line, count=1),
        lambda line: re.sub(rb",22[^,]*,", b",1.2.3,", line, count=1),
        lambda line: b"4x9" + line[3:],
        lambda line: bytes(len(line)),
        lambda line: line.replace(b"gain1x", b"gain9x"),
    ],
)
def test_a_spoilt_row_is_made_anew(tmp_path, spoil):
    make(tmp_path)
    whole = files_of(tmp_path)
    lines = whole[0].split(b"\n")
    assert b",22" in lines[1]
    lines[1] = spoil(lines[1])
    (tmp_path / "a.csv").write_bytes(b"\n".join(lines))
    with pytest.raises(ValueError, match=r"a\.csv is damaged or not finished; `modnav evaluate`"):
        read_curve(tmp_path / "a.csv")
    assert list(TrainingCurve(tmp_path / "a.csv", SETTINGS).rows) == [999, 1499]
    make(tmp_path)
    assert files_of(tmp_path) == whole


def test_rows_without_a_known_checkpoint_are_not_trusted(tmp_path):
    make(tmp_path)
    whole = files_of(tmp_path)
    made = json.loads(whole[1])
    del made["checkpoints"]["999"]
    notes_path(tmp_path / "a.csv").write_text(json.dumps(made))
    assert list(TrainingCurve(tmp_path / "a.csv", SETTINGS).rows) == [499, 1499]
    make(tmp_path)
    assert files_of(tmp_path) == whole


def full_after(writes, monkeypatch):
    """Let files take their places so often, then no more; return those that were to."""
    wanted, move = [], os.replace

    def fail(new, path):
        wanted.append(path)
        if len(wanted) > writes:
            raise OSError("no space left")
        move(new, path)

    monkeypatch.setattr(os, "replace", fail)
    return wanted


@pytest.mark.parametrize("writes", range(6))
def test_a_curve_is_alone_in_its_folder_even_if_writing_is_cut_off(tmp_path, monkeypatch, writes):
    """Notebooks of the study read what ``EKF_*.*`` finds there."""
    path = CurveLocation("gain", TaskParameters()).file(tmp_path, "EKF", 0)
    file = checkpoint(tmp_path, 499)
    full_after(writes, monkeypatch)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # as after SIGKILL
    curve = TrainingCurve(path, SETTINGS)
    for episode in (499, 999):
        with contextlib.suppress(OSError):
            curve.add(episode, digest(file), rows_of(episode))
    assert list(path.parent.glob("EKF_*.*")) == [path] * (writes > 1)
    assert notes_path(path).is_file() == (writes > 0)


@pytest.mark.parametrize("writes", range(8))
def test_a_curve_is_whole_whenever_writing_fails(tmp_path, monkeypatch, writes):
    """Both files are written, the settings first; a disk fills up at any one of the writes."""
    with monkeypatch.context() as patch:
        wanted = full_after(writes, patch)
        if writes < 7:
            with pytest.raises(OSError, match="no space"):
                make(tmp_path)
        else:
            make(tmp_path)
    assert len(wanted) == min(writes + 1, 7)
    make(tmp_path)
    found = files_of(tmp_path)
    make(tmp_path, name="b.csv")
    assert found == files_of(tmp_path, "b")


def test_starting_anew_never_mixes_old_rows_with_new_settings(tmp_path, monkeypatch):
    make(tmp_path)
    settings = replace(SETTINGS, trials=9)
    with monkeypatch.context() as patch:
        full_after(1, patch)
        with pytest.raises(OSError, match="no space"):
            make(tmp_path, settings=settings, overwrite=True)
    assert TrainingCurve(tmp_path / "a.csv", settings).rows == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": 500}, "was made with trials 50; now it is 500"),
        (
            {"tasks": ("gain1x", "gain2x")},
            "was made with test tasks gain1x, gain1.5x; now they are gain1x, gain2x",
        ),
        ({"discount": 0.9}, "was made with discount 0.97; now it is 0.9"),
        (
            {"task": TaskParameters(reward_zone_radius_cm=50.0)},
            "was made with task.reward_zone_radius_cm 65.0; now it is 50.0",
        ),
        ({"agent": {"actor": {"in_features": 7}}}, "one file holds one architecture"),
    ],
)
def test_a_curve_of_other_settings_is_refused(tmp_path, changes, said):
    make(tmp_path)
    whole = files_of(tmp_path)
    other = replace(SETTINGS, **changes)
    with pytest.raises(ValueError, match=r"a\.csv") as error:
        TrainingCurve(tmp_path / "a.csv", other)
    assert said in str(error.value)
    assert str(error.value).endswith("choose another --out, or start anew with --overwrite")
    assert files_of(tmp_path) == whole
    assert TrainingCurve(tmp_path / "a.csv", other, overwrite=True).rows == {}
    assert files_of(tmp_path) == whole


def test_a_retrained_checkpoint_is_refused(tmp_path):
    curve = make(tmp_path)
    (tmp_path / "00999.ckpt").write_bytes(b"other weights")
    with pytest.raises(ValueError, match=r"trial 999 of a checkpoint other than .*00999\.ckpt"):
        curve.holds(999, tmp_path / "00999.ckpt")


@pytest.mark.parametrize("beside", [None, "{", "[]"])
def test_a_curve_whose_making_is_unknown_is_refused(tmp_path, beside):
    make(tmp_path)
    notes_path(tmp_path / "a.csv").unlink()
    if beside:
        notes_path(tmp_path / "a.csv").write_text(beside)
    with pytest.raises(ValueError, match=r"a\.csv .*start anew with --overwrite"):
        TrainingCurve(tmp_path / "a.csv", SETTINGS)


def test_another_table_is_refused(tmp_path):
    make(tmp_path)
    (tmp_path / "a.csv").write_text("episode,task,reward\n499,gain1x,3\n")
    with pytest.raises(ValueError, match=r"a\.csv is not a training curve, whose columns are epi"):
        TrainingCurve(tmp_path / "a.csv", SETTINGS)
    with pytest.raises(ValueError, match=r"a\.csv is not a training curve"):
        read_curve(tmp_path / "a.csv")


def test_what_is_not_a_number_is_kept(tmp_path):
    curve = make(tmp_path, (499,))
    rows = rows_of(999)
    rows["gain1x"]["TD_error"] = math.nan
    curve.add(999, digest(checkpoint(tmp_path, 999)), rows)
    again = TrainingCurve(tmp_path / "a.csv", SETTINGS)
    assert again.holds(999, tmp_path / "00999.ckpt")
    assert math.isnan(again.rows[999]["gain1x"]["TD_error"])
    assert read_curve(tmp_path / "a.csv")["TD_error"].isna().sum() == 1


def test_a_published_file_is_read(tmp_path):
    """The study's files were written by pandas, which may number the rows and write 499.0."""
    make(tmp_path)
    table = read_curve(tmp_path / "a.csv")
    table.astype({"episode": float, "ordered_episode": float}).to_csv(tmp_path / "published.csv")
    pd.testing.assert_frame_equal(read_curve(tmp_path / "published.csv"), table)


FIRST_VERSION = """\
,episode,task,reward_fraction,error_distance,error_distance_shoot,reward_rate,TD_error_abs
0,-500,gain1x,0.1,150.0,-20.0,0.05,1.5
1,-500,gain2x,0.0,190.0,30.0,0.0,1.25
2,-1000,gain1x,0.2,120.0,-10.0,0.1,1.0
3,-1000,gain2x,0.1,160.0,10.0,0.05,0.75
4,499,gain1x,0.5,90.0,-5.0,0.3,0.5
5,499,gain2x,0.4,95.0,5.0,0.2,0.5
6,999,gain1x,0.9,60.0,-2.0,0.6,0.25
7,999,gain2x,0.8,65.0,2.0,0.5,0.25
"""
"""A curve of the study's first version."""


@pytest.fixture
def first_version(tmp_path):
    """File with a curve of the study's first version."""
    path = tmp_path / "first.csv"
    path.write_text(FIRST_VERSION)
    return path


def test_a_curve_of_the_first_version_is_read(first_version):
    table = read_curve(first_version)
    assert list(table) == [*COLUMNS]
    assert table["episode"].tolist() == [499, 499, 999, 999]
    assert table["ordered_episode"].tolist() == [499, 499, 999, 999]
    assert table["reward_rate"].tolist() == [0.3, 0.2, 0.6, 0.5]
    assert table[["TD_error", "value_est"]].isna().all(axis=None)
    assert (table[["TD_error", "value_est"]].dtypes == float).all()
    assert best_episode(table) == 999


def test_negative_episodes_are_phase_one(first_version, tmp_path):
    table = read_curve(first_version, pre=True)
    assert table["episode"].tolist() == [500, 500, 1000, 1000]
    assert table["ordered_episode"].tolist() == [499, 499, 999, 999]
    assert table["reward_rate"].tolist() == [0.05, 0.0, 0.1, 0.05]
    lines = FIRST_VERSION.splitlines(keepends=True)
    for name, part, pre in (("of", lines[:1] + lines[5:], True), ("after", lines[:5], False)):
        first_version.write_text("".join(part))
        assert len(read_curve(first_version, pre=not pre)) == 4
        with pytest.raises(ValueError, match=rf"holds no checkpoints {name} phase I$"):
            read_curve(first_version, pre=pre)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0,-500,gain1x", "0,-5x0,gain1x"),
        ("0,-500,gain1x", "0,-500.5,gain1x"),
        ("0,-500,gain1x", "0,-1000,gain1x"),
        ("5,499,gain2x", "5,499,gain1x"),
        ("0.8,65.0,2.0,0.5,0.25", "0.8,65.0,2.0,0.5"),
        ("0.8,65.0,2.0,0.5,0.25\n", "0.8,65.0,2.0,0.5,0.25"),
        ("0.9,60.0", "0.9,inf"),
        ("1,-500,gain2x,0.0,190.0,30.0,0.0,1.25\n", ""),
        ("7,999,gain2x,0.8,65.0,2.0,0.5,0.25\n", ""),
    ],
)
def test_a_damaged_curve_of_the_first_version_is_refused(first_version, old, new):
    assert FIRST_VERSION.count(old) == 1
    first_version.write_text(FIRST_VERSION.replace(old, new))
    with pytest.raises(ValueError, match=r"first\.csv is damaged or not finished"):
        read_curve(first_version)


@pytest.mark.parametrize("name", ["episode", "task", "reward_fraction", "reward_rate"])
def test_no_version_lacks_what_agents_are_chosen_by(first_version, name):
    first_version.write_text(FIRST_VERSION.replace(f",{name},", ",other,"))
    with pytest.raises(ValueError, match=r"first\.csv is not a training curve"):
        read_curve(first_version)


def test_a_curve_that_lacks_columns_is_not_gone_on_with(tmp_path):
    make(tmp_path)
    table = pd.read_csv(tmp_path / "a.csv").drop(columns="TD_error")
    table.to_csv(tmp_path / "a.csv", index=False)
    assert len(read_curve(tmp_path / "a.csv")) == 6
    with pytest.raises(ValueError, match=r"a\.csv is not a training curve"):
        TrainingCurve(tmp_path / "a.csv", SETTINGS)


@pytest.mark.parametrize("text", ["", ",".join(COLUMNS), ",".join(COLUMNS) + "\n"])
def test_a_curve_without_rows_is_refused(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=r"a\.csv is damaged or not finished"):
        read_curve(tmp_path / "a.csv")


def test_a_checkpoint_with_too_few_rows_is_refused(tmp_path):
    make(tmp_path)
    lines = (tmp_path / "a.csv").read_text().splitlines(keepends=True)
    (tmp_path / "a.csv").write_text("".join(lines[:-1]))
    with pytest.raises(ValueError, match=r"a\.csv is damaged or not finished"):
        read_curve(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"b\.csv does not exist"):
        read_curve(tmp_path / "b.csv")
