"""Published values of figures 4 to 8, to compare with.

Where the study prints no number they were read from its figures, to about 1 % of an axis.
``published_sem`` is the published error of a mean over seeds, where there is one.

References:
    Zhang, Pitkow & Angelaki (2024), figures 4 to 8 and S4 to S9.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..study import (
    DATA,
    GAINS,
    HOLISTIC,
    HOLISTIC_EKF,
    MODULAR,
    MODULAR_ACTOR,
    MODULAR_CRITIC,
    NO_GENERALIZATION,
)
from .read import curves

__all__ = [
    "ACTION_S8A",
    "ACTION_S8B",
    "ANGULAR_S6B",
    "AUC_4F",
    "AUC_6E",
    "BELIEF_6G",
    "CLOUDS_S5B",
    "CLOUDS_S6G",
    "CROSS",
    "CROSSES_5E",
    "CROSSES_6H",
    "CURVATURE_S4B",
    "CURVE_AT",
    "ERRORS_4C",
    "ERRORS_4D",
    "ERRORS_5D",
    "ERRORS_S4A",
    "ERRORS_S5A",
    "LENGTH_S4C",
    "LINEAR_S6A",
    "MAPS_8C",
    "MAPS_8D",
    "MAPS_S9B",
    "MAPS_S9C",
    "MAPS_S9D",
    "RATE_4G",
    "RATE_S6C",
    "SIZES_S9A",
    "TD_4H",
    "TD_S6D",
    "values_at",
]


def values_at(
    key: str,
    at: Sequence[Any],
    table: Mapping[str, Sequence[float]],
    sem_of: Mapping[str, Sequence[float]] | None = None,
    **constants: Any,
) -> pd.DataFrame:
    """Return published values as a table.

    Args:
        key: Column that tells the values of a row of ``table`` apart.
        at: Its values.
        table: Published values at these, by architecture or animal.
        sem_of: Their published errors, likewise.
        constants: Further columns.

    Returns:
        ``architecture``, ``key``, the constants, ``published``, and ``published_sem`` if there
        are any.
    """
    rows = [
        {"architecture": name, key: place, **constants, "published": value}
        for name, numbers in table.items()
        for place, value in zip(at, numbers, strict=True)
    ]
    found = pd.DataFrame(rows)
    if sem_of is not None:
        found["published_sem"] = [error for name in table for error in sem_of[name]]
    return found


CURVE_AT = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Training trials of values of curves, in 10^4."""

RATE_4G = curves(
    CURVE_AT,
    {
        HOLISTIC: (0.033, 0.027, 0.04, 0.06, 0.054, 0.08),
        MODULAR_ACTOR: (0.041, 0.041, 0.045, 0.061, 0.083, 0.095),
        MODULAR_CRITIC: (0.10, 0.069, 0.17, 0.25, 0.31, 0.36),
        MODULAR: (0.165, 0.136, 0.436, 0.578, 0.725, 0.81),
    },
)
TD_4H = curves(
    (0.15, 0.25, 0.5, 0.75, 1.0),
    {
        HOLISTIC: (0.74, 0.79, 0.714, 0.673, 0.66),
        MODULAR_ACTOR: (0.64, 0.68, 0.681, 0.658, 0.64),
        MODULAR_CRITIC: (0.786, 0.766, 0.603, 0.559, 0.525),
        MODULAR: (0.81, 0.58, 0.398, 0.323, 0.28),
    },
)
AUC_4F = values_at(
    "gain",
    GAINS,
    {
        HOLISTIC: (0.962, 0.851, 0.729),
        MODULAR: (0.934, 0.966, 0.930),
        MODULAR_ACTOR: (0.942, 0.866, 0.733),
        MODULAR_CRITIC: (0.940, 0.929, 0.817),
    },
    {
        HOLISTIC: (0.003, 0.010, 0.013),
        MODULAR: (0.003, 0.003, 0.005),
        MODULAR_ACTOR: (0.006, 0.013, 0.011),
        MODULAR_CRITIC: (0.003, 0.004, 0.007),
    },
)
ERRORS_4C = values_at(
    "gain",
    GAINS,
    {
        HOLISTIC: (-14, 90, 165),
        MODULAR_ACTOR: (-28, 83, 169),
        MODULAR_CRITIC: (-41, 41, 102),
        MODULAR: (-45, 0, 31),
    },
    kind=DATA,
)
ERRORS_4D = pd.concat(
    [
        values_at("gain", GAINS, {"Bruno": (-27, -11, 42), "Schro": (-34, 4, 43)}, kind=DATA),
        values_at(
            "gain", GAINS[1:], {"Bruno": (109, 230), "Schro": (99, 198)}, kind=NO_GENERALIZATION
        ),
    ],
    ignore_index=True,
)
ERRORS_S4A = pd.concat(
    [
        values_at(
            "gain",
            GAINS,
            {
                HOLISTIC: (-13, 91, 164),
                MODULAR: (-45, 1, 31),
                "Bruno": (-27, -12, 46),
                "Schro": (-42, 4, 46),
            },
            kind=DATA,
        ),
        values_at(
            "gain",
            GAINS[1:],
            {HOLISTIC: (125, 247), MODULAR: (86, 207), "Bruno": (108, 230), "Schro": (98, 201)},
            kind=NO_GENERALIZATION,
        ),
    ],
    ignore_index=True,
)
CURVATURE_S4B = values_at(
    "gain",
    GAINS[1:],
    {
        HOLISTIC: (0.0026, 0.0032),
        MODULAR_ACTOR: (0.0024, 0.0026),
        MODULAR_CRITIC: (0.00083, 0.00096),
        MODULAR: (0.00076, 0.00086),
        "Schro": (0.00073, 0.00078),
    },
    difference=True,
)
LENGTH_S4C = values_at(
    "gain",
    GAINS[1:],
    {
        HOLISTIC: (146, 197),
        MODULAR_ACTOR: (142, 201),
        MODULAR_CRITIC: (70, 89),
        MODULAR: (46, 47),
        "Schro": (44, 49),
    },
    difference=True,
)

ERRORS_5D = values_at(
    "gain",
    GAINS,
    {
        HOLISTIC: (19.4, 30.1, 42.4),
        MODULAR_ACTOR: (21.0, 33.8, 49.2),
        MODULAR_CRITIC: (11.5, 17.0, 24.1),
        MODULAR: (12.7, 14.2, 15.5),
    },
    {
        HOLISTIC: (1.6, 2.1, 2.5),
        MODULAR_ACTOR: (1.1, 1.8, 3.1),
        MODULAR_CRITIC: (0.2, 0.6, 0.8),
        MODULAR: (0.9, 1.0, 0.6),
    },
)
ERRORS_S5A = values_at(
    "gain",
    GAINS,
    {
        HOLISTIC: (16.1, 24.7, 34.7),
        MODULAR_ACTOR: (17.6, 29.0, 42.1),
        MODULAR_CRITIC: (9.6, 13.9, 19.0),
        MODULAR: (9.3, 11.0, 12.1),
    },
)
CROSS = ("error_cm", "auc")
"""Quantities of a cross: columns of the table that are compared one by one."""

CROSSES_5E = values_at(
    "quantity",
    CROSS,
    {
        HOLISTIC: (42.4, 0.725),
        MODULAR_ACTOR: (49.2, 0.729),
        MODULAR_CRITIC: (23.8, 0.810),
        MODULAR: (14.9, 0.930),
    },
    {
        HOLISTIC: (2.7, 0.013),
        MODULAR_ACTOR: (3.3, 0.010),
        MODULAR_CRITIC: (1.0, 0.008),
        MODULAR: (0.8, 0.005),
    },
)
CROSSES_6H = values_at(
    "quantity",
    CROSS,
    {
        HOLISTIC: (30.6, 0.831),
        MODULAR_ACTOR: (31.8, 0.825),
        MODULAR_CRITIC: (16.8, 0.891),
        MODULAR: (17.2, 0.912),
    },
    {
        HOLISTIC: (1.8, 0.005),
        MODULAR_ACTOR: (1.6, 0.006),
        MODULAR_CRITIC: (0.3, 0.002),
        MODULAR: (0.9, 0.005),
    },
)

AUC_6E = pd.DataFrame(
    {
        "architecture": [HOLISTIC, MODULAR_ACTOR, MODULAR_CRITIC, MODULAR],
        "published": [0.832, 0.831, 0.892, 0.909],
    }
)
RATE_S6C = curves(
    (0.05, 0.15, 0.25, 0.5, 0.75, 1.0),
    {
        HOLISTIC: (0.11, 0.26, 0.31, 0.345, 0.333, 0.36),
        MODULAR_ACTOR: (0.12, 0.21, 0.25, 0.285, 0.306, 0.29),
        MODULAR_CRITIC: (0.09, 0.34, 0.48, 0.54, 0.554, 0.565),
        MODULAR: (0.19, 0.45, 0.54, 0.58, 0.608, 0.615),
    },
)
TD_S6D = curves(
    (0.15, 0.25, 0.5, 0.75, 1.0),
    {
        HOLISTIC: (0.46, 0.43, 0.36, 0.325, 0.30),
        MODULAR_ACTOR: (0.457, 0.443, 0.389, 0.356, 0.347),
        MODULAR_CRITIC: (0.48, 0.37, 0.216, 0.198, 0.185),
        MODULAR: (0.43, 0.283, 0.179, 0.166, 0.156),
    },
)


def _peaks(time_s: float, **by_direction: Sequence[float]) -> pd.DataFrame:
    """Return published extremes of compensation, of the four architectures in the usual order."""
    names = (HOLISTIC, MODULAR_ACTOR, MODULAR_CRITIC, MODULAR)
    return pd.concat(
        [
            values_at(
                "time_s",
                [time_s],
                {name: (value,) for name, value in zip(names, values, strict=True)},
                direction=direction,
            )
            for direction, values in by_direction.items()
        ],
        ignore_index=True,
    )


LINEAR_S6A = _peaks(1.0, backward=(6.2, 9.2, 15.6, 23), forward=(-4.8, -7.2, -12.7, -17))
ANGULAR_S6B = _peaks(0.5, incongruent=(15.5, 16, 24, 25), congruent=(-17, -18, -25, -28))

_FOUR = (HOLISTIC, MODULAR_ACTOR, MODULAR_CRITIC, MODULAR)

BELIEF_6G = pd.DataFrame(
    [
        (name, axis, quantity, value)
        for (axis, quantity), values in {
            ("linear", "r"): (-0.667, -0.686, -0.420, -0.303),
            ("angular", "r"): (-0.303, -0.309, -0.261, -0.186),
            ("linear", "slope"): (-0.62, -0.535, -0.25, -0.14),
            ("angular", "slope"): (-0.116, -0.123, -0.080, -0.066),
        }.items()
        for name, value in zip(_FOUR, values, strict=True)
    ],
    columns=["architecture", "axis", "quantity", "published"],
)

_RELATION = ("r", "slope")
"""Quantities of a cloud of decoding errors and radial errors."""

CLOUDS_S5B = values_at(
    "quantity",
    _RELATION,
    {
        HOLISTIC: (0.501, 1.283),
        MODULAR_ACTOR: (0.452, 1.236),
        MODULAR_CRITIC: (0.614, 1.315),
        MODULAR: (0.637, 1.084),
    },
)
CLOUDS_S6G = values_at(
    "quantity",
    _RELATION,
    {
        HOLISTIC: (0.449, 0.846),
        MODULAR_ACTOR: (0.399, 0.901),
        MODULAR_CRITIC: (0.339, 0.886),
        MODULAR: (0.233, 0.704),
    },
)

_ACTION = ("reward_rate", "auc", "curvature_per_cm", "path_cm")
ACTION_S8A = values_at(
    "quantity",
    _ACTION,
    {
        HOLISTIC: (0.215, 0.759, 0.0200, 611),
        HOLISTIC_EKF: (0.674, 0.852, 0.0214, 402),
        MODULAR: (1.243, 0.906, 0.0038, 314),
    },
    {
        HOLISTIC: (0.044, 0.025, 0.0022, 46),
        HOLISTIC_EKF: (0.074, 0.009, 0.0040, 14),
        MODULAR: (0.08, 0.010, 0.0004, 6),
    },
)
ACTION_S8B = values_at(
    "quantity",
    _ACTION,
    {
        HOLISTIC: (0.279, 0.805, 0.0202, 347),
        HOLISTIC_EKF: (0.407, 0.843, 0.0121, 335),
        MODULAR: (0.596, 0.916, 0.0053, 268),
    },
    {
        HOLISTIC: (0.018, 0.008, 0.0031, 9),
        HOLISTIC_EKF: (0.014, 0.009, 0.0021, 5.5),
        MODULAR: (0.005, 0.004, 0.0004, 1),
    },
)

SIZES_S9A = pd.DataFrame(
    [("critic", k + 1, n) for k, n in enumerate((202621, 202881, 199957, 202881, 199533))]
    + [("actor", k + 1, n) for k, n in enumerate((201082, 201986, 199234))],
    columns=["part", "number", "published"],
)


def _maps(**texts: str) -> pd.DataFrame:
    """Return published maps as a table.

    Args:
        texts: Maps by task and quantity (``gain__auc``): a line for each critic, a number for each
            actor.
    """
    cells = [
        (f"Actor{actor}Critic{critic}", *key.split("__"), float(value))
        for key, text in texts.items()
        for critic, line in enumerate(text.strip().splitlines(), 1)
        for actor, value in enumerate(line.split(), 1)
    ]
    return pd.DataFrame(cells, columns=["architecture", "task", "quantity", "published"])


MAPS_8C = _maps(
    gain__auc="""
        0.759 0.766 0.783
        0.707 0.758 0.764
        0.726 0.752 0.764
        0.809 0.856 0.851
        0.801 0.854 0.906
    """,
    gain__error_cm="""
        56.6 63.9 55.9
        66.3 47.2 46.5
        52.3 49.0 51.0
        37.3 36.2 32.9
        36.1 21.3 15.7
    """,
)
MAPS_8D = _maps(
    perturbation__auc="""
        0.808 0.810 0.834
        0.779 0.841 0.832
        0.803 0.828 0.830
        0.814 0.833 0.834
        0.874 0.914 0.929
    """,
    perturbation__error_cm="""
        39.8 42.6 36.2
        45.9 37.7 30.8
        34.2 33.2 34.7
        41.0 33.9 36.5
        22.6 21.0 18.1
    """,
)
MAPS_S9B = _maps(
    training__reward_rate="""
        0.635 0.667 0.617
        0.645 0.679 0.672
        0.636 0.648 0.588
        0.672 0.701 0.692
        0.754 0.756 0.756
    """,
    training__td_error="""
        0.186 0.102 0.187
        0.144 0.123 0.122
        0.133 0.120 0.192
        0.093 0.089 0.106
        0.054 0.061 0.058
    """,
)
MAPS_S9C = _maps(
    gain__auc_sem="""
        0.025 0.022 0.022
        0.014 0.014 0.024
        0.030 0.026 0.031
        0.018 0.008 0.018
        0.014 0.012 0.010
    """,
    perturbation__auc_sem="""
        0.009 0.009 0.008
        0.017 0.007 0.020
        0.012 0.022 0.014
        0.015 0.011 0.014
        0.006 0.003 0.005
    """,
)
MAPS_S9D = _maps(
    gain__reward_rate="""
        0.21 0.18 0.28
        0.09 0.21 0.30
        0.16 0.21 0.26
        0.38 0.55 0.49
        0.45 0.88 1.24
    """,
    perturbation__reward_rate="""
        0.32 0.33 0.35
        0.28 0.39 0.41
        0.34 0.40 0.33
        0.35 0.39 0.39
        0.56 0.64 0.71
    """,
)
