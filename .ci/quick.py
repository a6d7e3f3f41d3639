"""A quick check on any system: ``python .ci/quick.py``, Python 3.11 or newer and a package registry.

A fresh virtual environment, lint, a training of seconds by the installed command, and the tests of
folders that need neither processes nor POSIX. ``.ci/run`` is the whole of it, for Linux.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
TOOLS = ("pytest", "pytest-timeout", "ruff")
TESTS = ("tests/task", "tests/acting", "tests/tables", "tests/evaluation", "tests/test_gym.py")


def run(*command: object) -> None:
    """Show a command and run it in the repository; end with its status if it fails."""
    words = [str(word) for word in command]
    print("==", *words, flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    if status := subprocess.run(words, cwd=REPO, env=environment, check=False).returncode:
        raise SystemExit(status)


def check(python: Path, work: Path) -> None:
    """Check with the Python of an environment in which modnav and the tools are installed."""
    run(python, "-m", "ruff", "check", ".")
    run(python, "-m", "ruff", "format", "--check", ".")
    debug = ("fit", "--config", "modular", "--config", "debug", "--trainer.accelerator", "cpu")
    run(python, "-m", "modnav", *debug, "--folder", work / "run")
    run(python, "-m", "modnav", "fit", "--resume", work / "run", "--phases.trials", "60")
    run(python, "-m", "pytest", "-q", *TESTS)


def main() -> None:
    """Make the environment, unless told to take this one, and check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--here", action="store_true", help="Use the environment of this Python.")
    here = parser.parse_args().here
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        work, python = Path(name), Path(sys.executable)
        if not here:
            venv.create(work / "venv", with_pip=True)
            folder = "Scripts" if os.name == "nt" else "bin"
            python = work / "venv" / folder / Path(sys.executable).name
            run(python, "-m", "pip", "install", "-q", "-c", "constraints.txt", "-e", ".", *TOOLS)
        check(python, work)


if __name__ == "__main__":
    main()
