"""Whether two agents, or two runs, are the same to the bit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from modnav.runs import read


def same(a: nn.Module | Mapping[str, Tensor], b: nn.Module | Mapping[str, Tensor]) -> bool:
    """Return whether names and weights of two agents, or of their state dicts, are the same."""
    first, second = (x.state_dict() if isinstance(x, nn.Module) else x for x in (a, b))
    return [*first] == [*second] and all(torch.equal(first[key], second[key]) for key in first)


def same_runs(one: Path | str, other: Path | str) -> bool:
    """Return whether two runs ended in one state: weights, optimizers, replay, generators."""
    states = [dict(read(Path(run) / "last.ckpt").content) for run in (one, other)]
    for state in states:
        del state["callbacks"]  # wall times and paths
    return _alike(*states)


def same_learning(one: Path | str, other: Path | str) -> bool:
    """Return whether two members of populations learned the same, bit by bit.

    Not compared are global generators, which members share and networks of modnav do not use, and
    Lightning's loops, which count a step that a save parted as two.
    """
    states = [dict(read(Path(run) / "last.ckpt").content) for run in (one, other)]
    for state in states:
        for key in ("callbacks", "random", "loops"):
            del state[key]
    return _alike(*states)


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_alike(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_alike, a, b))
    return a == b
