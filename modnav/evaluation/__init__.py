"""Test trials, and how well agents do in them."""

from .columns import *
from .conditions import *
from .own_metrics import *
from .scores import *
