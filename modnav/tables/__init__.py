"""Tables of trials, steps and units: columns, files, and what follows from them."""

from .conform import *
from .matching import *
from .open_loop import *
from .outcomes import *
from .parquet import *
from .schema import *
from .units import *
