"""A study: trained runs, animals and a cache; what panels are computed from."""

from .curves import *
from .draws import *
from .members import *
from .missing import *
from .monkeys import *
from .names import *
from .simulation import *
from .study import *
