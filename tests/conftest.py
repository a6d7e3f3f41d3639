"""What is done before the first test, and the reference numbers; other fixtures: tools/shared_fixtures.py."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modnav.acting import Noise

AMPLITUDES = {"Actor3": 0.05, "ActorEKF": 0.03}
"""Amplitude of the reference weights where it is not the stated 0.1, see reference/README.md."""


def pytest_configure(config: pytest.Config) -> None:
    """Have all fixtures, but where tests are only shared out (``-n``): these import PyTorch.

    What is imported stays: to look for garbage in it would take a quarter of the time.
    """
    if not config.getoption("numprocesses", None):
        gc.disable()
        config.pluginmanager.import_plugin("shared_fixtures")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole runs, so that what is left for the end of the session is short."""
    items.sort(key=lambda item: "whole_runs" not in item.path.parts)


def pytest_collection_finish() -> None:
    """Look for garbage from now on, among what tests make."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """The reference numbers, see reference/README.md."""
    path = Path(__file__).parent / "reference" / "golden.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def golden_inputs(golden) -> Callable[..., Tensor]:
    """Function from the name of a reference input to the tensor, of ``shape`` if given."""
    import torch

    def inputs(name: str, shape: tuple[int, int] | None = None) -> Tensor:
        entry = golden["inputs"][name]
        steps, trials = shape or entry["shape"][:2]
        t, b, d = torch.meshgrid(
            torch.arange(steps, dtype=torch.float64),
            torch.arange(trials, dtype=torch.float64),
            torch.arange(entry["shape"][2], dtype=torch.float64),
            indexing="ij",
        )
        angle = entry["a"] * t + entry["b"] * b + entry["c"] * d + golden["phase"]
        return (entry["scale"] * angle.sin()).float()

    return inputs


@pytest.fixture(scope="session")
def set_golden_weights(golden) -> Callable[[nn.Module, str], None]:
    """Function that fills a module with the reference weights of the published network."""
    import torch

    def fill(module: nn.Module, published: str) -> None:
        amplitude = AMPLITUDES.get(published, 0.1)
        with torch.no_grad():
            for k, parameter in enumerate(module.parameters()):
                i = torch.arange(parameter.numel(), dtype=torch.float64)
                values = amplitude * torch.sin(0.7 * k + 0.013 * i + golden["phase"])
                parameter.copy_(values.view_as(parameter))

    return fill


@pytest.fixture(scope="session")
def formula_noise(golden) -> Callable[[int], Noise]:
    """Function from a number of steps to the reference noise of one trial."""
    import torch

    from modnav.acting import Noise

    def noise(steps: int) -> Noise:
        k = torch.arange(1, 2 * steps + 1, dtype=torch.float64)[:, None]
        d = torch.arange(2, dtype=torch.float64)
        draws = torch.sin(0.9 * k + 1.7 * d + golden["phase"]).float()[:, None]
        return Noise(draws[::2], draws[1::2])

    return noise
