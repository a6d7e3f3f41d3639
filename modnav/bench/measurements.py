"""What ``modnav bench`` times: acting, updates, evaluation, replay and a short run."""

import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Generator
from torch.utils.benchmark import set_torch_threads
from typing_extensions import override

from modnav.acting import ROLES, Collector
from modnav.callbacks import Monitor, TrainingPhases
from modnav.evaluation import GAINS, fixed_gain_conditions, run, score
from modnav.learning import TD3, Experience, TrialReplay
from modnav.networks import Agent, build_agent
from modnav.task import TaskParameters

from .plain import plain_agent, plain_evaluation
from .timing import BenchResult, BenchSettings, Spread, Timed, clock, compare, measure
from .updates import bench_update, made_up_trials, make_learner, make_replay, replay_kind

__all__ = ["BENCHES", "WARM", "RunClock", "short_run", "timed_trainer"]

PHASE = TrainingPhases().current
"""What the trials are acted out with: phase I, with which runs begin."""

WARM = 5
"""Batches' worth of items that a memory must exceed before the first update of a short run."""


def bench_acting(settings: BenchSettings) -> BenchResult:
    """Time acting and stepping: many trials in parallel, and one alone."""
    agent, count = build_agent(settings.agent), settings.parallel_trials
    real, plain = (
        Timed(partial(_collector(agent, k).sweep, agent.actor, PHASE.exploration_std), k)
        for k in (count, 1)
    )
    spreads = compare(real, plain, settings.threads, settings.seconds)
    what = f"acting, {count} trials in parallel"
    return BenchResult("acting", what, "step", *spreads, {"steps/s": 1000 / spreads[0].median})


def _collector(agent: Agent, parallel_trials: int) -> Collector:
    generators = {role: Generator().manual_seed(k) for k, role in enumerate(ROLES)}
    task = TaskParameters() if PHASE.observation_noise else TaskParameters(observation_noise=0.0)
    return Collector(task, agent.sources, parallel_trials, generators)


def bench_evaluate(settings: BenchSettings) -> BenchResult:
    """Time evaluations: all trials of all gains together, and one by one."""
    agent = build_agent(settings.agent)
    conditions = fixed_gain_conditions(TaskParameters(), GAINS, settings.trials)
    total, few = len(conditions.group), min(5, settings.trials)
    spreads = compare(
        Timed(lambda: score(agent, conditions, run(agent, conditions)), total),
        Timed(partial(plain_evaluation, plain_agent(agent), conditions, few), few),
        settings.threads,
        settings.seconds,
    )
    what = f"evaluation, {settings.trials} trials x {len(GAINS)} gains, untrained agent"
    seconds = spreads[0].median * total / 1000
    return BenchResult("evaluate", what, "trial", *spreads, {"s in all": seconds})


def bench_replay(settings: BenchSettings) -> BenchResult:
    """Time drawing batches from a full memory."""
    agent, count, generator = build_agent(settings.agent), settings.stored, Generator()
    replay = make_replay(agent, count)
    while len(replay) < count:
        some = min(2000, count - len(replay))
        steps = torch.randint(5, TaskParameters().max_steps + 1, (some,), generator=generator)
        replay.add_trials(made_up_trials(agent.sources, steps, generator), mirror=False)
    draw = Timed(partial(replay.sample, np.random.default_rng(0)))
    spread = measure(draw, settings.threads, settings.seconds)
    megabytes = sum(x.nbytes for x in replay.buffers.values()) / 1e6
    if isinstance(replay, TrialReplay) and replay.index is not None:
        arrays = (replay.lengths, replay.index.members, replay.index.counts, replay.index.places)
        megabytes += sum(x.nbytes for x in arrays) / 1e6
    what = f"replay sampling, {count} {'trials' if agent.recurrent else 'steps'} held"
    return BenchResult("replay", what, "batch", spread, more={"MB": megabytes})


class RunClock(Callback):
    """Times the parts of a run from the end of its first Lightning step on, and ends the run.

    The first step is that in which memory fills and processes warm up.

    Args:
        seconds: Time after which the run ends.
        now: What tells the time, s.

    Attributes:
        ends: Time and number of updates at the end of each Lightning step.
        spent: Time spent in each part since the first of them, s.
    """

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self.seconds = seconds
        self.now = now
        self.ends: list[tuple[float, int]] = []
        self.spent: dict[str, float] = {}

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        experience = trainer.datamodule  # type: ignore[attr-defined]  # set where there is one
        self._watch("update", pl_module, "update_with")
        self._watch("acting", experience.collector, "sweep")
        self._watch("sampling", experience, "next_batch")

    def _watch(self, part: str, owner: Any, method: str) -> None:
        function = getattr(owner, method)
        self.spent[part] = 0.0

        def timed(*args: Any, **kwargs: Any) -> Any:
            before = self.now()
            result = function(*args, **kwargs)
            self.spent[part] += self.now() - before
            return result

        setattr(owner, method, timed)

    @override
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        if not self.ends:
            self.spent = dict.fromkeys(self.spent, 0.0)
        self.ends.append((self.now(), int(pl_module.updates)))  # type: ignore[arg-type]  # TD3's
        if self._total >= self.seconds:
            trainer.should_stop = True

    @property
    def _total(self) -> float:
        return self.ends[-1][0] - self.ends[0][0]

    @property
    def milliseconds(self) -> np.ndarray:
        """Times for an update with all that goes with it, one for each Lightning step."""
        times, updates = np.diff(np.array(self.ends), axis=0).T
        return 1000 * times / updates

    @property
    def shares(self) -> dict[str, float]:
        """Share of the time that went into each part of the run, and into the rest."""
        shares = {part: spent / self._total for part, spent in self.spent.items()}
        return shares | {"rest": 1 - sum(shares.values())}


def bench_run(settings: BenchSettings) -> BenchResult:
    """Time a short run through the trainer, and see what share of it is not the update."""
    with set_torch_threads(settings.threads):
        run_clock = short_run(settings)
    shares = run_clock.shares
    shares = {"not the update": 1 - shares.pop("update")} | shares
    spread = Spread.of(run_clock.milliseconds)
    return BenchResult("run", "run through the trainer, phase I", "update", spread, shares=shares)


def short_run(settings: BenchSettings) -> RunClock:
    """Train for a short time, from the end of the first Lightning step on."""
    learner = make_learner(settings.agent, TD3)
    run_clock = RunClock(settings.seconds, clock(settings.threads))
    experience = Experience(
        replay=replay_kind(learner.agent)(), learning_starts=WARM, epoch_trials=1_000_000
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = timed_trainer(folder, run_clock, precision=settings.precision)
        trainer.fit(learner, datamodule=experience)
    return run_clock


def timed_trainer(folder: str, callback: Callback, **options: Any) -> Trainer:
    """Return a trainer of a run that is timed: it logs, but neither validates nor saves.

    Args:
        folder: Where its events go.
        callback: What ends it.
        options: Further arguments of the trainer.
    """
    plain: dict[str, Any] = {"accelerator": "cpu", "logger": TensorBoardLogger(folder)}
    return Trainer(
        devices=1,
        max_epochs=-1,
        default_root_dir=folder,
        callbacks=[TrainingPhases(), Monitor(), callback],
        num_sanity_val_steps=0,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **(plain | options),
    )


BENCHES: dict[str, Callable[[BenchSettings], BenchResult]] = {
    "acting": bench_acting,
    "update": bench_update,
    "evaluate": bench_evaluate,
    "replay": bench_replay,
    "run": bench_run,
}
"""What can be measured, by name."""
