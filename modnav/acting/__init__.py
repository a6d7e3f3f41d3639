"""Trials as they unfold: whole ones, and many side by side."""

from .collector import *
from .exploration import *
from .rollout import *
from .scripted import *
from .trajectories import *
