"""Kill a study again and again, start it anew, and compare its tables with those of one left alone.

``python tests/tools/study_kills.py --kills 5 --study tiny`` runs ``modnav study`` to its end; then once more in
another folder, where in turn the whole process group, the engine alone, or one of its jobs is killed by
SIGKILL at random moments, and the study is started anew. It ends with status 1 unless the results,
selected checkpoints and weights are the same bit for bit.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil
import torch

from modnav.runs import read

WAYS = ("group", "engine", "job")
"""What is killed: all processes at once, the engine, or one job (which the engine starts anew)."""


def started(study: str, folder: Path, log: Path, cores: int = 2) -> subprocess.Popen:
    """Start a study in a process group of its own."""
    command = [sys.executable, "-m", "modnav", "study", study, "--folder", str(folder)]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*command, "--cores", str(cores)],
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def jobs_of(process: subprocess.Popen) -> list[psutil.Process]:
    """Return the processes of the jobs that an engine has started."""
    try:
        below = psutil.Process(process.pid).children(recursive=True)
        return [p for p in below if "modnav.commands.study.step" in p.cmdline()]
    except psutil.Error:
        return []


def kill(process: subprocess.Popen, way: str, chance: random.Random) -> str:
    """Kill by SIGKILL; return what was killed.

    After the engine alone was killed its jobs save their states and end.
    """
    jobs = jobs_of(process)
    if way == "job" and jobs:
        victim = chance.choice(jobs)
        told = f"job {victim.cmdline()[3]}"
        victim.kill()
        return told
    if way == "group":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    for job in jobs:
        assert not _lives(job, 60), f"{job} outlived its engine"
    return f"{way} with {len(jobs)} jobs"


def _lives(job: psutil.Process, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while job.is_running() and job.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return True
        time.sleep(0.2)
    return False


def differences(one: Path, other: Path) -> list[str]:
    """Return what is not the same in two finished studies: results, figures' numbers, checkpoints."""
    found = []
    tables = [pd.read_parquet(folder / "results.parquet") for folder in (one, other)]
    if not tables[0].equals(tables[1]):
        found.append("results.parquet")
    for file in sorted(one.rglob("*.csv")):
        name = file.relative_to(one)
        if name.parts[0] in ("figures", "evaluations"):
            same = (other / name).is_file() and file.read_bytes() == (other / name).read_bytes()
            found += [] if same else [str(name)]
    for file in sorted(one.glob("runs/*/*/checkpoints/*.ckpt")):
        name = file.relative_to(one)
        weights = [read(folder / name).content["state_dict"] for folder in (one, other)]
        same = all(torch.equal(w, weights[1][key]) for key, w in weights[0].items())
        found += [] if same else [str(name)]
    return found


def told_same(alone: Path, other: Path) -> bool:
    """Tell whether two folders hold the same study, and return it."""
    apart = differences(alone, other)
    print(f"NOT the same: {', '.join(apart)}" if apart else "the same as the study left alone")
    return not apart


def main(study: str, kills: int, seed: int, until: float, where: Path, given: Path | None) -> bool:
    """Kill a study ``kills`` times; return whether it ended as one left alone.

    Args:
        study: The study.
        kills: Number of kills.
        seed: Seed of the moments.
        until: Longest time to a kill, s.
        where: Folder to work in.
        given: Folder of the study left alone, if it was run before.
    """
    chance, log = random.Random(seed), where / "log"
    alone, killed = given or where / "alone", where / "killed"
    if given is None:
        began = time.monotonic()
        if started(study, alone, log).wait():
            raise RuntimeError(f"the study left alone failed: {log}")
        print(f"left alone it took {time.monotonic() - began:.0f} s", flush=True)
    process = started(study, killed, log)
    for k in range(kills):
        while k % 4 and process.poll() is None and not jobs_of(process):
            time.sleep(0.2)  # three of four come after jobs were begun, so that the study gets on
        time.sleep(chance.uniform(0, until))
        if process.poll() is not None:
            print(f"{k + 1}: ended before, with status {process.returncode}", flush=True)
            return False
        print(f"{k + 1}: {kill(process, WAYS[k % len(WAYS)], chance)}", flush=True)
        if process.poll() is not None:
            process = started(study, killed, log)
    if process.wait():
        raise RuntimeError(f"the study did not go on: {log}")
    return told_same(alone, killed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="tiny")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until", type=float, default=60.0, help="Longest time to a kill, s.")
    parser.add_argument("--alone", type=Path, help="Folder of the study left alone.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        done = main(
            options.study,
            options.kills,
            options.seed,
            options.until,
            Path(folder),
            options.alone and options.alone.absolute(),
        )
    sys.exit(0 if done else 1)
