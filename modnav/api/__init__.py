"""What one calls from Python, in a notebook or a script: train, go on, look at runs."""

from .results import *
from .training import *
