"""Callbacks: training phases, checkpoints, and what is shown of a run."""

from .checkpoints import TrialCheckpoint
from .last import LastCheckpoint
from .monitor import Monitor
from .parts import callback_of
from .phases import TrainingPhases
from .progress import Summary, TrialProgress
from .together import Together

__all__ = [
    "LastCheckpoint",
    "Monitor",
    "Summary",
    "Together",
    "TrainingPhases",
    "TrialCheckpoint",
    "TrialProgress",
    "callback_of",
]
