"""Metrics of one's own: a number of each trial of a validation."""

import abc
import copy
import keyword
import re
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from modnav.acting import Rollout

from .columns import END_COLUMNS, ROW_COLUMNS, RUN_COLUMNS, STUDY_COLUMNS
from .conditions import TestTrials
from .scores import AVERAGES

__all__ = ["AbstractTrialMetric", "check_names", "means_of"]

_TAKEN = {
    *("reward_fraction", "reward_rate", *AVERAGES),
    *(*ROW_COLUMNS, *RUN_COLUMNS, *STUDY_COLUMNS, *END_COLUMNS),
}


class AbstractTrialMetric(abc.ABC):
    """A number of each trial; its mean is a further column of validations.

    Attributes:
        name: Name of the column.
    """

    name: ClassVar[str]

    @abc.abstractmethod
    def measure(self, conditions: TestTrials, trials: Rollout) -> Tensor:
        """Return a number of each trial, ``(N,)``.

        Args:
            conditions: What was run; ``conditions.task`` has the constants.
            trials: How the trials went; entries after the end of a trial are 0.
        """


def check_names(metrics: Sequence[AbstractTrialMetric]) -> None:
    """Refuse names that are no names, or are there twice.

    Raises:
        ValueError: If there is one.
    """
    names = Counter(str(getattr(metric, "name", "")) for metric in metrics)
    for name, count in names.items():
        word = re.fullmatch(r"[A-Za-z]\w*", name) and not keyword.iskeyword(name)
        if not word or count > 1 or name in _TAKEN:
            raise ValueError(
                f"model.metrics has one named {name!r}; names must be words that no other column "
                "has, and none of Python's keywords"
            )


def means_of(
    metric: AbstractTrialMetric, conditions: TestTrials, trials: Rollout
) -> dict[str, float]:
    """Return the mean of a metric over the trials of each test task, by its label.

    Raises:
        ValueError: If there is not one number for each trial.
    """
    # A copy for each, as what one changes in place would be measured, validated and drawn by others.
    values = metric.measure(*copy.deepcopy((conditions, trials)))
    if not isinstance(values, Tensor) or values.shape != trials.steps.shape:
        shape = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(
            f"{type(metric).__name__}.measure gave {shape}; it must be a number for each trial, "
            f"{list(trials.steps.shape)}"
        )
    return {
        label: float(values[conditions.group == k].double().mean())
        for k, label in enumerate(conditions.labels)
    }
