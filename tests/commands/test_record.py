import json
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from modnav.cli import main
from modnav.errors import UnitWarning
from modnav.networks import build_agent
from modnav.recording import ablate, clamp, make_session, record
from modnav.runs import save_agent
from modnav.tables import read_tables
from modnav.task import TaskParameters


@pytest.fixture
def agent():
    return build_agent("modular")


@pytest.fixture
def run(agent, tmp_path, capsys):
    """Function that runs `modnav record` on the agent and returns tables and what was printed."""
    save_agent(agent, tmp_path / "agent.ckpt")

    def command(*options, out="tables"):
        main(["record", f"{tmp_path}/agent.ckpt", "--out", f"{tmp_path}/{out}", *options])
        return read_tables(tmp_path / out), capsys.readouterr()

    return command


def equal(found, expected):
    for frame, other in zip(found, expected, strict=True):
        assert (frame is None) == (other is None)
        if frame is not None:
            pd.testing.assert_frame_equal(frame, other)


def test_it_writes_what_python_returns(run, agent, tmp_path):
    found, printed = run("--trials", "6", "--gain", "1.5", "--seed", "3")
    equal(found, record(agent, trials=6, gain=1.5, seed=3))
    assert (found.trials["gain"] == 1.5).all()
    assert found.units.shape[1] == 2 + 2 * (128 + 300 + 300)
    assert "6/6" in printed.err
    assert printed.out.startswith("6 trials, ")
    for name in ("trials", "steps", "units"):
        size = (tmp_path / "tables" / f"{name}.parquet").stat().st_size
        told = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
        assert f"{name}.parquet  {told}" in printed.out
        assert "  0.0" not in printed.out
    file = tmp_path / "tables" / "steps.parquet"
    notes = json.loads(pq.read_schema(file).metadata[b"modnav"])
    assert notes["architecture"] == "Actor3Critic5"
    assert notes["task"]["gain"] == 1.5
    assert notes["seed"] == 3


def test_an_agent_of_a_run_is_recorded_with_its_seed(agent, tmp_path):
    file = tmp_path / "runs" / "seed7" / "checkpoints" / "00499.ckpt"
    save_agent(agent, file)
    (file.parents[1] / "config.yaml").write_text("seed_everything: 7\n")
    main(["record", str(file), "--out", f"{tmp_path}/out", "--trials", "2", "--no-units"])
    assert read_tables(tmp_path / "out", units=False).trials["seed"].tolist() == [7, 7]


def test_every_option_reaches_the_session(run, agent):
    found, _ = run(
        "--task",
        "perturbation",
        "--gain",
        "2",
        "3",
        "--process-noise",
        "0.3",
        "--observation-noise",
        "0.1",
        "0.4",
        "--peak-linear-cm-s",
        "-400",
        "800",
        "--peak-angular-deg-s",
        "50",
        "--excluded-peak-linear-cm-s",
        "-100",
        "100",
        "--onset-steps",
        "4",
        "--trials",
        "30",
        "--layers",
        "critic.belief",
        "--ablate",
        "actor.belief:0-9",
        "--clamp",
        "critic.belief:3=0.5",
    )
    task = TaskParameters(
        name="perturbation",
        gain=(2.0, 3.0),
        process_noise=0.3,
        observation_noise=(0.1, 0.4),
        peak_linear_cm_s=(-400.0, 800.0),
        peak_angular_deg_s=50.0,
        excluded_peak_linear_cm_s=(-100.0, 100.0),
        onset_steps=(4, 4),
    )
    with ablate(agent, "actor.belief:0-9"), clamp(agent, "critic.belief:3=0.5"):
        expected = record(agent, make_session(task, trials=30), layers=["critic.belief"])
    equal(found, expected)
    trials = found.trials
    assert trials["gain"].between(2, 3).all()
    assert (abs(trials["perturbation_peak_v_cm_s"]) > 100).all()
    np.testing.assert_allclose(trials["perturbation_onset_s"], 0.4)
    assert (found.units["critic.belief.3"] == 0.5).all()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_targets_come_from_a_file(run, tmp_path, suffix):
    path = tmp_path / f"targets{suffix}"
    given = pd.DataFrame({"target_x_cm": [10.0, -50.0], "target_y_cm": 200.0, "gain": [1.5, 3.0]})
    given.to_csv(path, index=False) if suffix == ".csv" else given.to_parquet(path)
    found, _ = run("--targets", str(path), "--no-units")
    assert found.units is None
    columns = ["target_x_cm", "target_y_cm", "gain"]
    np.testing.assert_allclose(found.trials[columns], given, 1e-6)
    again, _ = run("--targets", str(path), "--no-units", "--gain", "2", out="again")
    assert list(again.trials["gain"]) == [2, 2]


def test_the_trials_of_another_recording_serve_as_targets(run, tmp_path):
    first, _ = run("--task", "perturbation", "--trials", "5", "--no-units")
    options = ("--task", "perturbation", "--seed", "1", "--no-units")
    second, _ = run("--targets", f"{tmp_path}/tables/trials.parquet", *options, out="second")
    conditions = [c for c in first.trials if c.startswith(("target", "perturbation", "gain"))]
    pd.testing.assert_frame_equal(second.trials[conditions], first.trials[conditions])


def test_the_noise_that_the_filter_assumes(tmp_path):
    save_agent(build_agent("ekf"), tmp_path / "ekf.ckpt")
    main(
        [
            "record",
            f"{tmp_path}/ekf.ckpt",
            "--out",
            f"{tmp_path}/out",
            "--no-units",
            "--trials",
            "2",
            "--process-noise",
            "0.6",
            "--filter-process-noise",
            "0.2",
        ]
    )
    trials, steps, _ = read_tables(tmp_path / "out")
    np.testing.assert_allclose(trials["process_noise"], 0.6, 1e-6)
    variance = steps[steps["step"] == 1]["kalman_vv_cm2_s2"]
    np.testing.assert_allclose(variance, 1600 * 400 / 2000, 1e-5)


def test_nothing_is_overwritten_unless_asked(run, tmp_path, capsys):
    run("--trials", "2", "--no-units")
    before = (tmp_path / "tables" / "steps.parquet").read_bytes()
    with pytest.raises(SystemExit) as ended:
        run("--trials", "3")
    assert ended.value.code == 2
    assert (
        "already; choose another folder, or replace them with --overwrite"
        in capsys.readouterr().err
    )
    assert (tmp_path / "tables" / "steps.parquet").read_bytes() == before
    assert len(run("--trials", "3", "--overwrite")[0].trials) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ablate", "actor.mlp:3"], "no layer 'actor.mlp'; it has actor.belief (128)"),
        (["--ablate", "actor.belief:500"], "actor.belief has no unit 500"),
        (["--clamp", "actor.belief:5=x"], "at 'x'; it must be a number"),
        (
            ["--ablate", "actor.belief:0-9", "--clamp", "actor.belief:9=0.5"],
            "--ablate and --clamp both name actor.belief:9; it can be silent or held",
        ),
        (
            ["--clamp", "actor.belief:2-4,actor.belief:3=1"],
            "actor.belief:3 is held at 0 and at 1;",
        ),
        (["--layers", "actor.belief", "--no-units"], "--no-units and --layers are given"),
        (["--layers", "belief"], "no layer 'belief'; it has actor.belief (128)"),
        (["--gain", "-1"], "task.gain is -1.0; it must be above 0"),
        (["--gain", "1", "2", "3"], "--gain has 3 numbers; it must be one or two"),
        (["--gain", "much"], "modnav record: argument --gain: invalid float value: 'much'"),
        (["--task", "walk"], "modnav record: argument --task: invalid choice: 'walk'"),
        (["--peak-linear-cm-s", "9"], "--peak-linear-cm-s needs --task perturbation"),
        (["--trials", "0"], "trials is 0; it must be in [1, 10,000,000]"),
        (["--filter-process-noise", "0.1"], "the agent has no Kalman filter"),
        (["--targets", "nowhere.csv"], "nowhere.csv cannot be read"),
        (["--targets", "table.xls"], "table.xls is not a .csv or .parquet file"),
        (["--targts", "x"], "modnav record: unrecognized arguments: --targts x"),
    ],
)
def test_mistakes_are_told_in_a_line(run, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as ended:
        run("--trials", "1", *options) if "--trials" not in options else run(*options)
    assert ended.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("modnav: error: ")
    assert message in told
    assert not list(tmp_path.glob("tables/*"))


def test_files_that_cannot_be_used_are_told(run, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SystemExit):
        run("--trials", "1", out="file")
    assert "file is a file; a folder is expected" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["record", f"{tmp_path}/file", "--out", f"{tmp_path}/tables"])
    assert f"{tmp_path}/file" in capsys.readouterr().err.splitlines()[-1]
    with pytest.raises(SystemExit):
        main(["record", "--out", f"{tmp_path}/tables"])
    assert "the following arguments are required: CHECKPOINT" in capsys.readouterr().err
    pd.DataFrame({"perturbation2_peak_v_cm_s": [1.0]}).to_csv(tmp_path / "two.csv")
    with pytest.raises(SystemExit):
        run("--targets", f"{tmp_path}/two.csv")
    assert "more perturbation than the schema knows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (
            {"target_x_cm": [0.5, -0.2] * 3, "target_y_cm": 2.0},
            "look like metres in 6 of 6 trials; they must be in cm",
        ),
        (
            {"target_r_cm": [200, 300] * 3, "target_theta_deg": 1.5},
            "looks like radians in 6 of 6",
        ),
        (
            {"target_x_cm": [50], "target_y_cm": [200], "perturbation_peak_v_cm_s": [90]},
            "perturbation_peak_v_cm_s are not used without --task perturbation",
        ),
        ({"target_x_cm": [0.5, 50] * 3, "target_y_cm": [2, 200] * 3}, ""),  # half are near
        ({"target_x_cm": [9, 50], "target_y_cm": [20, 200], "perturbation_peak_v_cm_s": 0}, ""),
    ],
)
@pytest.mark.filterwarnings("ignore::modnav.errors.UnitWarning")  # of reading the tables back
def test_targets_that_seem_of_another_unit_are_told_of(run, tmp_path, columns, told):
    pd.DataFrame(columns).to_csv(tmp_path / "targets.csv", index=False)
    _, printed = run("--targets", f"{tmp_path}/targets.csv", "--no-units")
    lines = [line for line in printed.err.splitlines() if line.startswith("modnav: ")]
    assert [told in line for line in lines] == [True] * bool(told)


def test_a_target_that_is_in_two_places_is_refused():
    targets = pd.DataFrame({"target_x_cm": [0.0, 9.0], "target_y_cm": 200.0})
    targets = targets.assign(target_r_cm=[200.0, 300.0], target_theta_deg=90.0)
    with pytest.raises(ValueError, match="in row 1 another place by target_x_cm"):
        make_session(targets=targets)
    make_session(targets=targets.head(1))


def test_perturbations_that_begin_after_all_trials_are_refused():
    pushed = {"perturbation_peak_v_cm_s": 90.0, "perturbation_onset_s": [300.0, 500.0]}
    targets = pd.DataFrame({"target_x_cm": [50.0, 20.0], "target_y_cm": 200.0, **pushed})
    with pytest.raises(
        ValueError, match=r"perturbation_onset_s is 300 or more; trials end after 3.5"
    ):
        make_session("perturbation", targets=targets)
    many = pd.concat([targets] * 3, ignore_index=True)
    many["perturbation_onset_s"] = [*[300.0] * 5, None]
    with pytest.warns(UnitWarning, match="perturbation_onset_s looks like milliseconds"):
        make_session("perturbation", targets=many)


def test_watch_looks_whether_it_can_write_before_it_simulates(tmp_path, monkeypatch, capsys):
    save_agent(build_agent("EKF"), tmp_path / "00499.ckpt")
    simulated = Mock()
    monkeypatch.setattr("modnav.commands.watch.record", simulated)
    for source, out, told in (
        (tmp_path / "00499.ckpt", "/proc/nope/x.gif", "/proc/nope/x.gif could not be written"),
        (tmp_path / "nothing.ckpt", f"{tmp_path}/new/x.gif", "nothing.ckpt"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["watch", str(source), "--out", out])
        assert ended.value.code == 2
        assert told in capsys.readouterr().err
    simulated.assert_not_called()
    assert not (tmp_path / "new").exists()
