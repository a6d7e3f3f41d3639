"""Compare learning of the steering task with that of other libraries, one processor core each.

``python tests/tools/peers.py --seeds 0-2 --seconds 1000 --out runs/peers`` trains every peer in a
process of its own, one after the other, and writes ``peers.csv`` (a row an evaluation) and
``peers.png`` into ``--out``. What is finished there is not trained again; what is not is begun anew.
``--report --page docs/peers.md`` trains nothing, draws, and puts the table into the page.
Peers are no dependencies: ``pip install -c constraints.txt sb3-contrib skrl``.
"""

import argparse
import multiprocessing
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from modnav.files import replacing

PEERS = {"modnav": "torch", "recurrent_ppo": "sb3_contrib", "td3_rnn": "skrl"}
"""What each needs."""

LABELS = {
    "modnav": "modnav: modular, fast",
    "recurrent_ppo": "sb3-contrib: RecurrentPPO",
    "td3_rnn": "skrl: TD3_RNN",
}
COLORS = {"modnav": "#0f9d8a", "recurrent_ppo": "#d9663b", "td3_rnn": "#6a63b5"}
LEVELS = (0.5, 0.9)
"""Rewarded fractions whose times are told."""


def read(folder: Path) -> pd.DataFrame:
    """Return the rows so far."""
    path = folder / "peers.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["peer", "seed", "cpu_s"])


def train_one(peer: str, seed: int, options: argparse.Namespace) -> None:
    """Train one peer in this process, and keep its rows."""
    from peer_agents import train
    from peer_watch import Watch

    before = read(options.out)
    before = before[(before["peer"] != peer) | (before["seed"] != seed)]
    own: list[dict[str, Any]] = []

    def write(row: dict[str, Any]) -> None:
        own.append({"peer": peer, "seed": seed, **row})
        with replacing(options.out / "peers.csv") as file:
            new = pd.DataFrame(own)
            (pd.concat((before, new)) if len(before) else new).to_csv(file, index=False)

    name = f"{peer} seed {seed}"
    train(peer, seed, Watch(name, options.seconds, options.every, options.trials, write))


def milestones(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, for each peer and seed, when it first reached levels and how it stood at its end."""
    found = []
    for (peer, seed), own in rows.groupby(["peer", "seed"]):
        row = {"peer": LABELS[peer], "seed": seed}
        for level in LEVELS:
            reached = own[own["rewarded_1x"] >= level]
            for key in ("cpu_s", "trials"):
                value = "never" if reached.empty else f"{reached[key].iloc[0]:,.0f}"
                row[f"{level:g} at 1x: {key}"] = value
        last = own.iloc[-1]
        row |= {"cpu_s": f"{last['cpu_s']:,.0f}", "trials": f"{last['trials']:,.0f}"}
        row["rewarded at 1x"] = f"{last['rewarded_1x']:.3f}"
        row["rewards/s at 1x / 1.5x / 2x"] = " / ".join(
            f"{last[f'rate_{gain}x']:.2f}" for gain in ("1", "1.5", "2")
        )
        found.append(row)
    return pd.DataFrame(found)


def figure(rows: pd.DataFrame) -> Figure:
    """Draw rewarded fractions over trials and over processor time; thin lines are seeds."""
    drawn = Figure(figsize=(8.5, 3.6), layout="constrained")
    axes = drawn.subplots(1, 2, sharey=True)
    for ax, key, label in zip(
        axes, ("trials", "cpu_s"), ("trials", "processor time (s)"), strict=True
    ):
        for peer, own in rows.groupby("peer"):
            seeds = [x.reset_index(drop=True) for _, x in own.groupby("seed")]
            for seed in seeds:
                ax.plot(seed[key], seed["rewarded_1x"], color=COLORS[peer], lw=0.7, alpha=0.5)
            shortest = min(map(len, seeds))
            mean = sum(x[[key, "rewarded_1x"]][:shortest] for x in seeds) / len(seeds)
            name = f"{LABELS[peer]} ({len(seeds)} seed{'s' * (len(seeds) > 1)})"
            ax.plot(mean[key], mean["rewarded_1x"], color=COLORS[peer], lw=2, label=name)
        ax.set(xlabel=label, ylim=(-0.02, 1.02))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set(ylabel="rewarded fraction, gain 1x", xscale="log")
    axes[0].set_xlim(100, None)
    handles, labels = axes[0].get_legend_handles_labels()
    drawn.legend(
        handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize="small"
    )
    return drawn


def report(folder: Path, page: Path | None = None) -> None:
    """Draw the figure, and print a table of what is there or put it into a page."""
    rows = read(folder)
    if rows.empty:
        raise SystemExit(f"{folder} holds no rows yet")
    with replacing(folder / "peers.png") as file:
        figure(rows).savefig(file, dpi=130)
    table = milestones(rows)
    lines = [list(table), ["---"] * len(table.columns), *table.astype(str).values.tolist()]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    if page is None:
        print(text, flush=True)
        return
    before, _, after = page.read_text(encoding="utf-8").partition("| peer |")
    after = after[after.index("\n\n") :]  # where the former table ends
    page.write_text(f"{before}{text}{after}", encoding="utf-8")


def main() -> int:
    """Train what is missing, in turns: all peers of a seed, then those of the next."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--seeds", default="0-2", help="A number, or a range such as 0-2.")
    parser.add_argument("--seconds", type=float, default=1000, help="Processor time of each.")
    parser.add_argument("--every", type=float, default=50, help="Of it, between evaluations.")
    parser.add_argument("--trials", type=int, default=500, help="Test trials at each gain.")
    parser.add_argument("--out", type=Path, default=Path("runs/peers"), help="Where files go.")
    parser.add_argument("--report", action="store_true", help="Train nothing.")
    parser.add_argument("--page", type=Path, help="Put the report's table in place of its table.")
    options = parser.parse_args()
    if options.report:
        report(options.out, options.page)
        return 0
    if absent := [PEERS[x] for x in options.peers if find_spec(PEERS[x]) is None]:
        print(f"{', '.join(absent)} missing: pip install -c constraints.txt sb3-contrib skrl")
        return 2
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes, before they load torch
    first, _, last = options.seeds.partition("-")
    for seed in range(int(first), int(last or first) + 1):
        for peer in options.peers:
            rows = read(options.out)
            own = rows[(rows["peer"] == peer) & (rows["seed"] == seed)]
            if own["cpu_s"].max() >= options.seconds:
                print(f"{peer} seed {seed}: finished before", flush=True)
                continue
            job = multiprocessing.get_context("spawn").Process(
                target=train_one, args=(peer, seed, options)
            )
            job.start()
            job.join()
            if job.exitcode:
                return 1
    report(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
