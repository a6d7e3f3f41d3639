"""Kill real runs with SIGKILL again and again, resume them, and compare with a run left alone.

``python tests/tools/kills.py --kills 24 --seed 0`` starts ``modnav fit`` on a short run, kills it at
random moments, every other time while a checkpoint is being written, resumes it with ``modnav fit
--resume``, and so on until it has ended. It prints a line for each kill, and ends with status 1
unless weights, replay, generators and the table of validations are those of the run left alone.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from modnav.runs import read

CONFIG = Path(__file__).with_name("small.yaml")
SAVES_EVERY = 0.004
"""Minutes between two saves within an epoch: so often that kills meet them."""


class Run:
    """A run in a process of its own.

    Args:
        folder: Folder of the run.
        trials: Trials of training.
    """

    def __init__(self, folder: Path, trials: int) -> None:
        self.folder, self.trials = folder, trials

    def arguments(self) -> list[str]:
        """Return what starts or resumes it."""
        if (self.folder / "config.yaml").is_file():
            return ["--resume", str(self.folder)]
        return ["--config", str(CONFIG), "--folder", str(self.folder), *self.training()]

    def training(self) -> list[str]:
        """Return how it trains."""
        saves = ["--last.every_minutes", str(SAVES_EVERY)]
        return ["--phases.trials", str(self.trials), *saves]

    def start(self) -> "subprocess.Popen[str]":
        """Start or resume it."""
        return subprocess.Popen(
            [sys.executable, "-m", "modnav", "fit", *self.arguments()],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def writing(self) -> bool:
        """Return whether a checkpoint is half written."""
        return any(self.folder.glob(".last.ckpt.*")) or any(
            self.folder.glob("checkpoints/.*.ckpt.*")
        )

    def saved_at(self) -> float:
        """Return when the last checkpoint was written; 0 if there is none."""
        last = self.folder / "last.ckpt"
        return last.stat().st_mtime if last.is_file() else 0.0

    def state(self) -> dict[str, Any]:
        """Return the full state it ended in, but for wall times and paths."""
        state = read(self.folder / "last.ckpt").content
        del state["callbacks"]
        return state

    def table(self) -> pd.DataFrame:
        """Return its validations, but for wall times."""
        return pd.read_csv(self.folder / "validation.csv").drop(columns="seconds")


class StackedRuns(Run):
    """Three stacked members of a population in a process of their own."""

    def arguments(self) -> list[str]:
        """Return what starts or resumes them."""
        kind = ["--population", "stacked"]
        if self.saved_at():
            return ["--resume", str(self.folder), *kind]
        what = ["--config", str(CONFIG), "--seeds", "0-2", *kind, "--overwrite", "true"]
        what += ["--runs", str(self.folder.parent), "--name", self.folder.name]
        return [*what, *self.training()]

    def members(self) -> list[Run]:
        """Return the runs of its members."""
        return [Run(self.folder / f"seed{k}", self.trials) for k in range(3)]

    def writing(self) -> bool:
        """Return whether a checkpoint of a member is half written."""
        return any(member.writing() for member in self.members())

    def saved_at(self) -> float:
        """Return when all members had a state, and the last of these was written."""
        times = [member.saved_at() for member in self.members()]
        return max(times) if all(times) else 0.0

    def state(self) -> dict[str, Any]:
        """Return what the members learned: global generators are shared, and loops are parted."""
        states = {member.folder.name: member.state() for member in self.members()}
        for state in states.values():
            del state["random"], state["loops"]
        return states

    def table(self) -> pd.DataFrame:
        """Return the validations of all."""
        return pd.concat([member.table() for member in self.members()])


def kill_at_random(run: Run, chance: random.Random, until: float, *, writing: bool) -> str:
    """Start the run and kill it; return when that was, or ``ended`` if it ended before.

    One kill in four comes at any time after the start, the others at any time after the first
    checkpoint since the start, so that the run gets on.

    Raises:
        RuntimeError: If it failed by itself.
    """
    before = run.saved_at()
    process, start = run.start(), time.monotonic()
    anywhere, delay, met = chance.random() < 0.25, chance.uniform(0, until), False
    since = start if anywhere else None
    while process.poll() is None:
        if since is None and run.saved_at() != before:
            since = time.monotonic()
        late = since is not None and time.monotonic() - since > delay
        met = writing and late and run.writing()
        if met or (late and not writing):
            break
        time.sleep(0.0005)
    process.kill()
    _, err = process.communicate()
    if process.returncode == 0:
        return "ended"
    if process.returncode > 0:
        raise RuntimeError(f"the run failed by itself: {err}")
    if met:
        return "killed while it wrote a checkpoint"
    return "killed while it trained" if run.saved_at() != before else "killed while it started"


def differences(a: Any, b: Any, name: str = "state") -> list[str]:
    """Return the names of what is not the same bit for bit in two states."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return [] if torch.equal(a, b) else [name]
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [x for key in a for x in differences(a[key], b[key], f"{name}/{key}")]
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        pairs = enumerate(zip(a, b, strict=True))
        return [x for k, (p, q) in pairs for x in differences(p, q, f"{name}/{k}")]
    return [] if type(a) is type(b) and a == b else [name]


def main(kills: int, seed: int, trials: int, until: float, kind: type[Run] = Run) -> bool:
    """Kill a run ``kills`` times; return whether it was, and ended as one left alone.

    Args:
        kills: Number of kills; the run is left alone after them.
        seed: Seed of the moments.
        trials: Trials of the run.
        until: Longest time to a kill, s.
        kind: What is killed.
    """
    chance, counts = random.Random(seed), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        alone = kind(Path(folder) / "alone", trials)
        process = alone.start()
        _, err = process.communicate()
        if process.returncode:
            raise RuntimeError(f"the run left alone failed: {err}")
        run = kind(Path(folder) / "killed", trials)
        for k in range(kills):
            when = kill_at_random(run, chance, until, writing=k % 2 == 1)
            print(f"{k + 1}: {when}", flush=True)
            counts[when] += 1
            if when == "ended":
                break
        process = run.start() if when != "ended" else process
        _, err = process.communicate() if when != "ended" else ("", "")
        if process.returncode:
            raise RuntimeError(f"the killed run did not go on: {err}")
        other = differences(alone.state(), run.state())
        other += [] if alone.table().equals(run.table()) else ["validation.csv"]
    print(", ".join(f"{name}: {count}" for name, count in counts.items()))
    print(f"NOT the same: {', '.join(other)}" if other else "the same as the run left alone")
    return not other and counts["ended"] == 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=4000)
    parser.add_argument("--until", type=float, default=3.0, help="Longest time to a kill, s.")
    parser.add_argument("--stacked", action="store_true", help="Kill a stacked population.")
    given = parser.parse_args()
    kind = StackedRuns if given.stacked else Run
    done = main(given.kills, given.seed, given.trials, given.until, kind)
    sys.exit(0 if done else 1)
