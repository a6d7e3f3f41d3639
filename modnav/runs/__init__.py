"""Runs on disk: folders, checkpoints, training curves, selection."""

from .checkpoints import *
from .chosen import *
from .curve import *
from .curve_table import *
from .evaluate import *
from .folder import *
from .jobs import *
from .selection import *
from .trained import *
from .validations import *
