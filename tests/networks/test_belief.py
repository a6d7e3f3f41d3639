import pytest
import torch

from modnav.networks import KalmanBelief, RecurrentBelief
from modnav.task import STREAMS


def test_a_kalman_belief_passes_the_filter_on(generator):
    belief = KalmanBelief()
    x = torch.randn(4, 3, 13, generator=generator)
    y, memory = belief(x)
    assert y is x
    assert memory is None
    assert not list(belief.parameters())
    assert not belief.recurrent


@pytest.mark.parametrize("belief", [KalmanBelief(), RecurrentBelief()])
def test_beliefs_read_the_stream_they_name(belief):
    assert STREAMS[belief.source].features == belief.in_features


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_recurrent_belief_depends_on_the_past_alone(cell, layers, generator):
    belief = RecurrentBelief(6, 12, layers, cell)
    x = torch.randn(6, 2, 6, generator=generator)
    y, _ = belief(x)
    assert y.shape == (6, 2, 12)
    changed = x.clone()
    changed[3] += 1
    z, _ = belief(changed)
    assert torch.equal(z[:3], y[:3])
    assert (z[3:] != y[3:]).any(dim=-1).all()
