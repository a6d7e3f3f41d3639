"""Tables of panels, which several tests look at."""

from collections.abc import Callable
from functools import cache

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.text import Text

from modnav.analysis.study import Study


def table_of(compute: Callable[[Study], pd.DataFrame], study: Study) -> pd.DataFrame:
    """Return the table that a panel computes of a study; it is computed once."""
    return _computed(compute, study).copy()


@cache
def _computed(compute: Callable[[Study], pd.DataFrame], study: Study) -> pd.DataFrame:
    return compute(study)


def least_text(figure: Figure) -> float:
    """Return the size of the smallest text of a figure, points."""
    texts = [text for text in figure.findobj(Text) if text.get_text().strip()]
    return min(text.get_fontsize() for text in texts)
