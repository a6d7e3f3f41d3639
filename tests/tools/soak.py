"""Soak: train the EKF agent for many environment steps, and watch memory and throughput.

``python tests/tools/soak.py --steps 1000000 --out analysis/results/soak`` runs ``modnav fit --config ekf``
with small replay, so that it is full early, and many parallel trials, so that it is quick. It writes
``rss.csv`` and ``rss.png`` into ``--out`` and ends with status 1 if memory grows or throughput falls.
Linux alone: it reads ``/proc``.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

from modnav.callbacks.parts import experience_of, learner_of
from modnav.cli import main as modnav
from modnav.learning import End

CAPACITY = 50_000
"""Steps in replay, mirror images counted."""

SETTLED = 0.2
"""Fraction of the run after which memory is judged: allocators need a few epochs, too."""


def resident_mb() -> float:
    """Return the resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def yardstick_ms() -> float:
    """Return the processor time of a fixed piece of work: how fast the machine is just now."""
    start, x = time.process_time(), torch.full((256, 300), 0.5)
    weight = torch.full((300, 300), 0.001)
    for _ in range(20):
        x = torch.tanh(x @ weight)
    return 1e3 * (time.process_time() - start)


class Watch(Callback):
    """Note memory and processor time while a run trains, and end it after some steps.

    Args:
        steps: Environment steps after which the run ends.
        interval: Environment steps between two notes.
    """

    def __init__(self, steps: int, interval: int) -> None:
        self.steps, self.interval = steps, interval
        self.rows: list[dict[str, Any]] = []
        self._start = time.monotonic()
        self._cpu, self._acted = 0.0, 0
        self._mark: tuple[float, int] | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out what lies between epochs: validation and checkpoints."""
        self._mark = None

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Count the time since the last batch, and take a note when it is due."""
        experience = experience_of(trainer)
        now, steps = time.process_time(), experience.counters.total_env_steps
        if self._mark is not None:
            self._cpu += now - self._mark[0]
            self._acted += steps - self._mark[1]
        if steps >= len(self.rows) * self.interval:
            self.rows.append(
                {
                    "env_steps": steps,
                    "trials": experience.counters.total_trials,
                    "updates": learner_of(trainer).updates,
                    "replay_fill": len(experience.replay) / experience.replay.capacity,
                    "seconds": round(time.monotonic() - self._start, 2),
                    "training_steps": self._acted,
                    "training_cpu_s": round(self._cpu, 3),
                    "yardstick_ms": round(yardstick_ms(), 3),
                    "rss_mb": round(resident_mb(), 2),
                }
            )
        self._mark = time.process_time(), steps
        if steps >= self.steps:
            trainer.should_stop = True
            experience._apply(End())


def soak(steps: int, folder: Path, more: list[str]) -> pd.DataFrame:
    """Train for some steps in a folder, and return what was noted.

    Args:
        steps: Environment steps.
        folder: Where the run goes.
        more: Further arguments of ``modnav fit``.
    """
    watches: list[Watch] = []

    class Watched(Watch):
        def __init__(self) -> None:
            super().__init__(steps, max(steps // 500, 1))
            watches.append(self)

    sys.modules["soaked"] = type(sys)("soaked")
    sys.modules["soaked"].Watched = Watched  # type: ignore[attr-defined]  # where the CLI looks
    Watched.__module__, Watched.__qualname__ = "soaked", "Watched"
    data = {
        "replay.init_args.capacity": CAPACITY,
        "parallel_trials": 64,
        "steps_per_update": 16,
        "validation.trials": 50,
        "validation.selection_trials": 50,
    }
    words = ["fit", "--config", "ekf", "--folder", str(folder), "--trainer.accelerator", "cpu"]
    words += ["--trainer.callbacks+=soaked.Watched", "--trainer.enable_progress_bar", "false"]
    words += ["--phases.trials", str(steps), "--phases.give_up", str(steps)]
    for key, value in data.items():
        words += [f"--data.{key}", str(value)]
    modnav(words + more)
    return pd.DataFrame(watches[0].rows)


def judge(table: pd.DataFrame) -> dict[str, float]:
    """Return growth of memory and drift of throughput once replay is full.

    Returns:
        ``full_at``, steps; ``growth_mb_per_million``, from a straight line; ``growth_mb``, last
        tenth less first tenth; ``slower``, processor time per step, last third to first third, in
        units of the yardstick; ``steps_per_cpu_s``; ``steps_per_s``, with validation and
        checkpoints, on the machine as it was.

    Raises:
        ValueError: If replay was never full.
    """
    if not table["replay_fill"].eq(1).any():
        raise ValueError("replay was never full; the soak must be longer")
    full_at = float(table.loc[table["replay_fill"].eq(1).idxmax(), "env_steps"])
    last = float(table["env_steps"].iloc[-1])
    judged = table[table["env_steps"] >= max(full_at, SETTLED * last)]
    x, rss = judged["env_steps"].to_numpy(float), judged["rss_mb"].to_numpy(float)
    part, third = max(len(judged) // 10, 1), max(len(judged) // 3, 2)
    thirds = [judged.iloc[:third], judged.iloc[-third:]]
    cost = [_cpu_per_step(rows) / rows["yardstick_ms"].median() for rows in thirds]
    return {
        "full_at": full_at,
        "growth_mb_per_million": float(np.polyfit(x, rss, 1)[0] * 1e6),
        "growth_mb": float(np.median(rss[-part:]) - np.median(rss[:part])),
        "slower": cost[1] / cost[0],
        "steps_per_cpu_s": 1 / _cpu_per_step(judged),
        "steps_per_s": last / float(table["seconds"].iloc[-1]),
    }


def _cpu_per_step(rows: pd.DataFrame) -> float:
    first, last = rows.iloc[0], rows.iloc[-1]
    steps = last["training_steps"] - first["training_steps"]
    return float((last["training_cpu_s"] - first["training_cpu_s"]) / steps)


def faults(found: dict[str, float], growth: float, slower: float) -> list[str]:
    """Return what is wrong with a soak.

    Args:
        found: What :func:`judge` returned.
        growth: Growth per million steps, or of the whole run if that is shorter, that is taken for
            noise, MB.
        slower: Ratio of processor time per step, last third to first, that is taken for noise.
    """
    wrong = []
    if min(found["growth_mb_per_million"], found["growth_mb"]) > growth:
        wrong.append(f"memory grew by {found['growth_mb']:.1f} MB after replay was full")
    if found["slower"] > slower:
        wrong.append(f"steps take {found['slower']:.2f} times the processor time in the end")
    return wrong


def figure(table: pd.DataFrame, found: dict[str, float]) -> Figure:
    """Draw memory and throughput over environment steps."""
    drawn = Figure(figsize=(7, 4.4), layout="constrained")
    upper, lower = drawn.subplots(2, 1, sharex=True)
    x = table["env_steps"] / 1e3
    upper.plot(x, table["rss_mb"], color="0.2", lw=1)
    upper.axvline(found["full_at"] / 1e3, color="lightseagreen", ls=":", label="replay is full")
    upper.set(ylabel="resident memory (MB)", ylim=(0, None))
    upper.legend(frameon=False)
    window = max(len(table) // 50, 1)
    speed = table["training_steps"].diff(window) / table["training_cpu_s"].diff(window)
    slow = table["yardstick_ms"].rolling(window).median() / table["yardstick_ms"].median()
    lower.plot(x, speed, color="0.75", lw=1, label="as measured")
    lower.plot(x, speed * slow, color="0.2", lw=1, label="on a machine of one speed")
    lower.legend(frameon=False, loc="lower right")
    lower.set(xlabel="environment steps (thousands)", ylabel="steps per s of\nprocessor time")
    lower.set_ylim(0, None)
    drawn.align_ylabels()
    return drawn


def main() -> None:
    """Run a soak, write table and figure, say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000, help="Environment steps.")
    parser.add_argument("--out", type=Path, default=Path("runs/soak"), help="Where files go.")
    parser.add_argument("--growth", type=float, default=20.0, help="Growth taken for noise, MB.")
    parser.add_argument("--slower", type=float, default=1.25, help="Slowing taken for noise.")
    options, more = parser.parse_known_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        table = soak(options.steps, Path(folder) / "run", more)
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "rss.csv", index=False)
    found = judge(table)
    figure(table, found).savefig(options.out / "rss.png", dpi=120)
    for name, value in found.items():
        print(f"{name:24}{value:14,.2f}")
    wrong = faults(found, options.growth, options.slower)
    print("; ".join(wrong) or f"no growth, no drift in {table['env_steps'].iloc[-1]:,} steps")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
