"""Spikes of animals' neurons as the table of units."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from modnav.tables import conform

__all__ = ["spike_counts"]


def spike_counts(
    cells: Iterable[Any],
    trials: Any,
    samples: Sequence[int],
    sampling_hz: float,
    neurons: int | None = None,
) -> pd.DataFrame:
    """Return how often each neuron fired in each step.

    Args:
        cells: Of each trial an array of counts, samples x neurons or neurons x samples, or a list with
            an array of spike times for each neuron, s since the first sample; those before it or
            after the last count nowhere.
        trials: Number of each trial.
        samples: Steps of each trial.
        sampling_hz: Steps per second.
        neurons: How many there are; as many as in the first trial if None.

    Returns:
        The table ``units``: ``trial``, ``step`` and counts ``neuron.0`` and so on.

    Raises:
        ValueError: If a cell is of none of these forms, or has another number of neurons.
    """
    parts = []
    for cell, trial, count in zip(cells, trials, samples, strict=True):
        part = _counts(cell, count, sampling_hz)
        if part is None:
            raise ValueError(
                f"spikes of trial {trial} are neither counts, {count} samples x neurons, nor a list "
                "of spike times for each neuron, s"
            )
        neurons = part.shape[1] if neurons is None else neurons
        if part.shape[1] != neurons:
            raise ValueError(
                f"spikes of trial {trial} are of {part.shape[1]} neurons, those before of {neurons}"
            )
        parts.append(part)
    found = pd.DataFrame(np.concatenate(parts).astype(np.float32))
    found.columns = pd.Index([f"neuron.{k}" for k in range(found.shape[1])])
    found.insert(0, "trial", np.repeat(trials, samples))
    found.insert(1, "step", np.concatenate([np.arange(count) for count in samples]))
    return conform(found, "units")


def _counts(cell: Any, samples: int, sampling_hz: float) -> Any:
    """Return the counts of a trial, ``(samples, neurons)``; None if a cell is of no known form."""
    if isinstance(cell, list):
        counts = np.zeros((samples, len(cell)))
        for neuron, times in enumerate(map(np.asarray, cell)):
            if times.ndim != 1 or (times.size and times.dtype.kind not in "iuf"):
                return None
            steps = np.round(times.astype(float) * sampling_hz)
            within = steps[(steps >= 0) & (steps < samples)].astype(int)
            np.add.at(counts[:, neuron], within, 1)
        return counts
    counts = np.asarray(cell)
    if counts.ndim != 2 or samples not in counts.shape or counts.dtype.kind not in "biuf":
        return None
    return counts if len(counts) == samples else counts.T
