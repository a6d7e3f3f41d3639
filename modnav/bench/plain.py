"""The plain path that ``modnav bench`` compares with: what is written down first, without tricks.

One trial at a time, updates in single precision with the optimizer's defaults, replay as a list.
It does the same work on the same numbers as the path that trainings take.
"""

import copy
import random
from collections.abc import Iterable

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import Adam

from modnav.acting import Finished, Noise, Segment, greedy, rollout
from modnav.evaluation import TestTrials
from modnav.learning import TD3, smooth_target_action
from modnav.networks import Agent, Linear
from modnav.task import STREAMS, Trials

__all__ = ["PlainReplay", "PlainUpdates", "made_up_trials", "plain_agent", "plain_evaluation"]


class PlainUpdates:
    """TD3 updates of an agent with weights of its own.

    Args:
        learner: What trains in the other way; its agent, target, settings and generator are
            copied as they are now.
    """

    def __init__(self, learner: TD3) -> None:
        self.agent, self.target = plain_agent(learner.agent), plain_agent(learner.target)
        self.actor_optimizer = _adam(self.agent.actor)
        self.critic_optimizer = _adam(self.agent.critic)
        self.learner = learner
        self.generator = Generator()
        if learner.generator is not None:
            self.generator.set_state(learner.generator.get_state())
        self.updates = 0

    def update(self, segment: Segment) -> None:
        """Update the critics and, every ``policy_delay`` times, the actor and the targets."""
        with torch.autocast("cpu", enabled=False):
            self._critics(segment)
            if self.updates % self.learner.policy_delay == 0:
                self._actor(segment)
                self._targets()
        self.updates += 1

    def _critics(self, segment: Segment) -> None:
        learner, (first, second) = (
            self.learner,
            (self.agent.critic.first, self.agent.critic.second),
        )
        with torch.no_grad():
            noise = learner.noise_std * torch.randn(segment.action.shape, generator=self.generator)
            action = self.target.actor(segment.inputs)[0][1:]
            action = smooth_target_action(action, noise, **learner.smoothing)
            action = torch.cat((segment.action[:1], action))
            values = [
                critic(segment.inputs, action)[1:]
                for critic in (self.target.critic.first, self.target.critic.second)
            ]
            value = torch.minimum(*values)
            goal = segment.reward + (1 - segment.terminal) * learner.discount * value
        inputs = _before_last(segment)
        loss = mse_loss(first(inputs, segment.action), goal)
        loss = loss + mse_loss(second(inputs, segment.action), goal)
        self.critic_optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.critic_optimizer.step()

    def _actor(self, segment: Segment) -> None:
        inputs = _before_last(segment)
        loss = -self.agent.critic.first(inputs, self.agent.actor(inputs)[0]).mean()
        self.actor_optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.actor_optimizer.step()

    def _targets(self) -> None:
        tau = self.learner.tau
        with torch.no_grad():
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


class PlainReplay:
    """Replay as lists of trials or, for agents that remember nothing, of single steps.

    Args:
        batch_size: Trials or steps in a batch.
        steps: Whether it holds steps.
        capacity: Trials of which a random tenth is looked through for each batch, as published.
    """

    def __init__(self, batch_size: int, *, steps: bool = False, capacity: int = 100_000) -> None:
        self.batch_size = batch_size
        self.steps = steps
        self.capacity = capacity
        self.trials: list[Segment] = []
        self.random = random.Random(0)

    def add(self, trials: Finished) -> None:
        """Store trials."""
        for k, steps in enumerate(trials.steps.tolist()):
            last = torch.zeros(steps, 1)
            last[-1] = 1
            inputs = {name: x[k, : steps + 1] for name, x in trials.inputs.items()}
            whole = Segment(inputs, trials.action[k, :steps], trials.reward[k] * last, last)
            self.trials += _single_steps(whole) if self.steps else [whole]
        del self.trials[: -self.capacity]

    def sample(self) -> Segment:
        """Draw a batch: steps, or trials of the length of one of them."""
        trials = self.trials
        if self.steps:
            chosen = self.random.sample(trials, min(self.batch_size, len(trials)))
        else:
            some = self.random.sample(trials, min(self.capacity // 10, len(trials)))
            length = len(self.random.choice(some).action)
            alike = [trial for trial in some if len(trial.action) == length]
            chosen = self.random.sample(alike, min(self.batch_size, len(alike)))
        return Segment(
            {key: _side_by_side(x.inputs[key] for x in chosen) for key in chosen[0].inputs},
            *(_side_by_side(parts) for parts in zip(*(x[1:4] for x in chosen), strict=True)),
        )


def _single_steps(trial: Segment) -> list[Segment]:
    return [
        Segment(
            {name: x[t : t + 2] for name, x in trial.inputs.items()},
            *(x[t : t + 1] for x in trial[1:4]),
        )
        for t in range(len(trial.action))
    ]


def _side_by_side(parts: Iterable[Tensor]) -> Tensor:
    return torch.stack(tuple(parts), dim=1)


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


def made_up_trials(
    sources: set[str], steps: Tensor, longest: int, generator: Generator
) -> Finished:
    """Return trials of given lengths ``(K,)`` filled with random numbers."""
    count = len(steps)

    def draw(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    inputs = {name: draw(longest + 1, STREAMS[name].features) for name in sorted(sources)}
    return Finished(inputs, draw(longest, 2).clamp(-1, 1), draw().abs(), steps)
