"""What commands show in a terminal, and where nobody looks at one."""

import io

import pytest
from rich.console import Console
from rich.progress import TimeElapsedColumn

from modnav.commands.terminal import (
    progress_bar,
    shown_progress,
    tell,
    tell_unwatched,
    wide_console,
)


@pytest.mark.parametrize(("watched", "lasting", "there"), [(1, 0, 1), (0, 0, 0), (0, 1, 1)])
def test_a_bar_is_shown_in_a_terminal_and_lines_elsewhere(watched, lasting, there, capsys):
    file = io.StringIO()
    console = Console(file=file, force_terminal=bool(watched), width=80)
    with progress_bar(console, TimeElapsedColumn(), lasting=bool(lasting)) as bar:
        bar.add_task("panels", total=3)
        bar.advance(bar.task_ids[0], 2)
        tell_unwatched(console, "2 of 3")
        bar.refresh()
    assert ("2/3" in file.getvalue()) == bool(there)
    assert capsys.readouterr().out == ("" if watched else "2 of 3\n")


def test_a_command_says_at_its_end_what_it_did(capsys):
    with shown_progress("trials", 30) as progress:
        progress(30)
    out, err = capsys.readouterr()
    assert not out
    assert "trials" in err
    assert "30/30" in err


def test_tables_are_not_cut_where_nobody_looks():
    assert wide_console().width == 160


@pytest.mark.parametrize(("rank", "said"), [("0", "x\n"), ("1", "")])
def test_one_of_several_processes_speaks(rank, said, monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", rank)
    tell("x")
    assert capsys.readouterr().out == said
