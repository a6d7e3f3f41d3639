"""How alike two sets of units represent the same moments, and whether that is more than chance.

Rows of activity are moments that both lived through: steps of the same trials, or bins of the same
variables; columns are units, of which there may be other numbers. All measures are 1 where one is a
scaled copy of the other with its units in any order; CKA and Procrustes also where it is a rotation, RSA
(correlations across units) not. None of them proves that two systems compute alike: linear CKA is high for
all that share a few large directions, grows with few moments and many units, and can be moved far
by changes that no decoder sees. So they are given with a null distribution (:func:`likeness`), and
are best read several at once.

References:
    Kornblith et al., "Similarity of neural network representations revisited", ICML (2019).
    Murphy, Zylberberg & Fyshe, "Correcting biased centered kernel alignment measures in biological
    and artificial neural networks", ICLR workshop Re-Align (2024).
    Davari et al., "Reliability of CKA as a similarity measure in deep learning", ICLR (2023).
    Kriegeskorte, Mur & Bandettini, "Representational similarity analysis", Frontiers in Systems
    Neuroscience 2, 4 (2008).
    Williams et al., "Generalized shape metrics on neural representations", NeurIPS (2021).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import spatial, stats

from modnav.tables import Recording

from .arrays import Activity, as_activity, centred
from .decoding import LAYER, units_of
from .too_few import TooFewError

__all__ = [
    "SIMILARITIES",
    "Likeness",
    "likeness",
    "linear_cka",
    "procrustes_similarity",
    "representational_similarity",
    "shared_moments",
    "shuffled_trials",
]


class Likeness(NamedTuple):
    """A similarity beside what shuffled moments give.

    Attributes:
        value: The similarity.
        null_mean: Mean of the null distribution.
        null_high: Its 95th percentile.
        p: Share of the null that is as high, itself counted in: at least ``1 / (shuffles + 1)``.
            It and the null are NaN where one of the similarities is.
    """

    value: float
    null_mean: float
    null_high: float
    p: float


def shared_moments(
    first: Recording, second: Recording, layer: str = LAYER, other_layer: str | None = None
) -> tuple[Activity, Activity, npt.NDArray[np.int64]]:
    """Return the activity of two recordings at the steps that both have.

    Args:
        first: Tables with units, of the trials of one session (the same targets in order).
        second: Those of another subject in the same session.
        layer: Layer to read of the first.
        other_layer: Layer to read of the second; the same by default.

    Returns:
        Activity of both, ``(moments, units)``, and the trial of each moment, ``(moments,)``, in order.

    Raises:
        ValueError: If one has no units of the layer, targets differ, or no step is in both.
    """
    columns = ["trial", "target_x_cm", "target_y_cm"]
    ours, theirs = (
        r.trials[columns].sort_values("trial").to_numpy(float) for r in (first, second)
    )
    if ours.shape != theirs.shape or not np.allclose(ours, theirs, atol=1e-3):
        raise ValueError("the recordings are of other trials; record both in one session")
    parts = []
    for recording, name in ((first, layer), (second, other_layer or layer)):
        place = recording.steps[["trial", "step"]].reset_index(drop=True)
        parts.append((place.assign(row=place.index), units_of(recording, name)))
    both = parts[0][0].merge(parts[1][0], on=["trial", "step"], suffixes=("", "_other"))
    both = both.sort_values(["trial", "step"])
    if both.empty:
        raise TooFewError("the recordings have no step in common")
    return parts[0][1][both["row"]], parts[1][1][both["row_other"]], both["trial"].to_numpy()


def linear_cka(x: Activity, y: Activity, *, debiased: bool = True) -> float:
    """Return linear centred kernel alignment.

    Args:
        x: Activity, ``(moments, units)``.
        y: That of others at the same moments.
        debiased: Take the estimate that is about 0 for unrelated activity however many units there
            are, if moments are independent: steps of a trial are not, so read it beside
            :func:`likeness`. It needs more than three moments. Else the biased one of Kornblith et al.

    Returns:
        1 for a rotation or scaling; about 0 for unrelated activity, if debiased.

    Raises:
        ValueError: If there are not as many moments of both, too few, one never changes or is not finite.
    """
    x, y = _centred(x, y, least=4 if debiased else 2)
    if not debiased:
        cross = np.linalg.norm(x.T @ y) ** 2
        return float(cross / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))
    kernels = [_without_diagonal(a @ a.T) for a in (x, y)]
    products = [
        float((a * b).sum())
        for a, b in ((kernels[0], kernels[1]), *zip(kernels, kernels, strict=True))
    ]
    return products[0] / float(np.sqrt(products[1] * products[2]))


def _without_diagonal(kernel: Any) -> Any:
    """Return the U-centred kernel of Szekely & Rizzo (2014), whose products are unbiased."""
    count = len(kernel)
    kernel = kernel - np.diag(np.diag(kernel))
    rows = kernel.sum(axis=0) / (count - 2)
    kernel = kernel - rows - rows[:, None] + rows.sum() / (count - 1)
    return kernel - np.diag(np.diag(kernel))


def procrustes_similarity(x: Activity, y: Activity) -> float:
    """Return the cosine of the angle of shapes: 1 for a rotation or scaling, 0 for unrelated shapes.

    It is the sum of singular values of ``x.T y``, both centred and of norm 1, and the only of these
    whose arc cosine is a metric.

    Raises:
        ValueError: If there are not as many moments of both, fewer than two, or one never changes.
    """
    x, y = _centred(x, y)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return float(np.linalg.svd(x.T @ y, compute_uv=False).sum())


def representational_similarity(x: Activity, y: Activity) -> float:
    """Return Spearman's correlation of the distances between moments (correlation distance).

    Raises:
        ValueError: If there are not as many moments of both, fewer than three, or of one fewer than two
            units, or one never changes.
    """
    x, y = as_activity(x), as_activity(y)
    _centred(x, y, least=3)
    if min(x.shape[1], y.shape[1]) < 2:
        raise TooFewError("one of both has one unit; correlations across units need two or more")
    distances = [spatial.distance.pdist(a, "correlation") for a in (x, y)]
    return float(stats.spearmanr(*distances).statistic)


SIMILARITIES: dict[str, Callable[[Activity, Activity], float]] = {
    "CKA": linear_cka,
    "Procrustes": procrustes_similarity,
    "RSA": representational_similarity,
}
"""Measures by name."""


def likeness(
    measure: Callable[[Activity, Activity], float],
    x: Activity,
    y: Activity,
    trials: npt.NDArray[np.int64],
    *,
    shuffles: int = 200,
    seed: int = 0,
) -> Likeness:
    """Return a similarity with its null: which trial is which is shuffled in one of both.

    Moments stay in their order within a trial, so that what all trials share in time is in the null
    too (:func:`shuffled_trials`).

    Args:
        measure: One of :data:`SIMILARITIES`, or alike.
        x: Activity, ``(moments, units)``.
        y: That of others.
        trials: The trial of each moment, ``(moments,)``; moments of a trial stand together.
        shuffles: Size of the null.
        seed: Seed of the shuffling.

    Raises:
        ValueError: As the measure, and if there are fewer than two trials or no shuffle, or moments of
            a trial stand apart.
    """
    if shuffles < 1:
        raise ValueError(f"shuffles is {shuffles}; it must be 1 or more")
    x, y, trials = as_activity(x), as_activity(y), np.asarray(trials)
    if not len(x) == len(y) == len(trials):
        raise ValueError(
            f"there are {len(x)} and {len(y)} moments and {len(trials)} trials of them"
        )
    rng = np.random.default_rng(seed)
    null = [measure(x, y[shuffled_trials(trials, rng)]) for _ in range(shuffles)]
    value = measure(x, y)
    if not np.isfinite([value, *null]).all():
        return Likeness(value, *[float("nan")] * 3)
    high = float(np.quantile(null, 0.95))
    p = (1 + sum(other >= value for other in null)) / (1 + shuffles)
    return Likeness(value, float(np.mean(null)), high, p)


def shuffled_trials(
    trials: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return rows that put another trial in the place of each, ``(moments,)``.

    A trial that is not as long as the one in whose place it is put is cut, or its last moment repeated.
    So the null is exact where all trials are as long, and near where they are not: of 300 pairs of unrelated
    systems in 12 trials of 8 to 12 or of 2 to 18 moments, p was .05 or less in 3 to 7 of 100 (CKA,
    Procrustes, RSA; SE 1.3), and in 4 to 8 where both also ran with the share of the trial that was over.

    Args:
        trials: The trial of each moment, ``(moments,)``; moments of a trial stand together.
        rng: Draws which.

    Raises:
        ValueError: If there are fewer than two trials, or moments of one stand apart.
    """
    trials = np.asarray(trials)
    starts = np.flatnonzero(np.append(True, trials[1:] != trials[:-1]))
    lengths = np.diff(np.append(starts, len(trials)))
    if len(starts) < 2:
        raise TooFewError("there is one trial; shuffling needs two or more")
    if len(np.unique(trials[starts])) < len(starts):
        raise ValueError("moments of a trial stand apart; sort them by trial and step")
    order = rng.permutation(len(starts))
    return np.concatenate(
        [
            starts[other] + np.minimum(np.arange(length), lengths[other] - 1)
            for other, length in zip(order, lengths, strict=True)
        ]
    )


def _centred(x: Activity, y: Activity, least: int = 2) -> tuple[Activity, Activity]:
    x, y = as_activity(x), as_activity(y)
    if len(x) != len(y):
        raise ValueError(f"there are {len(x)} and {len(y)} moments; they must be the same ones")
    if len(x) < least:
        raise TooFewError(f"there are {len(x)} moments; likeness needs {least} or more")
    x, y = centred(x), centred(y)
    if not (x.any() and y.any()):
        raise ValueError("activity that never changes is like nothing")
    return x, y
