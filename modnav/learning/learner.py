"""Lightning module that trains an agent with TD3."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import pandas as pd
import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.cli import OptimizerCallable
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Generator, Tensor, nn
from torch.optim import Adam, Optimizer
from typing_extensions import override

from modnav.acting import Rollout, Segment
from modnav.errors import DivergedError, require, require_kind
from modnav.evaluation import (
    AbstractTrialMetric,
    TestTrials,
    check_names,
    means_of,
    run,
    score,
    trial_statistics,
)
from modnav.files import one_line
from modnav.networks import (
    ACTIONS,
    FORMAT,
    Actor,
    Agent,
    Critic,
    TwinCritic,
    check_agent,
    describe_agent,
    draw_weights,
    own_sequences,
)
from modnav.task import UNIT_CM, TaskParameters

from . import td3

__all__ = ["TD3", "UPDATES_PER_STEP"]

UPDATES_PER_STEP = 16
"""Updates in one Lightning step, whose fixed cost they share."""

BLOCK = 16
"""Normal numbers that generators draw at a time."""


def _adam(parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Return the published optimizer; a function with a name, which can be pickled."""
    return Adam(parameters, lr=3e-4, eps=1.5e-4, fused=True)


def _check_kinds(actor: Actor, critic: Critic) -> None:
    """Refuse both critics in the place of one, and what torch makes of a module in its place."""
    rule = "a modnav.networks.Actor, such as agent.actor (compile it by agent.actor.compile())"
    require_kind("model.actor", actor, Actor, rule)
    rule = "a modnav.networks.Critic, such as agent.critic.first"
    require_kind("model.critic", critic, Critic, rule)


def _check_optimizer(make: OptimizerCallable) -> None:
    """Refuse an optimizer that does not step along gradients alone."""
    weight = nn.Parameter(torch.zeros(2, 2))
    weight.grad = torch.zeros(2, 2)
    optimizer = make([weight])
    try:
        optimizer.step()
    except Exception as error:  # it may be anybody's
        raise ValueError(
            f"model.optimizer is {type(optimizer).__name__}, which cannot take a step along "
            f"gradients: {one_line(str(error))}"
        ) from error


class TD3(LightningModule):
    """Train an actor and twin critics.

    A user's own modules are in train mode during losses alone; acting, targets and validations are
    in eval mode. (Those of modnav do the same in both, and stay in train mode.)

    Args:
        actor: Policy.
        critic: Action value; its twin has the same form and its own weights.
        optimizer: Makes an optimizer from parameters; called for the actor and for the critics.
        discount: Discount per step.
        tau: Fraction by which target networks move.
        policy_delay: Critic updates per update of the actor and the targets.
        noise_std: Standard deviation of the smoothing noise on target actions.
        noise_clip: Largest size of that noise on moving actions.
        stop_threshold: The agent stops when both action components are smaller than this; that
            of the task.
        losses: What is learned from a batch; as published if None.
        metrics: Further numbers of the trials of validations: several, or one.

    Attributes:
        agent: The agent that learns.
        target: Its slow copy.
        action_penalty: Weight of the mean squared action in the actor's loss; training phases set
            it, 0 as published.
        updates: Updates so far.
        results: Numbers of the last validations, by validation, test task and column.

    Raises:
        TypeError: If actor or critic is none.
        ValueError: If a number is not allowed; the message names the key, the value and the rule.
    """

    def __init__(
        self,
        actor: Actor,
        critic: Critic,
        optimizer: OptimizerCallable = _adam,
        discount: float = 0.97,
        tau: float = 0.005,
        policy_delay: int = 2,
        noise_std: float = 0.05,
        noise_clip: float = 0.1,
        stop_threshold: float = 0.1,
        losses: td3.TD3Losses | None = None,
        metrics: list[AbstractTrialMetric] | AbstractTrialMetric | None = None,
    ) -> None:
        super().__init__()
        _check_kinds(actor, critic)
        unit = {"discount": discount, "tau": tau, "stop_threshold": stop_threshold}
        wide = {"noise_std": noise_std, "noise_clip": noise_clip}
        for key, value in (unit | wide).items():
            require(f"model.{key}", value, 0, 1 if key in unit else 10)
        require("model.policy_delay", policy_delay, 1)
        self.automatic_optimization = False
        self.agent = Agent(draw_weights(actor), TwinCritic(draw_weights(critic)))
        self.target = copy.deepcopy(self.agent).requires_grad_(False)
        _check_optimizer(optimizer)
        self.optimizer = optimizer
        self.discount, self.tau, self.policy_delay = discount, tau, policy_delay
        self.noise_std = noise_std
        self.smoothing = {"noise_clip": noise_clip, "stop_threshold": stop_threshold}
        self.rule = td3.PUBLISHED if losses is None else losses
        self.metrics = [metrics] if isinstance(metrics, AbstractTrialMetric) else metrics or []
        check_names(self.metrics)
        self.action_penalty = 0.0
        self.updates = 0
        self.losses: dict[str, list[Tensor]] = {"critic": [], "actor": []}
        self.results: dict[str, dict[str, dict[str, float]]] = {}
        self.shown: tuple[TestTrials, Rollout] | None = None
        self.generator: Generator | None = None
        self.batches_per_step = UPDATES_PER_STEP  # a population has its own, as of what follows
        self.update_with: Callable[[Any], None] = self.update  # a population has its own
        self.after_updates: Callable[[], None] = _done

    @override
    def configure_optimizers(self) -> list[Optimizer]:
        """Make one optimizer for the actor and one for both critics."""
        return [
            self.optimizer(self.agent.actor.parameters()),
            self.optimizer(self.agent.critic.parameters()),
        ]

    @override
    def setup(self, stage: str) -> None:
        # On a GPU torch would run an LSTM in TF32, with errors of 1e-3, although all is float32.
        torch.backends.cudnn.allow_tf32 = False
        if stage == "fit":
            experience = getattr(self.trainer, "datamodule", None)
            check_agent(self.agent, getattr(experience, "task", TaskParameters()).max_steps)
        if stage == "fit" and self.generator is None:
            seed = 1_000_003 * (torch.initial_seed() % 2**31) + self.global_rank
            self.generator = Generator(self.trainer.strategy.root_device).manual_seed(seed)

    @override
    def on_train_start(self) -> None:
        """Act in eval mode from the first step; until here Lightning wants all in train mode."""
        self._set_learning(False)

    def _set_learning(self, mode: bool) -> None:
        for module in own_sequences(self.agent):
            module.train(mode)

    @override
    def training_step(self, dataloader_iter: Iterator[tuple[Any, int, int]]) -> None:
        """Make the next updates; the batches come when asked for, so acting waits for learning."""
        for batch, _, _ in islice(dataloader_iter, self.batches_per_step):
            self.update_with(batch)
        self.after_updates()

    def update(self, segment: Segment) -> None:
        """Update the critics and, every ``policy_delay`` times, the actor and the targets.

        Raises:
            DivergedError: If a loss is NaN or infinite; checkpoints are left as they were.
        """
        actor_optimizer, critic_optimizer = self.optimizers()  # type: ignore[attr-defined]  # a list: two are configured
        agent, target = self.agent, self.target
        steps, trials, _ = segment.action.shape
        noise = self.noise([(steps, trials)]).view_as(segment.action)
        if target.training:
            target.eval()
        goal = self.rule.target(
            target.actor, target.critic, segment, noise, self.discount, **self.smoothing
        )
        if not isinstance(goal, Tensor) or goal.shape != segment.reward.shape:
            raise ValueError(
                f"model.losses gave {_kind(goal)} as the target; it must be {list(segment.reward.shape)}"
            )
        self._set_learning(True)
        loss = self.rule.critic(agent.critic, segment, goal)
        self._descend("critic", critic_optimizer, loss)
        if self.updates % self.policy_delay == 0:
            loss = self.rule.actor(agent.actor, agent.critic, segment, self.action_penalty)
            self._descend("actor", actor_optimizer, loss)
            td3.polyak_update(target, agent, self.tau)
        self._set_learning(False)
        self.updates += 1

    def noise(self, shapes: Sequence[tuple[int, int]]) -> Tensor:
        """Draw smoothing noise for the target actions of some batches, one after the other.

        Args:
            shapes: Steps and trials of each batch, ``T`` and ``B``.

        Returns:
            Noise, ``(N, 2)``, where N is the sum of all ``T * B``.
        """
        counts = [steps * trials * ACTIONS for steps, trials in shapes]
        drawn = _normal_draws(counts, self.generator, self.device)
        return self.noise_std * drawn.view(-1, ACTIONS)

    def diverged(self, loss: str) -> str:
        """Return what there is to say if a loss is not finite."""
        return (
            f"{loss} at update {self.updates}{self._trial()}; "
            "training stopped, and the checkpoints are as they were"
        )

    def _descend(self, name: str, optimizer: LightningOptimizer, loss: Tensor) -> None:
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
            raise ValueError(
                f"model.losses gave {_kind(loss)} as the {name} loss; it must be a scalar with a gradient"
            )
        if not self._finite(loss):
            raise DivergedError(self.diverged(f"the {name} loss became {loss.item()}"))
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        torch.clear_autocast_cache()  # else the next loss would see the weights of before
        self.losses[name].append(loss.detach())

    def _finite(self, loss: Tensor) -> bool:
        """Return whether a loss is finite, in all processes if there are several."""
        finite = loss.detach().isfinite()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            told = finite.float()
            torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MIN)
            finite = told.bool()
        return bool(finite)

    def _trial(self) -> str:
        experience = getattr(self.trainer, "datamodule", None)
        return "" if experience is None else f", trial {experience.counters.total_trials}"

    def take_losses(self) -> dict[str, float]:
        """Return the mean of each loss since the last call.

        Raises:
            DivergedError: If it is not finite, which a population sees first here in its last update.
        """
        losses = {k: torch.hstack(v) for k, v in self.losses.items() if v}
        means = {k: float(x.mean()) for k, x in losses.items() if len(x)}
        self.losses = {k: [] for k in self.losses}
        if not all(map(math.isfinite, means.values())):
            raise DivergedError(self.diverged("a loss was not finite"))
        return means

    @override
    def validation_step(self, conditions: TestTrials, batch_idx: int) -> None:
        """Run the agent in test conditions and log how it did."""
        trials = run(self.agent, conditions)
        rows = score(self.agent, conditions, trials, self.discount)
        for metric in self.metrics:
            for label, mean in means_of(metric, conditions, trials).items():
                rows[label][metric.name] = mean
        self.results[conditions.name], self.shown = rows, (conditions, trials)
        flat = {
            f"{conditions.name}/{label}/{column}": value
            for label, row in rows.items()
            for column, value in row.items()
        }
        flat[f"{conditions.name}/reward_rate"] = sum(row["reward_rate"] for row in rows.values())
        self.log_dict(flat, batch_size=1, sync_dist=True)  # alike in all processes

    @override
    def on_validation_start(self) -> None:
        """Let all processes validate the same: their batches differ, so their buffers may."""
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, 0)

    @override
    def on_validation_epoch_end(self) -> None:
        """Put the curves over trials, not over Lightning's steps."""
        experience = getattr(self.trainer, "datamodule", None)
        if experience is not None and self.trainer.state.fn == "fit":
            self.log("step", float(experience.counters.total_trials), sync_dist=True)

    @override
    def test_step(self, conditions: TestTrials, batch_idx: int) -> None:
        """Run the agent in test conditions and log how it did."""
        self.validation_step(conditions, batch_idx)

    @override
    def predict_step(self, conditions: TestTrials, batch_idx: int) -> pd.DataFrame:
        """Run the agent in test conditions and return a row for each trial (cm, s)."""
        trials = run(self.agent, conditions)
        statistics = trial_statistics(self.agent, trials, conditions.task, self.discount)
        target = UNIT_CM * trials.trials.target.cpu()
        columns = {
            "task": [conditions.labels[k] for k in conditions.group.tolist()],
            "target_x_cm": target[:, 0].numpy(),
            "target_y_cm": target[:, 1].numpy(),
            "duration_s": conditions.task.dt * trials.steps.cpu().numpy(),
        }
        return pd.DataFrame(columns | {k: x.cpu().numpy() for k, x in statistics.items()})

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Describe the agent; leave the targets out where the optimizers are left out too."""
        checkpoint["modnav"] = {
            "format": FORMAT,
            "architecture": self.agent.architecture,
            "agent": describe_agent(self.agent),
            "updates": self.updates,
        }
        if "optimizer_states" not in checkpoint:
            weights = checkpoint["state_dict"]
            checkpoint["state_dict"] = {
                k: v for k, v in weights.items() if not k.startswith("target.")
            }

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint is of such an agent, and take up its counters.

        Raises:
            ValueError: If it is of another agent, or not of modnav.
        """
        about = checkpoint.get("modnav")
        if about is None:
            raise ValueError("this is not a checkpoint of modnav")
        if about["agent"] != describe_agent(self.agent):
            raise ValueError(
                f"the checkpoint holds an agent of architecture {about['architecture']}; "
                f"the configuration asks for {self.agent.architecture}"
                + (" of other sizes" if about["architecture"] == self.agent.architecture else "")
            )
        weights = checkpoint["state_dict"]
        for key in [k for k in weights if k.startswith("agent.")]:
            weights.setdefault(key.replace("agent.", "target.", 1), weights[key])
        self.updates = about["updates"]


def _normal_draws(
    counts: Sequence[int], generator: Generator | None, device: torch.device
) -> Tensor:
    """Return standard normal draws, as many as of one call after the other for each count.

    Counts of whole blocks need one call, in which the same numbers come.
    """
    if not any(count % BLOCK for count in counts):
        counts = [sum(counts)]
    return torch.cat([torch.randn(n, generator=generator, device=device) for n in counts])


def _kind(found: object) -> str:
    """Return what a part of a user's own gave, in short."""
    return str(list(found.shape)) if isinstance(found, Tensor) else type(found).__name__


def _done() -> None:
    pass
