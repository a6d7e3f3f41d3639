"""Values that the study published: CSV files and one reader; README.md tells where they are from."""

from .read import *
