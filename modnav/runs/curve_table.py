"""Tables of training curves: the published columns, and reading them from files.

References:
    Zhang, Pitkow & Angelaki (2024), authors' data, ``training_curve/``, and its first version.
"""

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from modnav.files import one_line, read_text

__all__ = ["COLUMNS", "FIRST", "INTERVAL", "METRICS", "read_curve", "whole_rows"]

METRICS = (
    "reward_fraction",
    "error_distance",
    "error_distance_shoot",
    "reward_rate",
    "TD_error_abs",
    "TD_error",
    "value_est",
)
"""Columns that are measured."""

COLUMNS = ("episode", "task", *METRICS, "ordered_episode")
"""Columns of the file, in order."""

_NEEDED = ("episode", "task", "reward_fraction", "reward_rate")
"""Columns that files of the study's first version have, too."""

FIRST, INTERVAL = 499, 500
"""First number of ``ordered_episode``, and the step between two."""


def read_curve(path: str | os.PathLike[str], *, pre: bool = False) -> pd.DataFrame:
    """Read a training curve, one of modnav or of the study.

    A file of the study's first version may lack measured columns and ``ordered_episode``, and holds
    the checkpoints of phase I as well, with negative episodes.

    Args:
        path: The file.
        pre: Whether to take those of phase I from such a file, with positive episodes, instead of
            the others.

    Returns:
        The published columns, a row for each checkpoint and test task; NaN where a column is
        missing.

    Raises:
        ValueError: If there is none, it is damaged, or it holds no such checkpoints.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist")
    table = pd.DataFrame(whole_rows(path, _NEEDED), columns=list(COLUMNS))
    lines = len(path.read_bytes().splitlines()) - 1
    early = table["episode"] < 0
    if not 0 < len(table) == lines or not (_is_whole(table[early]) and _is_whole(table[~early])):
        raise ValueError(f"{path} is damaged or not finished; `modnav evaluate` makes it whole")
    if early.any() or pre:
        table = table[early == pre].reset_index(drop=True)
        if table.empty:
            raise ValueError(f"{path} holds no checkpoints {'of' if pre else 'after'} phase I")
        table = table.assign(episode=table["episode"].abs(), ordered_episode=math.nan)
    if table["ordered_episode"].isna().any():
        place = table["episode"].rank(method="dense").astype(int) - 1
        table["ordered_episode"] = FIRST + INTERVAL * place
    return table


def _is_whole(table: pd.DataFrame) -> bool:
    """Return whether there is one row for each checkpoint and test task."""
    once = not table.duplicated(["episode", "task"]).any()
    return once and len(table) == table["episode"].nunique() * table["task"].nunique()


def whole_rows(path: Path, needed: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows that are as they were written, with numbers as numbers.

    A last line without its end may have lost digits, so it is left out as well.

    Args:
        path: The file.
        needed: Columns that must be there.

    Raises:
        ValueError: If one is missing, a column is there twice, or the file is no table.
    """
    lines = read_text(path, "replace").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n") and "\0" not in line]
    if not whole:
        return
    try:
        table = csv.DictReader(whole)
        names = list(table.fieldnames or ())
        found = [name for name in COLUMNS if name in names]
        if not set(needed) <= set(found) or any(names.count(name) > 1 for name in found):
            columns = ", ".join(COLUMNS)
            raise ValueError(f"{path} is not a training curve, whose columns are {columns}")
        for row in table:
            if None not in row and None not in row.values() and (parsed := _parsed(row)):
                yield parsed
    except csv.Error as error:
        raise ValueError(f"{path} is damaged: {one_line(error)}") from error


def _parsed(row: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a row with numbers as numbers; None if some are not."""
    try:
        numbers = {name: float(row[name]) for name in COLUMNS if name != "task" and name in row}
    except ValueError:
        return None
    counted = {name: numbers[name] for name in ("episode", "ordered_episode") if name in numbers}
    whole = all(x.is_integer() and abs(x) < 2**53 for x in counted.values())
    if not whole or any(map(math.isinf, numbers.values())):
        return None
    return {**numbers, "task": row["task"], **{name: int(x) for name, x in counted.items()}}
