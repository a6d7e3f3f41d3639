"""SIGKILL at random moments loses nothing: the short form of ``python tests/tools/kills.py``."""

import kills
import torch
from forked import Forked


class ForkedRun(kills.Run):
    def start(self):
        return Forked("fit", *self.arguments())


class ForkedRuns(ForkedRun, kills.StackedRuns):
    pass


def test_a_run_killed_three_times_ends_as_one_left_alone(capsys):
    assert kills.main(kills=3, seed=1, trials=300, until=0.5, kind=ForkedRun)
    assert "the same as the run left alone" in capsys.readouterr().out


def test_a_stacked_population_killed_twice_ends_as_one_left_alone(capsys):
    assert kills.main(kills=2, seed=2, trials=100, until=0.5, kind=ForkedRuns)
    assert "the same as the run left alone" in capsys.readouterr().out


def test_the_comparison_sees_a_difference():
    one = {"a": [torch.zeros(2), 1]}
    assert kills.differences(one, {"a": [torch.zeros(2), 1]}) == []
    assert kills.differences(one, {"a": [torch.ones(2), 2]}) == ["state/a/0", "state/a/1"]
    assert kills.differences(one, {"b": one["a"]}) == ["state"]
    assert kills.differences(one, {"a": []}) == ["state/a"]
