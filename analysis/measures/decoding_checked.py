"""Decoding with the checks that reviewers ask for: every trial tested, transfer, and chance.

The study fits on the first 70 % of the trials and tests on the rest, once (:mod:`.decoding`). Here
each trial is tested by a decoder that did not see it, activity and variables are standardised by
the training trials, and all is repeated with the trials' activity shuffled, which says what a
decoder of that size reads from nothing but the course of a trial.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modnav.tables import Recording

from .decoding import LAYER, POSITION, activity
from .similarity import shuffled_trials

__all__ = ["PENALTIES", "cross_validated", "decoding_null", "transfer"]

PENALTIES = tuple(np.logspace(-2, 5, 15))
"""Ridge penalties of standardised activity, among which the training steps choose."""


def cross_validated(
    recording: Recording,
    variables: Sequence[str] = POSITION,
    layer: str = LAYER,
    folds: int = 5,
) -> pd.DataFrame:
    """Return how well each variable is read in trials that the decoder did not see.

    Args:
        recording: Tables with units.
        variables: Columns of ``steps`` to read.
        layer: The layer.
        folds: Parts of the trials, each tested once.

    Returns:
        A row for each variable and fold: ``variable``, ``fold``, ``r2`` (1 perfect, 0 no better than
        the mean, below 0 worse), ``steps``.

    Raises:
        ValueError: If there are no units, or fewer trials than folds.
    """
    x, y, trials = _read(recording, variables, layer)
    return _scores(x, y, trials, variables, folds)


def decoding_null(
    recording: Recording,
    variables: Sequence[str] = POSITION,
    layer: str = LAYER,
    folds: int = 5,
    *,
    shuffles: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """Return :func:`cross_validated` with the activity of other trials in the place of each trial's.

    Args:
        recording: Tables with units.
        variables: Columns of ``steps`` to read.
        layer: The layer.
        folds: Parts of the trials.
        shuffles: How often trials are shuffled.
        seed: Seed of the shuffling.

    Returns:
        ``shuffle``, ``variable``, ``r2``: the mean over folds.

    Raises:
        ValueError: As :func:`cross_validated`.
    """
    x, y, trials = _read(recording, variables, layer)
    rng, parts = np.random.default_rng(seed), []
    for k in range(shuffles):
        found = _scores(x[shuffled_trials(trials, rng)], y, trials, variables, folds)
        parts.append(found.groupby("variable", sort=False)["r2"].mean().reset_index())
        parts[-1].insert(0, "shuffle", k)
    return pd.concat(parts, ignore_index=True)


def transfer(
    recordings: Mapping[str, Recording],
    variables: Sequence[str] = POSITION,
    layer: str = LAYER,
    folds: int = 5,
) -> pd.DataFrame:
    """Return how well decoders of one condition read another, e.g. other gains or perturbations.

    Args:
        recordings: Tables with units of one agent, by the name of their condition.
        variables: Columns of ``steps`` to read.
        layer: The layer.
        folds: Parts of the trials; within a condition each is tested by a decoder of the others.

    Returns:
        ``fitted``, ``tested``, ``variable``, ``r2``; as a matrix by
        ``table.pivot(index="fitted", columns="tested", values="r2")`` of a variable.

    Raises:
        ValueError: As :func:`cross_validated`.
    """
    read = {name: _read(recording, variables, layer) for name, recording in recordings.items()}
    rows = []
    for fitted, (x, y, trials) in read.items():
        decoder = _decoder().fit(x, y)
        for tested, (other_x, other_y, _) in read.items():
            if tested == fitted:
                table = _scores(x, y, trials, variables, folds)
                known = table.groupby("variable", sort=False)["r2"].mean()
            else:
                values = r2_score(
                    other_y, _two(decoder.predict(other_x)), multioutput="raw_values"
                )
                known = pd.Series(values, index=list(variables))
            rows += [
                {"fitted": fitted, "tested": tested, "variable": name, "r2": float(value)}
                for name, value in known.items()
            ]
    return pd.DataFrame(rows)


def _decoder() -> Any:
    """Return ridge regression of standardised activity to standardised variables."""
    ridge = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    return TransformedTargetRegressor(ridge, transformer=StandardScaler())


def _read(recording: Recording, variables: Sequence[str], layer: str) -> tuple[Any, Any, Any]:
    if recording.units is None:
        raise ValueError("a recording without units cannot be decoded")
    y = recording.steps[list(variables)].to_numpy(float)
    return activity(recording.units, layer), y, recording.steps["trial"].to_numpy()


def _scores(x: Any, y: Any, trials: Any, variables: Sequence[str], folds: int) -> pd.DataFrame:
    count = len(np.unique(trials))
    if not 2 <= folds <= count:
        raise ValueError(f"folds is {folds}; it must be from 2 to the number of trials, {count}")
    rows = []
    for k, (fit, test) in enumerate(GroupKFold(folds).split(x, groups=trials)):
        read = _two(_decoder().fit(x[fit], y[fit]).predict(x[test]))
        values = r2_score(y[test], read, multioutput="raw_values")
        rows += [
            {"variable": name, "fold": k, "r2": float(value), "steps": len(test)}
            for name, value in zip(variables, values, strict=True)
        ]
    return pd.DataFrame(rows)


def _two(values: Any) -> Any:
    """Return ``(N, variables)`` also for one variable."""
    return np.asarray(values).reshape(len(values), -1)
