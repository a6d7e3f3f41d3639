"""Times of what trainings do, beside plain ways to do the same."""

from .measurements import *
from .plain import *
from .population import *
from .timing import *
from .updates import *
