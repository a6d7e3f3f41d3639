"""Times of what trainings do, beside plain ways to do the same."""

from .host import *
from .measurements import *
from .plain import *
from .population import *
from .timing import *
from .updates import *
