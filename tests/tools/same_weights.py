"""Whether two agents are the same to the bit."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def same(a: nn.Module | Mapping[str, Tensor], b: nn.Module | Mapping[str, Tensor]) -> bool:
    """Return whether names and weights of two agents, or of their state dicts, are the same."""
    first, second = (x.state_dict() if isinstance(x, nn.Module) else x for x in (a, b))
    return [*first] == [*second] and all(torch.equal(first[key], second[key]) for key in first)
