"""Published values of figures 2 and S2; grids have a row for each increment of observation noise.

References:
    Zhang, Pitkow & Angelaki (2024), numbers printed in, or read from, the panels.
"""

from collections.abc import Mapping

import pandas as pd

from ..study import HOLISTIC, MODULAR
from .read import grids, rows

__all__ = [
    "CORRELATIONS",
    "DROPS",
    "EKF_DROPS",
    "HOLISTIC_AUC",
    "MODULAR_AUC",
    "S2I",
    "fig2_correlations",
]

_GRIDS = {
    "EKF": """
    .0 -.004 -.01 -.017 -.03
    -.019 -.023 -.028 -.035 -.048
    -.052 -.054 -.06 -.066 -.084
    -.093 -.098 -.101 -.111 -.119
    -.136 -.144 -.148 -.153 -.167
    """,
    "EKF alternative": """
    .0 -.017 -.049 -.089 -.13
    -.002 -.02 -.053 -.092 -.131
    -.004 -.021 -.055 -.094 -.134
    -.007 -.024 -.056 -.094 -.133
    -.012 -.029 -.059 -.098 -.14
    """,
    "hol": """
    .0 -.026 -.063 -.107 -.152
    -.009 -.035 -.072 -.116 -.157
    -.023 -.047 -.083 -.125 -.167
    -.042 -.065 -.099 -.136 -.176
    -.066 -.086 -.115 -.152 -.189
    """,
    "moho": """
    .0 -.026 -.061 -.108 -.153
    -.007 -.033 -.067 -.11 -.159
    -.024 -.044 -.08 -.122 -.164
    -.041 -.063 -.096 -.134 -.171
    -.063 -.083 -.112 -.148 -.183
    """,
    "homo": """
    .0 -.011 -.03 -.054 -.085
    -.007 -.019 -.036 -.061 -.092
    -.022 -.034 -.05 -.076 -.106
    -.043 -.053 -.07 -.092 -.119
    -.068 -.077 -.09 -.114 -.139
    """,
    "mod": """
    .0 -.005 -.016 -.033 -.054
    -.01 -.016 -.027 -.043 -.065
    -.031 -.036 -.048 -.061 -.082
    -.056 -.061 -.073 -.089 -.105
    -.086 -.093 -.102 -.113 -.131
    """,
    "mod alternative": """
    .0 -.013 -.039 -.074 -.114
    -.006 -.019 -.045 -.079 -.112
    -.014 -.027 -.05 -.083 -.12
    -.023 -.037 -.061 -.091 -.13
    -.032 -.046 -.072 -.101 -.14
    """,
    "hol larger": """
    .0 -.016 -.038 -.072 -.108
    -.02 -.033 -.056 -.086 -.119
    -.056 -.066 -.088 -.112 -.145
    -.098 -.107 -.125 -.145 -.176
    -.14 -.148 -.158 -.181 -.208
    """,
    "hol long": """
    .0 -.01 -.03 -.053 -.085
    -.013 -.022 -.04 -.064 -.094
    -.037 -.046 -.062 -.086 -.114
    -.068 -.075 -.09 -.108 -.134
    -.1 -.108 -.119 -.14 -.162
    """,
}
_AUCS = {
    "hol": """
    .965 .938 .902 .857 .812
    .956 .93 .892 .849 .808
    .941 .917 .882 .84 .797
    .922 .899 .866 .829 .788
    .899 .878 .85 .813 .775
    """,
    "mod": """
    .943 .937 .926 .909 .888
    .932 .927 .916 .9 .878
    .911 .907 .895 .881 .86
    .886 .882 .87 .854 .838
    .857 .85 .841 .829 .811
    """,
}

DROPS = grids(_GRIDS)
"""Drops of the AUC of every set, mean over seeds."""

EKF_DROPS = DROPS[DROPS["set"].str.startswith("EKF")].reset_index(drop=True)
HOLISTIC_AUC = grids({"hol": _AUCS["hol"]})
MODULAR_AUC = grids({"mod": _AUCS["mod"]})

S2I = rows(["architecture"], {HOLISTIC: 0.899, MODULAR: 0.857}.items())
"""Mean AUC of each architecture; its Mann-Whitney test has U = 61 and p = 0.001088."""

CORRELATIONS: dict[str, dict[str, float]] = {
    "2d": {"hol": 0.52, "moho": 0.51, "homo": 0.76, "mod": 0.94, "mod alternative": 0.46},
    "2e": {"hol": 0.96, "moho": 0.96, "homo": 0.83, "mod": 0.58, "mod alternative": 0.98},
    "S2d": {"hol": 0.52, "hol larger": 0.91},
    "S2f": {"hol": 0.52, "hol long": 0.88},
}
"""Pearson's r of each set with the EKF agent (2e: the EKF alternative), of the printed grids."""


def fig2_correlations(values: Mapping[str, float]) -> pd.DataFrame:
    """Return published correlations as a table."""
    return rows(["set"], values.items())
