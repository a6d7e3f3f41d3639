"""Options that ``modnav evaluate`` and ``modnav best`` share: which training curves."""

import argparse
from pathlib import Path


def add_curves(parser: argparse.ArgumentParser, *, task: str, extensive: str, out: str) -> None:
    """Add the options ``--task``, ``--extensive`` and ``--out``.

    Args:
        parser: The parser.
        task: What the task is for.
        extensive: What the extensive test tasks do.
        out: What the folder that ``training_curve/`` is in is for.
    """
    kinds = ("gain", "perturbation")
    task = f"{task} (default: gain)"
    parser.add_argument("--task", choices=kinds, default="gain", help=task)
    parser.add_argument("--extensive", action="store_true", help=extensive)
    out = f"{out} (default: this one)"
    parser.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help=out)
