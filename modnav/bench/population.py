"""Times of updates of many agents at once, beside plain updates of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor

from modnav.acting import Segment
from modnav.learning import TD3, JointUpdates, Turn, autocast_of

from .plain import PlainUpdates
from .timing import BenchResult, BenchSettings, Timed, compare
from .updates import example_segment, make_learner, repeated

__all__ = ["JointJob", "bench_population", "tf32"]


class JointJob:
    """Updates of a population on batches of full length, as many as an actor's turn comes after.

    Args:
        learners: The members, all of one architecture, on one device.
        precision: Precision of a trainer.
        graphs: Whether updates are captured in CUDA graphs; on a GPU they are by default.

    Attributes:
        joint: What makes the updates.
        segment: Experience of all members; it may be made shorter.
    """

    def __init__(
        self, learners: list[TD3], precision: str = "32-true", graphs: bool | None = None
    ) -> None:
        first, count = learners[0], len(learners)
        device = first.device
        self.joint = JointUpdates(
            [x.agent for x in learners],
            [x.target for x in learners],
            [x.configure_optimizers() for x in learners],
            first.discount,
            first.tau,
            first.smoothing,
            autocast_of(precision, device),
            graphs=device.type == "cuda" if graphs is None else graphs,
        )
        self.segment = _of_all(example_segment(first), count, device)
        shape = self.segment.action.shape
        self._noise = first.noise_std * torch.randn(shape, device=device)
        ones = torch.ones(count, 1, device=device)
        rate = first.configure_optimizers()[0].param_groups[0]["lr"]
        turns = (Turn(ones, k * ones, rate * ones, 0 * ones) for k in (1, 0))
        self.turns = [next(turns), *[next(turns)] * (first.policy_delay - 1)]

    def __call__(self) -> list[tuple[Tensor, Tensor]]:
        """Make the updates; return the losses of each."""
        noise = self._noise[: len(self.segment.action)]
        return [
            self.joint.update(self.segment, noise, turn, acting=k == 0)
            for k, turn in enumerate(self.turns)
        ]


def _of_all(segment: Segment, members: int, device: torch.device) -> Segment:
    """Return the same experience for each member, with a mask as real batches have."""

    def wide(x: Tensor) -> Tensor:
        return x.to(device).repeat(1, members, 1)

    inputs = {name: wide(x) for name, x in segment.inputs.items()}
    action, reward, terminal = (wide(x) for x in segment[1:4])
    return Segment(inputs, action, reward, terminal, torch.ones_like(reward), members)


def bench_population(settings: BenchSettings) -> BenchResult:
    """Time updates of all members at once, and plain ones of one agent alone, for each agent."""
    device = torch.device(settings.device)
    count = settings.population
    with tf32(settings.tf32):
        learners = [make_learner(settings.agent, TD3).to(device) for _ in range(count)]
        learners[0].generator = Generator(device).manual_seed(0)
        plain = PlainUpdates(learners[0])
        job = JointJob(learners, settings.precision)
        alone = _of_all(example_segment(learners[0]), 1, device)._replace(mask=None)
        each, one = learners[0].policy_delay * count, learners[0].policy_delay
        for _ in range(3):  # the second call of a form is captured
            job()
        spreads = compare(
            Timed(job, each),
            Timed(lambda: repeated(one, plain.update, alone), one),
            settings.threads,
            settings.seconds,
            settings.device,
        )
    steps, trials = alone.action.shape[:2]
    median = spreads[0].median
    more = {"ms for all": count * median, "agent-updates/s": 1000 / median}
    what = f"joint TD3 update, {steps} x {trials}, {count} members"
    return BenchResult("population", what, "member", *spreads, more)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let a GPU compute products in TF32, or not, while the context lasts."""
    switches: list[Any] = [torch.backends.cuda.matmul, torch.backends.cudnn]
    before = [switch.allow_tf32 for switch in switches]
    for switch in switches:
        switch.allow_tf32 = allowed
    try:
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value
