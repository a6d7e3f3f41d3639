"""``modnav doctor``: what this machine and installation can do, and what will be slow, with figures."""

import argparse
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from modnav.machine import cores, memory_bytes, package_version

from .refused import Parser

PACKAGES = ("modnav", "torch", "pytorch-lightning", "jsonargparse", "numpy", "pandas", "gymnasium")
EXTRAS = {
    "export": ("onnx", "onnxruntime", "safetensors"),
    "movies": ("imageio-ffmpeg",),
    "neuro": ("statsmodels", "pynwb", "pynapple", "dsa-metric"),
    "study": ("snakemake", "optuna"),
}
"""Packages of each extra."""

TRIALS, STEPS = 16, 18
"""Trials in a batch of the measurement, as published, and steps of each, as agents that learned take."""

UPDATES = 10_000 * STEPS / 4
"""Updates of a published training after phase I, about: one for every 4 steps of 10,000 trials."""


def main(args: Sequence[str]) -> None:
    """Run the command."""
    given = _parser().parse_args(args)
    found = examined(given.runs)
    print(json.dumps(found, indent=2) if given.json else page(found))


def examined(runs: Path) -> dict[str, Any]:
    """Return what was found, as names and numbers; takes a few seconds of measuring."""
    from modnav.learning import HALF, fast_precision  # it loads Lightning

    bf16 = fast_precision(on_cpu=True) == HALF
    packages = {name: package_version(name) for name in PACKAGES}
    extras = {
        extra: [x for x in names if not package_version(x)] for extra, names in EXTRAS.items()
    }
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": packages,
        "missing": {extra: names for extra, names in extras.items() if names},
        "processor": _processor() | {"bf16": bf16},
        "gpus": [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())],
        "folder": _folder(runs),
        "measured": _measured(bf16=bf16),
    }
    return found | {"advice": advice(found)}


def advice(found: dict[str, Any]) -> list[str]:
    """Return a line for each thing that will not work or be slow, and what to do about it."""
    lines, folder = list[str](), found["folder"]
    if not folder["writable"]:
        lines.append(f"{folder['path']} cannot be written: choose another folder with --runs")
    elif folder["free_gb"] < 1:
        lines.append(
            f"{folder['free_gb']:.1f} GB are free in {folder['path']}; a run takes about 0.1"
        )
    lines += _of_speed(found)
    for extra, names in found["missing"].items():
        lines.append(
            f'{", ".join(names)} not installed: pip install "modnav[{extra}]" if you need it'
        )
    return lines


def _of_speed(found: dict[str, Any]) -> list[str]:
    lines, cpu, speed = [], found["processor"], found["measured"]
    hours = UPDATES * speed["update_ms"] / 3.6e6
    lines.append(
        f"a published training has about {UPDATES:,.0f} updates after phase I: {hours:.1f} h here in "
        "32-true on 1 thread (16 trials in a batch, modular agent), if no other program works"
    )
    if not cpu["bf16"]:
        lines.append(
            "bf16 is not used: no instructions for it are found, or PyTorch has no LSTM in it"
        )
    elif speed["update_bf16_ms"] is not None:
        ratio = speed["update_ms"] / speed["update_bf16_ms"]
        faster = "--config fast, or --prefer_bf16 true" if ratio > 1.1 else "it does not pay here"
        lines.append(f"bf16 makes {ratio:.1f} times as many updates: {faster}")
    if cpu["cores"] > 1:
        lines.append(
            f"one run uses 1 thread unless told --threads; several seeds use all {cpu['cores']} cores: "
            "--seeds 0-7"
        )
    load = cpu["load"]
    if load is not None and load > cpu["cores"]:
        lines.append(
            f"other programs are at work (load {load:.1f} on {cpu['cores']} cores): times are longer"
        )
    if found["gpus"]:
        lines.append(
            "on the GPU one small agent is hardly faster than on a core; many seeds at once are"
        )
    return lines


def page(found: dict[str, Any]) -> str:
    """Return it as a page to read."""
    cpu, folder, speed = found["processor"], found["folder"], found["measured"]
    names = ("bf16", "avx2", "avx512", "amx")
    has = [name for name in names if cpu[name]]
    packages = ", ".join(f"{name} {v or 'missing'}" for name, v in found["packages"].items())
    bf16 = speed["update_bf16_ms"]
    rows = {
        "python": f"{found['python']}, {found['system']}",
        "packages": packages,
        "processor": f"{cpu['cores']} cores, {cpu['memory_gb']:.0f} GB, {', '.join(has) or 'none of ' + ', '.join(names)}",
        "threads": f"{cpu['threads']} (OMP_NUM_THREADS={cpu['OMP_NUM_THREADS']}); a run takes 1 unless told --threads",
        "gpu": ", ".join(found["gpus"]) or "none that PyTorch can use",
        "runs": f"{folder['path']}, {'can' if folder['writable'] else 'cannot'} be written, {folder['free_gb']:.0f} GB free",
        "acting": f"{speed['steps_per_s']:,.0f} steps/s ({TRIALS} trials side by side, 1 thread)",
        "update": f"{speed['update_ms']:.1f} ms in 32-true"
        + (f", {bf16:.1f} ms in bf16" if bf16 else ""),
    }
    lines = [f"{name:11}{text}" for name, text in rows.items()]
    return "\n".join([*lines, "", *(f"- {line}" for line in found["advice"])])


def _processor() -> dict[str, Any]:
    cpu = torch.backends.cpu.get_cpu_capability()
    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return {
        "cores": cores(),
        "memory_gb": memory_bytes() / 1e9,
        "avx2": cpu in ("AVX2", "AVX512"),
        "avx512": cpu == "AVX512",
        "amx": bool(known.get("amx_bf16") or known.get("amx_tile")),
        "threads": torch.get_num_threads(),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS"),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _folder(runs: Path) -> dict[str, Any]:
    """Return whether runs can be made in a folder, or in the nearest above that exists."""
    there = next(x for x in (runs.absolute(), *runs.absolute().parents) if x.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            writable = True
    except OSError:
        writable = False
    free = shutil.disk_usage(there).free / 1e9
    return {"path": str(runs), "writable": writable, "free_gb": free}


def _measured(*, bf16: bool) -> dict[str, float | None]:
    """Return how fast this machine acts and learns on one thread, as ``modnav bench`` measures it."""
    from modnav.bench import BENCHES, BenchSettings

    from .quiet import quieten

    quieten()
    found: dict[str, float | None] = {"update_bf16_ms": None}
    acting = BENCHES["acting"](BenchSettings(parallel_trials=TRIALS, seconds=1.0))
    found["steps_per_s"] = acting.more["steps/s"]
    for key, precision in (("update_ms", "32-true"), ("update_bf16_ms", "bf16-mixed"))[: 1 + bf16]:
        settings = BenchSettings(precision=precision, seconds=2.0, steps=STEPS)
        found[key] = BENCHES["update"](settings).milliseconds.median
    return found


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="modnav doctor",
        description="Tell what this machine and installation can do, and what will be slow, from a "
        "measurement of a few seconds.",
        allow_abbrev=False,
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of runs (runs)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    return parser
