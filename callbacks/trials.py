"""A callback that sees trials: the base of one's own."""

from typing import Any, NamedTuple

import pandas as pd
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from modnav.learning import TD3, Block

from .parts import learner_of

__all__ = ["TrialCallback", "TrialsOfBlock"]


class TrialsOfBlock(NamedTuple):
    """The trials of a block, 100 as published, in the order in which they ended.

    Attributes:
        summary: Their number and means; ``summary.total_trials`` counts from the start.
        rewarded: Whether each ended by a stop inside the reward zone, bool, ``(N,)``.
        steps: Number of steps of each, ``(N,)``.
    """

    summary: Block
    rewarded: Tensor
    steps: Tensor


class TrialCallback(Callback):
    """Base of callbacks that follow a training by its trials; override what you need.

    It is called in runs, resumed runs and members of populations alike, at the same trials; after
    a resume only what is new is told, so keep what you gather in ``state_dict``. With several
    processes (``ddp``) each calls it, with the trials of all. :class:`TrainingPhases` tells it, so a
    trainer of your own needs that too. The hooks of Lightning are there as well.
    """

    def on_block(self, trainer: Trainer, module: TD3, trials: TrialsOfBlock) -> None:
        """Look at a block of trials, before the schedule does.

        Args:
            trainer: The trainer.
            module: What learns; all updates that the trials owe were made.
            trials: How they went.
        """

    def on_phase(self, trainer: Trainer, module: TD3, old: int, new: int) -> None:
        """Look at a change of phase, 1 to 2 or 2 to 3; learning rates are those of the new."""

    def on_validation(self, trainer: Trainer, module: TD3, scores: pd.DataFrame) -> None:
        """Look at a validation, after every epoch (500 trials as published).

        Args:
            trainer: The trainer.
            module: What learns; ``module.shown`` holds the conditions and the whole trials of the
                last validation, as :class:`modnav.evaluation.TestTrials` and
                :class:`modnav.acting.Rollout`.
            scores: ``validation``, ``task`` and the measured columns, a row for each test task.
        """

    def tell_block(self, trainer: Trainer, block: Block) -> None:
        """Call :meth:`on_block`, as :class:`TrainingPhases` does after each block."""
        rewarded, steps = torch.tensor(block.outcomes).reshape(-1, 2).unbind(-1)
        self.on_block(trainer, learner_of(trainer), TrialsOfBlock(block, rewarded.bool(), steps))

    def tell_validation(self, trainer: Trainer) -> None:
        """Call :meth:`on_validation`, as :class:`TrainingPhases` does after each validation."""
        module = learner_of(trainer)
        rows: list[dict[str, Any]] = [
            {"validation": name, "task": task, **row}
            for name, tasks in module.results.items()
            for task, row in tasks.items()
        ]
        self.on_validation(trainer, module, pd.DataFrame(rows))
