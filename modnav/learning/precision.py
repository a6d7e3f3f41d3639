"""Which precisions a processor or GPU can train in, and which of them is fast there."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import torch
from torch import nn

__all__ = ["HALF", "SINGLE", "autocast_of", "check_precision", "fast_precision", "runs_bf16"]

SINGLE, HALF = "32-true", "bf16-mixed"
"""Precisions of a trainer: all in float32, and products of networks in bfloat16."""


def check_precision(
    precision: str | int | None, on_cpu: bool, key: str = "trainer.precision"
) -> None:
    """Check that training in a precision is possible here.

    Args:
        precision: Precision of a trainer; None is its default, float32.
        on_cpu: Whether it trains on the processor, not on a GPU.
        key: What the user calls it.

    Raises:
        ValueError: If it is not; the message names the ones that are.
    """
    halves = ([] if on_cpu and not runs_bf16() else [HALF]) + ([] if on_cpu else ["16-mixed"])
    if precision is None or str(precision) in (SINGLE, "32", *halves):
        return
    where = "a CPU" if on_cpu else "a GPU"
    why = " (PyTorch cannot run an LSTM in bfloat16 here)" if str(precision) == HALF else ""
    raise ValueError(
        f"{key} is {precision}; on {where} it must be {' or '.join([SINGLE, *halves])}{why}"
    )


def fast_precision(on_cpu: bool) -> str:
    """Return ``bf16-mixed`` where it makes learning faster, else ``32-true``.

    It does on processors with instructions for it. A GPU waits for the next operation most of the
    time with networks of this size, and casts are operations more.

    Args:
        on_cpu: Whether to train on the processor, not on a GPU.
    """
    return HALF if on_cpu and _has_bf16_instructions() and runs_bf16() else SINGLE


def autocast_of(precision: str, device: torch.device) -> Callable[[], torch.autocast]:
    """Return what makes the context in which losses of stacked members are computed.

    Raises:
        ValueError: If they cannot be computed in this precision.
    """
    if precision == SINGLE:
        return partial(torch.autocast, device.type, enabled=False)
    if precision == HALF:
        return partial(torch.autocast, device.type, dtype=torch.bfloat16)
    raise ValueError(
        f"trainer.precision is {precision}; in a stacked population it must be {SINGLE} or {HALF}"
    )


@lru_cache(maxsize=1)
def runs_bf16() -> bool:
    """Return whether the processor can train an LSTM in bfloat16 (with AVX2 alone it cannot)."""
    with torch.random.fork_rng(devices=[]):
        lstm = nn.LSTM(1, 1)
        try:
            with torch.autocast("cpu", torch.bfloat16):
                output, _ = lstm(torch.zeros(1, 1, 1))
            output.sum().backward()  # learning has kernels of its own
        except RuntimeError:
            return False
    return True


def _has_bf16_instructions() -> bool:
    """Return whether the processor multiplies in bfloat16, as far as PyTorch can tell (2.10 on)."""
    tell = getattr(torch.cpu, "get_capabilities", None)
    found: dict[str, Any] = tell() if tell else {}
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
