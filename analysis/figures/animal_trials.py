"""Trials of the two animals in the gain and the perturbation task, in the form of agents' tables.

They have the columns of :func:`.measures.compared`; ``architecture`` is the animal's name, and
``pair`` numbers the matched trials, whose targets are nearly the same in both animals and at all
gains.
"""

from functools import lru_cache
from typing import Any

import pandas as pd

from modnav.tables import PRIOR_RANGES, Recording, downsample_steps, match, open_loop, scaled

from ..measures import REPLAY, outcomes
from ..study import ANIMALS, Missing, Study, renumbered

PAIRS = 1000
"""Matched trials of figures 4 and 6, as published."""

TARGET = ["target_x_cm", "target_y_cm"]
NOMINAL = "perturbation_nominal_onset_s"
PERTURBED = [*TARGET, "perturbation_peak_v_cm_s", "perturbation_peak_w_deg_s"]

_RANGES = {**PRIOR_RANGES, NOMINAL: PRIOR_RANGES["perturbation_onset_s"]}


def gain_trials(study: Study) -> pd.DataFrame:
    """Return the animals' trials at gain 1 and at the gains of their gain task.

    Bruno's and Schro's trials at gain 1 are matched by target; then, for each animal and gain, its
    trials in the gain task are matched to those.

    Raises:
        Missing: If there are no animals, or too few trials to match.
    """
    return _told(study, "gain", _gain_trials(study))


@lru_cache(maxsize=2)
def _gain_trials(study: Study) -> pd.DataFrame:
    parts = []
    for name, normal in zip(ANIMALS, study.matched_animals("normal", PAIRS), strict=True):
        parts.append(_of_animal(study, name, normal, replay=False))
        changed = study.animals("gain", name)
        for gain in sorted(changed.trials["gain"].unique()):
            chosen = changed.trials[changed.trials["gain"] == gain]
            pairs = _matched(chosen[TARGET], normal.trials[TARGET])
            rows = changed.trials.index.get_indexer(chosen.index[pairs.pool])
            parts.append(_of_animal(study, name, renumbered(changed, rows), replay=True))
    return pd.concat(parts, ignore_index=True)


def perturbation_trials(study: Study) -> pd.DataFrame:
    """Return the animals' perturbation trials, matched by target, peaks and onset.

    The onset is the scheduled one where it is known, else the actual one.

    Raises:
        Missing: If there are no animals, or too few trials to match.
    """
    return _told(study, "perturbation", _perturbation_trials(study))


@lru_cache(maxsize=2)
def _perturbation_trials(study: Study) -> pd.DataFrame:
    both = [study.animals("perturbation", name) for name in ANIMALS]
    known = all(NOMINAL in recording.trials for recording in both)
    variables = [*PERTURBED, NOMINAL if known else "perturbation_onset_s"]
    whole = [_with_values(recording, variables) for recording in both]
    pool, reference = (scaled(recording.trials, variables, _RANGES) for recording in whole)
    pairs = _matched(pool, reference, study.count(PAIRS))
    parts = []
    for name, recording, rows in zip(ANIMALS, whole, pairs[:2], strict=True):
        part = _of_animal(study, name, renumbered(recording, rows), replay=True)
        parts.append(part.assign(onset_s=recording.trials[variables[-1]].to_numpy()[rows]))
    return pd.concat(parts, ignore_index=True)


def _told(study: Study, task: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table, after the study was told what of the animals was looked at."""
    for name, count in table["architecture"].value_counts(sort=False).items():
        study.subjects.note(str(name), name, task, int(count))
    return table


def _with_values(recording: Recording, variables: list[str]) -> Recording:
    """Return the trials whose conditions are known; trials keep their numbers."""
    missing = [name for name in variables if name not in recording.trials]
    if missing:
        raise Missing(f"animals' trials have no {', '.join(missing)}")
    return recording._replace(trials=recording.trials.dropna(subset=variables))


def _matched(pool: Any, reference: Any, best: int | None = None) -> Any:
    try:
        return match(pool, reference, best=best)
    except ValueError as error:
        raise Missing(f"animals cannot be matched: {error}") from error


def _of_animal(study: Study, name: str, recording: Recording, *, replay: bool) -> pd.DataFrame:
    """Return the outcomes of trials numbered by pair; paths are sampled as agents' are."""
    trials, steps, _ = recording
    found = outcomes(Recording(trials, downsample_steps(trials, steps)))
    names = ["end_x_cm", "end_y_cm", "radial_error_cm"]
    found[[REPLAY + column for column in names]] = float("nan")
    if replay:
        normal = study.animals("normal", name)
        pairs = match(normal.trials[TARGET], trials[TARGET], replace=True)
        numbers = normal.trials["trial"].to_numpy()[pairs.pool]
        again = open_loop(trials, normal.steps, list(numbers), delayed=False)
        found[[REPLAY + column for column in names]] = again.trials[names].to_numpy()
    return found.assign(architecture=name, seed=0, pair=found["trial"])
