"""Metrics of a user's own."""

import pytest
import torch
from own_parts import AngularAction

from modnav.evaluation import (
    ROW_COLUMNS,
    RUN_COLUMNS,
    STUDY_COLUMNS,
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


def test_a_metric_that_changes_its_trials_changes_no_other():
    conditions = fixed_gain_conditions(TaskParameters(max_steps=6), (1.0, 2.0), 4)
    trials = run(build_agent("modular"), conditions)
    before = means_of(AngularAction(), conditions, trials)

    class Careless(AngularAction):
        def measure(self, conditions, trials):
            conditions.group.zero_()
            conditions.trials.target.zero_()
            return super().measure(conditions, trials._replace(action=trials.action.mul_(2)))

    target = conditions.trials.target.clone()
    doubled = means_of(Careless(), conditions, trials)
    assert doubled == {label: pytest.approx(2 * mean) for label, mean in before.items()}
    assert means_of(AngularAction(), conditions, trials) == before
    assert torch.equal(conditions.trials.target, target)


OF_VALIDATIONS = {*ROW_COLUMNS, *RUN_COLUMNS, *STUDY_COLUMNS, "table"}


def test_columns_of_validations_are_those_that_metrics_may_not_have():
    written = "phase total_trials trials updates seconds validation task name architecture seed cell gain"
    assert {*written.split()} <= OF_VALIDATIONS


@pytest.mark.parametrize(
    "names",
    [
        *(
            ["reward_rate"],
            ["a b"],
            [""],
            ["x", "x"],
            ["TD_error"],
            ["lambda"],
            ["reason"],
            ["test"],
        ),
        *([name] for name in sorted(OF_VALIDATIONS)),
    ],
)
def test_names_of_other_columns_are_refused(names):
    made = [type("M", (AngularAction,), {"name": name})() for name in names]
    assert isinstance(made[0], AbstractTrialMetric)
    with pytest.raises(ValueError, match=r"model.metrics has one named"):
        check_names(made)
