import pytest
import torch
from torch import nn

from modnav.networks import Linear, linear

SHAPES = {"trials": (7, 16, 130), "steps": (1, 256, 130), "rows": (300, 130), "short": (2, 3, 130)}


@pytest.fixture
def maps(monkeypatch):
    """Return such a map and torch's own, with the same weights, by oneDNN where PyTorch has it."""
    monkeypatch.setattr(linear, "ONEDNN_PAYS", hasattr(torch.ops.mkldnn, "_linear_pointwise"))
    ours, plain = Linear(130, 96), nn.Linear(130, 96)
    ours.load_state_dict(plain.state_dict())
    return ours, plain


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_it_is_the_affine_map_with_its_gradients(maps, shape):
    inputs = torch.randn(shape)
    direction = torch.randn(*shape[:-1], 96)
    found = []
    for module in maps:
        x = inputs.clone().requires_grad_()
        y = module(x)
        (y * direction).sum().backward()
        found.append((y.detach(), x.grad, module.weight.grad, module.bias.grad))
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=2e-5)


def test_other_precisions_are_left_to_torch(maps):
    ours, plain = maps
    x = torch.randn(7, 16, 130)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(x), plain(x))
    assert torch.equal(ours.double()(x.double()), plain.double()(x.double()))


def test_spared_weights_get_no_gradient(maps):
    ours, plain = maps
    x = torch.randn(7, 16, 130, requires_grad=True)
    ours.requires_grad_(False)(x).square().sum().backward()
    other = x.detach().requires_grad_()
    plain(other).square().sum().backward()
    torch.testing.assert_close(x.grad, other.grad, rtol=1e-5, atol=2e-4)
    assert ours.weight.grad is None
    assert ours.bias.grad is None
