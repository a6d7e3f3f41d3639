"""What a training logged of itself: its validations, and the checkpoint that they select."""

from pathlib import Path

import numpy as np
import pandas as pd

from modnav.files import regular

__all__ = ["selection_scores", "validations"]

_NEEDED = ("total_trials", "trials", "phase", "reward_rate", "reward_fraction")


def validations(folder: Path) -> pd.DataFrame:
    """Return the rows of a run's ``validation.csv``; none if it has none that can be read."""
    try:
        table = pd.read_csv(regular(folder / "validation.csv", text=True))
        own = [name for name in table.select_dtypes("number") if name not in _NEEDED]
        known = [*_NEEDED, *own]
        numbers = table[known].apply(pd.to_numeric, errors="coerce").astype(float)
        whole = np.isfinite(numbers[list(_NEEDED)]).all(axis=1) & numbers["phase"].isin((1, 2, 3))
        rows = numbers.astype({"phase": int, "trials": int}, errors="ignore")
        table = table[["validation", "task"]].astype(str).join(rows)[whole]
    except (OSError, ValueError, LookupError):
        return pd.DataFrame()
    return table.drop_duplicates(["total_trials", "validation", "task"])


def selection_scores(table: pd.DataFrame, *, pre: bool = False) -> pd.Series:
    """Return what a training selects checkpoints by: reward rates, summed over the test gains.

    Args:
        table: Validations of a run.
        pre: Whether those of phase I are meant, instead of those after it.

    Returns:
        Scores, 1/s, by the index of the trial that the checkpoint follows (its file's name).
    """
    if table.empty:
        return pd.Series(dtype=float)
    rows = table[(table["validation"] == "selection") & ((table["phase"] == 1) == pre)]
    return rows.groupby((rows["trials"] - 1).clip(lower=0))["reward_rate"].sum()
