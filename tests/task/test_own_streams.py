"""Input streams of a user's own: found by their path, tried, checked as they come."""

import sys
from types import SimpleNamespace

import pytest
import torch
from own_parts import Delayed

from modnav.networks import Actor, Feedforward, RecurrentBelief
from modnav.task import (
    STREAMS,
    ObservationStream,
    TaskParameters,
    begin,
    check_stream,
    sample_trials,
    start_streams,
)

TASK = TaskParameters()


class Wider(ObservationStream):
    features, mirrored = 7, (1, -1, 1, -1, -1, 1, 1)


class Mixing(Delayed):
    def step(self, trials, sensation, state, task):
        inputs, state = super().step(trials, sensation, state, task)
        return inputs - inputs.mean(dim=0), state


class OneSided(Delayed):
    mirrored = (1, 1, 1, 1, -1, 1)


class Infinite(ObservationStream):
    def step(self, trials, sensation, state, task):
        return super().step(trials, sensation, state, task)[0] / 0, None


class Stateful(ObservationStream):
    def start(self, trials, sensation):
        return super().start(trials, sensation)[0], (torch.zeros(3),)


class Bare(ObservationStream):
    def start(self, trials, sensation):
        return super().start(trials, sensation)[0]


class Elsewhere(Delayed):
    def start(self, trials, sensation):
        inputs, (late,) = super().start(trials, sensation)
        return inputs, (late.to("meta"),)


class Damped(Delayed):
    def step(self, trials, sensation, state, task):
        sensation.action.mul_(0.9)
        return super().step(trials, sensation, state, task)


class Aimed(ObservationStream):
    def start(self, trials, sensation):
        trials.target.neg_()
        return super().start(trials, sensation)


class Trace(ObservationStream):
    """Gives its state, and changes it in the next step."""

    def start(self, trials, sensation):
        x, _ = super().start(trials, sensation)
        return x, (x,)

    def step(self, trials, sensation, state, task):
        x, _ = super().step(trials, sensation, None, task)
        return state[0].mul_(0.5).add_(x), state


class OwnState(Trace):
    """The same, but only its state is changed."""

    def start(self, trials, sensation):
        x, _ = super().start(trials, sensation)
        return x, (x.clone(),)

    def step(self, trials, sensation, state, task):
        x, state = super().step(trials, sensation, state, task)
        return x.clone(), state


class Asking(Delayed):
    def __init__(self, delay):
        self.delay = delay


class Unsigned(ObservationStream):
    mirrored = (1, 0, 1)


@pytest.fixture(autouse=True)
def imported(monkeypatch):
    """Let this module be found by its name, as one that a user imported."""
    monkeypatch.setitem(sys.modules, "my_lab", SimpleNamespace(**globals()))


def test_one_by_its_path_is_as_it_says_and_is_taken():
    assert "own_parts.Delayed" in STREAMS
    check_stream("own_parts.Delayed", TASK)
    belief = RecurrentBelief(out_features=8)
    belief.source = "own_parts.Delayed"
    assert Actor(belief, Feedforward(8, 2)).sources == {"own_parts.Delayed"}


@pytest.mark.parametrize(
    "path", ["my_lab.TASK", "my_lab.Nothing", "elsewhere.Delayed", "vision", ""]
)
def test_what_is_no_stream_of_an_imported_module_is_none(path):
    assert path not in STREAMS
    belief = RecurrentBelief(out_features=8)
    belief.source = path
    with pytest.raises(ValueError, match=r"or the path of a modnav.task.AbstractStream in an imp"):
        Actor(belief, Feedforward(8, 2))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Wider", r"inputs \[4, 6\], torch.float32; they must be \[4, 7\]"),
        ("Mixing", "gives other inputs to trials alone"),
        ("OneSided", "mirrored does not give the inputs of a trial's mirror image"),
        ("Infinite", "inputs that are not finite"),
        ("Stateful", "a state that is neither None nor a tuple of tensors"),
        ("Bare", "gave a Tensor; it must be inputs and a state"),
        ("Elsewhere", "gave tensors on meta; they must be on cpu"),
        ("Damped", "changes trials, sensations or its former inputs in place"),
        ("Aimed", "changes trials, sensations or its former inputs in place"),
        ("Trace", "changes trials, sensations or its former inputs in place"),
        ("Asking", "must be made without arguments"),
        ("Unsigned", "must set features, and mirrored: as many signs"),
    ],
)
def test_one_that_breaks_a_rule_is_told_it(name, why):
    with pytest.raises(ValueError, match=rf"my_lab.{name}\S* .*{why}|my_lab.{name}.{why}"):
        check_stream(f"my_lab.{name}", TASK)


def test_one_may_change_its_own_state():
    check_stream("my_lab.OwnState", TASK)


def test_numbers_are_checked_as_they_come(generator):
    trials = sample_trials(TASK, 3, generator)
    _, sensation = begin(trials._replace(target=trials.target * torch.nan))
    with pytest.raises(ValueError, match="not finite"):
        start_streams({"own_parts.Delayed": Delayed()}, trials, sensation)
