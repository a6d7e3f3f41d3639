"""A lost or poor terminal: real commands, whose output nobody reads or can show."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from forked import Forked

LIMIT = 300  # s; a command that waits for ever is the fault, a slow machine is none
FIT = ["fit", "--config", "small.yaml"]
LAST = Path("runs/small/seed0/last.ckpt")


def start(*args: str, **options) -> subprocess.Popen:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([sys.executable, "-m", "modnav", *args], **options)


def test_a_training_whose_reader_goes_away_after_a_line_is_finished(small):
    reading, writing = os.pipe()
    training = Forked(*FIT, stdout=writing)
    os.close(writing)
    with os.fdopen(reading) as lines:
        lines.readline()
    assert training.wait(LIMIT) == 0
    assert training.communicate()[1] == ""
    assert LAST.exists()
    assert Path("runs/small/seed0/learning_curve.png").exists()


def test_a_training_that_nobody_ever_reads_is_finished(small):
    assert unread(*FIT) == (0, "")
    assert LAST.exists()


def in_ascii() -> None:
    """Let standard output be as ``PYTHONIOENCODING=ascii`` has it."""
    sys.stdout.reconfigure(encoding="ascii", errors="strict")


def test_a_terminal_without_unicode(small):
    with Forked(*FIT, "--phases.trials", "20", "--name", "größe", begin=in_ascii) as training:
        out, err = training.communicate(timeout=LIMIT)
    assert training.returncode == 0, err
    assert "best checkpoint: runs/gr??e/" in out


@pytest.mark.skipif(sys.platform == "win32", reason="its shell closes no output")
@pytest.mark.parametrize("command", [[*FIT, "--phases.trials", "20"], ["--help"]])
def test_an_output_that_was_closed(command, small):
    line = [sys.executable, "-m", "modnav", *command]
    with subprocess.Popen(
        ["sh", "-c", '"$@" >&-', "sh", *line], stderr=subprocess.PIPE
    ) as process:
        assert process.wait(LIMIT) == 0
        assert b"Traceback" not in process.stderr.read()
    assert LAST.exists() == (command != ["--help"])


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="terminals do not hang up here")
def test_a_closed_terminal_ends_no_training(small):
    reading, writing = os.pipe()
    training = Forked(*FIT, "--phases.trials", "200", stdout=writing)
    os.close(writing)
    with os.fdopen(reading) as lines:
        lines.readline()
        training.send_signal(signal.SIGHUP)
        lines.read()
    training.communicate(LIMIT)
    assert training.returncode == 0
    assert LAST.exists()


def unread(*command: str) -> tuple[int, str]:
    """Run a command whose output nobody ever reads; return its status and what it complained of."""
    reading, writing = os.pipe()
    os.close(reading)
    process = Forked(*command, stdout=writing)
    os.close(writing)
    status = process.wait(LIMIT)
    return status, process.communicate()[1]


@pytest.mark.parametrize("command", [["--help"], ["best", "--help"], ["best", "nowhere"]])
def test_other_commands_end_quietly(command):
    status, told = unread(*command)
    assert status == (2 if "nowhere" in command else 141)  # a mistake is the greater matter
    assert told.count("\n") == (1 if "nowhere" in command else 0)


def test_what_other_commands_write_is_whole(small_run):
    table = LAST.with_suffix(".trials.csv")
    for args in (
        ["validate", "--ckpt_path", str(LAST)],
        ["predict", "--ckpt_path", str(LAST)],
        ["evaluate", str(LAST.parent), "--out", "out", "--trials", "2"],
        ["best", str(LAST.parent), "--out", "out", "--json", "best.json"],
    ):
        status, told = unread(*args)
        assert (status, told) == (141, "")
    assert len(table.read_text().splitlines()) == 1 + 2 * 5
    assert "checkpoint" in Path("best.json").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk at hand")
def test_an_output_on_a_full_disk_is_told():
    with Path("/dev/full").open("w") as full, start("--help", stdout=full) as process:
        assert process.wait(LIMIT) == 2
        assert "No space left on device" in process.stderr.read()
