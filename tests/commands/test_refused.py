"""Messages in which jsonargparse refuses a value, as users see them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import pytest
from jsonargparse import ArgumentError, ArgumentParser
from pytorch_lightning.callbacks import Callback as LightningCallback
from torch.optim import Optimizer

from modnav.acting import AbstractExploration, Warmup
from modnav.cli import main
from modnav.commands.refused import told
from modnav.commands.run_options import Seed
from modnav.task import AbstractReward


@pytest.fixture(scope="module")
def parser():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--reward", type=Literal["mixed", "const"] | AbstractReward)
    parser.add_argument("--exploration", type=AbstractExploration | None)
    parser.add_argument("--metrics", type=list[AbstractExploration] | None)
    parser.add_argument("--warmup", type=Warmup | None)
    parser.add_argument("--gain", type=float | tuple[float, float])
    parser.add_argument("--gains", type=tuple[float, ...])
    parser.add_argument("--trials", type=int)
    parser.add_argument("--callbacks", type=list[LightningCallback] | LightningCallback | None)
    parser.add_argument("--names", type=list[str] | None)
    parser.add_argument("--seed", type=bool | Seed)
    parser.add_argument("--on", type=bool)
    parser.add_class_arguments(Warmup, "warm")
    optimizer = Callable[[Iterable], Optimizer]
    parser.add_argument("--optimizer", type=optimizer)
    return parser


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("reward=own_parts.Hurred", "reward is own_parts.Hurred; own_parts has no Hurred; did you mean Hurried?"),
        ("reward=queue.PlainBelief", "reward is queue.PlainBelief; queue has no PlainBelief"),
        ("reward=own_pats.Hurried", "reward is own_pats.Hurried; Python finds no module own_pats"),
        ("reward=own_parts.Drifting", "reward is own_parts.Drifting; it must be a class that inherits AbstractReward"),
        ("reward=modnav.task.AbstractReward", "reward is modnav.task.AbstractReward; it lacks a method that its base wants"),
        ("reward=own_parts.Hurried --reward.wide=3", "reward is own_parts.Hurried; it takes no wide"),
        ("reward=own_parts.Hurried --reward.width=x", "reward.width is x; it must be float"),
        ("reward=other", "reward is other; it must be one of mixed, const, modnav.task.AbstractReward"),
        ("reward=mixd", "reward is mixd; it must be one of mixed, const, modnav.task.AbstractReward; did you mean mixed?"),
        ("reward=[1]", "reward is [1]; it must be one of mixed, const, modnav.task.AbstractReward"),
        ("exploration=3", "exploration is 3; it must be one of modnav.acting.AbstractExploration, null"),
        ("warmup=Warmpu", "warmup is Warmpu; it must be one of modnav.acting.Warmup, null"),
        ("warmup={trils:3}", "warmup is {trils:3}; it must be one of modnav.acting.Warmup, null"),
        ("optimizer=SGDD", "optimizer is SGDD; it must be a class by its name"),
        ("optimizer=torch.optim.Adam --optimizer.lr=x", "optimizer.lr is x; it must be one of float, torch.Tensor"),
        ("metrics=own_parts.Slow", "metrics is own_parts.Slow; it must be one of list[modnav.acting.AbstractExploration], null"),
        ("warmup.trials=x", "warmup.trials is x; it must be int"),
        ("gain=x", "gain is x; it must be one of float, tuple[float, float]"),
        ("gain=[1]", "gain is [1]; it must be one of float, tuple[float, float]"),
        ("gain=[a,1]", "gain is ['a', 1]; it must be one of float, tuple[float, float]"),
        ("gain={low:1}", "gain is {low:1}; it must be one of float, tuple[float, float]"),
        ("gain=null", "gain is None; it must be one of float, tuple[float, float]"),
        ("gains=[x]", "gains is x; it must be float"),
        ("gains=3", "gains is 3; it must be tuple"),
        ("trials=1e4", "trials is 10000.0; it must be int"),
        ("trials={a}", "trials is {a}; it must be int"),
        ("warm=3", "warm is 3; it must be a mapping of its options, such as {name: value}, or a YAML file"),
        ("warm={trials", "warm is {trials; it must be a mapping of its options, such as {name: value}, or a YAML file"),
        ("warm.trials=x", "warm.trials is x; it must be int"),
        ("on", "--on has no value; it must be followed by one"),
        ("on=true 3]", "3] is no option; a value with spaces or brackets must be in quotes"),
        ("callbacks=[3]", "callbacks is [3]; it must be one of list[pytorch_lightning.callbacks.callback.Callback], pytorch_lightning.callbacks.callback.Callback, null"),
        ("names=3", "names is 3; it must be one of list[str], null"),
        ("seed=-1", "seed is -1; it must be a whole number from 0 to 4294967295"),
        ("seed=4294967296", "seed is 4294967296; it must be a whole number from 0 to 4294967295"),
        ("trials=", "trials is empty; it must be int"),
        ("gains=", "gains is empty; it must be tuple"),
        ("warmup=", "warmup is empty; it must be one of modnav.acting.Warmup, null"),
        ("optimizer=", "optimizer is empty; it must be a class by its name"),
        ("optimizer=[]", "optimizer is []; it must be a class by its name"),
        ("on=maybe", "on is maybe; it must be bool"),
    ],
)  # fmt: skip
def test_a_refused_value_is_told_with_its_key_and_rule(parser, words, message):
    with pytest.raises(ArgumentError) as error:
        parser.parse_args(f"--{words}".split())
    assert told(str(error.value)) == message


def test_words_of_another_version_are_left_as_they_are():
    other = "Parser key \"gain\": Expected a <class 'float'>, not x"
    assert told(other) == other


@pytest.mark.parametrize("seed", ["-1", "4294967296"])
@pytest.mark.parametrize("more", [[], ["--print_config"]])
def test_a_seed_is_a_whole_number_that_numpy_takes(capsys, seed, more):
    with pytest.raises(SystemExit) as end:
        main(["fit", "--config", "modular", "--seed_everything", seed, *more])
    said = f"seed_everything is {seed}; it must be a whole number from 0 to 4294967295"
    assert (end.value.code, capsys.readouterr().err) == (2, f"modnav: error: {said}\n")


@pytest.mark.parametrize("words", ["export a --to onx --out b", "doctor --x", "fitt --x"])
def test_every_command_refuses_in_a_line(capsys, words):
    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("word", "command", "why"),
    [
        ("runs/a/7.ckpt", "validate", "did you mean --ckpt_path runs/a/7.ckpt?"),
        ("run a.yaml", "fit", "a value with spaces or brackets must be in quotes"),
        ("here", "predict", "did you mean --ckpt_path here?"),
        ("here", "fit", "did you mean --resume here?"),
        ("modular", "fit", "did you mean --config modular?"),
        ("mine.yaml", "fit", "did you mean --config mine.yaml?"),
        ("modullar", "fit", "a value with spaces or brackets must be in quotes"),
    ],
)
def test_a_word_without_an_option_is_told_with_it(tmp_path, monkeypatch, word, command, why):
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    assert told(f"unrecognized arguments: {word}", command) == f"{word} is no option; {why}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("fit", "fit.model.critic; an agent is chosen by --config NAME, and `modnav configs` lists them"),
        ("fit --resume nope", "--resume is nope; there is no such folder"),
        ("fit --resume nope nought", "--resume is nope; there is no such folder"),
        ("fit .", ". is no option; did you mean --resume .?"),
        ("fit modular", "modular is no option; did you mean --config modular?"),
        (
            "fit --config modular --model.actor.init_args.belief.init_args.in_features 7",
            "stream gives 6); --model.actor.init_args.belief.init_args.in_features 6 sets it",
        ),
    ],
)  # fmt: skip
def test_a_command_that_lacks_something_is_told_what_to_give(
    tmp_path, monkeypatch, capsys, words, said
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(words.split())
    assert capsys.readouterr().err.endswith(f"{said}\n")
