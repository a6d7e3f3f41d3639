"""Lightning data module that streams replay: acts, stores, samples.

It is long, as each of acting, counting and resuming works on the state of the others.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Generator, Tensor
from typing_extensions import override

from modnav.acting import ROLES, AbstractExploration, Collector, Segment, Warmup, scripted_trials
from modnav.errors import PhaseOneFailedError, require, require_kind, whole
from modnav.evaluation import (
    TestTrials,
    fixed_gain_conditions,
    fixed_perturbation_conditions,
    gain_conditions,
    without_noise,
)
from modnav.networks import Actor
from modnav.task import TaskParameters, check_parts, check_stream

from .counters import Block, Counters, Setting
from .replay import TrialReplay
from .ring import AbstractReplay
from .schedule import End, Restart, Step
from .stream import Stream
from .validation import LARGEST, Validation

__all__ = ["Experience", "take_up"]

STATE_BYTES = (5056, 16)
"""Lengths of the states of generators for a processor and for a GPU."""


class Experience(LightningDataModule):
    """Act with the current policy, fill replay, yield batches for TD3.

    Acting happens when a batch is asked for, so it is never ahead of learning. There is one batch
    for every ``steps_per_update`` environment steps, whatever the number of parallel trials.

    Args:
        task: Constants of the task.
        replay: Memory; whole trials by default.
        parallel_trials: Trials that are acted out side by side; 1 is the published interleaving.
        steps_per_update: Environment steps per batch; a training phase may have its own.
        learning_starts: Batches' worth of items the memory must exceed before the first batch.
        epoch_trials: Trials in an epoch, after which validation runs and a checkpoint is kept.
        check_trials: Trials between two checks of the training phase.
        warmup: Scripted trials for phase I; none as published.
        validation: How agents are validated.
        exploration: What makes exploration noise; plain normal noise as published.
        seed: Seed of all its randomness; that of ``seed_everything`` by default.

    Attributes:
        within_epoch: Whether an epoch's batches have begun and not ended; its last state counts
            as the next epoch's, so it must not be saved as one within.

    Raises:
        TypeError: If the task, the memory or the validation is of another kind.
        ValueError: If a number is not allowed; the message names the key, the value and the rule.
    """

    def __init__(
        self,
        task: TaskParameters = TaskParameters(),
        replay: AbstractReplay | None = None,
        parallel_trials: int = 16,
        steps_per_update: int = 4,
        learning_starts: int = 50,
        epoch_trials: int = 500,
        check_trials: int = 100,
        warmup: Warmup | None = None,
        validation: Validation = Validation(),
        exploration: AbstractExploration | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.task = task
        self.replay = TrialReplay() if replay is None else replay
        self.parallel_trials = parallel_trials
        self.steps_per_update = steps_per_update
        self.learning_starts = learning_starts
        self.epoch_trials = epoch_trials
        self.check_trials = check_trials
        self.warmup = warmup
        self.validation = validation
        self.exploration = exploration
        self.seed = int(os.environ.get("PL_GLOBAL_SEED", "0")) if seed is None else seed
        self.setting = Setting()
        self.counters = Counters()
        self.listeners: list[Callable[[Block], None]] = []
        self.decide: Callable[[Block], Iterable[Step]] = _nothing
        self.act: Callable[[], list[list[int]]] = self._act  # a population has its own
        self.next_batch: Callable[[], Any] = self._next_batch  # likewise
        self.processes = 1
        self.within_epoch = False
        self._closing = False
        self._check_kinds()
        self._check_numbers()

    @override
    def __str__(self) -> str:
        return repr(self)  # Lightning's takes an epoch's batches from the loader, to count them

    def _check_kinds(self) -> None:
        require_kind("data.task", self.task, TaskParameters, "modnav.task.TaskParameters")
        rule = "a memory such as modnav.learning.TrialReplay"
        require_kind("data.replay", self.replay, AbstractReplay, rule)
        require_kind(
            "data.validation", self.validation, Validation, "a modnav.learning.Validation"
        )
        if self.warmup is not None:
            require_kind("data.warmup", self.warmup, Warmup, "a modnav.acting.Warmup or None")
        if self.exploration is not None:
            rule = "a modnav.acting.AbstractExploration or None"
            require_kind("data.exploration", self.exploration, AbstractExploration, rule)
        counts = ("parallel_trials", "steps_per_update", "learning_starts", "epoch_trials")
        for key in (*counts, "check_trials", "seed"):
            setattr(self, key, whole(f"data.{key}", getattr(self, key)))

    def _check_numbers(self) -> None:
        require("parallel_trials", self.parallel_trials, 1, LARGEST)
        require("steps_per_update", self.steps_per_update, 1)
        require("epoch_trials", self.epoch_trials, 1)
        # the first block of phase II is a trial shorter
        require("check_trials", self.check_trials, 2)
        require("learning_starts", self.learning_starts, 0)
        require("data.seed", self.seed, 0, 2**32 - 1)
        if self.epoch_trials % self.check_trials:
            raise ValueError(
                f"epoch_trials is {self.epoch_trials}; "
                f"it must be a multiple of check_trials, which is {self.check_trials}"
            )
        least = self.learning_starts * self.replay.batch_size
        if least >= self.replay.capacity:
            raise ValueError(
                f"replay.capacity is {self.replay.capacity}; it must be above learning_starts "
                f"x replay.batch_size, which is {least}"
            )

    @override
    def setup(self, stage: str) -> None:
        self.generators = self._generators()
        self.rng = np.random.default_rng(self._seed_of("replay"))
        if stage != "fit":
            return
        self.listeners, self.decide = [], _nothing
        self.processes = 1 if self.trainer is None else self.trainer.world_size
        agent = self._agent()
        self.check(agent)
        self.sources = agent.sources
        device = self.generators["trials"].device
        self.replay.allocate(self.sources, self.task.max_steps, device)
        self.collector = Collector(
            self._task(),
            self.sources,
            self.parallel_trials,
            self.generators,
            exploration=self.exploration,
        )

    def check(self, agent: Any) -> None:
        """Check that an agent can learn from what there will be.

        Raises:
            ValueError: If it remembers and replay holds single steps, or a stream that it reads does
                not fit the task or breaks a rule, or a part of the task of one's own does.
        """
        if agent.recurrent and not isinstance(self.replay, TrialReplay):
            raise ValueError(
                "data.replay holds single steps, but the agent is recurrent; "
                "it must be modnav.learning.TrialReplay"
            )
        check_parts(self.task)
        for source in agent.sources:
            check_stream(source, self.task)

    def use(self, setting: Setting) -> None:
        """Go on with another setting, from the trials under way."""
        self.setting = setting
        self.collector.task = self._task()

    def begin_phase(self, setting: Setting) -> None:
        """Go on with another setting; trials under way are dropped."""
        self.setting = setting
        self.collector.restart(self._task())

    def begin_anew(self, *, keep_replay: bool = False) -> None:
        """Count trials and steps anew, and forget all trials unless told otherwise.

        As published the next trial is number 1, where the first of all was number 0; so the first
        block after it is a trial shorter.
        """
        if not keep_replay:
            self.replay.clear()
        kept = ("total_trials", "total_env_steps")
        self.counters = Counters(trials=1, **{key: getattr(self.counters, key) for key in kept})

    @override
    def train_dataloader(self) -> "Stream[Segment]":
        return Stream(self.batches)

    @override
    def val_dataloader(self) -> "Stream[TestTrials]":
        return Stream(self.validations)

    @override
    def test_dataloader(self) -> "Stream[TestTrials]":
        return Stream(self.perturbations)

    @override
    def predict_dataloader(self) -> "Stream[TestTrials]":
        return Stream(lambda: iter([self._selection()]))

    def batches(self) -> Iterator[Segment]:
        """Yield the batches of one epoch; may be left and taken up at any batch."""
        self.within_epoch = True
        while True:
            while self.counters.due > 0:
                yield self.next_batch()
            while not self._closing and (block := self._next_block()):
                for listener in self.listeners:
                    listener(block)
                for step in self.decide(block):
                    self._apply(step)
            if self._epoch_ends():
                self.within_epoch = False
                return
            self._step()

    def validations(self) -> Iterator[TestTrials]:
        """Yield the published in-training validation, with new targets, and the selection."""
        task = replace(without_noise(self.task, process=True), name="gain")
        count, gains = self.validation.trials, self.validation.gains
        yield gain_conditions(task, gains, count, self.generators["validation"], "training")
        yield self._selection()

    def perturbations(self) -> Iterator[TestTrials]:
        """Yield the perturbation task on fixed targets."""
        yield fixed_perturbation_conditions(self.task, count=self.validation.selection_trials)

    def _selection(self) -> TestTrials:
        return fixed_gain_conditions(
            self.task, self.validation.gains, self.validation.selection_trials
        )

    def _step(self) -> None:
        """Act one step in all trials and store what came of it."""
        if self.setting.scripted and self.warmup:
            if self.counters.total_env_steps == 0:
                self.counters.scripted = self.warmup.trials / self.processes
            self._add_scripted(self.warmup)
        self.count(self.act())

    def _next_batch(self) -> Segment:
        self.counters.due -= 1
        return self.replay.sample(self.rng)

    def _act(self) -> list[list[int]]:
        """Do it, and return whether rewarded and steps of each trial that ended."""
        setting = self.setting
        with torch.autocast(self.generators["trials"].device.type, enabled=False):
            sweep = self.collector.sweep(self._actor(), setting.exploration_std)
        self.replay.add_sweep(sweep, setting.mirror)
        return sweep.ended()

    def only_counts(self, ended: int) -> bool:
        """Return whether nothing but :meth:`count` follows a step that ended so many trials.

        No block or epoch ends with them, and no scripted trials come before the next step.

        Args:
            ended: Trials.
        """
        if self._closing or (self.setting.scripted and self.warmup):
            return False
        return not self.counters.has_block(ended, self.check_trials, self.epoch_trials)

    def count(self, own: list[list[int]]) -> None:
        """Count a step, and the trials that ended in all processes, so that they all decide alike.

        Args:
            own: Whether rewarded, and steps, of each trial of this process that ended.
        """
        counters, (ended, stored) = self.counters, self._everywhere(own)
        steps = self.parallel_trials * self.processes
        before, after = counters.env_steps, counters.env_steps + steps
        if stored > self.learning_starts * self.replay.batch_size:
            each = self.setting.steps_per_update or self.steps_per_update
            counters.due += after // each - before // each
        counters.env_steps = after
        counters.total_env_steps += steps
        counters.trials += len(ended)
        counters.total_trials += len(ended)
        counters.recent += ended
        if self.setting.scripted and self.warmup:
            counters.scripted += len(own) * self.warmup.share / (1 - self.warmup.share)

    def _everywhere(self, own: list[list[int]]) -> tuple[list[list[int]], int]:
        """Return the trials that ended in all processes, and the items stored.

        Each process needs enough items of its own; so the smallest memory counts for all.
        """
        if self.processes == 1:
            return own, len(self.replay)
        device = self.generators["trials"].device
        block = torch.full((self.parallel_trials + 1, 2), -1, device=device)
        block[: len(own)] = torch.tensor(own, device=device).reshape(-1, 2)
        block[-1] = len(self.replay)
        blocks = [torch.empty_like(block) for _ in range(self.processes)]
        torch.distributed.all_gather(blocks, block)
        ended = torch.cat([x[:-1] for x in blocks])
        stored = min(int(x[-1, 0]) for x in blocks)
        return ended[ended[:, 0] >= 0].tolist(), self.processes * stored

    def _add_scripted(self, warmup: Warmup) -> None:
        owed, generator = int(self.counters.scripted), self.generators["warmup"]
        if owed < self.parallel_trials:
            return
        with torch.autocast(generator.device.type, enabled=False):
            trials = scripted_trials(warmup, self._task(), self.sources, owed, generator)
        self.replay.add_trials(trials, self.setting.mirror)
        self.counters.scripted -= owed

    def _next_block(self) -> Block | None:
        return self.counters.next_block(self.check_trials, self.epoch_trials, self.task.dt)

    def _apply(self, step: Step) -> None:
        """Do what was decided after a block.

        Raises:
            PhaseOneFailedError: If training ends because phase I failed.
        """
        if isinstance(step, End):
            if step.failure:
                raise PhaseOneFailedError(step.failure)
            self._closing = True
        elif isinstance(step, Restart):
            self.begin_anew(keep_replay=step.keep_replay)
            self.begin_phase(step.setting)
        else:
            self.begin_phase(step)

    def _epoch_ends(self) -> bool:
        counters = self.counters
        if counters.trials - counters.closed >= self.epoch_trials:
            counters.closed += self.epoch_trials
            self._closing = True
        closing, self._closing = self._closing, False
        return closing

    def _task(self) -> TaskParameters:
        if self.setting.observation_noise:
            return self.task
        return replace(self.task, observation_noise=0.0)

    def _agent(self) -> Any:
        assert self.trainer is not None
        return self.trainer.lightning_module.agent

    def _actor(self) -> Actor:
        return self._agent().actor

    def _seed_of(self, role: str) -> int:
        number = [*ROLES, "validation", "warmup", "replay"].index(role)
        rank = 0 if self.trainer is None or role == "validation" else self.trainer.global_rank
        return int(np.random.SeedSequence([self.seed, rank, number]).generate_state(1)[0])

    def _generators(self) -> dict[str, Generator]:
        device = torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
        made = {
            role: Generator(device).manual_seed(self._seed_of(role)) for role in (*ROLES, "warmup")
        }
        return made | {"validation": Generator().manual_seed(self._seed_of("validation"))}

    def experience_state(self, *, replay: bool = True) -> dict[str, Any]:
        """Return all that a resumed run needs: replay, trials under way, generators, counters.

        Args:
            replay: Whether to include the replay, which is most of it.
        """
        return {
            "made_with": self._made_with(),
            "counters": asdict(self.counters),
            "setting": tuple(self.setting),
            "replay": self.replay.state_dict() if replay else None,
            "collector": self.collector.state_dict(),
            "generators": {role: g.get_state() for role, g in self.generators.items()},
            "rng": self.rng.bit_generator.state,
        }

    def load_experience_state(
        self, state: dict[str, Any], *, generators: bool = True
    ) -> list[str]:
        """Restore what :meth:`experience_state` returned.

        Without a saved replay the memory starts empty, and updates wait until it has filled.

        Args:
            state: The state.
            generators: Whether to take up its random generators too.

        Returns:
            A line for each constant of the task that is another from now on, and one if the state
            is of another kind of device.

        Raises:
            ValueError: If the state is of a run of another seed, or damaged.
        """
        former, now = state["made_with"], self.task.plain()
        if former["seed"] != self.seed:
            raise ValueError(f"it is of a run of seed {former['seed']}, this one's is {self.seed}")
        changed = [
            f"data.task.{key} was {former['task'].get(key)} until now and is {now.get(key)} from now on"
            for key in former["task"] | now
            if former["task"].get(key) != now.get(key)
        ]
        self.counters = Counters(**state["counters"])
        self.counters.check()
        self.setting = Setting(*state["setting"])
        if state["replay"] is None:
            self.replay.clear()
            self.counters.due = 0
            if self.setting.scripted and self.warmup:
                self.counters.scripted += self.warmup.trials / self.processes
        else:
            self.replay.load_state_dict(state["replay"])
        self.collector.load_state_dict(state["collector"])
        self.collector.task = self._task()
        if generators:
            self.rng.bit_generator.state = state["rng"]
            for role, generator in self.generators.items():
                if not take_up(generator, state["generators"][role]) and role == ROLES[0]:
                    changed.append("the state is of another kind of device: noise is drawn anew")
        return changed

    def _made_with(self) -> dict[str, Any]:
        """Return what a state is only good for."""
        return {"seed": self.seed, "task": self.task.plain()}


def take_up(generator: Generator, state: Tensor) -> bool:
    """Go on with a generator's state; not if it is of one for another kind of device.

    Returns:
        Whether it did.

    Raises:
        RuntimeError: If it is no such state.
    """
    foreign = len(state) in STATE_BYTES and len(state) != len(generator.get_state())
    if not foreign:
        generator.set_state(state)
    return not foreign


def _nothing(block: Block) -> Iterable[Step]:
    return ()
