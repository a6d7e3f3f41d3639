"""``modnav bench``: how fast this machine acts, learns and evaluates, beside plain ways."""

import argparse
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from modnav.bench import (
    BENCHES,
    BenchResult,
    BenchSettings,
    Spread,
    bench_host,
    bench_population,
    matmul_rates,
)
from modnav.files import plain_target, write_text_atomically
from modnav.learning import check_precision
from modnav.networks import description_of

from .quiet import quieten
from .refused import Parser

JOINT = {"update": bench_population, "host": bench_host}
"""What can be measured of populations, by name."""


def main(args: Sequence[str]) -> None:
    """Run the command."""
    given = _parser().parse_args(args)
    description_of(given.agent)  # complains before anything is timed
    check_precision(given.precision, on_cpu=given.device == "cpu", key="--precision")
    settings = _settings(given)
    benches = BENCHES if given.population is None else {given.what: JOINT[given.what]}
    quieten()
    on_cpu = settings.device == "cpu"
    rates = matmul_rates(settings.threads, min(1.0, settings.seconds)) if on_cpu else {}
    print(_heading(settings, rates), flush=True)
    results = []
    for name in [given.what] if given.what in benches else benches:
        results.append(benches[name](settings))
        print(_row(results[-1], rates, settings), flush=True)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report(settings, rates, results), indent=1) + "\n"
        write_text_atomically(text, plain_target(given.json))


def _settings(given: argparse.Namespace) -> BenchSettings:
    """Return what is to be measured."""
    if given.population is None and (given.device != "cpu" or given.tf32):
        raise ValueError("--device and --tf32 are for --population")
    if given.population is not None and given.what not in JOINT:
        raise ValueError("--population is for `modnav bench update` and `modnav bench host`")
    if given.population is None and given.what == "host":
        raise ValueError("`modnav bench host` needs --population")
    return BenchSettings(
        given.agent,
        given.precision,
        given.threads,
        given.seconds,
        population=1 if given.population is None else given.population,
        device=given.device,
        tf32=given.tf32,
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="modnav bench",
        description="Time what trainings do. Acting, updates and evaluation take turns with a "
        "plain way to do the same: one trial at a time, updates in fp32 with the optimizer's "
        "defaults. A short run says how much of it is not the update. Medians with quartiles in "
        "brackets, as a table in Markdown.",
    )
    add = parser.add_argument
    add(
        "what",
        nargs="?",
        choices=[*BENCHES, "host"],
        help="what to time (default: all but `host`, which is for --population)",
    )
    add("--agent", default="modular", help="architecture, e.g. holistic, Actor2Critic4 (modular)")
    add(
        "--precision",
        choices=("32-true", "bf16-mixed"),
        default="32-true",
        help="precision of the updates, but for plain ones (32-true)",
    )
    add("--threads", type=int, default=1, metavar="N", help="threads (1)")
    add("--seconds", type=float, default=12.0, metavar="S", help="time for each row (12)")
    add(
        "--population",
        type=int,
        metavar="P",
        help="with `update`: joint updates of P members, beside plain ones of one agent; times are "
        "for each member. With `host`: all that a training of P members does besides, for an update "
        "of one; of small networks, whatever the agent",
    )
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where members are (cpu)")
    add("--tf32", action="store_true", help="with cuda: products of float32 in TF32")
    add("--json", type=Path, metavar="FILE", help="also write all numbers here")
    return parser


def report(
    settings: BenchSettings, rates: dict[str, float], results: list[BenchResult]
) -> dict[str, Any]:
    """Return all numbers with what they were measured on, fit for JSON."""
    found = []
    for result in results:
        named = {k: v._asdict() if isinstance(v, Spread) else v for k, v in vars(result).items()}
        found.append(named)
    return {
        "settings": asdict(settings),
        "machine": {
            "processor": processor(),
            **({"gpu": torch.cuda.get_device_name()} if settings.device == "cuda" else {}),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "torch": torch.__version__,
        },
        "matmul_gflop_per_s": rates,
        "results": found,
    }


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _heading(settings: BenchSettings, rates: dict[str, float]) -> str:
    products = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    on_gpu = settings.device == "cuda"
    by_clock = on_gpu or settings.threads > 1
    return "\n".join(
        [
            f"{processor()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}",
            f"agent {settings.agent}, {settings.precision}, threads: {settings.threads}, "
            + ("time by the clock" if by_clock else "processor time"),
            torch.cuda.get_device_name() + (", TF32" if settings.tf32 else "")
            if on_gpu
            else f"matrix products, GFLOP/s: {products}",
            "",
            "| what | time | plain way | times faster | |",
            "|---|---|---|---|---|",
        ]
    )


def _row(result: BenchResult, rates: dict[str, float], settings: BenchSettings) -> str:
    more = [f"{name} {x:,.4g}" for name, x in result.more.items()]
    more += [f"{part} {100 * share:.1f} %" for part, share in result.shares.items()]
    if "GFLOP/s" in result.more:
        kind = "bf16" if settings.precision == "bf16-mixed" else "fp32"
        best = max(rate for name, rate in rates.items() if name.startswith(kind))
        more.append(f"{100 * result.more['GFLOP/s'] / best:.0f} % of the products' rate")
    cells = (
        result.what,
        f"{_shown(result.milliseconds)} ms per {result.per}",
        f"{_shown(result.plain_milliseconds)} ms" if result.plain_milliseconds else "",
        _shown(result.times_faster) if result.times_faster else "",
        "; ".join(more),
    )
    return "| " + " | ".join(cells) + " |"


def _shown(spread: Spread) -> str:
    return f"{spread.median:.3g} ({spread.low:.3g} to {spread.high:.3g})"
