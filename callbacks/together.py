"""A run's part in a population."""

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from typing_extensions import override

from modnav.learning import Member, Seat

from .last import LastCheckpoint
from .monitor import Monitor
from .parts import callback_of, experience_of, learner_of

__all__ = ["Together"]


class Together(Callback):
    """Leave the run's steps and updates to a population, and its saves to what that says.

    Args:
        seat: The run's seat in the population.
        members: How many runs the population has; they share the time for pictures.
    """

    def __init__(self, seat: Seat, members: int = 1) -> None:
        self.seat, self.members = seat, members

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        last = callback_of(trainer, LastCheckpoint)
        last.together, last.in_company = True, self.members > 1
        callback_of(trainer, Monitor).members = self.members
        Member(self.seat, trainer, learner_of(trainer), experience_of(trainer)).join()
