"""How alike two sets of units go on from step to step: dynamical similarity analysis (DSA).

CKA and its like compare states at the same moments. DSA compares rules: to the trials of each system a
linear map is fitted that takes its units one step further, in the leading directions of their activity, and
the maps are compared. So the systems may have other trials, other numbers of units, and units in any
rotation. The authors' package ``dsa-metric`` computes it (extra ``modnav[neuro]``): the form of it that compares
eigenvalues, not the paper's angle, see :func:`dynamical_distance`.

What it does not say: the map is one of activity that is also driven by observations, and the best linear
one, so systems that are driven otherwise differ without other dynamics. Distances depend on the rank, the
delays and the number of steps and have no null by shuffling: compare them with those between halves of one
system's trials (:func:`halves_dynamics`) and between seeds. Halves share a policy, and so what is observed; seeds do not.

References:
    Ostrow et al., "Beyond geometry: comparing the temporal structure of computation in neural circuits
    via dynamical similarity analysis", NeurIPS (2023).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from modnav.tables import Recording, runs_of_trials

from .arrays import Activity, as_activity
from .decoding import LAYER, units_of
from .too_few import TooFewError

__all__ = ["RANK", "dynamical_distance", "halves_dynamics", "linear_dynamics", "unit_trials"]

RANK = 10
"""Directions of activity in which maps are fitted, by default."""

Dynamics = npt.NDArray[np.float64]
"""A linear map of one step, ``(rank, rank)``."""


def unit_trials(recording: Recording, layer: str = LAYER) -> list[Activity]:
    """Return the activity of each trial, ``(steps, units)``, in the order of trials.

    Args:
        recording: Tables with units.
        layer: The layer.

    Raises:
        ValueError: If there are no units of the layer, or steps of a trial are not in order.
    """
    x = units_of(recording, layer)
    runs_of_trials(recording.steps)
    rows = recording.steps.reset_index(drop=True).groupby("trial", sort=True).indices
    return [x[there] for there in rows.values()]


def linear_dynamics(trials: Sequence[Activity], *, rank: int = RANK, delays: int = 1) -> Dynamics:
    """Return the linear map that takes units one step further, in their leading directions.

    Args:
        trials: Activity of each trial, ``(steps, units)``. Trials of fewer than ``delays`` steps
            hold no state and are left out.
        rank: Directions, those of largest singular values (activity is not centred).
        delays: Steps that make a state; more than one for systems of which a part is seen.

    Returns:
        The map, ``(rank, rank)``, up to the directions' order and signs; its eigenvalues are those of the system
        where it is linear and ``rank`` its dimension.

    Raises:
        ValueError: If ``dsa-metric`` is not installed, trials have other numbers of units, or activity is
            not finite.
        TooFewError: If there are fewer transitions than ``rank``, or activity fills fewer directions
            than single precision, which the package has, tells from rounding.
    """
    if rank < 1 or delays < 1:
        raise ValueError(f"rank is {rank} and delays is {delays}; both must be 1 or more")
    each = [as_activity(trial) for trial in trials]
    if len(numbers := {x.shape[1] for x in each}) > 1:
        raise ValueError(f"trials have {sorted(numbers)} units; they must be of one system")
    long = [x for x in each if len(x) >= delays]
    moments = sum(len(x) - delays + 1 for x in long)
    if (transitions := moments - len(long)) < rank:
        raise TooFewError(f"rank is {rank}; trials have {transitions} transitions")
    if len(long) > 1:
        # one that adds nothing: the package refuses few moments in trials of one length
        long.append(np.zeros((delays, long[0].shape[1])))
    model = _package().dmd.DMD(long, n_delays=delays, rank=rank)
    with _single_precision():
        model.fit()
    sizes = model.S.numpy()
    # rounding of the package's single precision: 13 to 178 eps at 30,000 moments, 1,438 at most at 200,000
    least = sizes[0] * (len(sizes) + moments / 100) * np.finfo(np.float32).eps
    if (filled := int((sizes > least).sum())) < rank:
        raise TooFewError(f"rank is {rank}; activity fills {filled} directions beyond rounding")
    return model.A_v.numpy().astype(float)


def dynamical_distance(first: Dynamics, second: Dynamics) -> float:
    """Return how far two maps of :func:`linear_dynamics` are apart; 0 where eigenvalues are the same.

    It is the mean squared distance of their eigenvalues in the complex plane, in the pairing that makes it
    least (the package's ``wasserstein``); eigenvectors are not seen. The angle between maps, which the package
    has too, is not here: its search for the best change of directions ended far from 0 for maps of rank 3 and
    more that were the same.

    Args:
        first: A map, ``(rank, rank)``.
        second: One of the same rank.

    Raises:
        ValueError: If ranks differ, a map is not finite, or ``dsa-metric`` is not installed.
    """
    maps = [as_activity(one) for one in (first, second)]
    if maps[0].shape != maps[1].shape or maps[0].shape[0] != maps[0].shape[1]:
        shapes = " and ".join(str(one.shape) for one in maps)
        raise ValueError(f"maps are {shapes}; they must be square, of one rank")
    distance = _package().simdist.SimilarityTransformDist(score_method="wasserstein")
    with _single_precision():
        return float(distance.fit_score(*(torch.tensor(one, dtype=torch.float32) for one in maps)))


def halves_dynamics(recording: Recording, layer: str = LAYER, rank: int = RANK) -> pd.DataFrame:
    """Return :func:`linear_dynamics` of every other trial, and of those between.

    Args:
        recording: Tables with units.
        layer: The layer.
        rank: Directions.

    Returns:
        ``half`` (0 or 1), ``row``, and a column for each of the map's, named ``0`` to ``rank - 1``.

    Raises:
        ValueError: As :func:`linear_dynamics`, of the half.
    """
    trials = unit_trials(recording, layer)
    parts = []
    for half in (0, 1):
        table = pd.DataFrame(linear_dynamics(trials[half::2], rank=rank))
        table.columns = table.columns.astype(str)
        table.insert(0, "row", range(len(table)))
        table.insert(0, "half", half)
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


@contextmanager
def _single_precision() -> Iterator[None]:
    """Let the package find single precision and the processor as torch's defaults, as it expects."""
    precision = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(precision)


def _package() -> Any:
    """Return the package of DSA's authors."""
    try:
        import DSA.dmd  # type: ignore[import-not-found,import-untyped,unused-ignore]  # of an extra
        import DSA.simdist  # type: ignore[import-not-found,import-untyped,unused-ignore]  # of an extra
    except ImportError as error:
        raise ValueError(
            "dynamical similarity needs dsa-metric: pip install 'modnav[neuro]'"
        ) from error
    return DSA
