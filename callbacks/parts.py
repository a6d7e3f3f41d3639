"""The parts of a run that callbacks look at, with their types."""

from typing import TypeVar

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback

from modnav.learning import TD3, Experience

__all__ = ["callback_of"]


CallbackT = TypeVar("CallbackT", bound=Callback)


def experience_of(trainer: Trainer) -> Experience:
    """Return the data module of a run.

    Raises:
        TypeError: If it is of another kind.
    """
    experience = getattr(trainer, "datamodule", None)
    if not isinstance(experience, Experience):
        raise TypeError(
            f"the trainer's data module is a {type(experience).__name__}; it must be "
            "a modnav.learning.Experience"
        )
    return experience


def learner_of(trainer: Trainer) -> TD3:
    """Return the module of a run.

    Raises:
        TypeError: If it is of another kind.
    """
    learner = trainer.lightning_module
    if not isinstance(learner, TD3):
        raise TypeError(
            f"the trainer's module is a {type(learner).__name__}; it must be a modnav.learning.TD3"
        )
    return learner


def callback_of(trainer: Trainer, kind: type[CallbackT]) -> CallbackT:
    """Return the callback of a kind that a run has.

    Raises:
        ValueError: If it has none.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by a connector
        if isinstance(callback, kind):
            return callback
    raise ValueError(f"the trainer has no {kind.__name__} callback; it must have one")
