"""What is kept of units under several conditions: careful decoding, transfer, dimensions, dynamics.

Functions for :meth:`.study.Study.measure`. Conditions are run as one recording, ``base`` trials of each,
one after the other.
"""

from collections.abc import Iterator, Sequence

import pandas as pd

from modnav.tables import Recording

from .decoding import LAYER, units_of
from .decoding_checked import cross_validated, decoding_null, transfer
from .dynamics import halves_dynamics
from .geometry import participation_ratio
from .too_few import TooFewError

__all__ = ["checked", "dimensions", "kept_dynamics", "parts_of", "transferred"]


def parts_of(
    recording: Recording, base: int, names: Sequence[str]
) -> Iterator[tuple[str, Recording]]:
    """Yield the trials of each condition, ``base`` of them, by its name."""
    trials, steps, units = recording
    for k, name in enumerate(names):
        here = (steps["trial"] // base == k).to_numpy()
        part = trials[trials["trial"] // base == k]
        yield name, Recording(part, steps[here], None if units is None else units[here])


def checked(recording: Recording, shuffles: int = 10) -> pd.DataFrame:
    """Return how well the position is read in trials that the decoder did not see, and by chance.

    Returns:
        ``variable``, ``r2`` (mean over folds), ``null_mean`` and ``null_high`` (its 95th percentile over
        shuffles).
    """
    found = cross_validated(recording).groupby("variable", sort=False)["r2"].mean()
    null = decoding_null(recording, shuffles=shuffles).groupby("variable", sort=False)["r2"]
    table = pd.DataFrame({"r2": found, "null_mean": null.mean(), "null_high": null.quantile(0.95)})
    return table.rename_axis("variable").reset_index()


def transferred(recording: Recording, base: int, names: Sequence[str]) -> pd.DataFrame:
    """Return :func:`.decoding_checked.transfer` between conditions, the mean over the position."""
    table = transfer(dict(parts_of(recording, base, names)))
    return table.groupby(["fitted", "tested"], sort=False)["r2"].mean().reset_index()


def dimensions(recording: Recording, base: int, names: Sequence[str]) -> pd.DataFrame:
    """Return the participation ratio of a layer in each condition: ``tested`` and ``value``."""
    rows = [
        (name, participation_ratio(units_of(part, LAYER)))
        for name, part in parts_of(recording, base, names)
    ]
    return pd.DataFrame(rows, columns=["tested", "value"])


def kept_dynamics(recording: Recording) -> pd.DataFrame:
    """Return :func:`.dynamics.halves_dynamics`; no row where units fill too few directions."""
    try:
        return halves_dynamics(recording)
    except TooFewError:  # others' are not lost for one agent that hardly moves
        return pd.DataFrame()
