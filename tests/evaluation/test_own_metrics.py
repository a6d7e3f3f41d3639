"""Metrics of a user's own."""

import pytest
import torch
from own_parts import AngularAction

from modnav.evaluation import (
    AbstractTrialMetric,
    check_names,
    fixed_gain_conditions,
    means_of,
    run,
)
from modnav.networks import build_agent
from modnav.task import TaskParameters


def test_a_metric_is_averaged_over_the_trials_of_each_test_task():
    conditions = fixed_gain_conditions(TaskParameters(max_steps=6), (1.0, 2.0), 4)
    trials = run(build_agent("modular"), conditions)
    means = means_of(AngularAction(), conditions, trials)
    for k, label in enumerate(("gain1x", "gain2x")):
        rows = (conditions.group == k).nonzero()[:, 0]
        each = [trials.action[: trials.steps[n], n, 1].abs().mean() for n in rows]
        assert means[label] == pytest.approx(float(torch.stack(each).mean()))

    class Wrong(AngularAction):
        def measure(self, conditions, trials):
            return super().measure(conditions, trials)[:3]

    with pytest.raises(ValueError, match=r"Wrong.measure gave \[3\]; .* for each trial, \[8\]"):
        means_of(Wrong(), conditions, trials)


@pytest.mark.parametrize("names", [["reward_rate"], ["a b"], [""], ["x", "x"], ["TD_error"]])
def test_names_of_other_columns_are_refused(names):
    made = [type("M", (AngularAction,), {"name": name})() for name in names]
    assert isinstance(made[0], AbstractTrialMetric)
    with pytest.raises(ValueError, match=r"model.metrics has one named"):
        check_names(made)
