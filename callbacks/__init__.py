"""Callbacks: training phases, checkpoints, and what is shown of a run."""

from .checkpoints import InterruptedRunError, LastCheckpoint, TrialCheckpoint
from .monitor import Monitor
from .phases import Phase, PhaseOneFailedError, TrainingPhases
from .progress import Summary, TrialProgress

__all__ = [
    "InterruptedRunError",
    "LastCheckpoint",
    "Monitor",
    "Phase",
    "PhaseOneFailedError",
    "Summary",
    "TrainingPhases",
    "TrialCheckpoint",
    "TrialProgress",
]
