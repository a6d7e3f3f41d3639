"""A belief of one's own for the study `own_module`: leaky units without gates."""

import torch
from torch import Tensor, nn

from modnav.networks import AbstractBelief


class LeakyBelief(AbstractBelief):
    """Units that leak at rates of their own, which are learned, driven by each other and the input.

    Args:
        in_features: Size of the observation.
        out_features: Number of units.
    """

    source, recurrent = "observation", True

    def __init__(self, in_features: int = 6, out_features: int = 128) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.drive = nn.Linear(in_features, out_features)
        self.within = nn.Linear(out_features, out_features, bias=False)
        self.leak = nn.Parameter(torch.zeros(out_features))

    def forward(self, x: Tensor, memory: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map inputs (T, B, F) to units (T, B, F'), from a memory (1, B, F') on."""
        units = x.new_zeros(x.shape[1], self.out_features) if memory is None else memory[0]
        rate, found = torch.sigmoid(self.leak), []
        for drive in self.drive(x):
            units = (1 - rate) * units + rate * torch.tanh(drive + self.within(units))
            found.append(units)
        return torch.stack(found), units[None]
