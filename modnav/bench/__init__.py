"""Times of modnav's parts beside a plain path that does the same."""

from .measurements import *
from .plain import *
from .timing import *
