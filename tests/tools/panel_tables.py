"""Tables of panels, which several tests look at."""

from collections.abc import Callable
from functools import cache

import pandas as pd

from modnav.analysis.study import Study


def table_of(compute: Callable[[Study], pd.DataFrame], study: Study) -> pd.DataFrame:
    """Return the table that a panel computes of a study; it is computed once."""
    return _computed(compute, study).copy()


@cache
def _computed(compute: Callable[[Study], pd.DataFrame], study: Study) -> pd.DataFrame:
    return compute(study)
