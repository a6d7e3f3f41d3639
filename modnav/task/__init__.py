"""The steering task: its constants, its world, what is sensed of it."""

from . import kalman as kalman
from .geometry import *
from .kalman import *
from .parameters import *
from .parts import *
from .sampling import *
from .state import *
from .streams import *
from .trying import *
from .world import *
