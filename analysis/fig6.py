"""Figure 6: agents that are pushed off course; behaviour (6a to 6e) and units (6f to 6h)."""

from .fig6_behaviour import PANELS as BEHAVIOUR
from .fig6_neurons import PANELS as NEURONS

PANELS = (*BEHAVIOUR, *NEURONS)
"""Panels of figure 6."""
