"""Values that the study published."""

from .action import *
from .fig2 import *
from .fig7 import *
from .read import *
