"""The tables of a session, and what must hold for them; :mod:`modnav.tables.schema` lists the columns.

:mod:`modnav.tables.parquet` reads and writes them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .schema import SCHEMA, UNIT_NAME, Column, unit_column

__all__ = [
    "Recording",
    "check",
    "conform",
    "refuse_others",
    "refuse_unknown",
    "runs",
    "runs_of_trials",
]


class Recording(NamedTuple):
    """The tables of one session.

    Attributes:
        trials: One row a trial.
        steps: One row a step.
        units: One row a step; None if no unit was recorded.
    """

    trials: pd.DataFrame
    steps: pd.DataFrame
    units: pd.DataFrame | None = None


def conform(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Return a table with the columns in the order and of the types of the schema.

    Args:
        frame: The table.
        table: ``trials``, ``steps`` or ``units``.

    Returns:
        The table with a fresh index.

    Raises:
        ValueError: If a column is missing, unknown, of another kind, or lacks values; the message
            names table and column.
    """
    given = list(frame.columns)
    _check_names(given, table)
    known = {c.name: c for c in SCHEMA[table]}
    names = [n for n in known if n in frame.columns] + [n for n in given if n not in known]
    columns = [known.get(n) or unit_column(n) for n in names]
    changed = {}
    for column in columns:
        values = frame[column.name]
        if str(values.dtype) != column.dtype or column.dtype == "str":
            changed[column.name] = values = _converted(values, column, table)
        if column.dtype.startswith("float") and not column.nullable:
            bad = len(values) - int(np.isfinite(values.to_numpy()).sum())
            if bad:
                raise ValueError(f"{table}.{column.name} holds {bad} values that are not finite")
    found = (frame if names == given else frame[names]).reset_index(drop=True)
    return found.assign(**{n: x.reset_index(drop=True) for n, x in changed.items()})


def _check_names(names: Sequence[str], table: str) -> None:
    missing = [c.name for c in SCHEMA[table] if c.required and c.name not in names]
    if missing:
        raise ValueError(f"{table} lacks {', '.join(missing)}")
    _refuse_twice(names, table)
    if table == "units":
        wrong = [n for n in names if n not in ("trial", "step") and not UNIT_NAME.fullmatch(n)]
        if wrong:
            raise ValueError(
                f"units holds {_few(wrong)}; a unit is named by layer and index, "
                "e.g. actor.belief.17"
            )
    else:
        refuse_unknown(names, table)


def _refuse_twice(names: Sequence[str], table: str) -> None:
    if len(set(names)) < len(names):
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        raise ValueError(f"{table} holds {_few(twice)} more than once")


def refuse_unknown(names: Iterable[str], table: str) -> None:
    """Refuse columns that ``trials`` or ``steps`` does not know, or that are there twice.

    Raises:
        ValueError: If there is one; the message lists those that the table may have.
    """
    names = list(names)
    _refuse_twice(names, table)
    known = [c.name for c in SCHEMA[table]]
    unknown = [name for name in names if name not in known]
    pulses = [name for name in unknown if str(name).startswith("perturb")]
    if pulses:
        described = ", ".join(name for name in known if name.startswith("perturb"))
        raise ValueError(
            f"{table} holds more perturbation than the schema knows: {_few(pulses)}; "
            f"there is one in a trial, in {described}"
        )
    if unknown:
        raise ValueError(
            f"{table} holds unknown columns: {_few(unknown)}; it may have {', '.join(known)}"
        )


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(str, names[:5])) + more


def _converted(values: "pd.Series[Any]", column: Column, table: str) -> "pd.Series[Any]":
    missing = int(values.isna().sum())
    if missing and not column.nullable:
        raise ValueError(f"{table}.{column.name} has {missing} values missing")
    wrong = f"{table}.{column.name} is {values.dtype}; it must be {column.dtype}"
    if column.dtype == "str":
        return values.astype(str)
    if (column.dtype == "bool") != (values.dtype == bool):
        raise ValueError(wrong)
    try:
        numbers = pd.to_numeric(values)
        kind: Any = column.dtype
        changed = numbers.astype(kind)
    except (ValueError, TypeError) as error:
        raise ValueError(wrong) from error
    if column.dtype == "int64" and not bool((changed == numbers).all()):
        raise ValueError(wrong)
    return changed


def check(recording: Recording) -> None:
    """Check that the tables of a session belong together.

    Raises:
        ValueError: If a trial occurs twice or has no steps, if steps do not count from 0 in one
            run for each trial, or if ``units`` has other rows than ``steps``.
    """
    trials, steps, units = recording
    if trials["trial"].duplicated().any():
        raise ValueError("trials holds a trial more than once")
    trial, step = steps["trial"].to_numpy(), steps["step"].to_numpy()
    first, counts = runs(trial)
    if not np.array_equal(step, np.arange(len(trial)) - np.repeat(first, counts)):
        raise ValueError("steps must count 0, 1, 2, ... in each trial, one trial after the other")
    found = pd.Series(counts, index=trial[first])
    if found.index.duplicated().any():
        raise ValueError("steps holds a trial in more than one place")
    if set(found.index) != set(trials["trial"]):
        raise ValueError("steps and trials are not of the same trials")
    if not np.array_equal(found.loc[trials["trial"]].to_numpy(), trials["steps"].to_numpy()):
        raise ValueError("trials.steps differs from the number of rows in steps")
    if units is not None and not (
        np.array_equal(units["trial"], trial) and np.array_equal(units["step"], step)
    ):
        raise ValueError("units and steps are not of the same steps")


def refuse_others(trials: pd.DataFrame, steps: pd.DataFrame) -> None:
    """Refuse steps of trials that are not in the table of trials, or in it twice.

    Raises:
        ValueError: If there are some.
    """
    numbers = trials["trial"]
    if numbers.duplicated().any():
        raise ValueError("trials holds a trial more than once; give each a number of its own")
    if not steps["trial"].isin(numbers).all():
        raise ValueError(
            "steps holds trials that trials does not; choose the same of all tables, as by "
            'steps[steps["trial"].isin(trials["trial"])]'
        )


def runs_of_trials(steps: pd.DataFrame) -> tuple[Any, Any]:
    """Return :func:`runs` of the trials of steps.

    Raises:
        ValueError: If steps of a trial stand apart, or not in their order.
    """
    trial = steps["trial"].to_numpy()
    first, counts = runs(trial)
    apart = len(np.unique(trial[first])) < len(first)
    if "step" in steps:
        same = trial[1:] == trial[:-1]
        apart = apart or bool((np.diff(steps["step"].to_numpy())[same] <= 0).any())
    if apart:
        raise ValueError(
            "steps of a trial stand apart or not in order; sort them by trial and step, with a number "
            "of its own for each trial"
        )
    return first, counts


def runs(trial: Any) -> tuple[Any, Any]:
    """Return the first row and the number of rows of each run of equal numbers in an array."""
    edges = np.flatnonzero(trial[1:] != trial[:-1]) + 1
    first = np.r_[0, edges].astype(int)[: len(trial)]
    return first, np.diff(np.r_[first, len(trial)])
