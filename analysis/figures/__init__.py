"""The panels of each figure, a module each."""
