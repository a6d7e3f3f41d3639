"""Test trials, and how well agents do in them."""

from .conditions import *
from .scores import *
