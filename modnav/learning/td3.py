"""Twin delayed deep deterministic policy gradient, as functions of networks and data.

References:
    Fujimoto, van Hoof & Meger (2018), "Addressing function approximation error in actor-critic
    methods", https://arxiv.org/abs/1802.09477
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn

from modnav.acting import Segment
from modnav.networks import Actor, Inputs, TwinCritic

__all__ = [
    "TD3Losses",
    "actor_loss",
    "critic_loss",
    "frozen",
    "polyak_update",
    "smooth_target_action",
    "td_target",
]


def smooth_target_action(
    action: Tensor, noise: Tensor, noise_clip: float, stop_threshold: float
) -> Tensor:
    """Add noise to target actions without changing "go" into "stop" or back.

    Args:
        action: Target actions, ``(..., 2)``.
        noise: Noise, of the same shape.
        noise_clip: Largest size of the noise on moving actions.
        stop_threshold: The agent stops when both components are closer to 0 than this.

    Returns:
        Smoothed actions, of the same shape, in [-1, 1]: a stop stays a stop, and a component
        beyond the threshold stays on its side of it.

    References:
        Zhang, Pitkow & Angelaki (2024), Methods, "Agent training".
    """
    stop = (action.abs() <= stop_threshold).all(dim=-1, keepdim=True)
    noise = torch.where(stop, noise, noise.clamp(-noise_clip, noise_clip))
    low = torch.where(action > stop_threshold, stop_threshold, -1.0)
    high = torch.where(action < -stop_threshold, -stop_threshold, 1.0)
    low = torch.where(stop, -stop_threshold, low)
    high = torch.where(stop, stop_threshold, high)
    return torch.minimum(torch.maximum(action + noise, low), high)


@torch.no_grad()
def td_target(
    target_actor: Actor,
    target_critic: TwinCritic,
    segment: Segment,
    noise: Tensor,
    discount: float,
    noise_clip: float,
    stop_threshold: float,
) -> Tensor:
    """Return ``r + discount * (1 - terminal) * min_i Q_i(next)``, float32, ``(T, B, 1)``.

    The target networks live through the whole trial from its first input: the memory of the
    critic sees the recorded first action, then the smoothed target actions.

    Args:
        target_actor: Slow copy of the policy.
        target_critic: Slow copy of the critics.
        segment: Experience.
        noise: Smoothing noise, ``(T, B, 2)``.
        discount: Discount per step.
        noise_clip: Largest size of the noise on moving actions.
        stop_threshold: Largest action that stops.
    """
    action, _ = target_actor(segment.inputs)
    action = smooth_target_action(action[1:], noise, noise_clip, stop_threshold)
    action = torch.cat((segment.action[:1], action))
    value = target_critic(segment.inputs, action).amin(dim=0)[1:]
    return segment.reward + (1 - segment.terminal) * discount * value


def critic_loss(critic: TwinCritic, segment: Segment, target: Tensor) -> Tensor:
    """Return the mean squared TD error over steps and trials, summed over the two critics.

    Returns:
        The loss, ``()``; of several members that of each, ``(P,)``, as in :func:`actor_loss`.
    """
    error = critic(_without_last(segment.inputs), segment.action) - target
    return segment.mean((error**2).sum(dim=0))


def actor_loss(
    actor: Actor, critic: TwinCritic, segment: Segment, action_penalty: float | Tensor = 0.0
) -> Tensor:
    """Return the negative mean value of the actor's own actions, by the first critic.

    Gradients reach the actor alone.

    Args:
        actor: Policy.
        critic: Critics.
        segment: Experience.
        action_penalty: Weight of the mean squared action, which keeps a policy that knows of no
            rewards yet from the corners of its range; 0 as published. Of several members that
            of each, ``(P,)``.
    """
    inputs = _without_last(segment.inputs)
    action, _ = actor(inputs)
    with frozen(critic.first):
        loss = -segment.mean(critic.first(inputs, action))
    if isinstance(action_penalty, Tensor) or action_penalty:
        squared = (action**2).mean(dim=-1, keepdim=True)
        loss = loss + action_penalty * segment.mean(squared)
    return loss


@torch.no_grad()
def polyak_update(target: nn.Module, source: nn.Module, tau: float) -> None:
    """Move the parameters of ``target`` a fraction ``tau`` towards those of ``source``.

    Buffers, such as the running means of a BatchNorm, are copied.
    """
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)
    for mine, theirs in zip(target.buffers(), source.buffers(), strict=True):
        mine.copy_(theirs)


class TD3Losses:
    """What TD3 learns from a batch, as published; inherit it to change a part.

    Of a subclass: keep each argument of ``__init__`` in an attribute of its name. It is used in
    stacked populations if it says so: see :attr:`stacked`.

    Attributes:
        stacked: Whether losses are right for batches of several members as well: means over
            steps and trials are taken by :meth:`modnav.acting.Segment.mean` alone.
    """

    stacked: ClassVar[bool] = False

    def target(
        self,
        actor: Actor,
        critic: TwinCritic,
        segment: Segment,
        noise: Tensor,
        discount: float,
        noise_clip: float,
        stop_threshold: float,
    ) -> Tensor:
        """Return what values should be, ``(T, B, 1)``, without a graph.

        Arguments are those of :func:`td_target`; actor and critics are the slow copies.
        """
        return td_target(actor, critic, segment, noise, discount, noise_clip, stop_threshold)

    def critic(self, critic: TwinCritic, segment: Segment, target: Tensor) -> Tensor:
        """Return the loss of both critics, see :func:`critic_loss`."""
        return critic_loss(critic, segment, target)

    def actor(
        self, actor: Actor, critic: TwinCritic, segment: Segment, action_penalty: float | Tensor
    ) -> Tensor:
        """Return the loss of the actor, see :func:`actor_loss`."""
        return actor_loss(actor, critic, segment, action_penalty)


class _Published(TD3Losses):
    """The published losses."""

    stacked = True


PUBLISHED = _Published()
"""The published losses."""


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Spare a module's parameters the gradient of what is computed inside."""
    learning = [p for p in module.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)


def _without_last(inputs: Inputs) -> Inputs:
    return {name: x[:-1] for name, x in inputs.items()}
