"""Watch training: curves over trials, the table of validations, figures."""

import math
import time
from pathlib import Path
from typing import Any

import pandas as pd
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only
from typing_extensions import override

from modnav.evaluation import ROW_COLUMNS
from modnav.files import replacing
from modnav.learning import Block

from .figures import learning_curve, save_figure, trajectories
from .parts import experience_of, learner_of
from .phases import phases_of

__all__ = ["Monitor"]


PICTURE_EVERY_S = 60.0
"""Least time between two pictures of trajectories, s."""

_SHOWN = {"total_trials", "trials", "task", "validation", "reward_fraction", "reward_rate"}
"""Columns of a validation that are shown when a run ends."""


class Monitor(Callback):
    """Log to the loggers after every block of trials, with trials since the start as x axis.

    At each validation it appends to ``validation.csv`` in the run's folder. For TensorBoard it
    draws trajectories over the arena, of validations that are some time apart and of the last. It
    draws ``learning_curve.png`` when training ends.

    Attributes:
        members: How many runs take turns in this process; they share the time for pictures.
    """

    def __init__(self) -> None:
        self.members = 1
        self._validated = self._drawn = -1  # trials at the last validation, and at that drawn
        self._drawn_at = -math.inf
        self.rows: list[dict[str, Any]] = []
        self.seconds = 0.0
        self.latest: Block | None = None
        self._mark = (0.0, 0, 0)
        self._trainer: Trainer | None = None

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self._trainer = trainer
            experience_of(trainer).listeners.append(self._log)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        counters = experience_of(trainer).counters
        self._mark = (time.monotonic(), counters.total_trials, learner_of(trainer).updates)

    def _log(self, block: Block) -> None:
        trainer = self._trainer
        assert trainer is not None
        module = learner_of(trainer)
        now, (before, trials, updates) = time.monotonic(), self._mark
        self._mark = (now, block.total_trials, module.updates)
        self.seconds += now - before
        self.latest = block
        phases = phases_of(trainer)
        values = {
            "acting/phase": phases.phase,
            "acting/reward_fraction": block.reward_fraction,
            "acting/reward_rate": block.reward_rate,
            "acting/steps_per_trial": block.steps_per_trial,
            "acting/exploration_std": phases.current.exploration_std,
            "acting/learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "throughput/trials_per_s": (block.total_trials - trials) / (now - before),
            "throughput/updates_per_s": (module.updates - updates) / (now - before),
            **{f"loss/{name}": x for name, x in module.take_losses().items()},
        }
        for logger in trainer.loggers:
            logger.log_metrics(values, step=block.total_trials)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            return
        experience, learner = experience_of(trainer), learner_of(trainer)
        now = time.monotonic()
        seconds = self.seconds + now - self._mark[0]
        for name, tasks in learner.results.items():
            for task, row in tasks.items():
                at = (
                    experience.counters.total_trials,
                    experience.counters.checked,
                    phases_of(trainer).phase,
                    learner.updates,
                    round(seconds, 1),
                    name,
                    task,
                )
                self.rows.append(dict(zip(ROW_COLUMNS, at, strict=True)) | row)
        self._write(Path(trainer.default_root_dir))
        self._validated = experience.counters.total_trials
        if now - self._drawn_at >= PICTURE_EVERY_S * self.members:
            self._draw(trainer)

    @rank_zero_only
    def _write(self, folder: Path) -> None:
        with replacing(folder / "validation.csv") as temporary:
            self.table().to_csv(temporary, index=False)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer)

    @rank_zero_only
    def _draw(self, trainer: Trainer) -> None:
        """Draw the trajectories of the last validation, unless they are drawn."""
        shown = learner_of(trainer).shown
        if self._validated == self._drawn:
            return
        self._drawn, self._drawn_at = self._validated, time.monotonic()
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and shown is not None:
                figure = trajectories(*shown)
                logger.experiment.add_figure("trajectories", figure, global_step=self._drawn)

    @override
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.rows and trainer.is_global_zero:
            path = Path(trainer.default_root_dir) / "learning_curve.png"
            save_figure(learning_curve(self.table()), path)

    def table(self) -> pd.DataFrame:
        """Return all validations, a row for each test task."""
        return pd.DataFrame(self.rows)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "seconds": self.seconds}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        rows, seconds = state_dict["rows"], float(state_dict["seconds"])
        if not all(isinstance(row, dict) and row.keys() >= _SHOWN for row in rows):
            raise ValueError("its table of validations is damaged")
        self.rows, self.seconds = list(rows), seconds
