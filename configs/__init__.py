"""Configurations that ship with modnav, as data: ``modnav fit --config modular``."""
