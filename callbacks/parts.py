"""The parts of a run that callbacks look at, with their types."""

from pytorch_lightning import Trainer

from modnav.experience import Experience
from modnav.learner import TD3

from .phases import TrainingPhases


def experience_of(trainer: Trainer) -> Experience:
    """Return the data module of a run.

    Raises:
        TypeError: If it is of another kind.
    """
    experience = getattr(trainer, "datamodule", None)
    if not isinstance(experience, Experience):
        raise TypeError(
            f"the trainer's data module is a {type(experience).__name__}; it must be "
            "a modnav.experience.Experience"
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
            f"the trainer's module is a {type(learner).__name__}; it must be a modnav.learner.TD3"
        )
    return learner


def phases_of(trainer: Trainer) -> TrainingPhases:
    """Return the callback that leads a run.

    Raises:
        ValueError: If it has none.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by a connector
        if isinstance(callback, TrainingPhases):
            return callback
    raise ValueError("the trainer has no TrainingPhases callback; it must have one")
