"""Agents read arrays as they read tensors, and run in eval mode."""

from functools import partial

import numpy as np
import own_modules
import pytest
import torch

from modnav.networks import Actor, Agent, Critic, TwinCritic, build_agent, evaluating


def noisy_agent():
    """An agent with dropout, batch norm and a counter of calls in train mode."""
    actor = Actor(own_modules.Noisy(6, 8), own_modules.Gate(8, 2))
    return Agent(actor, TwinCritic(Critic(own_modules.Noisy(6, 8), own_modules.Gate(10, 1))))


def test_arrays_are_read_as_tensors(agent, make_segment):
    """But for rounding, which depends on where in memory numbers begin."""
    close = partial(torch.testing.assert_close, rtol=1e-6, atol=1e-6)
    segment = make_segment(agent.sources, 4, 2)
    tensors = {name: x[:-1] for name, x in segment.inputs.items()}
    arrays = {name: x.numpy().astype(np.float64) for name, x in tensors.items()}
    close(agent.actions(arrays), agent.actions(tensors))
    action = segment.action.numpy()
    close(agent.values(arrays, action), agent.values(tensors, segment.action))
    first, memory = agent.act({name: x[0] for name, x in arrays.items()})
    second, _ = agent.act({name: x[1] for name, x in arrays.items()}, memory)
    expected, memory = agent.act({name: x[0] for name, x in tensors.items()})
    close(first, expected)
    close(second, agent.act({k: x[1] for k, x in tensors.items()}, memory)[0])


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, np.int64, np.bool_])
def test_a_lone_array_of_any_numbers_is_read(kind):
    agent, array = build_agent("modular"), np.ones((3, 2, 6), kind)
    array.flags.writeable = False
    assert torch.equal(agent.actions(array[::-1]), agent.actions(torch.ones(3, 2, 6)))
    assert agent.double().actions(array).dtype == torch.float32  # of tanh, as ever


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        ([[0.0] * 6], "list"),
        (None, "NoneType"),
        ("observation", "str"),
        (np.array(["a"]), "<U1"),
        ({"observation": [0.0]}, "list"),
    ],
)
def test_other_things_are_no_inputs(inputs, kind):
    agent = build_agent("modular")
    for read in (agent.actions, agent.act, lambda x: agent.values(x, torch.zeros(1, 1, 2))):
        with pytest.raises(TypeError, match=f"are of kind {kind}; they must be a tensor or an a"):
            read(inputs)
    with pytest.raises(TypeError, match="actions are of kind list; they must be"):
        agent.values(torch.zeros(3, 2, 6), [1.0, 2.0])


def test_agents_read_in_eval_mode_and_stay_in_theirs():
    agent, x = noisy_agent(), torch.randn(5, 4, 6)
    agent.critic.second.eval()
    before = {name: y.clone() for name, y in agent.state_dict().items()}
    modes = [module.training for module in agent.modules()]
    assert torch.equal(agent.actions(x), agent.actions(x))
    values = agent.values(x, torch.zeros(5, 4, 2))
    assert torch.equal(values, agent.values(x, torch.zeros(5, 4, 2)))
    torch.testing.assert_close(agent.act(x[0])[0], agent.actions(x)[0])
    assert [module.training for module in agent.modules()] == modes
    assert all(torch.equal(before[name], y) for name, y in agent.state_dict().items())


def test_modes_return_after_an_error():
    agent, x = noisy_agent(), torch.zeros(3, 2, 7)
    with pytest.raises(RuntimeError), evaluating(agent):
        agent.actor({"observation": x})
    assert all(module.training for module in agent.modules())
