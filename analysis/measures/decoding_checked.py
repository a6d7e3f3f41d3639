"""Decoding with the checks that reviewers ask for: every trial tested, transfer, and chance.

The study fits on the first 70 % of the trials and tests on the rest, once (:mod:`.decoding`). Here
each trial is tested by a decoder that did not see it, activity and variables are standardised by
the training trials, and all is repeated with the trials' activity shuffled, which says what a
decoder of that size reads from nothing but the course of a trial.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from modnav.tables import Recording

from .decoding import LAYER, POSITION, units_of
from .similarity import shuffled_trials
from .too_few import TooFewError

__all__ = ["PENALTIES", "cross_validated", "decoding_null", "fitted_ridge", "transfer"]

PENALTIES = tuple(np.logspace(-2, 5, 15))
"""Ridge penalties of standardised activity, among which trials that are left out one by one choose."""


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
    table = _scores({"": _read(recording, variables, layer)}, variables, folds)
    return table[["variable", "fold", "r2", "steps"]]


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
        shuffled = x[shuffled_trials(trials, rng)], y, trials
        found = _scores({"": shuffled}, variables, folds)
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
        recordings: Tables with units of one agent, by the name of their condition; their trials are
            of the same targets in the same order.
        variables: Columns of ``steps`` to read.
        layer: The layer.
        folds: Parts of the trials; each is tested, in its own and in other conditions, by decoders
            that saw its targets in none.

    Returns:
        ``fitted``, ``tested``, ``variable``, ``r2``; as a matrix by
        ``table.pivot(index="fitted", columns="tested", values="r2")`` of a variable.

    Raises:
        ValueError: As :func:`cross_validated`, and if targets differ between conditions.
    """
    columns = ["target_x_cm", "target_y_cm"]
    places = [r.trials.sort_values("trial")[columns].to_numpy(float) for r in recordings.values()]
    if any(p.shape != places[0].shape or not np.allclose(p, places[0], atol=1e-3) for p in places):
        raise ValueError(
            "recordings are of other targets; decoders would see those they are tested with"
        )
    read = {name: _read(recording, variables, layer) for name, recording in recordings.items()}
    table = _scores(read, variables, folds)
    return table.groupby(["fitted", "tested", "variable"], sort=False)["r2"].mean().reset_index()


def fitted_ridge(x: Any, y: Any, trials: Any) -> Callable[[Any], Any]:
    """Return what reads variables from activity: ridge regression of both, standardised.

    The penalty of :data:`PENALTIES` is the one with the least squared error in trials that are left
    out one by one: steps of a trial are alike, and left out alone they would ask for too
    small a one. All penalties and trials share one decomposition.

    Args:
        x: Activity ``(steps, units)``.
        y: Variables ``(steps, variables)``.
        trials: The trial of each step ``(steps,)``.

    Returns:
        A function from activity to variables.
    """
    (x_mean, x_sd), (y_mean, y_sd) = _scale(x), _scale(y)
    activity, wanted = (x - x_mean) / x_sd, (y - y_mean) / y_sd
    squares, axes = np.linalg.eigh(activity.T @ activity)
    known = squares > squares.max() * max(x.shape) * np.finfo(float).eps
    squares, axes = squares[known], axes[:, known] / np.sqrt(squares[known])
    along = activity @ axes  # orthonormal
    kept = squares / (squares + np.array(PENALTIES)[:, None])  # (penalties, axes)
    parts = kept[:, :, None] * (along.T @ wanted)
    errors = np.zeros(len(PENALTIES))
    for trial in np.unique(trials):
        here = along[trials == trial]
        left_out = _left_out(here, kept, wanted[trials == trial] - here @ parts, len(x))
        errors += (left_out**2).sum(axis=(1, 2))
    weights = axes @ parts[int(np.argmin(errors))]
    return lambda new: (new - x_mean) / x_sd @ weights * y_sd + y_mean


def _left_out(here: Any, kept: Any, residuals: Any, steps: int) -> Any:
    """Return the residuals of a trial in decoders that are fitted without it.

    Args:
        here: Its activity along the axes, ``(moments, axes)``.
        kept: What each penalty keeps of each axis, ``(penalties, axes)``.
        residuals: In decoders that saw it, ``(penalties, moments, variables)``.
        steps: Steps of all trials.
    """
    moments, axes = here.shape
    if moments <= axes + 1:
        own = np.eye(moments) - (kept[:, None, :] * here) @ here.T - 1 / steps
        return np.linalg.solve(own, residuals)
    # of an animal's trial with its thousands of moments: the same by Woodbury's identity
    full = np.column_stack((here, np.ones(moments)))
    weights = np.column_stack((kept, np.full(len(kept), 1 / steps)))[:, :, None]
    small = np.eye(axes + 1) - weights * (full.T @ full)
    return residuals + full @ np.linalg.solve(small, weights * (full.T @ residuals))


def _scale(values: Any) -> tuple[Any, Any]:
    """Return mean and SD of each column; 1 for those that do not vary but by rounding."""
    spread = values.std(axis=0)
    least = 10 * np.finfo(float).eps * len(values) ** 0.5 * np.abs(values).max(axis=0)
    return values.mean(axis=0), np.where(spread > least, spread, 1.0)


def _read(recording: Recording, variables: Sequence[str], layer: str) -> tuple[Any, Any, Any]:
    steps = recording.steps
    if isinstance(variables, str) or not set(variables) <= set(steps.columns):
        raise ValueError(f"variables is {variables}; it must be a list of columns of steps")
    y = steps[list(variables)].to_numpy(float)
    bad = np.flatnonzero(~np.isfinite(y).all(axis=0))
    if len(bad):
        raise ValueError(
            f"steps.{variables[bad[0]]} is not finite in all steps; it cannot be decoded"
        )
    return units_of(recording, layer), y, steps["trial"].to_numpy()


def _scores(read: Mapping[str, Any], variables: Sequence[str], folds: int) -> pd.DataFrame:
    """Return R2 of each variable in each fold of each condition, by decoders of each of the others' folds."""
    parts = {name: _parts(trials, folds) for name, (_, _, trials) in read.items()}
    rows = []
    for (fitted, (x, y, trials)), k in product(read.items(), range(folds)):
        seen = parts[fitted] != k
        decoder = fitted_ridge(x[seen], y[seen], trials[seen])
        for tested, (other_x, other_y, _) in read.items():
            new = parts[tested] == k
            values = r2_score(other_y[new], decoder(other_x[new]), multioutput="raw_values")
            about = {"fitted": fitted, "tested": tested, "fold": k, "steps": int(new.sum())}
            rows += [
                {**about, "variable": name, "r2": float(value)}
                for name, value in zip(variables, values, strict=True)
            ]
    return pd.DataFrame(rows)


def _parts(trials: Any, folds: int) -> Any:
    """Return which fold each step belongs to; trials take turns."""
    names, rank = np.unique(trials, return_inverse=True)
    if not 2 <= folds <= len(names):
        kind = TooFewError if folds > len(names) else ValueError
        raise kind(f"folds is {folds}; it must be from 2 to the number of trials, {len(names)}")
    return rank % folds
