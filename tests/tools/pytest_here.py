"""Tests that a script of this folder runs, in the process of the script: no second one imports all.

Not in a file of tests: a process that is forked from the server finds none of these by its name.
"""

import io
import os
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gpu_check
import pytest


def with_pytest_here() -> None:
    """Let this part run pytest in its own process; that it starts others is tested below."""

    def run(command: Sequence[str], *, cwd: Path, **_: object) -> SimpleNamespace:
        assert tuple(command[:3]) == gpu_check.PYTEST[:3]
        os.chdir(cwd)
        with redirect_stdout(io.StringIO()) as told:
            status = int(pytest.main([*command[3:]]))
        return SimpleNamespace(stdout=told.getvalue(), returncode=status)

    def popen(*args: Any, **kwargs: Any) -> nullcontext[SimpleNamespace]:
        done = run(*args, **kwargs)
        done.stdout, done.kill = done.stdout.splitlines(keepends=True), None
        return nullcontext(done)

    known = {**vars(subprocess), "run": run, "Popen": popen}
    gpu_check.subprocess = SimpleNamespace(**known)  # type: ignore[assignment]
