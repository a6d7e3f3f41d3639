import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from modnav.cli import main
from modnav.networks import build_agent
from modnav.recording import (
    belief_layer,
    filter_belief,
    make_session,
    read_out_belief,
    record,
    simulate,
)
from modnav.recording.animation import HELD_FRAMES, animate, movie_writer
from modnav.runs import save_agent
from modnav.task import TaskParameters

TASK = TaskParameters(max_steps=6)


def frames(path):
    """Return the pictures of a gif and for how long each stays, ms."""
    pictures, durations = [], []
    with Image.open(path) as image:
        for k in range(image.n_frames):
            image.seek(k)
            pictures.append(np.asarray(image.convert("RGB")).astype(int))
            durations.append(image.info["duration"])
    return pictures, durations


def near(picture, colour, tolerance=40):
    """Return the number of pixels of about a colour."""
    return int((abs(picture - np.array(colour)).max(axis=-1) < tolerance).sum())


@pytest.fixture
def drive():
    """One trial that drives straight on for a second, and its belief."""
    trials = pd.DataFrame(
        {
            "trial": [3],
            "steps": [11],
            "dt_s": [0.1],
            "gain": [1.0],
            "rewarded": [True],
            "terminated": [True],
            "radial_error_cm": [0.0],
            "target_x_cm": [0.0],
            "target_y_cm": [200.0],
        }
    )
    t = np.arange(11)
    steps = pd.DataFrame(
        {
            "trial": 3,
            "step": t,
            "time_s": t / 10,
            "x_cm": 0.0,
            "y_cm": 20.0 * t,
            "heading_deg": 90.0,
            "target_visible": t < 4,
        }
    )
    belief = steps[["trial", "step", "x_cm", "y_cm"]].assign(xx_cm2=2500, xy_cm2=0, yy_cm2=400)
    return trials, steps, belief


def test_the_movie_shows_agent_trail_target_and_belief(drive, tmp_path):
    trials, steps, belief = drive
    heard = []
    path = tmp_path / "new" / "drive.gif"
    animate(trials, steps, path, belief=belief, progress=heard.append)
    assert heard == list(range(1, 11 + HELD_FRAMES + 1))
    pictures, durations = frames(path)
    assert sum(durations) == 100 * (11 + HELD_FRAMES)  # equal pictures are one in a gif
    trail = [near(picture, (32, 178, 170)) for picture in pictures]
    assert trail[0] < trail[4] < trail[-1]
    target = [near(picture, (188, 143, 143), 12) for picture in pictures]
    assert min(target[:4]) > 2 * max(target[5:])
    assert near(pictures[2], (255, 52, 60)) > 20
    assert list(path.parent.iterdir()) == [path]
    animate(trials.assign(steps=3), steps[:3], path)
    assert near(frames(path)[0][2], (255, 52, 60)) == 0


def test_animals_and_time_outs_are_shown(drive, tmp_path, monkeypatch):
    trials, steps, _ = drive
    steps = steps[:4]
    many = pd.concat([trials.assign(trial=k, rewarded=k > 1, terminated=k > 0) for k in range(5)])
    bare = steps[["step", "time_s", "x_cm", "y_cm"]]
    rows = pd.concat([bare.assign(trial=k, y_cm=bare["y_cm"] * (k + 1)) for k in range(5)])
    monkeypatch.setattr("modnav.recording.animation.HELD_FRAMES", 1)
    animate(many.assign(steps=4), rows, tmp_path / "five.gif", dpi=20)
    assert len(frames(tmp_path / "five.gif")[0]) == 4


def test_the_filter_believes_to_start_where_it_starts():
    trials, steps, _ = simulate(build_agent("ekf"), make_session(TASK, trials=5))
    belief = filter_belief(trials, steps)
    start = belief[belief["step"] == 0]
    np.testing.assert_allclose(start[["x_cm", "y_cm"]], 0, atol=1e-3)
    np.testing.assert_allclose(start[["xx_cm2", "yy_cm2"]], 1e-8 * 400**2, 1e-3)
    last = belief[belief["step"] == 5]
    assert (last["yy_cm2"] > 1).all()
    relative = belief["x_cm"] - belief["trial"].map(trials["target_x_cm"])
    np.testing.assert_allclose(relative, steps["kalman_x_cm"], atol=1e-3)


def test_position_is_read_out_of_units():
    agent = build_agent("modular")
    task = TaskParameters(process_noise=0.0, observation_noise=0.0, max_steps=20)
    rnn = agent.actor.belief.units.rnn
    with torch.no_grad():
        rnn.weight_hh_l0.zero_()
        rnn.bias_hh_l0[128:256] = 5  # the memory of what comes in does not fade
        agent.actor.action.mlp[4].weight.mul_(20)  # so that it gets around
        agent.actor.action.mlp[4].bias[0] = 0.7
    recording = record(agent, layers=["actor.belief"], task=task, trials=20, seed=5)
    belief = read_out_belief(agent, recording, task, seed=6)
    position = recording.steps[["x_cm", "y_cm"]].to_numpy()
    error = belief[["x_cm", "y_cm"]].to_numpy() - position
    assert (error.std(axis=0) < 0.5 * position.std(axis=0)).all()
    ratio = error.std(axis=0) / np.sqrt(belief[["xx_cm2", "yy_cm2"]].iloc[0])
    assert ((ratio > 0.5) & (ratio < 2)).all()


def test_only_recurrent_actors_have_a_layer_to_read():
    assert belief_layer(build_agent("Actor2Critic1")) == "actor.belief"
    ekf = build_agent("holistic_ekf")
    assert belief_layer(ekf) is None
    assert read_out_belief(ekf, simulate(ekf, make_session(TASK, trials=1)), TASK, 1) is None


def test_other_kinds_of_file_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"trial.avi is neither .gif nor .mp4"):
        movie_writer(tmp_path / "trial.avi", 10)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr("modnav.recording.animation.FFMpegWriter.isAvailable", lambda: False)
    with pytest.raises(ValueError, match="an mp4 needs ffmpeg: `pip install imageio-ffmpeg`"):
        movie_writer(tmp_path / "trial.mp4", 10)


def test_mp4_is_written_where_there_is_ffmpeg(drive, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    trials, steps, belief = drive
    animate(trials, steps, tmp_path / "drive.mp4", belief=belief, dpi=50)
    assert (tmp_path / "drive.mp4").read_bytes()[4:8] == b"ftyp"


def test_a_movie_that_fails_leaves_nothing(drive, tmp_path):
    trials, steps, _ = drive

    def stop(done):
        raise KeyboardInterrupt

    (tmp_path / "drive.gif").write_bytes(b"former")
    with pytest.raises(KeyboardInterrupt):
        animate(trials, steps, tmp_path / "drive.gif", dpi=30, progress=stop)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"former"]


@pytest.mark.parametrize("architecture", ["modular", "ekf"])
def test_watch_writes_a_movie(architecture, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("modnav.recording.read_out.READ_OUT_TRIALS", 8)
    monkeypatch.setattr("modnav.recording.animation.HELD_FRAMES", 2)
    monkeypatch.setattr("modnav.commands.watch.HELD_FRAMES", 2)
    save_agent(build_agent(architecture), tmp_path / "agent.ckpt")
    args = ["watch", f"{tmp_path}/agent.ckpt", "--out", f"{tmp_path}/trial.gif", "--dpi", "20"]
    main([*args, "--trials", "1", "--gain", "2"])
    printed = capsys.readouterr()
    assert "trial.gif" in printed.out
    assert "37/37" in printed.err
    pictures, durations = frames(tmp_path / "trial.gif")
    assert sum(durations) == 3700
    assert len(pictures) > 2
    with pytest.raises(SystemExit):
        main(args)
    assert "trial.gif exists; choose another file or --overwrite" in capsys.readouterr().err
