"""Results of a study in Python: tables, and its selected agents."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from modnav.files import one_line, regular
from modnav.networks import Agent
from modnav.runs import load_agent

from .folder import StudyFolder

__all__ = ["StudyResults", "open_study"]

_TABLES = {"runs", "validations", "evaluations"}

_NEEDED = ("cell", "seed", "folder", "status", "reason")
"""Columns of ``runs``."""


@dataclass(frozen=True)
class StudyResults:
    """What a study found.

    Attributes:
        path: Folder of the study.
        about: Its name, the command, versions and commit.
        runs: A row for each run: cell, seed, task, status and reason, and the selected checkpoint.
        validations: Rows of all runs' ``validation.csv``, with cell and seed.
        evaluations: Rows of all training curves of ``modnav evaluate``, likewise.
        search: The trials of a search, see :meth:`StudyFolder.search`.
    """

    path: Path
    about: dict[str, Any]
    runs: pd.DataFrame
    validations: pd.DataFrame
    evaluations: pd.DataFrame
    search: pd.DataFrame

    def agent(self, cell: str, seed: int | None = None) -> Agent:
        """Return a selected agent.

        Args:
            cell: Name of the architecture in the study, with noise and gain if these vary.
            seed: Its seed; the one with the highest score by default.

        Raises:
            ValueError: If there is none; the message lists those there are.
        """
        there = self.runs
        if "score" in there:
            there = there.dropna(subset=["score"]).sort_values(
                "score", ascending=False, kind="stable"
            )
        found = there[(there["cell"] == cell) & (seed is None or there["seed"] == seed)]
        if "score" not in there or found.empty:
            names = ", ".join(f"{row.cell} seed {row.seed}" for row in there.itertuples())
            asked = cell if seed is None else f"{cell} seed {seed}"
            raise ValueError(f"cell is {asked}, of which no agent was selected; there are {names}")
        return load_agent(self.path / found.iloc[0]["checkpoint"])


def open_study(path: str | os.PathLike[str]) -> StudyResults:
    """Return the results of a study that ``modnav study`` has finished.

    Modules of the study's own must be imported before its agents are asked for, as checkpoints
    cannot decide what is imported.

    Args:
        path: Folder of the study, such as ``studies/tiny``.

    Raises:
        ValueError: If it is none, its results are damaged, or the study has not finished.

    Example:
        >>> study = open_study("studies/tiny")  # doctest: +SKIP
        >>> study.agent("modular").architecture  # doctest: +SKIP
        'Actor3Critic5'
    """
    folder = StudyFolder(Path(path))
    about = folder.about()
    if not about:
        raise ValueError(f"{path} is not the folder of a study")
    ends = [folder.end(job) for job in folder.jobs(lambda job: bool(job["rule"] == "gather"))]
    if not ends or not all(ends):
        raise ValueError(f"{path} has not finished: `modnav study` goes on with it")
    try:
        table = pd.read_parquet(regular(folder.results))
    except (ValueError, OSError) as error:
        raise ValueError(f"{folder.results} is damaged: {one_line(error)}") from error
    if not {"table", *_NEEDED} <= set(table.columns) or not set(table["table"]) <= _TABLES:
        raise ValueError(f"{folder.results} is not what `modnav study` wrote; remove it")
    runs, validations, evaluations = (
        _part(table, name) for name in ("runs", "validations", "evaluations")
    )
    return StudyResults(folder.path, about, runs, validations, evaluations, folder.search())


def _part(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows and columns of one table, whole numbers as such."""
    rows = table[table["table"] == name].drop(columns="table").reset_index(drop=True)
    return rows.dropna(axis="columns", how="all").convert_dtypes()
