"""What experience goes on from."""

import pytest
import torch

from modnav.learning import take_up


def test_a_generators_state_is_taken_up_unless_it_is_of_another_device():
    generator, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    state = other.get_state()
    before = generator.get_state()
    of_gpu = torch.zeros(16, dtype=torch.uint8)  # seed and offset
    assert not take_up(generator, of_gpu)
    assert torch.equal(generator.get_state(), before)
    assert take_up(generator, state)
    assert torch.equal(torch.rand(3, generator=generator), torch.rand(3, generator=other))
    with pytest.raises(RuntimeError):
        take_up(generator, state[:100])
