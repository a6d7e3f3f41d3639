"""Weights, optimizers and updates of many agents as one.

What agents learn is held in one matrix with a row for each, of which their modules' parameters
and their optimizers' states are views: they stay ordinary agents with ordinary optimizers, that
are saved, validated and resumed as ever.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer, RAdam

from modnav.acting import Segment
from modnav.networks import Agent, stack_agents

from . import td3
from .captured import Captured

__all__ = ["FlatWeights", "JointUpdates", "StackedAdam", "Turn", "check_optimizers"]


ALIGNED = 4
"""Numbers of 16 bytes, to which kernels of products want weights aligned."""


class FlatWeights:
    """The parameters of a stacked network as one matrix.

    Args:
        network: Its parameters become views of the matrix, and so do those of the members.

    Attributes:
        values: The matrix, ``(P, N)``; with ``2 P`` rows for the twin critics of ``P`` agents.
        parts: The parameters of each row, in the order of its columns.
    """

    def __init__(self, network: nn.Module) -> None:
        self.stacks = list(network.parameters())
        shared = [getattr(stack, "parts", [stack]) for stack in self.stacks]
        self.members = len(shared[0])
        self.sizes = [s.numel() // self.members for s in self.stacks]
        self.widths = [-(-size // ALIGNED) * ALIGNED for size in self.sizes]
        self.padding = self.stacks[0].new_zeros(self.members, ALIGNED)
        self.values = self._flat([s.detach() for s in self.stacks])
        self.parts = [list(parts) for parts in zip(*shared, strict=True)]
        for stack, parts, columns in zip(
            self.stacks, shared, self.columns(self.values), strict=True
        ):
            stack.data = columns.view(stack.shape)
            for part, row in zip(parts, columns, strict=True):
                part.data = row.view(part.shape)

    def columns(self, matrix: Tensor) -> Sequence[Tensor]:
        """Return the columns of each parameter, ``(P, n)``, of a matrix of this form."""
        wide = torch.split(matrix, self.widths, dim=1)
        return [x[:, :size] for x, size in zip(wide, self.sizes, strict=True)]

    def _flat(self, stacks: Sequence[Tensor]) -> Tensor:
        parts = []
        for x, size, width in zip(stacks, self.sizes, self.widths, strict=True):
            parts += [x.reshape(self.members, -1), self.padding[:, : width - size]]
        return torch.cat([x for x in parts if x.shape[1]], dim=1)

    def of_rows(self, x: Tensor) -> Tensor:
        """Return what each agent has, ``(P, 1)``, for each row."""
        return x if len(x) == self.members else x.repeat(self.members // len(x), 1)

    def gradient(self) -> Tensor:
        """Return the gradient of the matrix, ``(P, N)``."""
        return self._flat([torch.zeros_like(s) if s.grad is None else s.grad for s in self.stacks])

    def holds(self, row: int) -> bool:
        """Return whether the parameters of a row are still views of the matrix."""
        return _are_views(self.parts[row], self.values)

    def forget_gradient(self) -> None:
        """Forget it."""
        for stack in self.stacks:
            stack.grad = None


def check_optimizers(optimizers: Sequence[Optimizer]) -> None:
    """Check that optimizers of several members can be one.

    Raises:
        ValueError: If they are not plain Adam or RAdam, or not alike.
    """
    extras = ("weight_decay", "amsgrad", "maximize", "decoupled_weight_decay")
    plain = all(
        type(x) in (Adam, RAdam)
        and len(x.param_groups) == 1
        and not any(x.param_groups[0].get(key) for key in extras)
        for x in optimizers
    )
    if not plain or len({_constants(x) for x in optimizers}) > 1:
        raise ValueError(
            f"optimizers that are stacked must be Adam or RAdam, without {', '.join(extras)}, with one "
            "group of parameters, and alike but for their learning rates"
        )


def _constants(optimizer: Optimizer) -> tuple[type[Optimizer], tuple[float, float], float]:
    group = optimizer.param_groups[0]  # which of a resumed run is that of its state
    return (type(optimizer), (*group["betas"],), group["eps"])


def _are_views(parts: Iterable[Tensor], whole: Tensor) -> bool:
    where = whole.untyped_storage().data_ptr()
    return all(part.untyped_storage().data_ptr() == where for part in parts)


class StackedAdam:
    """Adam or RAdam with a learning rate and a step count for each member.

    Args:
        weights: What it changes.
        optimizers: The optimizer of each member; their states become views of its own.

    References:
        Kingma & Ba (2015), https://arxiv.org/abs/1412.6980, algorithm 1; Liu et al. (2020),
        https://arxiv.org/abs/1908.03265, algorithm 2; with ``eps`` where torch has it.
    """

    def __init__(self, weights: FlatWeights, optimizers: Sequence[Optimizer]) -> None:
        self.weights = weights
        self.rectified = isinstance(optimizers[0], RAdam)
        _, self.betas, self.eps = _constants(optimizers[0])
        self.first, self.second = (torch.zeros_like(weights.values) for _ in range(2))
        self.steps = weights.values.new_zeros(weights.members, 1)
        for row in range(weights.members):
            self._take(row, optimizers[row % len(optimizers)])

    def _take(self, row: int, optimizer: Optimizer) -> None:
        """Go on from the state of a member's optimizer, and let it be a view of this one's."""
        views = [self.weights.columns(x) for x in (self.first, self.second)]
        for part, first, second in zip(self.weights.parts[row], *views, strict=True):
            state = optimizer.state[part]
            mine = {"exp_avg": first[row], "exp_avg_sq": second[row]}
            for key, x in mine.items():
                if state:
                    x.copy_(state[key].reshape(-1))
                mine[key] = x.view(part.shape)
            if state:
                self.steps[row] = state["step"].to(self.steps)
            optimizer.state[part] = {"step": self.steps[row, 0], **mine}

    def holds(self, row: int, optimizer: Optimizer) -> bool:
        """Return whether what an optimizer remembers of a row is still a view of what this does."""
        wholes = {"exp_avg": self.first, "exp_avg_sq": self.second, "step": self.steps}
        states = [optimizer.state.get(part, {}) for part in self.weights.parts[row]]
        return all(states) and all(
            _are_views((s[key] for s in states), x) for key, x in wholes.items()
        )

    @torch.no_grad()
    def step(self, which: Tensor, rates: Tensor) -> None:
        """Take a step along the gradients.

        Args:
            which: 1 for each member that takes it, 0 for others, ``(P, 1)``.
            rates: Learning rate of each, ``(P, 1)``.
        """
        which, rates = self.weights.of_rows(which), self.weights.of_rows(rates)
        grad, (beta1, beta2) = self.weights.gradient(), self.betas
        grad = torch.where(which > 0, grad, 0.0)  # what others lack may be NaN
        self.steps += which
        self.first.lerp_(grad, (1 - beta1) * which)
        self.second.lerp_(grad.square(), (1 - beta2) * which)
        t = self.steps.clamp(min=1).double()  # what follows are small differences
        left1, left2 = 1 - beta1**t, 1 - beta2**t
        scale, spread = (rates * which / left1).float(), left2.sqrt().float()
        root = self.second.sqrt()
        if self.rectified:
            share, rectified = _rectification(t, beta2)
            root = torch.where(rectified, (root + self.eps) / (share.float() * spread), 1.0)
        else:
            root = root / spread + self.eps
        self.weights.values.sub_(scale * self.first / root)


def _rectification(t: Tensor, beta2: float) -> tuple[Tensor, Tensor]:
    """Return RAdam's rectification after ``t`` steps, and whether there is one yet."""
    most = 2 / (1 - beta2) - 1
    length = most - 2 * t * beta2**t / (1 - beta2**t)
    share = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
    return share.clamp(min=1e-9).sqrt(), length > 5


class Turn(NamedTuple):
    """What members bring to an update, besides experience; each ``(P, 1)``.

    Attributes:
        updates: 1 for each member that updates, else 0.
        acts: 1 for each of these whose actor and targets move too, else 0.
        rates: Learning rates.
        penalties: Weights of the mean squared action in the actor's loss.
    """

    updates: Tensor
    acts: Tensor
    rates: Tensor
    penalties: Tensor


class JointUpdates:
    """TD3 for several agents of one architecture at once.

    Args:
        agents: The agents.
        targets: Their slow copies.
        optimizers: Of each agent, the optimizers of actor and critics.
        discount: Discount per step.
        tau: Fraction by which target networks move.
        smoothing: ``noise_clip`` and ``stop_threshold`` of :func:`td3.td_target`.
        context: Makes the context in which losses are computed, such as autocast.
        losses: What is learned from a batch.
        graphs: Whether updates are captured in CUDA graphs.

    Attributes:
        agent: All agents as one, whose weights theirs are views of.
    """

    def __init__(
        self,
        agents: Sequence[Agent],
        targets: Sequence[Agent],
        optimizers: Sequence[Sequence[Optimizer]],
        discount: float,
        tau: float,
        smoothing: dict[str, float],
        context: Callable[[], torch.autocast],
        losses: td3.TD3Losses = td3.PUBLISHED,
        *,
        graphs: bool = False,
    ) -> None:
        self.members = len(agents)
        self.agent, self.target = stack_agents(agents), stack_agents(targets)
        self.target.eval()
        parts = [self.agent.actor, self.agent.critic, self.target.actor, self.target.critic]
        self.actor, self.critic, *self.slow = [FlatWeights(part) for part in parts]
        self.actor_optimizer, self.critic_optimizer = (
            StackedAdam(weights, [pair[k] for pair in optimizers])
            for k, weights in enumerate((self.actor, self.critic))
        )
        self.discount, self.tau, self.smoothing = discount, tau, smoothing
        self.context = context
        self.losses = losses
        self._captured = Captured(self._update, graphs=graphs)

    def update(
        self, segment: Segment, noise: Tensor, turn: Turn, *, acting: bool
    ) -> tuple[Tensor, Tensor]:
        """Update the critics of members, and actors and targets of those whose turn it is.

        A member whose loss is not finite stays as it is.

        Args:
            segment: Experience of all members.
            noise: Smoothing noise, ``(T, P * b, 2)``.
            turn: Whose turn it is.
            acting: Whether it is the turn of any actor.

        Returns:
            Losses of the critics and of the actors (0 if none acted), each ``(P,)``.
        """
        names = tuple(segment.inputs)
        assert segment.mask is not None  # members' batches differ in size
        steps = (segment.action, segment.reward, segment.terminal, segment.mask, noise)
        critic, actor = self._captured((acting, names), [*segment.inputs.values(), *steps, *turn])
        return critic.clone(), actor.clone()

    def holds(self, member: int, optimizers: Sequence[Optimizer]) -> bool:
        """Return whether a member learns what this does: nobody put others in the place of its weights."""
        stepping = zip((self.actor_optimizer, self.critic_optimizer), optimizers, strict=True)
        rows = {
            x: range(member, x.members, self.members)
            for x in (self.actor, self.critic, *self.slow)
        }
        return all(x.holds(row) for x in rows for row in rows[x]) and all(
            x.holds(row, own) for x, own in stepping for row in rows[x.weights]
        )

    def _update(self, form: tuple[bool, tuple[str, ...]], *given: Tensor) -> tuple[Tensor, Tensor]:
        """Do what :meth:`update` says, with tensors alone."""
        (acting, names), (agent, target) = form, (self.agent, self.target)
        inputs = dict(zip(names, given, strict=False))
        action, reward, terminal, mask, noise, *rest = given[len(names) :]
        segment, turn = Segment(inputs, action, reward, terminal, mask, self.members), Turn(*rest)
        with self.context():
            goal = self.losses.target(
                target.actor, target.critic, segment, noise, self.discount, **self.smoothing
            )
            loss = self.losses.critic(agent.critic, segment, goal).reshape(-1)
        self._descend(self.critic, self.critic_optimizer, loss, turn.updates, turn.rates)
        if not acting:
            return loss.detach(), torch.zeros_like(loss)
        with self.context():
            penalties = turn.penalties[:, 0]
            own = self.losses.actor(agent.actor, agent.critic, segment, penalties).reshape(-1)
        self._descend(self.actor, self.actor_optimizer, own, turn.acts, turn.rates)
        for slow, fast in zip(self.slow, (self.actor, self.critic), strict=True):
            slow.values.lerp_(fast.values, slow.of_rows(self.tau * turn.acts))
        return loss.detach(), own.detach()

    def _descend(
        self,
        weights: FlatWeights,
        optimizer: StackedAdam,
        loss: Tensor,
        which: Tensor,
        rates: Tensor,
    ) -> None:
        weights.forget_gradient()
        loss.sum().backward()  # type: ignore[no-untyped-call]  # so is torch's
        torch.clear_autocast_cache()  # else the next loss would see the weights of before
        optimizer.step(which * loss.detach().isfinite()[:, None], rates)
        weights.forget_gradient()
