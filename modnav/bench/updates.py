"""Times of TD3 updates, done where trainings do them, beside plain ones; and what they learn from."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from pytorch_lightning import Trainer
from torch import Generator, Tensor, nn
from typing_extensions import override

from modnav.acting import Finished, Segment
from modnav.learning import TD3, AbstractReplay, StepReplay, TrialReplay
from modnav.networks import Agent, build_agent
from modnav.task import STREAMS, TaskParameters

from .plain import PlainUpdates
from .timing import BenchResult, BenchSettings, Spread, Timed, compare

__all__ = [
    "InTraining",
    "bench_update",
    "example_segment",
    "made_up_trials",
    "make_learner",
    "make_replay",
    "repeated",
    "replay_kind",
    "update_flops",
]

LearnerT = TypeVar("LearnerT", bound=TD3)


def bench_update(settings: BenchSettings) -> BenchResult:
    """Time TD3 updates on a batch of whole trials of full length, or of single steps."""
    learner = make_learner(settings.agent, InTraining)
    segment = example_segment(learner, settings.steps)
    found: list[tuple[Spread, Spread, Spread]] = []

    def job() -> None:
        real, plain = (
            Timed(partial(repeated, learner.policy_delay, update, segment), learner.policy_delay)
            for update in (learner.update, PlainUpdates(learner).update)
        )
        found.append(compare(real, plain, settings.threads, settings.seconds))

    learner.train_with(settings.precision, job)
    steps, trials = segment.action.shape[:2]
    flops = update_flops(learner, steps, trials)
    more = {"GFLOP": flops / 1e9, "GFLOP/s": flops / 1e6 / found[0][0].median}
    return BenchResult("update", f"TD3 update, {steps} x {trials}", "update", *found[0], more)


def repeated(count: int, function: Callable[[Segment], None], segment: Segment) -> None:
    """Call a function with a batch some number of times."""
    for _ in range(count):
        function(segment)


def make_learner(architecture: str, kind: type[LearnerT]) -> LearnerT:
    """Return a learner with fresh weights."""
    agent = build_agent(architecture)
    learner = kind(agent.actor, agent.critic.first)
    learner.generator = Generator().manual_seed(0)
    return learner


def make_replay(agent: Agent, capacity: int) -> AbstractReplay:
    """Return an empty memory for an agent, with batches of the published size if they fit."""
    kind = replay_kind(agent)
    replay = kind(capacity, min(kind().batch_size, capacity))
    replay.allocate(agent.sources, TaskParameters().max_steps, torch.device("cpu"))
    return replay


def replay_kind(agent: Agent) -> type[TrialReplay] | type[StepReplay]:
    """Return the kind of replay that an agent learns from."""
    return TrialReplay if agent.recurrent else StepReplay


def example_segment(learner: TD3, steps: int = TaskParameters.max_steps) -> Segment:
    """Return a batch of the size of published ones, of trials of so many steps or single steps."""
    replay = make_replay(learner.agent, 4096)
    lengths = torch.full((64,), steps)
    replay.add_trials(made_up_trials(learner.agent.sources, lengths, Generator()), mirror=False)
    return replay.sample(np.random.default_rng(0))


def made_up_trials(sources: set[str], steps: Tensor, generator: Generator) -> Finished:
    """Return trials of given lengths ``(K,)`` filled with random numbers."""
    count, longest = len(steps), TaskParameters().max_steps

    def draw(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=generator)

    inputs = {name: draw(longest + 1, STREAMS[name].features) for name in sorted(sources)}
    return Finished(inputs, draw(longest, 2).clamp(-1, 1), draw().abs(), steps)


class InTraining(TD3):
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
