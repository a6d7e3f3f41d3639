"""What a stacked population costs besides its joint updates: the host's work for each update."""

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.benchmark import set_torch_threads
from typing_extensions import override

from modnav.acting import Collector
from modnav.learning import TD3, Experience, JointUpdates, Member, Population, Seat, TrialReplay
from modnav.networks import Actor, Critic, Feedforward, RecurrentBelief
from modnav.task import TaskParameters

from .measurements import WARM, timed_trainer
from .timing import BenchResult, BenchSettings, Spread, clock

__all__ = ["bench_host"]

UNITS = 8
"""Units of each layer: so few that what is left of acting is what the host does."""

STOP = 0.25
"""Actions that stop: so large that exploration ends trials after 18 steps or so, as many as trials of
agents have that have learned."""


class _Rounds:
    """Times the rounds of a population, from the first in which all members update, and ends it.

    Args:
        seconds: Time after which it ends.
        now: What tells the time, s.

    Attributes:
        ends: Time, time spent acting and number of updates at the end of each round.
    """

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self.seconds, self.now = seconds, now
        self.acting = 0.0
        self.ends: list[tuple[float, float, int]] = []
        self._until = 0.0

    def of_acting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, the time of which is counted from now on."""

        def timed(*args: Any) -> Any:
            before = self.now()
            result = function(*args)
            self.acting += self.now() - before
            return result

        return timed

    def __call__(self, members: Sequence[Member]) -> None:
        """Take note of the end of a round."""
        updates = [m.learner.updates for m in members]
        ended = any(m.trainer.should_stop for m in members)
        if not all(updates) or ended:
            return
        if not self.ends:
            self._until = time.perf_counter() + self.seconds
        self.ends.append((self.now(), self.acting, sum(updates)))
        if time.perf_counter() > self._until and len(self.ends) > 3:
            for m in members:
                m.trainer.should_stop = True


def bench_host(settings: BenchSettings) -> BenchResult:
    """Time what a population does for each update of a member besides the joint update itself.

    It is a whole training, with trainers, callbacks and loggers, of small networks; joint updates
    are left out. On a processor what a GPU would do of the rest, such as gathering batches, counts
    too.

    Raises:
        Exception: What a member raises.
    """
    rounds = _Rounds(settings.seconds, clock(1, settings.device))
    with tempfile.TemporaryDirectory() as folder, set_torch_threads(1):
        runs = [partial(_train, settings.device, folder, k) for k in range(settings.population)]
        update, sweep = JointUpdates.update, Collector.sweep_all
        try:
            # the arithmetic is left out, and acting is timed
            JointUpdates.update = _no_update  # type: ignore[assignment,method-assign]  # until `finally`
            Collector.sweep_all = rounds.of_acting(sweep)  # type: ignore[method-assign]  # likewise
            errors = Population(runs, lambda members: None, rounds).run()
        finally:
            JointUpdates.update, Collector.sweep_all = update, sweep  # type: ignore[method-assign]  # as before
    for error in filter(None, errors):
        raise error
    whole, acting, updates = np.diff(np.array(rounds.ends), axis=0).T
    whole, acting, updates = (x[updates > 0] for x in (whole, acting, updates))
    rate = updates.sum() / whole.sum()
    return BenchResult(
        "host",
        f"host's work for an update, {settings.population} members",
        "update",
        Spread.of(1000 * whole / updates),
        more={"agent-updates/s at most": float(rate)},
        shares={"acting": float(acting.sum() / whole.sum())},
    )


def _no_update(joint: JointUpdates, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    zeros = joint.actor.values.new_zeros(joint.members)
    return zeros, zeros


class _Joins(Callback):
    """Lets a run take its seat."""

    def __init__(self, seat: Seat) -> None:
        self.seat = seat

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, TD3)
        Member(self.seat, trainer, pl_module, trainer.datamodule).join()  # type: ignore[attr-defined]  # set where there is one


def _train(device: str, folder: str, seed: int, seat: Seat) -> None:
    actor = Actor(RecurrentBelief(6, UNITS), Feedforward(UNITS, 2, (UNITS,)))
    critic = Critic(RecurrentBelief(6, UNITS), Feedforward(UNITS + 2, 1, (UNITS,)))
    learner = TD3(actor, critic, stop_threshold=STOP)
    *_, bias = learner.agent.actor.parameters()
    nn.init.constant_(bias, 2 * STOP)  # it moves
    experience = Experience(
        TaskParameters(stop_threshold=STOP),
        TrialReplay(10_000),
        learning_starts=WARM,
        epoch_trials=1_000_000,
        seed=seed,
    )
    accelerator = "gpu" if device == "cuda" else "cpu"
    logger = TensorBoardLogger(folder, version=seed)
    trainer = timed_trainer(folder, _Joins(seat), accelerator=accelerator, logger=logger)
    trainer.fit(learner, datamodule=experience)
