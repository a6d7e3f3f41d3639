"""Recordings as NWB and pynapple: one clock, and the numbers of the tables."""

from pathlib import Path

import numpy as np
import pytest

from modnav.cli import main
from modnav.commands.export import WRITTEN
from modnav.networks import build_agent
from modnav.recording import record, to_pynapple, trial_times, write_nwb
from modnav.tables import read_tables, write_tables

nap = pytest.importorskip("pynapple", reason="needs modnav[neuro]")
inspector = pytest.importorskip("nwbinspector", reason="needs modnav[neuro]")


@pytest.fixture(scope="module")
def recording():
    return record(build_agent("modular"), trials=6, layers=["actor.belief"], seed=1)


def test_trials_follow_each_other_with_a_pause(recording):
    times = trial_times(recording, pause=0.5)
    taken = recording.trials["steps"] * 0.1
    assert times["start_time"][0] == 0
    assert np.allclose(times["stop_time"] - times["start_time"], taken)
    assert np.allclose(
        times["start_time"][1:].to_numpy() - times["stop_time"][:-1].to_numpy(), 0.5
    )
    with pytest.raises(ValueError, match="pause is nan"):
        trial_times(recording, pause=float("nan"))


def test_an_nwb_file_is_read_back_by_pynapple(recording, tmp_path: Path):
    write_nwb(recording, str(tmp_path / "agent.nwb"))
    read = nap.load_file(str(tmp_path / "agent.nwb"))
    steps, units = recording.steps, recording.units
    assert np.allclose(read["position"].values, 0.01 * steps[["x_cm", "y_cm"]], atol=1e-6)
    assert np.allclose(read["heading"].values, np.deg2rad(steps["heading_deg"]), atol=1e-6)
    names = [f"actor.belief.{k}" for k in range(128)]
    assert np.array_equal(read["actor.belief"].values, units[names].to_numpy(np.float32))
    assert len(read["trials"]) == 6
    # what is restricted to a trial is that trial's steps
    third = read["position"].restrict(read["trials"][2])
    expected = steps[steps["trial"] == recording.trials["trial"][2]]
    assert np.allclose(third.values, 0.01 * expected[["x_cm", "y_cm"]], atol=1e-6)
    assert np.allclose(np.diff(third.t), 0.1)
    assert read["action"].rate == pytest.approx(read["position"].rate)
    read.close()


def test_nwbinspector_finds_nothing_critical(recording, tmp_path: Path):
    write_nwb(recording, tmp_path / "agent.nwb")
    found = list(inspector.inspect_nwbfile(nwbfile_path=str(tmp_path / "agent.nwb")))
    bad = {"CRITICAL", "PYNWB_VALIDATION", "ERROR"}
    assert not [m.message for m in found if m.importance.name in bad]


def test_objects_have_what_tables_have(recording):
    found = to_pynapple(recording)
    assert np.allclose(found["action"].values, recording.steps[["action_v", "action_w"]])
    assert found["trials"]["rewarded"].tolist() == recording.trials["rewarded"].tolist()
    assert list(found["action"].columns) == ["action_v", "action_w"]
    # a tuning curve of every unit over the position
    curves = nap.compute_tuning_curves(found["actor.belief"], found["position"], bins=[3, 3])
    assert curves.shape == (128, 3, 3)
    # of one bin over all places it is the mean of the unit
    whole = nap.compute_tuning_curves(found["actor.belief"], found["position"], bins=[1, 1])
    mean = found["actor.belief"].values.mean(axis=0)
    assert np.allclose(whole.values[:, 0, 0], mean, atol=1e-6)


def test_the_command_writes_both_and_refuses_what_is_there(recording, tmp_path, capsys):
    write_tables(tmp_path / "tables", [recording], notes={})
    for kind, out in (("nwb", "a.nwb"), ("pynapple", "folder")):
        args = ["export", str(tmp_path / "tables"), "--to", kind, "--out", str(tmp_path / out)]
        main(args)
        assert str(tmp_path / out) in capsys.readouterr().out
        with pytest.raises(SystemExit) as end:
            main(args)
        assert end.value.code == 2
        assert "there already; --overwrite" in capsys.readouterr().err
    position = nap.load_file(str(tmp_path / "folder" / "position.npz"))
    read = read_tables(tmp_path / "tables").steps[["x_cm", "y_cm"]]
    assert np.allclose(position.values, 0.01 * read, atol=1e-6)


def test_several_subjects_are_no_session(recording, tmp_path: Path):
    trials = recording.trials.assign(subject=list("aaabbb"))
    with pytest.raises(ValueError, match="has 2 subjects"):
        write_nwb(recording._replace(trials=trials), tmp_path / "agent.nwb")
    assert not (tmp_path / "agent.nwb").exists()


def test_trials_may_stand_in_another_order_than_their_steps(recording):
    turned = recording._replace(trials=recording.trials.iloc[::-1].reset_index(drop=True))
    found, usual = to_pynapple(turned), to_pynapple(recording)
    assert np.array_equal(found["position"].t, usual["position"].t)
    assert np.array_equal(found["position"].values, usual["position"].values)
    assert np.array_equal(found["trials"]["steps"], usual["trials"]["steps"])
    assert (np.diff(found["position"].t) > 0).all()


def test_trials_without_a_step_take_no_place_on_the_clock(recording):
    """Rows stay as those of the table, so that they can be put beside it."""
    trials, steps = recording.trials, recording.steps
    turned = trials.iloc[::-1]
    gone = steps[steps["trial"] != trials["trial"][2]]
    times = trial_times(recording._replace(trials=turned, steps=gone))
    assert times["trial"].tolist() == turned["trial"].tolist()
    assert times.index.tolist() == turned.index.tolist()
    assert times.index[times["start_time"].isna()].tolist() == [2]
    before = trial_times(recording)["stop_time"][1]
    assert times["start_time"][3] == pytest.approx(before + 0.5)
    assert len(to_pynapple(recording._replace(steps=gone, units=None))["trials"]) == 5


def test_an_export_deletes_nothing_but_what_a_former_one_wrote(recording, tmp_path: Path, capsys):
    write_tables(tmp_path / "tables", recording)
    out = tmp_path / "out"
    out.mkdir()
    mine = ["actor.npz", "critic.my_notes.npz", "precious.npz"]
    for name in (*mine, "actor.belief.npz"):
        np.savez(out / name, mine=1)
    (tmp_path / "file").write_text("mine")
    args = ["export", str(tmp_path / "tables"), "--to", "pynapple", "--overwrite", "--out"]
    main([*args, str(out)])
    assert nap.load_file(str(out / "actor.belief.npz")).shape[1] == 128
    write_tables(tmp_path / "tables", recording._replace(units=None), overwrite=True)
    main([*args, str(out)])
    assert not (out / "actor.belief.npz").exists()
    assert (out / "trials.npz").is_file()
    assert all((out / name).is_file() for name in mine)
    for names in ('["../tables/x.npz"]', "3", "{}"):
        (out / WRITTEN).write_text(f'{{"files": {names}}}')
        with pytest.raises(SystemExit):
            main([*args, str(out)])
        assert "is damaged" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*args, str(tmp_path / "file")])
    assert (tmp_path / "file").read_text() == "mine"
