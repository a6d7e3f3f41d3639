"""What agents do and what their units do, as tables and pictures."""

from .dynamics import *
from .frames import *
from .interventions import *
from .layers import *
from .neural import *
from .read_out import *
from .record import *
from .session import *
from .stepwise import *
