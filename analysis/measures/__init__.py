"""Numbers behind the figures: pure functions of tables."""

from .behaviour import *
from .decoding import *
from .ellipse import *
from .kept import *
from .likeness import *
from .perturbation import *
from .resampling import *
from .statistics import *
from .tuning import *
