"""Callbacks: training phases, checkpoints, and what is shown of a run."""

from .checkpoints import TrialCheckpoint
from .last import LastCheckpoint
from .monitor import Monitor
from .phases import TrainingPhases
from .progress import Summary, TrialProgress
from .threads import ProcessorThreads

__all__ = [
    "LastCheckpoint",
    "Monitor",
    "ProcessorThreads",
    "Summary",
    "TrainingPhases",
    "TrialCheckpoint",
    "TrialProgress",
]
