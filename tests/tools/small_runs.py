"""Runs of a second, as tests of whole runs start and read them."""

from pathlib import Path

import pytest
import torch

from modnav.cli import main
from modnav.learning import runs_bf16
from modnav.runs import read

WITH_BF16 = pytest.mark.skipif(not runs_bf16(), reason="the processor has no bfloat16")


def fit(config: Path, *more: str, seed: int = 0) -> Path:
    """Train ``config`` in this process and return the folder of the run."""
    main(["fit", "--config", str(config), "--seed_everything", str(seed), *more])
    return Path("runs/small") / f"seed{seed}"


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a run's last state."""
    return read(run / "last.ckpt").content["state_dict"]
