"""A study through Slurm on this machine, with mishaps, compared with one that was left alone on cores.

``python tests/tools/slurm_study.py --alone FOLDER`` (root; Debian's slurmctld, slurmd, slurm-client and munge, and
``modnav[slurm]``) starts a Slurm of one node, runs the study through Snakemake's executor, and meanwhile cancels a
training half-way, requeues another as a preemption does, kills slurmctld and starts it anew, drains
the node and resumes it. It ends with status 1 unless the tables are those of ``FOLDER``, bit for bit.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from study_kills import told_same

ONE_NODE = Path(__file__).with_name("one-node.sh")
EXECUTOR = [
    "--executor",
    "slurm",
    "--jobs",
    "2",
    "--slurm-status-command",
    "squeue",
    "--seconds-between-status-checks",
    "5",
    "--slurm-init-seconds-before-status-checks",
    "5",
    "--default-resources",
    "slurm_account=none",
    "slurm_partition=main",
    "mem_mb=1500",
    "runtime=60",
]

SETTLED_S = 40.0
"""Time after each mishap: slurmctld killed at once would forget it and hold a job for running that is not."""


def told(*command: str) -> str:
    """Return what a command printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def training() -> str | None:
    """Return the id of a training that runs in Slurm."""
    for line in told("squeue", "-h", "-t", "R", "-o", "%i %k").splitlines():
        number, _, comment = line.partition(" ")
        if "train" in comment:
            return number
    return None


def half_way(folder: Path, known: set[Path]) -> str:
    """Wait until a training has left a state that is not known; return its id in Slurm."""
    while True:
        found = set(folder.glob("runs/*/*/last.ckpt")) - known
        if found and (number := training()):
            known |= found
            return number
        time.sleep(0.5)


def mishaps(folder: Path, dir_slurm: Path) -> list[tuple[str, Callable[[], None]]]:
    """Return what happens, in order."""
    known: set[Path] = set()
    node = told("hostname", "-s")

    def restart() -> None:
        os.kill(int((dir_slurm / "run/slurmctld.pid").read_text()), signal.SIGKILL)
        time.sleep(10)
        subprocess.run(["slurmctld", "-f", str(dir_slurm / "slurm.conf")], check=True)

    def drain() -> None:
        told("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
        time.sleep(20)
        told("scontrol", "update", f"nodename={node}", "state=resume")

    return [
        ("a training is cancelled", lambda: told("scancel", half_way(folder, known)) and None),
        (
            "another is requeued",
            lambda: told("scontrol", "requeue", half_way(folder, known)) and None,
        ),
        ("slurmctld is killed and started anew", restart),
        ("the node is drained and resumed", drain),
    ]


def main(study: str, alone: Path, where: Path) -> bool:
    """Run a study through Slurm; return whether its tables are those of the one left alone."""
    dir_slurm, folder = where / "slurm", where / "study"
    where.chmod(0o755)
    subprocess.run([str(ONE_NODE), "start", str(dir_slurm)], check=True)
    os.environ["SLURM_CONF"] = str(dir_slurm / "slurm.conf")
    command = [sys.executable, "-m", "modnav", "study", study, "--folder", str(folder)]
    try:
        process = subprocess.Popen([*command, "--cores", "2", "--", *EXECUTOR])
        for what, happens in mishaps(folder, dir_slurm):
            happens()
            print(f"* {what}", flush=True)
            time.sleep(SETTLED_S)
        if process.wait():
            raise RuntimeError("the study failed")
    finally:
        subprocess.run([str(ONE_NODE), "stop", str(dir_slurm)], check=False)
    return told_same(alone, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="tiny")
    parser.add_argument(
        "--alone", type=Path, required=True, help="Folder of the study left alone."
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done = main(given.study, given.alone.absolute(), Path(folder))
    sys.exit(0 if done else 1)
