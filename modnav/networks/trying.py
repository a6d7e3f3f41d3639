"""How a module of a user's own is tried: what it is given, and what it must return."""

import random
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from modnav.files import one_line
from modnav.machine import float32_by_default

from .sequence import AbstractSequence, Memory

__all__ = ["check_same", "example_inputs", "plain_tensors", "seed_draws"]

TOLERANCE = 1e-4
"""Largest difference between two ways to the same outputs, of their size."""

SEE = "see docs/own_modules.md"


@contextmanager
def plain_tensors() -> Iterator[None]:
    """Make tensors in float32 and on the CPU while the context lasts, whatever torch's defaults."""
    with float32_by_default(), torch.device("cpu"):
        yield


@contextmanager
def kept_draws() -> Iterator[None]:
    """Leave the global generators of random numbers as they are."""
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


def seed_draws() -> None:
    """Seed the global generators of the processor: ``torch.manual_seed`` seeds all GPUs too, for good."""
    torch.default_generator.manual_seed(0)
    random.seed(0)
    np.random.seed(0)


def called(
    module: AbstractSequence, name: str, x: Tensor, memory: Memory = None
) -> tuple[Tensor, Memory]:
    """Return what a module returns, if it is of the right form."""
    shape, before = [*x.shape[:2], module.out_features], x.clone()
    try:
        found = module(x, memory)
    except (Exception, SystemExit) as error:  # a user's code raises many kinds
        told = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
        raise ValueError(f"{name} failed on inputs {list(x.shape)}: {told}; {SEE}") from error
    if not torch.equal(x, before):
        raise ValueError(
            f"{name} changes its inputs in place; it must leave them as they are, {SEE}"
        )
    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[0], Tensor):
        raise ValueError(f"{name} must return outputs and a memory, which may be None; {SEE}")
    if list(found[0].shape) != shape:
        raise ValueError(f"{name} returns outputs {list(found[0].shape)}; they must be {shape}")
    if found[0].dtype != torch.float32:
        raise ValueError(f"{name} returns {found[0].dtype}; outputs must be torch.float32, {SEE}")
    if not found[0].isfinite().all():
        raise ValueError(
            f"{name} returns numbers that are not finite for inputs in [-1, 1]; {SEE}"
        )
    return found


def size_of(name: str, memory: Memory, trials: int) -> int:
    """Return how many numbers a memory holds, if it is of the right form."""
    if memory is None:
        return 0
    if isinstance(memory, Tensor):
        if memory.dim() < 2 or memory.shape[1] != trials:
            raise ValueError(
                f"{name} keeps a memory of shape {list(memory.shape)} with {trials} trials; its "
                f"dimension 1 must count them, {SEE}"
            )
        return memory.numel()
    if type(memory) not in (tuple, list, dict):
        raise ValueError(
            f"{name} keeps a {type(memory).__name__} in its memory; it must be None, tensors, or "
            f"tuples, lists and dictionaries of these, {SEE}"
        )
    parts = memory.values() if isinstance(memory, dict) else memory
    return sum(size_of(name, part, trials) for part in parts)


def check_same(why: str, found: Tensor, expected: Tensor, *, see: str = SEE) -> None:
    """Check that there is one outcome of two ways; ``why`` says what is wrong if not.

    Raises:
        ValueError: If they differ by more than rounding.
    """
    most = TOLERANCE * (1 + float(expected.abs().nan_to_num(0, 0, 0).max()))
    apart = ~torch.isclose(found, expected, rtol=0, atol=most, equal_nan=True)
    if apart.any():
        difference = float((found - expected)[apart].abs().max())
        raise ValueError(f"{why} (difference {difference:.2g}); {see}")


def eager() -> AbstractContextManager[Any]:
    """Return a context in which nothing is compiled, which would take minutes for each shape."""
    compiles = "torch._dynamo" in sys.modules  # nothing was, where it was not imported
    return torch.compiler.set_stance("force_eager") if compiles else nullcontext()


def example_inputs(steps: int, features: int, trials: int = 3) -> Tensor:
    """Return inputs in [-1, 1] as of an agent, the same each time, ``(T, B, F)``."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("cpu"):
        return 2 * torch.rand(steps, trials, features, generator=generator) - 1
