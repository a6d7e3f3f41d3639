"""Published values, to compare with: the CSV files beside this file.

References:
    Zhang, Pitkow & Angelaki (2024), figures 1 to 8 and S1 to S9.
"""

from io import StringIO
from pathlib import Path

import pandas as pd

__all__ = ["published", "study_curves"]


def published(panel: str) -> pd.DataFrame | None:
    """Return what the study published in a panel.

    Args:
        panel: Name of the panel, e.g. ``4c``.

    Returns:
        The panel's keys (columns of its own table, in its units), ``published``, and
        ``published_sem`` where errors are known; None if no numbers of the panel are known.
    """
    for file in sorted(Path(__file__).parent.glob("fig*.csv")):
        header, *lines = file.read_text(encoding="utf-8").splitlines()
        rows = [line for line in lines if line.startswith(f"{panel},")]
        if rows:  # read alone, so that types are those of this panel's cells
            table = pd.read_csv(StringIO("\n".join((header, *rows))))
            return table.drop(columns="panel").dropna(axis="columns", how="all")
    return None


def study_curves() -> pd.DataFrame:
    """Return how the seeds of the study's first version learned, see README.md.

    Returns:
        ``architecture``, ``trials`` after phase I (0: its end), ``quantity``, and over seeds
        ``mean``, ``sd`` (``ddof`` 1) and ``n``.
    """
    return pd.read_csv(Path(__file__).parent / "study_curves.csv")
