"""The page of figures: what it says, and that a real browser shows it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from analysis_runs import make_run
from job_calls import own_agent
from learning_runs import make_training
from matplotlib.figure import Figure

from modnav.analysis import report
from modnav.analysis.drawing import Panel
from modnav.analysis.pages import html_table
from modnav.analysis.study import find_members, find_trainings
from modnav.runs import save_agent

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def plot(table: pd.DataFrame, figure: Figure) -> None:
    figure.subplots().plot(table["value"])


PUBLISHED = pd.DataFrame({"architecture": ["A", "B"], "published": [1.0, 2.0]})
PANELS = (
    Panel("9a", "One <title>", (2, 1), lambda s: pd.DataFrame(), plot, PUBLISHED, "value"),
    Panel("9b", "Another", (2, 1), lambda s: pd.DataFrame(), plot),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two panels as `modnav figures` leaves them; the second could not be drawn."""
    monkeypatch.setattr(report, "panels_of", lambda figure: PANELS)
    values = {"architecture": ["A", "A", "B", "B"], "seed": [0, 1, 0, 1]}
    pd.DataFrame(values | {"value": [0.9, 1.1, 7.0, 7.2]}).to_csv(tmp_path / "9a.csv", index=False)
    figure = Figure(figsize=(2, 1))
    plot(pd.DataFrame({"value": [1, 2]}), figure)
    for name in ("9a", "9b"):
        figure.savefig(tmp_path / f"{name}.png", dpi=300)
    about = {"figure": "9", "error": "", "seconds": 1.0}
    panels = [
        about
        | {"panel": "9a", "title": "One <title>", "drawn": True, "missing": ["seeds & more"]}
        | {"caption": 'Bars: "SEM".'},
        about | {"panel": "9b", "title": "Another", "drawn": False, "missing": ["animals"]},
    ]
    index = {"runs": ["runs"], "published": False, "trials": 20, "panels": panels}
    (tmp_path / report.INDEX).write_text(json.dumps(index))
    return tmp_path


def test_the_page_has_panels_runs_and_published_values(folder: Path, tiny_runs: Path):
    text = report.write_report(folder, find_members([tiny_runs])).read_text()
    assert text.count("data:image/png;base64,") == 1
    assert "One &lt;title&gt;" in text
    assert text.count("seeds &amp; more") == 2  # on the picture, and beside what was published
    assert "at most 20 trials per condition" in text
    said = "9a: One &lt;title&gt;. Bars: &#34;SEM&#34;. Incomplete: seeds &amp; more."
    assert f'alt="{said}"' in text
    assert "1 of 2 panels are drawn" in text
    assert text.count("One &lt;title&gt;") == 2
    run = find_members([tiny_runs])[0].run.folder
    assert f'<td class="text">{run.parent.name}/{run.name}</td>' in text
    assert str(run.parent.parent) not in text
    # B: 7.1 against 2 published, with an SEM of 0.1: 51 SEM apart, and marked; A is not.
    row = re.search(r"<tr><td class=\"text\">B</td>.*</tr>", text)
    assert row is not None
    assert '<td class="far">51</td>' in row.group()
    assert text.count('<td class="far">') == 1
    # what was not drawn is a line of a list
    assert '<li id="panel9b"><b>9b</b> Another: animals</li>' in text
    assert '<figure id="panel9b">' not in text
    assert '<a href="9a.csv">CSV</a> <a href="9a.png">PNG</a> <a href="#top">top</a>' in text
    assert '<div class="scroll" tabindex="0"><table>' in text
    assert "td.text:last-child { white-space: normal" in text  # long texts are not cut
    outside = re.findall(r"(?:src|href)=\"(?!data:|#)([^\"]*)", text)
    assert set(outside) == {"9a.csv", "9a.png"}, "the page needs nothing else to be read"


def test_the_page_says_whose_panels_are_few(folder: Path, tiny_runs: Path, tmp_path: Path):
    alone = "alone show architectures that are not the study's"
    assert alone not in report.write_report(folder, find_members([tiny_runs])).read_text()
    own = make_run(tmp_path / "own" / "seed0", "EKF", 0, (999,))
    save_agent(own_agent(), own / "checkpoints" / "00999.ckpt")
    members = find_members([tiny_runs, own])
    text = report.write_report(folder, members).read_text()
    assert f"{alone}: {own_agent().architecture}." in text


def test_without_an_sem_nothing_is_said_in_sem(folder: Path, tiny_runs: Path):
    """One seed each: A is at .9 of 1 published, B at 7.1 of 2, 2.55 of it apart."""
    values = {"architecture": ["A", "B"], "seed": [0, 0], "value": [0.9, 7.1]}
    pd.DataFrame(values).to_csv(folder / "9a.csv", index=False)
    text = report.write_report(folder, find_members([tiny_runs])).read_text()
    summary = re.search(r"<tr><td class=\"text\">9a</td>(.*?)</tr>", text)
    assert summary is not None
    cells = re.findall(r"<td>(.*?)</td>", summary.group(1))
    # values, with SEM, median and number beyond in SEM (unknown), median relative, beyond 50 %
    assert cells == ["2", "0", "", "", "1.325", "1"]
    assert text.count('<td class="far">2.55</td>') == 1


def test_the_page_compares_how_runs_learned_with_the_study(folder: Path, tmp_path: Path):
    for seed, x in enumerate((0.2, 0.4)):
        make_training(tmp_path / "runs", seed=seed, curve={500: x})
    make_training(tmp_path / "runs" / "long", seed=5, curve={500: 0.9}, trials=100_000)
    trainings, _ = find_trainings([tmp_path / "runs"])
    text = report.write_report(folder, find_members([tmp_path / "runs"]), trainings).read_text()
    assert text.count("data:image/png;base64,") == 1 + 1
    assert '<a href="#learning">' in text
    # fractions .2, .4 after 500 trials; the long run is not of the default training
    row = re.search(r"<tr><td class=\"text\">Modular</td><td>500</td>.*?</tr>", text)
    assert row is not None
    assert "<td>0.3</td>" in row.group()
    assert (folder / "comparison.csv").is_file()


def test_what_cannot_be_compared_is_said_or_left_out(
    folder: Path, tmp_path: Path, tiny_runs: Path
):
    make_training(tmp_path / "runs", "EKF", curve={500: 0.2})
    members, (trainings, _) = find_members([tiny_runs]), find_trainings([tmp_path / "runs"])
    assert "Learning" not in report.write_report(folder, members, trainings).read_text()
    for name in "ab":
        make_training(tmp_path / "twice" / name, curve={500: 0.2})
    trainings, _ = find_trainings([tmp_path / "twice"])
    text = report.write_report(folder, members, trainings).read_text()
    assert "are both Actor3Critic5, seed 0" in text


def test_a_folder_without_figures_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"holds no figures\.json"):
        report.write_report(tmp_path, [])


@pytest.mark.skipif(
    BROWSER is None and "CI" not in os.environ, reason="needs Chromium; CI installs it"
)
def test_a_browser_shows_every_picture(folder: Path, tiny_runs: Path):
    assert BROWSER is not None
    path = report.write_report(folder, find_members([tiny_runs]))
    asks = """<script>addEventListener('load', () => {
      const shown = [...document.images].filter(x => x.complete && x.naturalWidth > 0).length;
      const wide = document.documentElement.scrollWidth > innerWidth;
      const targets = [...document.querySelectorAll('nav a')].every(
        x => document.querySelector(x.getAttribute('href')));
      document.title = `shown ${shown} wide ${wide} targets ${targets}`;
    })</script>"""
    asked = path.with_name("asked.html")
    asked.write_text(path.read_text().replace("</body>", asks + "</body>"))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"]
    command += [
        f"--user-data-dir={folder / 'browser'}",
        "--virtual-time-budget=5000",
        "--dump-dom",
    ]
    done = subprocess.run(
        [*command, asked.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert "<title>shown 1 wide false targets true</title>" in done.stdout


def test_thousands_are_written_alike_but_seeds_are_names():
    table = pd.DataFrame({"seed": [20261], "trials": [10_000], "scripted": [2000.0]})
    assert re.findall(r"<td>(.*?)</td>", html_table(table)) == ["20261", "10,000", "2,000"]
