"""``modnav bench``: how fast this machine acts, learns and evaluates, beside a plain path."""

import argparse
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from modnav.bench import FIGURES, Figure, Settings, Spread, matmul_rates, threads
from modnav.learning import check_precision
from modnav.networks import description_of

from .training import quieten


def main(args: Sequence[str]) -> None:
    """Run the command.

    Raises:
        ValueError: For a mistake in the arguments.
        OSError: If the JSON file cannot be written.
    """
    given = _parser().parse_args(args)
    description_of(given.agent)  # complains before anything is timed
    check_precision(given.precision, on_cpu=True, key="--precision")
    settings = Settings(given.agent, given.precision, given.threads, given.seconds)
    quieten()
    with threads(settings.threads):
        rates = matmul_rates(seconds=min(1.0, settings.seconds))
        print(_heading(settings, rates), flush=True)
        figures = []
        for name in [given.figure] if given.figure else FIGURES:
            figures.append(FIGURES[name](settings))
            print(_row(figures[-1], rates, settings), flush=True)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(report(settings, rates, figures), indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modnav bench",
        description="Time what trainings do, in turns with a plain path that does the same: one "
        "trial at a time, updates in fp32 with the optimizer's defaults, replay as a list. "
        "Medians with quartiles in brackets, as a table in Markdown.",
    )
    add = parser.add_argument
    add("figure", nargs="?", choices=list(FIGURES), help="one figure (default: all)")
    add("--agent", default="modular", help="architecture, e.g. holistic, Actor2Critic4 (modular)")
    add(
        "--precision",
        choices=("32-true", "bf16-mixed"),
        default="32-true",
        help="precision of the updates, but for those of the plain path (32-true)",
    )
    add("--threads", type=int, default=1, metavar="N", help="threads (1)")
    add("--seconds", type=float, default=12.0, metavar="S", help="time for each figure (12)")
    add("--json", type=Path, metavar="FILE", help="also write all numbers here")
    return parser


def report(settings: Settings, rates: dict[str, float], figures: list[Figure]) -> dict[str, Any]:
    """Return all numbers with what they were measured on, fit for JSON."""
    found = []
    for figure in figures:
        named = {k: v._asdict() if isinstance(v, Spread) else v for k, v in vars(figure).items()}
        found.append(named)
    return {
        "settings": asdict(settings),
        "machine": {
            "processor": processor(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "torch": torch.__version__,
        },
        "matmul_gflop_per_s": rates,
        "figures": found,
    }


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _heading(settings: Settings, rates: dict[str, float]) -> str:
    products = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    return "\n".join(
        [
            f"{processor()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}",
            f"agent {settings.agent}, {settings.precision}, threads: {settings.threads}, "
            + ("processor time" if settings.threads == 1 else "time by the clock"),
            f"matrix products, GFLOP/s: {products}",
            "",
            "| what | time | plain path | times faster | |",
            "|---|---|---|---|---|",
        ]
    )


def _row(figure: Figure, rates: dict[str, float], settings: Settings) -> str:
    more = [
        f"{name} {100 * x:.1f} %" if name.endswith("share") else f"{name} {x:,.4g}"
        for name, x in figure.more.items()
    ]
    if "GFLOP/s" in figure.more:
        best = max(v for k, v in rates.items() if k[:4] == _product(settings.precision))
        more.append(f"{100 * figure.more['GFLOP/s'] / best:.0f} % of the products' rate")
    cells = (
        figure.what,
        f"{_shown(figure.milliseconds)} ms per {figure.per}",
        f"{_shown(figure.plain_milliseconds)} ms",
        f"{_shown(figure.times_faster)}",
        "; ".join(more),
    )
    return "| " + " | ".join(cells) + " |"


def _product(precision: str) -> str:
    return "bf16" if precision == "bf16-mixed" else "fp32"


def _shown(spread: Spread) -> str:
    return f"{spread.median:.3g} ({spread.low:.3g} to {spread.high:.3g})"
