import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analysis_runs import make_run
from job_calls import running
from matplotlib import image

from modnav.analysis.drawing import Panel
from modnav.analysis.figures import fig2
from modnav.analysis.measures import split
from modnav.analysis.study import Missing
from modnav.cli import main
from modnav.commands import figures


def said(capsys, *words):
    """Return the one line that a refused command says."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as error:
        main(["figures", *map(str, words)])
    assert error.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0].removeprefix("modnav: error: ")


def plot(table, figure):
    figure.subplots().plot(table["x"])


def good(study):
    table = pd.DataFrame({"x": [1.0, 2.0]})
    table.attrs["missing"] = ["no monkeys"] if study.published else []
    return table


def bad(study):
    raise KeyError("surprise")


def lacking(study):
    raise Missing("no EKF agents")


@pytest.fixture
def runs(tmp_path):
    make_run(tmp_path / "runs" / "seed0", "EKF", 0, (499,))
    return tmp_path / "runs"


@pytest.fixture
def few(monkeypatch):
    """Three panels in place of those of figure 2, of which one fails and one lacks something."""
    panels = [Panel(n, n, (1, 1), f, plot) for n, f in (("a", bad), ("b", good), ("c", lacking))]
    monkeypatch.setattr(fig2, "PANELS", tuple(panels))


def test_a_figure_is_drawn_with_numbers_and_an_index(runs, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["--figure", "2", "--trials", "4", "--workers", "1"]
    main(["figures", str(runs), "--out", str(out), *words])
    assert {f.suffix for f in out.glob("2a.*")} == {".pdf", ".png", ".csv"}
    index = json.loads((out / "figures.json").read_text())
    panels = {p["panel"]: p for p in index["panels"]}
    assert panels["2a"]["missing"] == []
    assert panels["2b"]["drawn"]
    assert "of 8 seeds: EKF 1" in panels["2b"]["missing"]
    assert not panels["2c"]["drawn"]
    assert (out / "2c.png").is_file()
    assert not (out / "2c.csv").exists()
    assert (out / "cache").is_dir()
    text = " ".join(capsys.readouterr().out.split())
    assert f"of 13 panels drawn, 1 complete: {out}" in text
    assert "2a (" in text
    main(["redraw", str(out / "2a.csv"), str(out / "2b.csv"), "--out", str(tmp_path / "anew")])
    for name in ("2a.png", "2b.png"):
        first, second = (image.imread(folder / name) for folder in (out, tmp_path / "anew"))
        assert first.shape == second.shape
        assert np.abs(first - second).mean() < 1e-3, name


def test_a_panel_that_fails_is_told_and_the_others_are_kept(few, runs, tmp_path, capsys):
    told = said(capsys, runs, "--out", tmp_path / "out", "--figure", "2", "--workers", "1")
    assert told == "panels that failed: 1; the others are drawn. The first: a: 'surprise'"
    assert (tmp_path / "out" / "b.png").is_file()
    panels = json.loads((tmp_path / "out" / "figures.json").read_text())["panels"]
    assert [p["error"] for p in panels] == ["'surprise'", "", ""]
    assert panels[2]["missing"] == ["no EKF agents"]


def test_files_of_an_earlier_drawing_do_not_stay(few, runs, tmp_path, monkeypatch, capsys):
    def surprised(study):
        raise AttributeError("surprise")

    for panel in "abc":
        for kind in ("csv", "pdf", "png"):
            (tmp_path / f"{panel}.{kind}").write_text("old")
    panels = [
        Panel(n, n, (1, 1), f, plot) for n, f in zip("ac", (surprised, lacking), strict=True)
    ]
    monkeypatch.setattr(fig2, "PANELS", tuple(panels))
    said(capsys, runs, "--out", tmp_path, "--figure", "2", "--workers", "1")
    assert not list(tmp_path.glob("a.*"))
    assert {f.suffix for f in tmp_path.glob("c.*")} == {".pdf", ".png"}
    assert len(list(tmp_path.glob("b.*"))) == 3


def test_a_panel_that_is_not_drawn_leaves_no_numbers(runs, tmp_path, monkeypatch, capsys):
    def unplotted(table, figure):
        raise AssertionError

    monkeypatch.setattr(fig2, "PANELS", (Panel("e", "e", (1, 1), good, unplotted),))
    told = said(capsys, runs, "--out", tmp_path, "--figure", "2", "--workers", "1")
    assert told.endswith("The first: e: AssertionError")
    assert not list(tmp_path.glob("e.*"))


def test_too_few_trials_are_said_on_the_panel(runs, tmp_path, monkeypatch):
    def tried(study):
        return split(pd.DataFrame({"trial": [0]}))

    monkeypatch.setattr(fig2, "PANELS", (Panel("e", "e", (1, 1), tried, plot),))
    main(["figures", str(runs), "--out", str(tmp_path), "--figure", "2", "--workers", "1"])
    (about,) = json.loads((tmp_path / "figures.json").read_text())["panels"]
    assert about["missing"] == ["1 trials cannot be split into 70% and the rest"]
    assert (about["drawn"], about["error"]) == (False, "")
    assert (tmp_path / "e.png").is_file()


def test_published_reaches_the_panels(few, runs, tmp_path, capsys):
    said(capsys, runs, "--out", tmp_path, "--figure", "2", "--published", "--workers", "1")
    index = json.loads((tmp_path / "figures.json").read_text())
    assert index["published"]
    assert index["panels"][1]["missing"] == ["no monkeys"]


def test_an_interrupted_command_keeps_what_is_drawn(few, runs, tmp_path, monkeypatch, capsys):
    def interrupted(study):
        raise KeyboardInterrupt

    panels = [Panel("b", "b", (1, 1), good, plot), Panel("d", "d", (1, 1), interrupted, plot)]
    monkeypatch.setattr(fig2, "PANELS", tuple(panels))
    with pytest.raises(SystemExit) as error:
        main(["figures", str(runs), "--out", str(tmp_path), "--figure", "2", "--workers", "1"])
    assert error.value.code == 130
    assert "1 of 2 panels; the same command goes on" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "figures.json").read_text())["panels"]) == 1


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="it lists no processes")
def test_processes_end_with_a_command_that_is_killed(tmp_path):
    for seed in range(2):
        make_run(tmp_path / "runs" / f"seed{seed}", "EKF", seed)
    words = ["figures", "runs", "--out", "out", "--figure", "2", "--workers", "2"]
    command = subprocess.Popen([sys.executable, "-m", "modnav", *words], cwd=tmp_path)
    processes = []
    try:
        while not any((tmp_path / "out" / "cache").rglob("simulations/*/*")):
            assert command.poll() is None
            time.sleep(0.05)
        listed = Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text()
        processes = [int(process) for process in listed.split()]
        assert sum(map(running, processes)) >= 2
        command.kill()
        assert command.wait(60) == -signal.SIGKILL
        until = time.monotonic() + 60
        while any(map(running, processes)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not any(map(running, processes))
    finally:
        for process in filter(running, [command.pid, *processes]):
            os.kill(process, signal.SIGKILL)
        command.wait(60)


def test_mistakes_are_one_line(runs, tmp_path, capsys):
    out = ("--out", tmp_path / "out")
    assert "--figure" in said(capsys, runs, *out, "--figure", "9")
    assert "--trials is 0; it must be in [1, 1,000,000]" in said(capsys, runs, *out, "--trials", 0)
    assert "--out" in said(capsys, runs)
    assert "it must be a folder of runs" in said(capsys, tmp_path / "nothing", *out)
    monkey = said(capsys, runs, *out, "--monkey", tmp_path / "nothing")
    assert "--monkey is" in monkey
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no checkpoints" in said(capsys, empty, *out, "--figure", "2")


def test_all_cores_are_used_by_default():
    assert figures.cores() >= 1
