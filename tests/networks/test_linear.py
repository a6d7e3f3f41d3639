import pytest
import torch
from torch import nn

from modnav.networks import LARGE, Feedforward, Linear, linear

HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")
SHAPES = {"trials": (7, 16, 130), "steps": (1, 256, 130), "rows": (300, 130), "short": (2, 3, 130)}


@pytest.fixture
def maps():
    """Return such a map and torch's own, with the same weights."""
    ours, plain = Linear(130, 96), nn.Linear(130, 96)
    ours.load_state_dict(plain.state_dict())
    return ours, plain


@pytest.fixture(autouse=True)
def anywhere(monkeypatch):
    """Take oneDNN's products on any processor, where PyTorch has them."""
    monkeypatch.setattr(linear, "ONEDNN_PAYS", HAS_ONEDNN)


@pytest.fixture
def products(monkeypatch):
    """Count the products that are oneDNN's."""
    calls = []
    real = linear.product
    monkeypatch.setattr(linear, "product", lambda *x: calls.append(len(x)) or real(*x))
    return calls


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


@pytest.mark.skipif(not HAS_ONEDNN, reason="PyTorch without oneDNN")
def test_only_large_products_in_single_precision_are_onednns(maps, products):
    ours, _ = maps
    rows = LARGE // (130 * 96) + 1
    large, small = torch.randn(rows, 130), torch.randn(rows - 1, 130)
    ours(small)
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(large).dtype == torch.bfloat16
    ours.double()(large.double())
    assert not products
    ours.float()(large).sum().backward()
    assert products == [3, 2]  # the input needs no gradient


def test_spared_weights_get_no_gradient(maps):
    ours, plain = maps
    x = torch.randn(7, 16, 130, requires_grad=True)
    ours.requires_grad_(False)(x).square().sum().backward()
    other = x.detach().requires_grad_()
    plain(other).square().sum().backward()
    torch.testing.assert_close(x.grad, other.grad, rtol=1e-5, atol=2e-4)
    assert ours.weight.grad is None
    assert ours.bias.grad is None


def test_feedforward_modules_are_made_of_it():
    mlp = Feedforward(130, 1, (300, 300)).mlp
    assert [type(layer) for layer in mlp] == [Linear, nn.ReLU, Linear, nn.ReLU, Linear]
