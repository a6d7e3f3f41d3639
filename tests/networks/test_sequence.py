import math

import pytest
import torch
from torch import nn

from modnav.networks import Chain, Feedforward, Recurrent, init_weights, map_memory

CELLS = ("lstm", "gru", "rnn")
MODULES = {
    **{cell: lambda cell=cell: Recurrent(4, 5, 2, cell) for cell in CELLS},
    "linear": lambda: Feedforward(4, 5, ()),
    "mlp": lambda: Feedforward(4, 5, (7, 6)),
    "chain": lambda: Chain(
        [Recurrent(4, 6), Feedforward(6, 3, (8,)), Recurrent(3, 5, cell="gru")]
    ),
}


@pytest.fixture(params=list(MODULES))
def module(request):
    return MODULES[request.param]()


@pytest.mark.parametrize("trials", [1, 3])
def test_steps_trials_and_features_come_out_as_they_went_in(module, trials):
    y, _ = module(torch.randn(6, trials, 4))
    assert y.shape == (6, trials, 5)
    assert (module.in_features, module.out_features) == (4, 5)


def test_a_sequence_in_two_parts_equals_the_whole(module):
    x = torch.randn(7, 3, 4)
    whole, _ = module(x)
    first, memory = module(x[:3])
    second, _ = module(x[3:], memory)
    torch.testing.assert_close(torch.cat((first, second)), whole)


def test_zero_memory_is_the_start_of_a_trial(module):
    x = torch.randn(7, 3, 4)
    y, memory = module(x)
    again, _ = module(x, map_memory(torch.zeros_like, memory))
    torch.testing.assert_close(again, y)


def test_only_recurrent_modules_remember(module):
    x = torch.randn(2, 3, 4)
    other = x.clone()
    other[0] += 1
    remembers = not torch.equal(module(x)[0][1], module(other)[0][1])
    assert remembers == module.recurrent


def test_trials_do_not_see_each_other(module):
    x = torch.randn(5, 3, 4)
    y, _ = module(x)
    for trial in range(3):
        torch.testing.assert_close(module(x[:, trial : trial + 1])[0], y[:, trial : trial + 1])


def test_gradients_reach_every_parameter(module):
    module(torch.randn(5, 3, 4))[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in module.parameters())


def test_map_memory_keeps_the_structure():
    memory = (None, torch.ones(1), (torch.ones(2), (None,)))
    doubled = map_memory(lambda x: 2 * x, memory)
    assert doubled[0] is None
    assert doubled[1].tolist() == [2]
    assert doubled[2][0].tolist() == [2, 2]
    assert doubled[2][1] == (None,)


def test_an_unknown_cell_is_refused():
    with pytest.raises(ValueError, match=r"cell is 'lstn'; it must be one of lstm, gru, rnn"):
        Recurrent(4, 5, cell="lstn")


def test_a_chain_refuses_parts_that_do_not_fit():
    with pytest.raises(ValueError, match=r"parts\[1\]\.in_features is 6; parts\[0\] gives 5"):
        Chain([Recurrent(4, 5), Feedforward(6, 2)])
    with pytest.raises(ValueError, match="at least one"):
        Chain([])


def test_a_chain_remembers_if_any_part_does():
    assert Chain([Feedforward(4, 5), Recurrent(5, 2)]).recurrent
    assert not Chain([Feedforward(4, 5), Feedforward(5, 2)]).recurrent


def test_linear_maps_have_no_hidden_layer():
    x = torch.randn(2, 3, 4)
    linear = Feedforward(4, 5, ())
    layer = linear.mlp[0]
    torch.testing.assert_close(linear(x)[0], x @ layer.weight.T + layer.bias)


def test_hidden_layers_are_rectified_and_the_last_is_not():
    x = torch.randn(200, 3, 4)
    mlp = Feedforward(4, 5, (7, 6)).apply(init_weights)
    first, second, last = (layer for layer in mlp.mlp if isinstance(layer, nn.Linear))
    hidden = second(first(x).clamp(min=0)).clamp(min=0)
    y, _ = mlp(x)
    torch.testing.assert_close(y, last(hidden))
    assert y.min() < 0 < y.max()


def test_weights_start_as_published():
    mlp = Feedforward(300, 300, (300,)).apply(init_weights)
    for layer in mlp.mlp:
        if isinstance(layer, nn.Linear):
            assert layer.weight.std().item() == pytest.approx(0.1, rel=0.02)
            assert abs(layer.weight.mean()) < 2e-3
            assert layer.weight.abs().max() > 0.3  # normal, not uniform
            assert not layer.bias.any()
    lstm = Recurrent(6, 128).apply(init_weights).rnn
    for weight, inputs in ((lstm.weight_ih_l0, 6), (lstm.weight_hh_l0, 128)):
        bound = math.sqrt(6 / (inputs + 4 * 128))
        assert bound * 0.98 < weight.abs().max() <= bound
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert not lstm.bias_ih_l0.any()
    assert not lstm.bias_hh_l0.any()
