"""Callbacks: training phases, checkpoints, and what is shown of a run."""

from .checkpoints import TrialCheckpoint
from .last import LastCheckpoint
from .monitor import Monitor
from .phases import TrainingPhases
from .progress import Summary, TrialProgress
from .report import MEMBER, MemberReport

__all__ = [
    "MEMBER",
    "LastCheckpoint",
    "MemberReport",
    "Monitor",
    "Summary",
    "TrainingPhases",
    "TrialCheckpoint",
    "TrialProgress",
]
