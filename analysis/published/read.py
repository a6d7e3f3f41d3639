"""Helpers to write down published values as tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from ..measures import CELL, INCREMENTS

__all__ = ["CHECKPOINT", "curves", "grid", "grids", "rows"]

CHECKPOINT = 500
"""Trials between checkpoints."""


def rows(columns: Sequence[str], values: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Return rows as a table whose last column is ``published``."""
    return pd.DataFrame(list(values), columns=[*columns, "published"])


def curves(trials: Sequence[float], values: Mapping[str, Sequence[float | None]]) -> pd.DataFrame:
    """Return curves over training as a table.

    Args:
        trials: Training trials in units of 10^4.
        values: A number for each of them, None where none is known, by architecture.

    Returns:
        ``architecture``, ``episode`` and ``published``.
    """
    return rows(
        ["architecture", "episode"],
        (
            (name, round(trial * 1e4 / CHECKPOINT) * CHECKPOINT - 1, value)
            for name, numbers in values.items()
            for trial, value in zip(trials, numbers, strict=True)
            if value is not None
        ),
    )


def grid(text: str, increments: Sequence[float] = INCREMENTS) -> list[tuple[float, float, float]]:
    """Return the cells of a printed grid: row, column, value."""
    lines = [[float(x) for x in line.split()] for line in text.strip().splitlines()]
    return [
        (row, column, value)
        for row, line in zip(increments, lines, strict=True)
        for column, value in zip(increments, line, strict=True)
    ]


def grids(texts: Mapping[str, str]) -> pd.DataFrame:
    """Return printed grids of 25 cells as a table, by the name of the set."""
    return rows(
        ["set", *CELL], ((name, *cell) for name, text in texts.items() for cell in grid(text))
    )
