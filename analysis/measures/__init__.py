"""Numbers behind the figures: pure functions of tables."""

from .arrays import *
from .behaviour import *
from .decoding import *
from .decoding_checked import *
from .dynamics import *
from .effects import *
from .ellipse import *
from .geometry import *
from .kept import *
from .kept_units import *
from .likeness import *
from .perturbation import *
from .resampling import *
from .similarity import *
from .statistics import *
from .too_few import *
from .tuning import *
