"""What ``modnav bench`` times: acting, updates, evaluation, replay and short runs."""

import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Generator, nn
from typing_extensions import override

from modnav.acting import ROLES, Collector, Segment
from modnav.callbacks import Monitor, TrainingPhases
from modnav.evaluation import GAINS, fixed_gain_conditions, run, score
from modnav.learning import TD3, AbstractReplay, Experience, StepReplay, TrialReplay
from modnav.networks import Agent, build_agent
from modnav.task import TaskParameters

from .plain import PlainReplay, PlainUpdates, made_up_trials, plain_agent, plain_evaluation
from .timing import Figure, Settings, Spread, Work, compare, now

__all__ = [
    "FIGURES",
    "PHASE",
    "STEPS_PER_UPDATE",
    "WARM",
    "Clock",
    "Inside",
    "bench_acting",
    "bench_evaluate",
    "bench_replay",
    "bench_run",
    "bench_update",
    "example_segment",
    "make_learner",
    "make_replay",
    "plain_run",
    "short_run",
    "update_flops",
]

PHASE = TrainingPhases().current
"""What the trials are acted out with: phase I, with which runs begin."""

STEPS_PER_UPDATE = 4
"""Environment steps per update, as published."""

WARM = 5
"""Batches' worth of items that a memory must exceed before the first update of a short run."""


def bench_acting(settings: Settings) -> Figure:
    """Time acting and stepping: many trials in parallel, and one alone."""
    agent = build_agent(settings.agent)
    fast = _collector(agent, settings.parallel_trials)
    plain = _collector(agent, 1)
    spreads = compare(
        Work(partial(fast.sweep, agent.actor, PHASE.exploration_std), settings.parallel_trials),
        Work(partial(plain.sweep, agent.actor, PHASE.exploration_std)),
        settings.seconds,
    )
    what = f"acting, {settings.parallel_trials} trials in parallel"
    return Figure("acting", what, "step", *spreads, {"steps/s": 1000 / spreads[0].median})


def _collector(agent: Agent, parallel_trials: int) -> Collector:
    generators = {role: Generator().manual_seed(k) for k, role in enumerate(ROLES)}
    task = TaskParameters() if PHASE.observation_noise else TaskParameters(observation_noise=0.0)
    return Collector(task, agent.sources, parallel_trials, generators)


def bench_update(settings: Settings) -> Figure:
    """Time TD3 updates on a batch of whole trials of full length, or of single steps."""
    learner = make_learner(settings.agent, Inside)
    segment = example_segment(learner)
    found: list[tuple[Spread, Spread, Spread]] = []

    def job() -> None:
        plain = PlainUpdates(learner)
        delay = learner.policy_delay
        found.append(
            compare(
                Work(partial(_times, delay, learner.update, segment), delay),
                Work(partial(_times, delay, plain.update, segment), delay),
                settings.seconds,
            )
        )

    learner.train_with(settings.precision, job)
    steps, trials = segment.action.shape[:2]
    flops = update_flops(learner, steps, trials)
    more = {"GFLOP": flops / 1e9, "GFLOP/s": flops / 1e6 / found[0][0].median}
    return Figure("update", f"TD3 update, {steps} x {trials}", "update", *found[0], more)


def _times(count: int, function: Callable[[Segment], None], segment: Segment) -> None:
    for _ in range(count):
        function(segment)


LearnerT = TypeVar("LearnerT", bound=TD3)


def make_learner(architecture: str, kind: type[LearnerT]) -> LearnerT:
    """Return a learner with fresh weights."""
    agent = build_agent(architecture)
    learner = kind(agent.actor, agent.critic.first)
    learner.generator = Generator().manual_seed(0)
    return learner


def make_replay(agent: Agent, capacity: int) -> AbstractReplay:
    """Return the kind of replay that an agent learns from, with batches of the published size."""
    kind = TrialReplay if agent.recurrent else StepReplay
    replay = kind(capacity, min(_batch_size(agent), capacity))
    replay.allocate(agent.sources, TaskParameters().max_steps, torch.device("cpu"))
    return replay


def _batch_size(agent: Agent) -> int:
    return (TrialReplay() if agent.recurrent else StepReplay()).batch_size


def example_segment(learner: TD3) -> Segment:
    """Return a batch of the size of published ones, of trials of full length or single steps."""
    longest, generator = TaskParameters().max_steps, Generator().manual_seed(0)
    replay = make_replay(learner.agent, 4096)
    steps = torch.full((64,), longest)
    trials = made_up_trials(learner.agent.sources, steps, longest, generator)
    replay.add_trials(trials, mirror=False)
    return replay.sample(np.random.default_rng(0))


class Inside(TD3):
    """Does a job where updates are done: with a trainer's precision and optimizers."""

    job: Callable[[], None]

    @override
    def training_step(self, batch: int) -> None:  # type: ignore[override]  # a number instead of batches
        self.job()

    def train_with(self, precision: Any, job: Callable[[], None]) -> None:
        """Do a job inside a training step."""
        self.job = job
        trainer = Trainer(
            accelerator="cpu",
            devices=1,
            precision=precision,
            max_epochs=1,
            limit_val_batches=0,
            barebones=True,
        )
        trainer.fit(self, [0], [0])


def update_flops(learner: TD3, steps: int, trials: int) -> float:
    """Return the floating-point operations in the products of one update, on average.

    A weight costs two at every step of every trial, and twice as many in the backward pass.
    """
    actor, critic = learner.agent.actor, learner.agent.critic.first
    one, two = _weights(actor), _weights(critic)
    inputs = _weights(critic.value) if critic.action_enters == "value" else two
    target = (one + 2 * two) * (steps + 1)
    critics = 3 * 2 * two * steps
    actors = (3 * one + two + inputs) * steps / learner.policy_delay
    return 2.0 * trials * (target + critics + actors)


def _weights(module: nn.Module) -> int:
    return sum(x.numel() for x in module.parameters() if x.dim() == 2)


def bench_evaluate(settings: Settings) -> Figure:
    """Time evaluations: all trials of all gains together, and one by one."""
    agent = build_agent(settings.agent)
    conditions = fixed_gain_conditions(TaskParameters(), GAINS, settings.trials)
    plain, count = plain_agent(agent), min(5, settings.trials)

    def together() -> None:
        score(agent, conditions, run(agent, conditions))

    total = len(conditions.group)
    spreads = compare(
        Work(together, total),
        Work(lambda: plain_evaluation(plain, conditions, count), count),
        settings.seconds,
    )
    what = f"evaluation, {settings.trials} trials x {len(GAINS)} gains, untrained agent"
    seconds = spreads[0].median * total / 1000
    return Figure("evaluate", what, "trial", *spreads, {"s in all": seconds})


def bench_replay(settings: Settings) -> Figure:
    """Time drawing batches from a full memory: preallocated, and a list."""
    agent, count = build_agent(settings.agent), settings.stored
    generator, longest = Generator().manual_seed(0), TaskParameters().max_steps
    replay = make_replay(agent, count)
    plain = PlainReplay(replay.batch_size, steps=not agent.recurrent, capacity=count)
    while len(replay) < count:
        some = min(2000, count - len(replay))
        steps = torch.randint(5, longest + 1, (some,), generator=generator)
        trials = made_up_trials(agent.sources, steps, longest, generator)
        replay.add_trials(trials, mirror=False)
        plain.add(trials)
    rng = np.random.default_rng(0)
    spreads = compare(Work(partial(replay.sample, rng)), Work(plain.sample), settings.seconds)
    megabytes = sum(x.numel() * x.element_size() for x in replay.buffers.values()) / 1e6
    if isinstance(replay, TrialReplay) and replay.index is not None:
        arrays = (replay.lengths, replay.index.members, replay.index.counts, replay.index.places)
        megabytes += sum(x.nbytes for x in arrays) / 1e6
    items = "trials" if agent.recurrent else "steps"
    return Figure(
        "replay", f"replay sampling, {count} {items} held", "batch", *spreads, {"MB": megabytes}
    )


class Clock(Callback):
    """Adds up the time spent in parts of a run, from the first update on, and ends the run.

    Args:
        seconds: Time after which it ends.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.spent = {"update": 0.0, "collection": 0.0, "sampling": 0.0}
        self.start = self.end = 0.0
        self.updates = 0

    def watch(self, part: str, owner: Any, method: str) -> None:
        """Add the time spent in a method to that of a part of the run."""
        function = getattr(owner, method)

        def timed(*args: Any) -> Any:
            before = now()
            result = function(*args)
            self._note(part, before, now())
            return result

        setattr(owner, method, timed)

    def _note(self, part: str, before: float, after: float) -> None:
        if part == "update":
            self.start = self.start or before
            self.end = after
            self.updates += 1
        if self.start:
            self.spent[part] += after - before

    @override
    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if self.updates and now() - self.start > self.seconds:
            trainer.should_stop = True

    @property
    def milliseconds(self) -> float:
        """Time for an update with all that goes with it."""
        return 1000 * (self.end - self.start) / self.updates

    @property
    def shares(self) -> dict[str, float]:
        """Part of the time that went into each part of the run, and into the rest."""
        total = self.end - self.start
        shares = {f"{part}, share": spent / total for part, spent in self.spent.items()}
        return shares | {"rest, share": 1 - sum(shares.values())}


def bench_run(settings: Settings, rounds: int = 3) -> Figure:
    """Time short runs through the trainer, and the plain loop, in turns."""
    clocks, plain = [], []
    for _ in range(rounds):
        clocks.append(short_run(settings, settings.seconds / (2 * rounds)))
        plain.append(plain_run(settings, settings.seconds / (2 * rounds)))
    times = np.array([clock.milliseconds for clock in clocks])
    shares = [clock.shares for clock in clocks]
    more = {name: float(np.median([x[name] for x in shares])) for name in shares[0]}
    spreads = (Spread.of(times), Spread.of(plain), Spread.of(np.array(plain) / times))
    return Figure("run", "run through the trainer, phase I", "update", *spreads, more)


def short_run(settings: Settings, seconds: float) -> Clock:
    """Train for a short time, from the first update on."""
    learner, clock = make_learner(settings.agent, TD3), Clock(seconds)
    replay = TrialReplay() if learner.agent.recurrent else StepReplay()
    experience = Experience(
        replay=replay,
        steps_per_update=STEPS_PER_UPDATE,
        learning_starts=WARM,
        epoch_trials=1_000_000,
    )
    clock.watch("update", learner, "update")
    clock.watch("collection", experience, "_step")
    clock.watch("sampling", replay, "sample")
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            accelerator="cpu",
            devices=1,
            precision=settings.precision,  # type: ignore[arg-type]  # the trainer checks the name
            max_epochs=-1,
            logger=TensorBoardLogger(folder),
            default_root_dir=folder,
            callbacks=[TrainingPhases(), Monitor(), clock],
            num_sanity_val_steps=0,
            limit_val_batches=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(learner, datamodule=experience)
    return clock


def plain_run(settings: Settings, seconds: float) -> float:
    """Train in the plain way for a short time; return the milliseconds for an update."""
    learner = make_learner(settings.agent, TD3)
    updates = PlainUpdates(learner)
    agent = updates.agent
    batch = _batch_size(agent)
    replay = PlainReplay(batch, steps=not agent.recurrent)

    def act(collector: Collector) -> None:
        replay.add(collector.sweep(agent.actor, PHASE.exploration_std).finished)

    first = _collector(agent, 16)
    while len(replay.trials) <= WARM * batch:
        act(first)
    alone = _collector(agent, 1)
    start = now()
    while updates.updates < 2 or now() - start < seconds:
        for _ in range(STEPS_PER_UPDATE):
            act(alone)
        updates.update(replay.sample())
    return 1000 * (now() - start) / updates.updates


FIGURES: dict[str, Callable[[Settings], Figure]] = {
    "acting": bench_acting,
    "update": bench_update,
    "evaluate": bench_evaluate,
    "replay": bench_replay,
    "run": bench_run,
}
"""What can be measured, by name."""
