"""A study: trained runs, animals and a cache; what panels are computed from."""

from .cache import *
from .curves import *
from .draws import *
from .members import *
from .missing import *
from .monkeys import *
from .names import *
from .selection import *
from .simulation import *
from .sources import *
from .standstill import *
from .study import *
from .subjects import *
from .trainings import *
from .words import *
