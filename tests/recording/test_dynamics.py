"""Slow points of small networks whose answers are known."""

import numpy as np
import pytest
import torch

from modnav.networks import Recurrent
from modnav.recording import dynamics, slow_points


def tanh_network(weights, inputs=1.0):
    """Return a tanh network ``h' = tanh(W h + inputs * x)``."""
    size = len(weights)
    module = Recurrent(1, size, cell="rnn")
    with torch.no_grad():
        module.rnn.weight_hh_l0.copy_(torch.tensor(weights))
        module.rnn.weight_ih_l0.fill_(inputs)
        module.rnn.bias_hh_l0.zero_()
        module.rnn.bias_ih_l0.zero_()
    return module


def test_the_fixed_points_of_a_bistable_unit_are_found():
    """h' = tanh(2 h) stands still at 0, which repels, and at +-0.9575, which attract."""
    module = tanh_network([[2.0]])
    starts = torch.linspace(-0.9, 0.9, 40).view(1, -1, 1)
    found = slow_points(module, starts, fast=1e-8)
    order = found.states[:, 0].argsort()
    assert found.states[order, 0].tolist() == pytest.approx([-0.95750, 0, 0.95750], abs=1e-4)
    # slope 2 (1 - tanh^2)
    slopes = [2 * (1 - 0.9575**2), 2, 2 * (1 - 0.9575**2)]
    assert found.eigenvalues[order, 0].real.tolist() == pytest.approx(slopes, abs=1e-3)
    assert (found.speeds < 1e-8).all()
    assert module.rnn.weight_hh_l0.dtype == torch.float32
    assert module.rnn.weight_hh_l0.requires_grad


def test_an_input_that_stays_moves_the_fixed_point():
    """h = tanh(0.5 h + 0.3)."""
    found = slow_points(
        tanh_network([[0.5]]), torch.zeros(1, 3, 1), torch.tensor([0.3]), fast=1e-8
    )
    (state,) = found.states[:, 0].tolist()
    assert state == pytest.approx(np.tanh(0.5 * state + 0.3), abs=1e-6)
    assert state > 0.4


def test_a_saddle_has_an_eigenvalue_outside_of_the_circle():
    found = slow_points(
        tanh_network([[1.5, 0], [0, 0.5]], 0.0), 0.01 * torch.randn(1, 5, 2), fast=1e-8
    )
    sizes = found.eigenvalues.abs().sort(dim=1).values
    assert sizes[0].tolist() == pytest.approx([0.5, 1.5], abs=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_memories_of_every_cell_are_states(cell):
    module = Recurrent(3, 5, num_layers=2, cell=cell)
    _, memory = module(torch.randn(4, 6, 3))
    found = slow_points(module, memory, fast=1e-5)
    assert found.states.shape[1] == (20 if cell == "lstm" else 10)
    assert len(found.states) >= 1  # a network with small weights has a point of rest
    size = found.states.shape[1] // 2
    if cell == "lstm":  # what it finds stays where it is when the network goes on by itself
        hidden = found.states[:1, :size].view(1, 2, 5).transpose(0, 1).float().contiguous()
        state = found.states[:1, size:].view(1, 2, 5).transpose(0, 1).float().contiguous()
        _, after = module(torch.zeros(1, 1, 3), (hidden, state))
        torch.testing.assert_close(after[0], hidden, atol=1e-4, rtol=0)
        torch.testing.assert_close(after[1], state, atol=1e-4, rtol=0)


def test_a_module_without_memory_has_no_slow_points():
    with pytest.raises(ValueError, match="there is no memory to start from"):
        slow_points(tanh_network([[2.0]]), None)


def test_every_start_finds_a_point_of_its_own_whatever_others_find():
    """Random tanh networks of gain 1.5 have many points that repel (Sompolinsky et al. 1988)."""
    torch.manual_seed(1)
    module = tanh_network((1.5 * torch.randn(64, 64) / 8).tolist(), 0.0)
    starts = module(torch.zeros(20, 12, 1), torch.rand(1, 12, 64) * 2 - 1)[1].detach()
    found = slow_points(module, starts)
    assert len(found.states) >= 3
    assert (found.speeds < 1e-9).all()
    assert (found.eigenvalues.abs() > 1).any(dim=1).sum() == len(found.states)
    hopeless = torch.full((1, 1, 64), 1e6)  # all slopes are 0 there
    again = slow_points(module, torch.cat((hopeless, starts), dim=1))
    assert len(again.states) >= len(found.states)


class Moved(Recurrent):
    """A memory that moves as a function of it says."""

    def __init__(self, size, moved):
        super().__init__(1, size, cell="rnn")
        self.moved = moved

    def forward(self, x, memory=None):
        return x, memory + self.moved(memory)


def test_a_start_that_no_system_can_be_solved_for_ends_no_other():
    def moved(state):
        u, v, w = state.unbind(-1)
        return torch.stack((1e5 * (u + v), 1e5 * (u + v), w**2), dim=-1)

    starts = torch.tensor([[[1.0, 2.0, 0.0], [1.0, 2.0, 0.5], [0.1, 0.1, 0.5]]])
    found = slow_points(Moved(3, moved), starts, fast=1e-8, apart=0)
    assert len(found.states) == 3


def test_states_at_rest_are_left_alone_and_few_are_searched_at_once(monkeypatch):
    """Of 100 starts that stand still and one that does not, the search goes on with one."""
    sizes = []

    def moved(state):
        sizes.append(state.shape[1])
        return state**2  # goes to 0 by halves

    starts = torch.zeros(1, 101, 1)
    starts[0, 0] = 0.5
    monkeypatch.setattr(dynamics, "AT_ONCE", 30)
    found = slow_points(Moved(1, moved), starts, fast=1e-8)
    assert found.states.abs().max() < 1e-4
    assert sorted(sizes)[-2] <= 30  # all are looked at once, at the end, for their speeds
    assert sizes.count(1) > 10


@pytest.mark.parametrize(
    ("memories", "x", "told"),
    [
        (torch.tensor([[[0.1], [float("nan")]]]), None, "numbers that are not finite"),
        (torch.zeros(1, 0, 1), None, "no state to start from"),
        ((None,), None, "no memory to start from"),
        (torch.zeros(1, 2, 1), torch.zeros(3), r"x has shape \(3,\); it must be \(1,\)"),
        (torch.zeros(1, 2, 1), torch.tensor([float("inf")]), "it must be finite"),
    ],
)
def test_what_no_search_can_begin_from_is_refused(memories, x, told):
    with pytest.raises(ValueError, match=told):
        slow_points(tanh_network([[2.0]]), memories, x)


def test_where_nothing_stands_still_nothing_is_found():
    class Counter(Recurrent):
        def forward(self, x, memory=None):
            return x, memory + 1

    found = slow_points(Counter(1, 1), torch.zeros(1, 4, 1))
    assert found.states.shape == (0, 1)
    assert found.eigenvalues.shape == (0, 1)
