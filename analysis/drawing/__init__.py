"""How panels are drawn."""

from .contrast import *
from .examples import *
from .maps import *
from .marks import *
from .panel import *
from .style import *
from .violins import *
