"""A lost or poor terminal: real commands, whose output nobody reads or can show."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT = 300  # s; a command that waits for ever is the fault, a slow machine is none
FIT = ["fit", "--config", "small.yaml"]
LAST = Path("runs/small/seed0/last.ckpt")


def start(*args: str, **options) -> subprocess.Popen:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([sys.executable, "-m", "modnav", *args], **options)


def test_a_training_whose_reader_goes_away_after_a_line_is_finished(small):
    with start(*FIT) as training:
        training.stdout.readline()
        training.stdout.close()
        assert training.wait(LIMIT) == 0
        assert training.stderr.read() == ""
    assert LAST.exists()
    assert Path("runs/small/seed0/learning_curve.png").exists()


def test_a_training_that_nobody_ever_reads_is_finished(small):
    reading, writing = os.pipe()
    os.close(reading)
    with start(*FIT, stdout=writing, stderr=writing) as training:
        os.close(writing)
        assert training.wait(LIMIT) == 0
    assert LAST.exists()


def test_a_terminal_without_unicode(small):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    with start(*FIT, env=environment) as training:
        out, err = training.communicate(timeout=LIMIT)
    assert training.returncode == 0, err
    assert "best checkpoint" in out


@pytest.mark.skipif(sys.platform == "win32", reason="its shell closes no output")
@pytest.mark.parametrize("command", [FIT, ["--help"]])
def test_an_output_that_was_closed(command, small):
    line = [sys.executable, "-m", "modnav", *command]
    with subprocess.Popen(
        ["sh", "-c", '"$@" >&-', "sh", *line], stderr=subprocess.PIPE
    ) as process:
        assert process.wait(LIMIT) == 0
        assert b"Traceback" not in process.stderr.read()
    assert LAST.exists() == (command == FIT)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="terminals do not hang up here")
def test_a_closed_terminal_ends_no_training(small):
    more = ["--phases.trials", "200"]
    with start(*FIT, *more) as training:
        training.stdout.readline()
        training.send_signal(signal.SIGHUP)
        assert training.wait(LIMIT) == 0
    assert LAST.exists()


@pytest.mark.parametrize("command", [["--help"], ["fit", "--print_config"], ["best", "--help"]])
def test_other_commands_end_quietly(command, small):
    reading, writing = os.pipe()
    os.close(reading)
    with start(*command, stdout=writing) as process:
        os.close(writing)
        assert process.wait(LIMIT) in (141, 0)
        assert "Traceback" not in process.stderr.read()
