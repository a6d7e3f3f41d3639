"""Affine maps in single precision by the faster of the processor's two libraries."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from typing_extensions import override

__all__ = ["LARGE", "ONEDNN_PAYS", "Linear", "product"]

LARGE = 2**20
"""Multiplications from which oneDNN's start pays."""

ONEDNN_PAYS = torch.backends.cpu.get_cpu_capability().startswith("AVX512") and hasattr(
    torch.ops.mkldnn, "_linear_pointwise"
)
"""Whether PyTorch has oneDNN, whose products its own compiler calls by that name, and the processor
has AVX-512. With AVX2 alone MKL was the faster one (by 0 to 85 % on an AMD EPYC, by the shape)."""


class Linear(nn.Linear):
    """``nn.Linear`` whose large products in float32 are oneDNN's on processors with AVX-512.

    PyTorch leaves products in float32 to MKL, which on processors not of its maker uses half the
    width of AVX-512: oneDNN, which PyTorch uses for everything else, was 2.1 times as fast on an
    AMD EPYC. Results differ by rounding alone. What is small, not float32, or elsewhere is left
    to PyTorch.
    """

    @override
    def forward(self, x: Tensor) -> Tensor:
        size = x.numel() * self.out_features
        if size < LARGE or x.dim() < 2 or not _is_plain_float32(x) or self.bias is None:
            return super().forward(x)
        return _Product.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]  # so is torch's apply


def _is_plain_float32(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and ONEDNN_PAYS
    )


class _Product(torch.autograd.Function):
    """``x @ weight.T + bias`` and its gradients, for ``x`` of any number of dimensions."""

    @staticmethod
    @override
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight, bias)

    @staticmethod
    @override
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        rows = grad.flatten(0, -2)
        return (
            product(grad, weight.t()) if needs_x else None,
            product(rows.t(), x.flatten(0, -2).t()) if needs_weight else None,
            rows.sum(dim=0) if needs_bias else None,
        )


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x @ weight.T + bias`` by oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
