"""A run's part in a population."""

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from typing_extensions import override

from modnav.learning import Member, Seat

from .last import LastCheckpoint
from .parts import callback_of, experience_of, learner_of

__all__ = ["Together"]


class Together(Callback):
    """Leave the run's steps and updates to a population, and its saves to what that says.

    Args:
        seat: The run's seat in the population.
    """

    def __init__(self, seat: Seat) -> None:
        self.seat = seat

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        callback_of(trainer, LastCheckpoint).together = True
        Member(self.seat, trainer, learner_of(trainer), experience_of(trainer)).join()
