"""Messages in which jsonargparse refuses a value, as users see them."""

from typing import Literal

import pytest
from jsonargparse import ArgumentError, ArgumentParser

from modnav.acting import AbstractExploration, Warmup
from modnav.cli import main
from modnav.commands.refused import told
from modnav.task import AbstractReward


@pytest.fixture(scope="module")
def parser():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--reward", type=Literal["mixed", "const"] | AbstractReward)
    parser.add_argument("--exploration", type=AbstractExploration | None)
    parser.add_argument("--metrics", type=list[AbstractExploration] | None)
    parser.add_argument("--warmup", type=Warmup | None)
    parser.add_argument("--gain", type=float | tuple[float, float])
    parser.add_argument("--on", type=bool)
    return parser


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("reward=own_parts.Hurred", "reward is own_parts.Hurred; own_parts has no Hurred; did you mean Hurried?"),
        ("reward=own_pats.Hurried", "reward is own_pats.Hurried; Python finds no module own_pats"),
        ("reward=own_parts.Drifting", "reward is own_parts.Drifting; it must be a class that inherits modnav.task.AbstractReward"),
        ("reward=modnav.task.AbstractReward", "reward is modnav.task.AbstractReward; it lacks a method that its base wants"),
        ("reward=own_parts.Hurried --reward.wide=3", "reward is own_parts.Hurried; it takes no wide"),
        ("reward=own_parts.Hurried --reward.width=x", "reward.width is x; it must be a number"),
        ("reward=most", "reward is most; it must be mixed, const or a class of your own"),
        ("exploration=3", "exploration is 3; it must be null or a class of your own"),
        ("metrics=own_parts.Slow", "metrics is own_parts.Slow; it must be a list or null"),
        ("warmup.trials=x", "warmup.trials is x; it must be a whole number"),
        ("gain=x", "gain is x; it must be a number or a list"),
        ("on=maybe", "on is maybe; it must be true or false"),
    ],
)  # fmt: skip
def test_a_refused_value_is_told_with_its_key_and_rule(parser, words, message):
    with pytest.raises(ArgumentError) as error:
        parser.parse_args(f"--{words}".split())
    assert told(str(error.value)) == message


@pytest.mark.parametrize("words", ["export a --to onx --out b", "doctor --x", "fitt --x"])
def test_every_command_refuses_in_a_line(capsys, words):
    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
