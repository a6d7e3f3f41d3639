"""The study's own files: checkpoints and animals."""

from .animals import *
from .origin import *
from .spikes import *
from .weights import *
