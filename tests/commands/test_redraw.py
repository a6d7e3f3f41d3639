"""Committed panels are drawn anew from their committed numbers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from modnav.analysis import drawing
from modnav.cli import main
from modnav.commands import redraw
from modnav.commands.figures import INDEX

NUMBERS = Path(__file__).parents[2] / "analysis" / "results" / "figures" / "4f.csv"


def redrawn(folder, *words, table=NUMBERS):
    """Return the picture of a panel as ``modnav redraw`` writes it."""
    main(["redraw", str(table), "--out", str(folder), *map(str, words)])
    assert (folder / "4f.pdf").stat().st_size > 1000
    return image.imread(folder / "4f.png")


def said(capsys, *words):
    """Return the one line that a refused command says."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as error:
        main(["redraw", *map(str, words)])
    assert error.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("modnav: error: ")


def test_size_style_and_what_is_written_below_are_ones_own(tmp_path):
    usual = redrawn(tmp_path / "usual")
    bare = redrawn(tmp_path / "bare", "--bare")
    assert bare.shape[0] < usual.shape[0]
    assert redrawn(tmp_path / "large", "--bare", "--size", 6, 4).shape > bare.shape
    sheet = tmp_path / "journal.mplstyle"
    sheet.write_text("axes.facecolor: 00ff00\n")
    styled = redrawn(tmp_path / "styled", "--style", sheet)
    green = (styled[..., :3] == (0, 1, 0)).all(axis=-1).mean()
    assert green > 0.2


def test_what_the_index_says_stands_below_the_panel(tmp_path):
    shutil.copy(NUMBERS, tmp_path)
    usual = redrawn(tmp_path / "without", table=tmp_path / "4f.csv")
    about = {"panel": "4f", "said": {"missing": ["no monkeys"], "ran": "Agents: 2."}}
    (tmp_path / INDEX).write_text(json.dumps({"panels": [about]}))
    assert redrawn(tmp_path / "with", table=tmp_path / "4f.csv").shape[0] > usual.shape[0]


def test_mistakes_are_one_line(tmp_path, capsys):
    out = ("--out", tmp_path / "out")
    strange = tmp_path / "4f.csv"
    strange.write_text("a,b\n1,2\n")
    assert "holds no CSV of a panel" in said(capsys, NUMBERS.parents[1], *out)
    assert "named as that, e.g. 4f.csv" in said(capsys, tmp_path / "curves.csv", *out)
    assert "is no table of panel 4f (KeyError: 'architecture')" in said(capsys, strange, *out)
    assert "would be drawn over another 4f" in said(capsys, NUMBERS, strange, *out)
    (tmp_path / INDEX).write_text("[]")
    assert f"{tmp_path / INDEX} is damaged" in said(capsys, strange, *out)
    assert "100 is not within 0.5 and 50" in said(capsys, NUMBERS, *out, "--size", 100, 2)
    missing = said(capsys, NUMBERS, *out, "--style", tmp_path / "no.mplstyle")
    assert "there is no such file" in missing
    assert not (tmp_path / "out").exists()


def marked(text: str) -> str:
    """Return a table whose first value has a star, as of a footnote."""
    head, first, *others = text.split("\n")
    row = dict(zip(head.split(","), first.split(","), strict=True)) | {"value": "0.9665 *"}
    return "\n".join([head, ",".join(row.values()), *others])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (lambda text: text.splitlines()[0], "it has no rows"),
        (lambda text: text.replace(",", ";"), "must be separated by commas"),
        (lambda text: marked(text), "value is '0.9665 *' in line 2;"),
        (
            lambda text: marked(text).replace("\n", "\n\n \n", 1),
            "value is '0.9665 *' in line 4;",
        ),
    ],
)
def test_what_was_edited_by_hand_is_refused_for_what_is_wrong(tmp_path, capsys, changed, told):
    table = tmp_path / "4f.csv"
    table.write_text(changed(NUMBERS.read_text()))
    assert told in said(capsys, table, "--out", tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_names_may_be_numbers(tmp_path):
    table = tmp_path / "1f.csv"
    table.write_text("subject,shown,x_cm\n51,all,1\n51,1x,2\nBruno,2,3\n")
    assert len(redraw._numbers(table)) == 3


def test_columns_of_names_are_known():
    for file in NUMBERS.parent.glob("*.csv"):
        table = pd.read_csv(file)
        texts = set(table.select_dtypes(exclude=["number", "bool"]).columns)
        assert texts <= set(redraw.NAMED), file.name
        assert not (set(table.columns) - texts) & set(redraw.NAMED), file.name


def test_committed_panels_are_said_of_what_they_are():
    for file in NUMBERS.parent.glob("*.csv"):
        text = redraw._said(file)
        assert text.keys() <= {"ran", "missing", "published"}
        sketch = file.stem in ("2a", "4a", "S9a")  # of no agent's trials
        assert bool(text.get("ran")) != sketch, file.name
    names = {
        about["panel"] for about in json.loads((NUMBERS.parent / INDEX).read_text())["panels"]
    }
    assert names == {file.stem for file in NUMBERS.parent.glob("*.csv")}


def ink(picture):
    """Return the share of each quarter of a picture that is not white, ``(2, 2)``."""
    dark = (picture[..., :3] < 0.98).any(axis=-1)
    halves = [np.array_split(half, 2, axis=1) for half in np.array_split(dark, 2)]
    return np.array([[part.mean() for part in half] for half in halves])


def test_a_committed_picture_is_that_of_its_numbers(tmp_path):
    sheet = tmp_path / "small.mplstyle"
    sheet.write_text("savefig.dpi: 150\n")
    found = redrawn(tmp_path / "out", "--style", sheet)
    committed = image.imread(NUMBERS.with_suffix(".png"))
    assert found.shape[:2] == pytest.approx(committed.shape[:2], rel=0.05)  # fonts differ
    np.testing.assert_allclose(ink(found), ink(committed), atol=0.02)
    changed = pd.read_csv(NUMBERS)
    changed["value"] *= 0.5
    (tmp_path / "other").mkdir()
    changed.to_csv(tmp_path / "other" / "4f.csv", index=False)
    other = redrawn(tmp_path / "out", "--style", sheet, table=tmp_path / "other" / "4f.csv")
    assert np.abs(ink(other) - ink(committed)).max() > 0.02


def test_a_fault_of_modnav_is_not_told_as_the_users(tmp_path, monkeypatch):
    def write(*_, **__):
        raise AttributeError("ours")

    monkeypatch.setattr(drawing, "write_picture", write)
    with pytest.raises(AttributeError, match="ours"):
        redraw.main([str(NUMBERS), "--out", str(tmp_path)])


def test_a_table_of_a_spreadsheet_is_drawn(tmp_path):
    table = tmp_path / "4f.csv"
    table.write_bytes(b"\xef\xbb\xbf" + NUMBERS.read_bytes().replace(b"\n", b"\r\n"))
    redrawn(tmp_path / "out", table=table)


def test_a_style_beyond_all_memory_is_refused(tmp_path, capsys):
    sheet = tmp_path / "vast.mplstyle"
    sheet.write_text("savefig.dpi: 1000000\n")
    line = said(capsys, NUMBERS, "--out", tmp_path, "--style", sheet)
    assert line.startswith(f"--style is {sheet}; 4f cannot be drawn so (")


def test_a_style_without_its_latex_is_told_as_the_styles_fault(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no latex there
    sheet = tmp_path / "tex.mplstyle"
    sheet.write_text("text.usetex: True\n")
    line = said(capsys, NUMBERS, "--out", tmp_path, "--style", sheet)
    assert line.startswith(f"--style is {sheet}; 4f cannot be drawn so (")
    assert "latex could not be found" in line


def test_what_cannot_be_drawn_in_any_style_is_the_tables_fault(tmp_path, capsys, monkeypatch):
    def overflow(*_, **__):
        raise ValueError("too many dots")

    monkeypatch.setattr(Figure, "savefig", overflow)
    sheet = tmp_path / "grid.mplstyle"
    sheet.write_text("axes.grid: True\n")
    line = said(capsys, NUMBERS, "--out", tmp_path / "out", "--style", sheet)
    assert line == f"{NUMBERS} cannot be drawn: too many dots"


def test_text_that_leaves_no_room_is_told_in_a_line(tmp_path, capsys):
    sheet = tmp_path / "large.mplstyle"
    sheet.write_text("legend.fontsize: 40\n")
    redrawn(tmp_path / "out", "--style", sheet)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"modnav: {sheet}: 4f has no room beside text so large; give a larger --size"


@pytest.mark.parametrize(
    ("sheet", "told"),
    [
        ("axes.prop_cycle: cycler('color', [])", "axes.prop_cycle is empty"),
        ("axes.nothing: 3", "Bad key axes.nothing"),
        ("lines.linewidth: wide", "line 1 ('lines.linewidth: wide'): Key lines.linewidth"),
        ("lines.marker: nothing", "4f cannot be drawn so (ValueError: Unrecognized marker"),
        ("\N{POUND SIGN}", "it is no text in UTF-8"),
    ],
)
def test_a_style_that_cannot_be_used_is_told_as_the_styles_fault(tmp_path, capsys, sheet, told):
    file = tmp_path / "odd.mplstyle"
    file.write_text(sheet, encoding="latin-1")
    line = said(capsys, NUMBERS, "--out", tmp_path / "out", "--style", file)
    assert line.startswith(f"--style is {file}; ")
    assert told in line
    assert not (tmp_path / "out").exists()


def test_a_font_that_is_not_there_is_told_once(tmp_path, capsys):
    file = tmp_path / "font.mplstyle"
    file.write_text("font.family: Nothing Sans\n")
    redrawn(tmp_path / "out", "--style", file)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(set(lines)) <= 2
    assert "'Nothing Sans' not found" in lines[0]
