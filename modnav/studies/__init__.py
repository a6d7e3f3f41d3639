"""Studies: what lies in the folder of one, and its results as tables and agents."""

from .folder import *
from .gathering import *
from .results import *
