"""Studies that several tests look at."""

import pytest
from analysis_runs import make_run

from modnav.analysis.study import Conditions, Study


@pytest.fixture
def conditions(tiny_study):
    return Conditions("normal", tiny_study.prior_targets(2000))


@pytest.fixture
def own(tmp_path):
    """A study of one run, of its own."""
    make_run(tmp_path / "runs" / "seed0", "EKF", 0)
    with Study([tmp_path / "runs"], tmp_path / "cache", trials=8) as study:
        yield study
