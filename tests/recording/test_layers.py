import numpy as np
import torch
from sessions import close, session_for

from modnav.networks import (
    AbstractBelief,
    Actor,
    Agent,
    Critic,
    Feedforward,
    RecurrentBelief,
    TwinCritic,
)
from modnav.recording import layers_of, record


class Smoothed(AbstractBelief):
    """A belief of one's own, without a layer that torch knows."""

    source = "observation"
    recurrent = False
    in_features = 6
    out_features = 9

    def __init__(self):
        super().__init__()
        self.map = torch.nn.Linear(6, 9)

    def forward(self, x, memory=None):
        return self.map(x), None


def test_layers_of_other_agents():
    gru = RecurrentBelief(6, 7, num_layers=2, cell="gru")
    plain = RecurrentBelief(6, 5, cell="rnn")
    critic = Critic(plain, Feedforward(7, 1, (4,)))
    agent = Agent(Actor(gru, Feedforward(7, 2, (3,))), TwinCritic(critic))
    sizes = {name: layer.size for name, layer in layers_of(agent).items()}
    assert sizes == {
        "actor.belief.layer0": 7,
        "actor.belief.layer1": 7,
        "actor.action.mlp.1": 3,
        "critic.belief": 5,
        "critic.value.mlp.1": 4,
    }
    _, steps, units = record(agent, trials=3, max_steps=6)
    last = units[[f"actor.belief.layer1.{k}" for k in range(7)]].to_numpy(copy=True)
    action = torch.tanh(agent.actor.action(torch.from_numpy(last)[:, None])[0][:, 0])
    close(steps[["action_v", "action_w"]], action.detach())
    own = Agent(Actor(Smoothed(), Feedforward(9, 2, ())), TwinCritic(critic))
    assert {n: layer.size for n, layer in layers_of(own).items()}["actor.belief"] == 9


def test_units_give_the_actions_and_values(agent):
    """The last layer of units, through the last linear map, is what the agent did."""
    _, steps, units = record(agent, session_for(agent))
    for part, column in ((agent.actor.action, "action"), (agent.critic.first.value, "value")):
        linear = [module for module in part.modules() if isinstance(module, torch.nn.Linear)][-1]
        prefix = "actor" if column == "action" else "critic"
        names = [name for name in layers_of(agent) if name.startswith(prefix)]
        last = units[[c for c in units if c.rpartition(".")[0] == names[-1]]].to_numpy(copy=True)
        assert last.shape[1] == linear.in_features
        output = linear(torch.from_numpy(last)).detach().numpy()
        if column == "action":
            close(steps[["action_v", "action_w"]], np.tanh(output))
        else:
            close(steps["value"], output[:, 0])
