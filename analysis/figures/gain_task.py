"""The gain task of figure 4: agents and animals at joystick gains they were not trained at."""

from collections.abc import Sequence
from functools import partial

import pandas as pd
from matplotlib.axes import Axes

from ..measures import compared, replayed, signed_radial_error
from ..study import DATA, GAINS, MAIN, NO_GENERALIZATION, Conditions, Missing, Study
from .animal_trials import PAIRS, TARGET
from .cohorts import NO_ANIMALS, silent


def gain_axis(axes: Axes) -> None:
    """Let the horizontal axis be that of the tested gains."""
    axes.set_xticks(GAINS, [times(gain) for gain in GAINS])
    axes.set_xlabel("Gain")


def times(gain: float) -> str:
    """Return a gain as it stands in a figure."""
    return rf"{gain:g}$\times$"


def gain_conditions(study: Study) -> tuple[Conditions, int, list[str]]:
    """Return trials at all gains, one gain after the other; their number at each; what is missing.

    Targets are Bruno's matched ones, or the first of the task's prior without animals.
    """
    try:
        targets = study.matched_animals("normal", PAIRS)[0].trials[TARGET]
        missing = []
    except Missing:
        targets, missing = study.prior_targets(PAIRS)[TARGET], [NO_ANIMALS]
    trials = pd.concat([targets.assign(gain=gain) for gain in GAINS], ignore_index=True)
    return Conditions("gains", trials), len(targets), missing


def agent_trials(
    study: Study, architectures: Sequence[str] = MAIN
) -> tuple[pd.DataFrame, list[str]]:
    """Return :func:`.measures.compared` of all seeds of some architectures, with signs.

    Raises:
        Missing: If there are no runs.
    """
    agents, missing = study.cohort(architectures)
    conditions, base, without = gain_conditions(study)
    table = study.measure(agents, conditions, partial(compared, base=base))
    return table, [*missing, *without, *silent(table)]


def signed(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """Return signed radial errors of data and of no generalization, one below the other.

    Returns:
        ``architecture``, ``seed``, ``gain``, ``kind``, ``error_cm``.
    """
    parts = [
        rows[["architecture", "seed", "gain"]].assign(
            kind=kind, error_cm=signed_radial_error(rows, published=study.published)
        )
        for kind, rows in ((DATA, table), (NO_GENERALIZATION, replayed(table)))
    ]
    return pd.concat(parts, ignore_index=True)
