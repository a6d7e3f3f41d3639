"""What figures 4 to 8 keep of a recording: tables that are small enough to keep for all agents.

Functions for :meth:`.study.Study.measure`; they run where the agent ran, and their results are
kept. Some conditions belong together trial by trial, e.g. the same targets at several gains: they
are run as one recording, whose first ``base`` trials are the ones to compare with, and trial ``k``
of the rest is compared with trial ``k % base``.
"""

import numpy as np
import pandas as pd

from modnav.tables import Recording, open_loop

from . import behaviour, decoding, perturbation, tuning

__all__ = [
    "KEPT",
    "REPLAY",
    "compared",
    "compensation_of",
    "decoded",
    "decoded_trials",
    "maps",
    "outcomes",
    "replayed",
]

KEPT = (
    "trial",
    "gain",
    "target_x_cm",
    "target_y_cm",
    "target_theta_deg",
    "end_x_cm",
    "end_y_cm",
    "radial_error_cm",
    "rewarded",
    "terminated",
    "steps",
    "duration_s",
    "td_error_abs",
    "perturbation_peak_v_cm_s",
    "perturbation_peak_w_deg_s",
    "perturbation_onset_s",
)
"""Columns of ``trials`` that are kept where the recording has them."""

REPLAY = "replay_"
"""How the names of the replay's outcome begin."""


def outcomes(recording: Recording) -> pd.DataFrame:
    """Return a row for each trial: how it ended, and the shape of its path.

    Returns:
        :data:`KEPT` columns, ``curvature_per_cm`` (its mean over steps), ``curvature_sum`` and
        ``curvature_count`` (what the mean is made of), ``path_cm``.
    """
    trials, steps, _ = recording
    found = trials[[name for name in KEPT if name in trials]].copy()
    bends = behaviour.step_curvature(steps).groupby("trial")["curvature_per_cm"]
    sums, counts = (x.reindex(trials["trial"]).fillna(0) for x in (bends.sum(), bends.count()))
    found["curvature_sum"], found["curvature_count"] = sums.to_numpy(), counts.to_numpy()
    found["curvature_per_cm"] = behaviour.curvature(trials, steps)
    found["path_cm"] = behaviour.path_length(trials, steps)
    return found


def compared(recording: Recording, base: int) -> pd.DataFrame:
    """Return :func:`outcomes`, with those of a replay of the base trials' actions.

    The replay is what a subject would do that did not adapt ("no generalization").

    Args:
        recording: The recording.
        base: Number of base trials.

    Returns:
        :func:`outcomes`; ``pair``, the number of the base trial; ``replay_end_x_cm``,
        ``replay_end_y_cm`` and ``replay_radial_error_cm``, NaN for base trials.
    """
    found = outcomes(recording)
    found["pair"] = found["trial"] % base
    rest = recording.trials["trial"].to_numpy() >= base
    names = ["end_x_cm", "end_y_cm", "radial_error_cm"]
    found[[REPLAY + name for name in names]] = np.nan
    if rest.any():
        others = recording.trials[rest]
        replay = open_loop(others, recording.steps, (others["trial"] % base).to_list())
        found.loc[rest, [REPLAY + name for name in names]] = replay.trials[names].to_numpy()
    return found


def replayed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the trials of :func:`compared` that have a replay, with its outcome as their own."""
    rows = table[table[f"{REPLAY}radial_error_cm"].notna()]
    names = ("end_x_cm", "end_y_cm", "radial_error_cm")
    return rows.assign(**{name: rows[REPLAY + name] for name in names})


def compensation_of(recording: Recording, base: int) -> pd.DataFrame:
    """Return :func:`.perturbation.compensation` of the trials after the base to those before."""
    trials, steps, _ = recording
    later = trials["trial"] >= base
    numbered = (steps["trial"] - base).where(steps["trial"] >= base)
    with_pulse = steps.assign(trial=numbered)[numbered.notna()].astype({"trial": "int64"})
    perturbed = trials[later].assign(trial=trials["trial"] - base)
    return perturbation.compensation(perturbed, with_pulse, steps[numbered.isna()])


def decoded(recording: Recording, layer: str = decoding.LAYER) -> pd.DataFrame:
    """Return what is read of the position at each step of the test trials.

    Returns:
        :func:`.decoding.decode_position`, with ``last`` (whether it is the trial's last step), the
        trial's target, end and radial error, and what it felt of a perturbation: ``linear_cm``
        and ``angular_deg``.
    """
    found = decoding.decode_position(recording, layer)
    trials, steps, _ = recording
    names = ["target_x_cm", "target_y_cm", "end_x_cm", "end_y_cm", "radial_error_cm", "steps"]
    felt = perturbation.delivered(trials, steps)[["linear_cm", "angular_deg"]]
    about = pd.concat([trials[names].reset_index(drop=True), felt], axis=1)
    about = about.set_index(trials["trial"].to_numpy())
    found = found.join(about, on="trial")
    found["last"] = found["step"] == found.pop("steps") - 1
    small = {name: "float32" for name in found.select_dtypes("float64").columns}
    return found.astype(small)


def decoded_trials(recording: Recording, layer: str = decoding.LAYER) -> pd.DataFrame:
    """Return :func:`outcomes` with the decoding errors of the test trials.

    Returns:
        :func:`outcomes`, ``error_sum_cm`` and ``error_count`` (over the trial's steps; NaN and 0
        in trials that the decoder was fitted on).
    """
    found = outcomes(recording)
    errors = decoding.decode_position(recording, layer).groupby("trial")["error_cm"]
    found["error_sum_cm"] = errors.sum().reindex(found["trial"]).to_numpy()
    found["error_count"] = errors.count().reindex(found["trial"]).fillna(0).to_numpy()
    return found


def maps(recording: Recording, layer: str = decoding.LAYER) -> pd.DataFrame:
    """Return the spatial map of each unit of a layer.

    Returns:
        A row for each bin of :class:`.tuning.Grid`: ``x_cm``, ``y_cm``, and a column for each
        unit, by its index.
    """
    position = recording.steps[["x_cm", "y_cm"]].to_numpy(float)
    found = tuning.spatial_maps(position, decoding.units_of(recording, layer))
    across, along = np.meshgrid(*tuning.Grid().centres)
    table = pd.DataFrame(found.reshape(len(found), -1).T.astype(np.float32))
    table.columns = [str(k) for k in range(len(found))]
    table.insert(0, "x_cm", across.ravel())
    table.insert(1, "y_cm", along.ravel())
    return table
