"""Commands on a system without the names of POSIX."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "tools" / "windows.py"


def test_commands_work_without_what_windows_lacks(tmp_path: Path):
    """The limit ends a process that hangs; it takes seconds."""
    command = [sys.executable, str(SCRIPT), str(tmp_path)]
    environment = {**os.environ, "MODNAV_TRACEBACK": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=600, env=environment
    )
    assert done.returncode == 0, done.stderr
    (curve,) = tmp_path.glob("training_curve/gain/*")
    assert len(curve.read_text().splitlines()) == 1 + 3 * 3
    tables = {path.name for path in (tmp_path / "tables").iterdir()}
    assert tables == {"trials.parquet", "steps.parquet", "units.parquet"}
