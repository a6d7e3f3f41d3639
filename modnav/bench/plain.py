"""What is written down first, without tricks: updates, and trials one at a time.

It does the same work on the same numbers as what trainings do. ``modnav bench`` compares times with
it, and tests compare losses and weights.
"""

import copy

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from modnav.acting import Noise, Segment, greedy, rollout
from modnav.evaluation import TestTrials
from modnav.learning import TD3, smooth_target_action
from modnav.networks import Agent, Linear
from modnav.task import Trials

__all__ = ["PlainUpdates", "plain_agent", "plain_evaluation"]


class PlainUpdates:
    """TD3 updates of an agent with weights of its own, without autocast.

    Args:
        learner: What trains in the other way; its agent, target, settings and generator are
            copied as they are now.

    Attributes:
        agent: The agent that learns.
        target: Its slow copy.
        losses: Losses of the critics and of the actor, each ``()``.
    """

    def __init__(self, learner: TD3) -> None:
        self.agent, self.target = plain_agent(learner.agent), plain_agent(learner.target)
        self.actor_optimizer = _adam(self.agent.actor)
        self.critic_optimizer = _adam(self.agent.critic)
        self.learner = learner
        self.generator = Generator(learner.device)
        if learner.generator is not None:
            self.generator.set_state(learner.generator.get_state())
        self.losses: dict[str, list[Tensor]] = {"critic": [], "actor": []}
        self.updates = 0

    def update(self, segment: Segment) -> None:
        """Update the critics and, every ``policy_delay`` times, the actor and the targets."""
        with torch.autocast(self.generator.device.type, enabled=False):
            self._critics(segment)
            if self.updates % self.learner.policy_delay == 0:
                self._actor(segment)
                self._targets()
        self.updates += 1

    def _critics(self, segment: Segment) -> None:
        inputs, goal, critic = _before_last(segment), self._goal(segment), self.agent.critic
        loss = mse_loss(critic.first(inputs, segment.action), goal)
        loss = loss + mse_loss(critic.second(inputs, segment.action), goal)
        self._descend("critic", self.critic_optimizer, loss)

    @torch.no_grad()
    def _goal(self, segment: Segment) -> Tensor:
        learner, target = self.learner, self.target
        shape, generator = segment.action.shape, self.generator
        noise = learner.noise_std * torch.randn(
            shape, generator=generator, device=generator.device
        )
        action = target.actor(segment.inputs)[0][1:]
        action = smooth_target_action(action, noise, **learner.smoothing)
        action = torch.cat((segment.action[:1], action))
        first = target.critic.first(segment.inputs, action)
        second = target.critic.second(segment.inputs, action)
        value = torch.minimum(first, second)[1:]
        return segment.reward + (1 - segment.terminal) * learner.discount * value

    def _actor(self, segment: Segment) -> None:
        inputs = _before_last(segment)
        loss = -self.agent.critic.first(inputs, self.agent.actor(inputs)[0]).mean()
        self._descend("actor", self.actor_optimizer, loss)

    def _descend(self, name: str, optimizer: Adam, loss: Tensor) -> None:
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        self.losses[name].append(loss.detach())

    @torch.no_grad()
    def _targets(self) -> None:
        tau = self.learner.tau
        for slow, fast in zip(self.target.parameters(), self.agent.parameters(), strict=True):
            slow.copy_((1 - tau) * slow + tau * fast)


def _adam(module: nn.Module) -> Adam:
    return Adam(module.parameters(), lr=3e-4, eps=1.5e-4, foreach=False, fused=False)


def plain_agent(agent: Agent) -> Agent:
    """Return a copy of an agent whose products are all left to PyTorch."""
    agent = copy.deepcopy(agent)
    for module in list(agent.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Linear):
                layer = nn.Linear(child.in_features, child.out_features)
                layer.weight, layer.bias = child.weight, child.bias
                setattr(module, name, layer)
    return agent


def _before_last(segment: Segment) -> dict[str, Tensor]:
    return {name: x[:-1] for name, x in segment.inputs.items()}


def plain_evaluation(agent: Agent, conditions: TestTrials, count: int) -> list[bool]:
    """Run the first trials of some conditions one by one.

    Returns:
        Whether each was rewarded.
    """
    rewarded = []
    for k in range(count):
        trials = Trials(*(x[k : k + 1] for x in conditions.trials))
        noise = Noise(*(x[:, k : k + 1] for x in conditions.noise))
        run = rollout(greedy(agent.actor), agent.sources, trials, noise, conditions.task)
        rewarded.append(bool(run.rewarded))
    return rewarded
