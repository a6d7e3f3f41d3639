"""Modules of users: which are taken, which are refused, and with what words."""

import copy
import enum
import importlib
import random
import re
from pathlib import Path

import numpy as np
import own_modules
import pytest
import spoilt_modules as spoilt
import torch
from torch import nn

from modnav.networks import (
    Actor,
    Agent,
    Chain,
    Critic,
    Feedforward,
    KalmanBelief,
    Recurrent,
    RecurrentBelief,
    TwinCritic,
    check_agent,
    check_saved,
    check_sequence,
    describe,
    map_memory,
    stack_sequences,
)
from modnav.runs import load_agent, save_agent

ROOT = Path(__file__).parents[2]
KINDS = {kind.__name__: kind for kind in own_modules.BELIEFS}


@pytest.fixture(params=list(KINDS))
def own(request):
    """Each of the modules that a user may write."""
    return KINDS[request.param](6, 8)


def agent_of(belief, value=None):
    """An agent with a belief in both places."""
    critic = Critic(copy.deepcopy(belief), value or Feedforward(10, 1, (5,)))
    return Agent(Actor(belief, Feedforward(8, 2, ())), TwinCritic(critic))


def test_modules_that_keep_to_the_contract_are_taken(own):
    before = copy.deepcopy(own.state_dict())
    check_sequence(own, 36)
    assert own.training
    assert all(torch.equal(before[name], x) for name, x in own.state_dict().items())
    check_agent(agent_of(own), 35)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_short_trials_are_tried_too(own, steps):
    check_sequence(own, steps)


@pytest.mark.parametrize(
    "module",
    [
        RecurrentBelief(6, 4, 2),
        KalmanBelief(),
        Chain([Recurrent(3, 4, cell="gru"), own_modules.Gate(4, 2), Recurrent(2, 3)]),
    ],
)
def test_built_in_modules_keep_to_it(module):
    check_sequence(module, 36)


def test_checks_take_no_random_numbers(own):
    agent, before = (
        agent_of(own),
        (torch.get_rng_state(), random.getstate(), np.random.get_state()),
    )
    check_agent(agent, 35)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert all(map(np.array_equal, np.random.get_state(), before[2]))


STEPWISE = "gives other outputs step by step than for a whole trial"
ANEW = "does not start a trial anew with the memory that its reset returns"


def test_generators_of_gpus_stay_as_they_are(monkeypatch):
    seeded = []  # torch.manual_seed seeds them, and nothing brings their state back
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    check_sequence(own_modules.Noisy(6, 8), 5)
    assert not seeded


UNKEPT = "changes something in train mode that no file keeps"
REFUSED = {
    spoilt.LooksAhead: STEPWISE,
    spoilt.Forgets: STEPWISE,
    spoilt.KeepsItToItself: "",  # by one of the two
    spoilt.AlwaysDrops: STEPWISE,
    spoilt.SeesOthers: STEPWISE,
    spoilt.Caches: "the memory of Caches grows beyond one trial: 216 numbers for each after 36 steps",
    spoilt.StartsWrong: ANEW,
    spoilt.ComesToAnEnd: "ComesToAnEnd failed on inputs [1, 3, 6]: IndexError: index out of range",
    spoilt.NeverCuts: "the memory of NeverCuts grows beyond one trial: 324 numbers for each after 36 steps",
    spoilt.BatchFirst: "keeps a memory of shape [3, 1, 8] with 3 trials; its dimension 1 must count",
    spoilt.Flat: "keeps a memory of shape [3] with 3 trials",
    spoilt.Named: "keeps a State in its memory; it must be None, tensors, or",
    spoilt.Counts: "keeps a int in its memory",
    spoilt.SaysItForgets: "says recurrent = False, but its outputs depend on other steps",
    spoilt.Unstable: "returns numbers that are not finite for inputs in [-1, 1]",
    spoilt.Half: "Half.rnn.weight_ih_l0 is torch.float16; weights must be torch.float32",
    spoilt.Weightless: "is without numbers (meta); weights must be torch.float32",
    spoilt.Double: "Double returns torch.float64; outputs must be torch.float32",
    spoilt.RaisesInTraining: "RaisesInTraining in train mode failed on inputs [36, 3, 6]: KeyError: 'mask'",
    spoilt.WiderInTraining: "in train mode returns outputs [36, 3, 16]; they must be [36, 3, 8]",
    spoilt.NoGradient: "NoGradient cannot learn, no gradient comes back",
    spoilt.Detached: "Detached cannot learn",
    spoilt.Moving: UNKEPT,
    spoilt.Anneals: UNKEPT,
    spoilt.Reduces: UNKEPT,
    spoilt.DrawsItsOwn: UNKEPT,
    spoilt.Lengthens: UNKEPT,
    spoilt.Doubles: "Doubles changes its inputs in place; it must leave them as they are",
    spoilt.Ends: "Ends failed on inputs [1, 3, 6]: SystemExit: 0",
    spoilt.Says: "Says.recurrent is yes; it must be True or False",
    spoilt.TrainNone: "TrainNone.train returns None; it must return the module",
    spoilt.Uncopied: "Uncopied cannot be copied, as targets must be (",
    spoilt.NoMemory: "must return outputs and a memory",
    spoilt.TooWide: "returns outputs [1, 3, 16]; they must be [1, 3, 8]",
    spoilt.Broken: "Broken failed on inputs [1, 3, 6]: IndexError: index 40; see docs/own_modules.md",
}


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
def test_modules_that_do_not_are_refused_by_name(kind):
    with pytest.raises(ValueError, match=kind.__name__) as refusal:
        check_sequence(kind(6, 8), 36)
    message = str(refusal.value).replace("spoilt_modules.", "")
    assert REFUSED[kind] in message
    assert "\n" not in message


class Silent(own_modules.AbstractBelief):
    """Says nothing about itself but what a test sets."""

    def forward(self, x, memory=None):
        return x, memory


@pytest.mark.parametrize("missing", ["in_features", "out_features", "recurrent", "source"])
def test_a_belief_that_does_not_say_what_it_must_is_named(missing):
    belief = Silent()
    said = {"in_features": 6, "out_features": 6, "recurrent": False, "source": "observation"}
    for name in said.keys() - {missing}:
        setattr(belief, name, said[name])
    with pytest.raises(ValueError, match=rf"Silent must set {missing}$"):
        Actor(belief, Feedforward(6, 2))
    with pytest.raises(ValueError, match=rf"Silent must set {missing}$"):
        Critic(belief, Feedforward(8, 1))
    if missing != "source":
        with pytest.raises(ValueError, match=rf"Silent must set {missing}$"):
            Chain([Feedforward(6, 6), belief])


def test_a_stream_that_does_not_exist_is_named():
    belief = spoilt.Base(6, 8)
    belief.source = "vision"
    with pytest.raises(ValueError, match="source is 'vision'; it must be one of observation, k"):
        Actor(belief, Feedforward(8, 2))


class Unregistered(spoilt.Base):
    """Keeps a tensor that no file holds."""

    def make(self):
        super().make()
        self.scale = torch.rand(self.out_features)

    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return y * self.scale, memory


class Options(spoilt.Base):
    def __init__(self, leak: float = 0.1, **options: int) -> None:
        super().__init__(**options)
        self.leak = leak


class Given(spoilt.Base):
    """Takes a torch module, which no file describes."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__(6, 8)
        self.cell = cell


class Changed(spoilt.Base):
    """Does not keep what it was given, but twice of it."""

    def __init__(self, in_features: int = 6, out_features: int = 8, width: int = 4) -> None:
        super().__init__(in_features, out_features)
        self.width = 2 * width
        self.more = nn.Linear(out_features, self.width)


class Louder(spoilt.Base):
    """Keeps twice of what it was given, and all shapes."""

    def __init__(self, in_features: int = 6, out_features: int = 8, gain: float = 1.5) -> None:
        super().__init__(in_features, out_features)
        self.gain = gain * 2

    def forward(self, x, memory=None):
        return self.rnn(self.gain * x, memory)


def inside():
    class Local(spoilt.Base):
        pass

    return Local(6, 8)


UNSAVED = {
    "unregistered": (lambda: Unregistered(6, 8), "Unregistered built anew from arguments and"),
    "options": (lambda: Options(in_features=6), "takes **options: int, which checkpoints cannot"),
    "given": (lambda: Given(nn.GRUCell(6, 8)), "GRUCell is no subclass of modnav.networks.Abstr"),
    "changed": (lambda: Changed(6, 8), "Changed made anew from the arguments that it keeps has"),
    "louder": (
        lambda: Louder(6, 8),
        "Louder does not keep its argument 'gain' as it is given: 3.0",
    ),
    "local": (inside, "Local is not found by its name at the top of a module, so checkpoints"),
}


@pytest.mark.parametrize("name", UNSAVED)
def test_modules_that_no_file_would_bring_back_are_refused(name):
    make, message = UNSAVED[name]
    with pytest.raises(ValueError, match=re.escape(message)) as refusal:
        check_saved(agent_of(make()))
    assert "\n" not in str(refusal.value)


def test_memories_of_every_form_are_mapped():
    one, two = torch.ones(1), torch.ones(2)
    memory = {"a": [one, None], "b": (spoilt.State(two), {"c": two})}
    doubled = map_memory(lambda x: 2 * x, memory)
    assert type(doubled["b"][0]) is spoilt.State
    assert doubled["b"][0].hidden.tolist() == doubled["b"][1]["c"].tolist() == [2, 2]
    assert doubled["a"][0].tolist() == [2]
    assert doubled["a"][1] is None
    with pytest.raises(ValueError, match="a memory holds a str; it must be None, tensors"):
        map_memory(lambda x: x, (one, "start"))


def test_a_chain_lets_each_part_start_anew():
    chain = Chain([own_modules.StartsAtOne(6, 8), own_modules.Gate(8, 3), Recurrent(3, 4)])
    _, memory = chain(torch.randn(5, 3, 6))
    started, nothing, (hidden, cell) = chain.reset(memory, torch.tensor([1]))
    assert torch.equal(started[:, 1], chain.parts[0].start[:, 0])
    assert torch.equal(started[:, 0], memory[0][:, 0])
    assert nothing is None
    assert not hidden[:, 1].any()
    assert not cell[:, 1].any()
    assert torch.equal(cell[:, 2], memory[2][1][:, 2])


def documented(page):
    """The classes that a page shows, as one module."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    return "\n".join(block for block in blocks if re.search(r"^class ", block, re.MULTILINE))


@pytest.mark.parametrize("page", ["docs/own_modules.md", "README.md"])
def test_documented_modules_keep_to_it(page, tmp_path, monkeypatch):
    name, code = f"documented_{Path(page).stem.lower()}", documented(page)
    (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(name)
    kinds = [x for x in vars(module).values() if isinstance(x, type) and x.__module__ == name]
    shown = re.findall(r"^class (\w+)", code, re.MULTILINE)
    assert [kind.__name__ for kind in kinds] == shown
    assert len(shown) >= 1
    for kind in kinds:
        if kind.__name__.startswith("Stacked"):
            continue
        check_agent(agent_of(kind(6, 8)), 35)
        if hasattr(kind, "stack"):
            members, x = [kind(6, 8) for _ in range(3)], torch.randn(5, 12, 6)
            alone = [m(x[:, 4 * k : 4 * k + 4])[0] for k, m in enumerate(members)]
            torch.testing.assert_close(stack_sequences(members)(x)[0], torch.cat(alone, dim=1))


def test_two_parts_that_share_a_module_return_with_the_same_weights(tmp_path):
    encoder = Feedforward(6, 5, ())
    critic = Critic(own_modules.Encoded(encoder), own_modules.EncodedValue(encoder, 10))
    actor = Actor(own_modules.Encoded(Feedforward(6, 4)), Feedforward(8, 2))
    agent = Agent(actor, TwinCritic(critic))
    check_agent(agent, 35)
    save_agent(agent, tmp_path / "x.ckpt")
    loaded = load_agent(tmp_path / "x.ckpt")
    inputs, action = torch.randn(5, 3, 6), torch.randn(5, 3, 2)
    assert torch.equal(loaded.values(inputs, action), agent.values(inputs, action))


class Sized(own_modules.Own):
    """Takes sizes of any kind of number, and a colour."""

    def __init__(self, in_features: int, out_features: int, colour: object = None) -> None:
        self.colour = colour
        super().__init__(in_features, out_features)

    def forward(self, x, memory=None):
        return x.repeat(1, 1, 2)[..., : self.out_features], memory


class Colour(enum.IntEnum):
    RED = 1


def test_arguments_are_plain_in_descriptions():
    description = describe(Sized(np.int64(6), np.int32(8), (np.float64(0.5), [True, "x"])))
    assert description["init_args"] == {
        "in_features": 6,
        "out_features": 8,
        "colour": [0.5, [True, "x"]],
    }
    assert {type(x) for x in description["init_args"].values()} == {int, list}
    for argument in (Colour.RED, {"a": 1}, torch.float32):
        with pytest.raises(ValueError, match=r"Sized.colour is a \w+; checkpoints hold names"):
            describe(Sized(6, 8, argument))
