"""Callbacks: training phases, checkpoints, and what is shown of a run."""

from .checkpoints import TrialCheckpoint
from .last import LastCheckpoint
from .monitor import Monitor
from .parts import callback_of
from .phases import TrainingPhases
from .progress import Summary, TrialProgress
from .report import MEMBER, MemberReport
from .together import Together

__all__ = [
    "MEMBER",
    "LastCheckpoint",
    "MemberReport",
    "Monitor",
    "Summary",
    "Together",
    "TrainingPhases",
    "TrialCheckpoint",
    "TrialProgress",
    "callback_of",
]
