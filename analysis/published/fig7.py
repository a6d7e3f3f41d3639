"""Published values of the belief half of figures 7 and S7.

Grids have a row for each training observation noise, a column for each process noise.

References:
    Zhang, Pitkow & Angelaki (2024), numbers printed in the panels; correlations follow from them.
"""

from collections.abc import Mapping

import pandas as pd

from .read import grid, rows

__all__ = ["AUC", "LEVELS", "LIKENESS", "Grids", "fig7_correlations", "published_grids"]

LEVELS = (0.0, 0.1, 0.2, 0.3)

Grids = Mapping[tuple[str, str], str]
"""Printed grids, by agent and what is favoured, or by agent and task."""

LIKENESS: dict[str, Grids] = {
    "7a": {
        ("hol", "observation"): """
    .376 .354 .514 .802
    .407 .363 .537 .783
    .345 .356 .459 .717
    .343 .305 .392 .571
    """,
        ("hol", "prediction"): """
    .989 .995 .963 .78
    .985 .995 .953 .803
    .993 .995 .977 .857
    .995 .999 .988 .94
    """,
        ("mod", "observation"): """
    .785 .733 .951 .997
    .74 .709 .934 .991
    .494 .501 .778 .92
    .376 .363 .506 .699
    """,
        ("mod", "prediction"): """
    .793 .846 .543 .282
    .84 .867 .592 .387
    .964 .966 .811 .623
    .989 .994 .965 .873
    """,
    },
    "S7a": {
        ("hol", "observation"): """
    .394 .662 .963 .985
    .284 .402 .939 .988
    .212 .266 .557 .899
    .21 .228 .337 .659
    """,
        ("hol", "prediction"): """
    .986 .895 .505 .421
    .997 .989 .577 .401
    .996 1.0 .949 .657
    .996 .998 .995 .899
    """,
        ("mod", "observation"): """
    .783 .98 .996 .995
    .685 .753 .988 .998
    .441 .413 .755 .971
    .335 .245 .476 .738
    """,
        ("mod", "prediction"): """
    .801 .434 .224 .203
    .878 .833 .406 .25
    .978 .987 .831 .482
    .994 .999 .974 .846
    """,
    },
}
AUC: dict[str, Grids] = {
    "7b": {
        ("hol", "gain"): """
    .719 .706 .74 .823
    .723 .705 .73 .808
    .72 .704 .72 .823
    .714 .712 .709 .76
    """,
        ("mod", "gain"): """
    .82 .833 .924 .95
    .799 .821 .92 .942
    .759 .773 .84 .893
    .742 .738 .784 .828
    """,
        ("hol", "perturbation"): """
    .741 .751 .786 .83
    .738 .747 .779 .835
    .716 .746 .762 .814
    .717 .719 .742 .773
    """,
        ("mod", "perturbation"): """
    .834 .841 .891 .931
    .819 .829 .879 .906
    .772 .79 .848 .876
    .742 .745 .791 .827
    """,
    },
    "S7b": {
        ("hol", "gain"): """
    .766 .827 .916 .901
    .75 .814 .915 .931
    .748 .757 .815 .905
    .721 .722 .761 .829
    """,
        ("mod", "gain"): """
    .834 .968 .952 .957
    .813 .907 .964 .967
    .768 .797 .903 .939
    .74 .748 .819 .871
    """,
        ("hol", "perturbation"): """
    .74 .801 .881 .889
    .696 .756 .854 .899
    .667 .708 .782 .852
    .656 .69 .727 .797
    """,
        ("mod", "perturbation"): """
    .826 .872 .907 .919
    .81 .822 .886 .918
    .761 .77 .822 .885
    .717 .71 .776 .824
    """,
    },
    "S7c": {
        ("hol", "gain"): """
    .628 .676 .781 .714
    .612 .675 .759 .766
    .6 .638 .68 .736
    .606 .614 .639 .698
    """,
        ("mod", "gain"): """
    .675 .923 .928 .914
    .656 .736 .906 .903
    .625 .649 .761 .84
    .615 .619 .673 .728
    """,
        ("hol", "perturbation"): """
    .708 .736 .767 .803
    .703 .722 .787 .806
    .696 .714 .748 .799
    .692 .691 .722 .767
    """,
        ("mod", "perturbation"): """
    .822 .895 .922 .924
    .807 .863 .92 .929
    .778 .797 .868 .907
    .757 .76 .821 .848
    """,
    },
}

_CORRELATIONS = {
    ("gain", "hol"): (0.958, -0.961),
    ("gain", "mod"): (0.959, -0.956),
    ("perturbation", "hol"): (0.964, -0.915),
    ("perturbation", "mod"): (0.979, -0.936),
}
"""Pearson's r over the 16 training noises with favouring observation, and prediction."""


def published_grids(grids: Grids, split: str) -> pd.DataFrame:
    """Return grids as a table; ``split`` names the second part of their key."""
    return rows(
        ["agent", split, "observation_noise", "process_noise"],
        ((*key, *cell) for key, text in grids.items() for cell in grid(text, LEVELS)),
    )


def fig7_correlations() -> pd.DataFrame:
    """Return the correlations of likeness and generalisation as a table."""
    return rows(
        ["task", "agent", "favour"],
        (
            (*key, favour, r)
            for key, both in _CORRELATIONS.items()
            for favour, r in zip(("observation", "prediction"), both, strict=True)
        ),
    )
