"""Callbacks: training phases, checkpoints, and what is shown of a run."""

from .checkpoints import *
from .hooks import *
from .last import *
from .monitor import *
from .parts import *
from .phases import *
from .progress import *
from .report import *
from .together import *
from .trials import *
