"""A callback that writes down what each process of a run did, for test_processes.py."""

import json
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

from modnav.callbacks.parts import experience_of, learner_of
from modnav.callbacks.phases import phases_of


class Spy(Callback):
    """Write ``spy<rank>.json`` and ``spy<rank>.pt`` into the run's folder when training ends."""

    def __init__(self) -> None:
        self.phases: list[list[int]] = []
        self.epochs: list[int] = []
        self.validations: list[Any] = []

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        phase, updates = phases_of(trainer).phase, learner_of(trainer).updates
        if not self.phases or self.phases[-1][0] != phase:
            self.phases.append([phase, updates])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.epochs.append(learner_of(trainer).updates)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validations.append(learner_of(trainer).results)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        stem = Path(trainer.default_root_dir) / f"spy{trainer.global_rank}"
        experience = experience_of(trainer)
        seen = {
            "phases": self.phases,
            "epochs": self.epochs,
            "validations": self.validations,
            "trials": experience.counters.total_trials,
            "env_steps": experience.counters.total_env_steps,
        }
        stem.with_suffix(".json").write_text(json.dumps(seen))
        replay = experience.replay
        items = {name: x[: len(replay)] for name, x in replay.buffers.items()}
        torch.save({"weights": pl_module.state_dict(), "replay": items}, stem.with_suffix(".pt"))
