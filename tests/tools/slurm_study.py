"""A study through Slurm on this machine, with mishaps, compared with one that was left alone on cores.

``python tests/tools/slurm_study.py --alone FOLDER`` (root; Debian's slurmctld, slurmd, slurm-client and munge, and
``modnav[slurm]``) starts a Slurm of one node, runs the study through Snakemake's executor, and meanwhile cancels a
training half-way, requeues another as a preemption does, kills slurmctld and starts it anew, drains
the node and resumes it. It ends with status 1 unless the tables are those of ``FOLDER``, bit for bit.
"""

import argparse
import os
import re
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

MISHAPS = ["cancel", "requeue", "usr1", "restart", "drain"]
"""What happens by default; the first three each to a training of its own."""

SETTLED_S = 40.0
"""Time after what happened before: slurmctld killed at once would forget it and hold a job for running that is not."""


def told(*command: str) -> str:
    """Return what a command printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def trainings() -> dict[str, str]:
    """Return the ids of trainings that run in Slurm, by the folder of their run within the study's."""
    found = {}
    for line in told("squeue", "-h", "-t", "R", "-o", "%i %k").splitlines():
        number, _, comment = line.partition(" ")
        if match := re.search(r"wildcards_train_([\w.+-]+)_(seed\d+)_", comment):
            found[f"runs/{match[1]}/{match[2]}"] = number
    return found


def half_way(folder: Path, known: set[str]) -> str:
    """Wait until a training that is not known has left a state; return its id in Slurm."""
    while True:
        for run, number in trainings().items():
            if run not in known and (folder / run / "last.ckpt").is_file():
                known.add(run)
                print(f"{run} is job {number}", flush=True)
                return number
        time.sleep(0.2)


def mishaps(folder: Path, dir_slurm: Path) -> dict[str, tuple[str, Callable[[], object]]]:
    """Return what may happen: by name, what is told of it and what does it."""
    known: set[str] = set()
    node = told("hostname", "-s")

    def restart() -> None:
        time.sleep(SETTLED_S)
        os.kill(int((dir_slurm / "run/slurmctld.pid").read_text()), signal.SIGKILL)
        time.sleep(10)
        subprocess.run(["slurmctld", "-f", str(dir_slurm / "slurm.conf")], check=True)

    def drain() -> None:
        time.sleep(SETTLED_S)
        told("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
        time.sleep(20)
        told("scontrol", "update", f"nodename={node}", "state=resume")

    return {
        "cancel": ("a training is cancelled", lambda: told("scancel", half_way(folder, known))),
        "requeue": (
            "a training is requeued",
            lambda: told("scontrol", "requeue", half_way(folder, known)),
        ),
        "usr1": (
            "a training gets SIGUSR1",
            lambda: told("scancel", "--signal=USR1", half_way(folder, known)),
        ),
        "restart": ("slurmctld is killed and started anew", restart),
        "drain": ("the node is drained and resumed", drain),
    }


def main(study: str, alone: Path, where: Path, names: list[str]) -> bool:
    """Run a study through Slurm; return whether its tables are those of the one left alone.

    Args:
        study: The study.
        alone: Folder of the one left alone.
        where: Folder to work in.
        names: Mishaps, in order.
    """
    dir_slurm, folder = where / "slurm", where / "study"
    where.mkdir(parents=True, exist_ok=True)
    where.chmod(0o755)
    subprocess.run([str(ONE_NODE), "start", str(dir_slurm)], check=True)
    os.environ["SLURM_CONF"] = str(dir_slurm / "slurm.conf")
    command = [sys.executable, "-m", "modnav", "study", study, "--folder", str(folder)]
    try:
        process = subprocess.Popen([*command, "--cores", "2", "--", *EXECUTOR])
        for what, happens in map(mishaps(folder, dir_slurm).get, names):
            happens()
            print(f"* {what}", flush=True)
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
    parser.add_argument(
        "--mishaps", nargs="+", default=MISHAPS, choices=MISHAPS, help="What happens, in order."
    )
    parser.add_argument("--where", type=Path, help="Folder to work in, which is kept.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = given.where and given.where.absolute()
        done = main(given.study, given.alone.absolute(), where or Path(folder), given.mishaps)
    sys.exit(0 if done else 1)
