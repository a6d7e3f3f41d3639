"""What a user's own class raises: a line that names it and where, its traceback below."""

import argparse
import json
from types import SimpleNamespace

import own_callbacks
import own_parts
import pytest

from modnav import cli
from modnav.cli import main
from modnav.errors import DivergedError

CALLBACK = ["--trainer.callbacks", "own_callbacks.Seen"]
METRIC = ["--model.metrics", "[{class_path: own_parts.AngularAction}]"]


def on_block(self, trainer, module, trials):
    return {}["speed"]


def measure(self, conditions, trials):
    return trials.action[..., 7]


@pytest.mark.parametrize(
    ("owner", "method", "options", "told"),
    [
        (own_callbacks.Seen, on_block, CALLBACK, "raised KeyError: 'speed'"),
        (own_parts.AngularAction, measure, METRIC, "raised IndexError: index 7 is out of bounds"),
    ],
)
def test_a_run_names_the_callback_or_metric_that_failed(
    small, monkeypatch, capsys, owner, method, options, told
):
    monkeypatch.setattr(owner, method.__name__, method)
    with pytest.raises(SystemExit) as end:
        main(["fit", "--config", str(small), "--phases.trials", "10", *options])
    assert end.value.code == 2
    everything = capsys.readouterr().err
    at = method.__code__.co_firstlineno + 1
    name = f"{owner.__module__}.{owner.__qualname__}.{method.__name__}"
    assert f"modnav: error: {name} (test_own.py, line {at}) {told}" in everything
    below = everything.partition(told)[2]
    assert "Traceback (most recent call last)" in below
    assert "pytorch_lightning" not in below  # what lies above its own code says nothing to a user


def test_a_callback_of_lightning_that_fails_is_named_in_a_line(small, tmp_path, capsys):
    callbacks = [
        {"class_path": "Timer", "init_args": {"duration": "01:00:00:00"}},
        {"class_path": "EarlyStopping", "init_args": {"monitor": "loss/critic"}},
    ]
    options = ["--folder", str(tmp_path), "--trainer.callbacks", json.dumps(callbacks)]
    with pytest.raises(SystemExit) as end:
        main(["fit", "--config", str(small), *options])
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert "callbacks.early_stopping.EarlyStopping._validate_condition_metric (early_" in told
    assert "conditioned on metric `loss/critic`" in told
    assert "Traceback" not in told
    # a default of Timer is an Enum
    assert "interval: step" in (tmp_path / "config.yaml").read_text()


class Mine:
    def fail(self, error):
        raise error


def run(monkeypatch, error, call):
    monkeypatch.setattr(cli, "execute", lambda *args, **kwargs: call(error))
    main(["record"])


def test_a_mistake_told_by_ones_own_class_is_told_with_its_place(monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, ValueError("no such animal"), Mine().fail)
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert f"{__name__}.Mine.fail (test_own.py, line " in told
    assert ") raised ValueError: no such animal\n" in told


def test_what_modnav_raises_is_told_as_before(monkeypatch, capsys):
    parse = argparse.ArgumentParser(exit_on_error=False).parse_args
    with pytest.raises(SystemExit):
        run(monkeypatch, ["--gone"], parse)
    with pytest.raises(AttributeError):  # a fault of ours: the traceback alone
        run(monkeypatch, SimpleNamespace(), lambda x: x.gone)
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, DivergedError("a loss is nan"), Mine().fail)
    assert end.value.code == 4


def __init__(self, width=0.2, per_step=0.02):
    raise FileNotFoundError("no\nweights - here")


@pytest.mark.parametrize(
    ("owner", "option"),
    [
        (own_parts.Hurried, "--data.task.reward=own_parts.Hurried"),
        (own_parts.AngularAction, "--model.metrics=own_parts.AngularAction"),
    ],
)
def test_a_part_that_cannot_be_made_is_told_in_a_line(small, monkeypatch, capsys, owner, option):
    monkeypatch.setattr(owner, "__init__", __init__)
    with pytest.raises(SystemExit) as end:
        main(["fit", "--config", str(small), option])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    where = f"(test_own.py, line {__init__.__code__.co_firstlineno + 1})"
    name = f"{owner.__module__}.{owner.__name__}.__init__"
    assert line.endswith(f"{name} {where} raised FileNotFoundError: no weights - here")
