"""The script that checks a GPU, on the processor; and that it would notice."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import gpu_check
import pytest
from forked import Forked, script
from pytest_here import with_pytest_here

SCRIPT = gpu_check.__file__


def forked(command: Sequence[str], **_: object) -> Forked:
    """Begin a part with everything imported."""
    assert list(command[:2]) == [sys.executable, SCRIPT]
    return Forked("gpu_check", *command[2:], call=script, begin=with_pytest_here)


def test_all_parts_pass_on_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "report.md"
    command = [SCRIPT, "--device", "cpu", "--quick", "--minutes", "30", "--out", str(path)]
    monkeypatch.setattr(sys, "argv", command)
    known = {**vars(subprocess), "Popen": forked}
    monkeypatch.setattr(gpu_check, "subprocess", SimpleNamespace(**known))
    with pytest.raises(SystemExit) as end:
        gpu_check.main()
    report = path.read_text()
    assert end.value.code == 0, report
    assert gpu_check.FAILED not in report
    for part in gpu_check.SHARES:
        assert f"{part}: done" in report
    assert "1 passed" in report
    assert "stacked and lone, modular, P = 2: losses of 4 updates differ by" in report
    assert "gradients and those of the processor, modular, P = 2, 32-true: critic" in report
    assert "weights bit for bit: True" in report
    assert "| ekf | 2 | fp32 |" in report
    assert "agent-updates a second in all" in report


def test_a_check_that_fails_is_told_and_the_next_is_done(tmp_path: Path):
    report = gpu_check.Report(tmp_path / "report.md")
    report.attempt("one", lambda: gpu_check.below("it is", 1.0, 0.1))
    report.attempt("nan", lambda: gpu_check.below("it is", float("nan"), 0.1))
    report.attempt("two", lambda: gpu_check.below("it is", 0.01, 0.1))
    told = (tmp_path / "report.md").read_text().splitlines()
    assert told[0].startswith(f"- {gpu_check.FAILED}: one: AssertionError: it is 1, above 0.1")
    assert told[1].startswith(f"- {gpu_check.FAILED}: nan")
    assert told[2].startswith("- ok: two: it is 0.01")


def test_after_a_failure_a_new_process_goes_on(tmp_path: Path):
    """Of four pieces the second fails and the third dies."""
    report = gpu_check.Report(tmp_path / "report.md")
    code = """
import os, pathlib, sys
begun = pathlib.Path(sys.argv[1])
for piece in range(int(sys.argv[3]), 4):
    begun.write_text(str(piece))
    if piece == 2:
        os.abort()
    with begun.with_suffix(".md").open("a") as file:
        file.write(f"piece {piece} of {os.getpid()}\\n")
    if piece == 1:
        sys.exit(75)
"""
    command = [sys.executable, "-c", code, str(tmp_path / "report.begun")]
    gpu_check.run_part(report, "part", command, 60)
    told = (tmp_path / "report.md").read_text()
    done = [line.split()[1] for line in told.splitlines() if line.startswith("piece")]
    assert done == ["0", "1", "3"]
    assert f"{gpu_check.FAILED}: number 2 ended with -6" in told
    assert "part: done" in told


def test_tests_go_on_after_one_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu_check, "ROOT", tmp_path)
    for folder in ("whole_runs", "networks", "learning"):
        (tmp_path / "tests" / folder).mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "tests/whole_runs/test_gpu.py").write_text(
        "import os\n\ndef test_a():\n    assert 1 > 2\n\ndef test_ab():\n    os.abort()\n\n"
        "def test_abc():\n    pass\n"
    )
    report = gpu_check.Report(tmp_path / "report.md")
    gpu_check.tests(report, argparse.Namespace(quick=False, device="cuda", seconds=60.0))
    told = (tmp_path / "report.md").read_text()
    for name, how in (("test_a", "FAILED"), ("test_ab", "ended with -6")):
        assert f"{gpu_check.FAILED}: `tests/whole_runs/test_gpu.py::{name}`: {how}" in told
    assert "E   assert 1 > 2" in told
    assert "1 passed, 0 for which there was no time" in told


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import time; time.sleep(600)", "ended with out of time"),
        ("import os; os.abort()", "ended with -6"),
        ("import sys; sys.exit(75)", "ended with 75"),
        ("raise SystemExit(0)", "done"),
    ],
)
def test_a_part_that_hangs_or_dies_is_ended_and_told(tmp_path: Path, code: str, told: str):
    report = gpu_check.Report(tmp_path / "report.md")
    gpu_check.run_part(report, "part", [sys.executable, "-c", code], 1 if "sleep" in code else 60)
    assert f"part: {told}" in (tmp_path / "report.md").read_text().replace("**FAILED**: ", "")


def test_where_modnav_is_not_installed_nothing_is_tried(tmp_path: Path):
    command = [sys.executable, "-E", "-S", SCRIPT, "--out", str(tmp_path / "report.md")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "modnav is not installed" in done.stderr
    assert not list(tmp_path.iterdir())
