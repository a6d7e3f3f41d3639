"""Modules of users: which are taken, which are refused, and with what words."""

import copy
import enum
import importlib
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import own_modules
import pytest
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
    agent, before = agent_of(own), torch.get_rng_state()
    check_agent(agent, 35)
    assert torch.equal(torch.get_rng_state(), before)


class Base(own_modules.Own):
    """A belief to be spoilt: a GRU."""

    def make(self):
        self.rnn = nn.GRU(self.in_features, self.out_features)

    def forward(self, x, memory=None):
        return self.rnn(x, memory)


class LooksAhead(Base):
    def make(self):
        self.rnn = nn.GRU(self.in_features, self.out_features // 2, bidirectional=True)


class Forgets(Base):
    def forward(self, x, memory=None):
        return self.rnn(x)


class Caches(Base):
    """Zeros in its cache are steps like others."""

    def forward(self, x, memory=None):
        x = x if memory is None else torch.cat((memory, x))
        new = len(x) if memory is None else len(x) - len(memory)
        return self.rnn(x)[0][-new:], x


class NeverCuts(own_modules.Attention):
    """Knows which steps of its cache count, but keeps the others for ever."""

    def reset(self, memory, which):
        return super(own_modules.Attention, self).reset(memory, which)


class ComesToAnEnd(own_modules.Timed):
    def reset(self, memory, which):
        return memory


class StartsWrong(own_modules.StartsAtOne):
    def reset(self, memory, which):
        return super(own_modules.StartsAtOne, self).reset(memory, which)


class BatchFirst(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, None if memory is None else memory.transpose(0, 1).contiguous())
        return y, memory.transpose(0, 1)


class Flat(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, None if memory is None else memory[None])
        return y, memory[0, :, 0]


class State(NamedTuple):
    hidden: torch.Tensor


class Named(Base):
    def forward(self, x, memory=None):
        y, hidden = self.rnn(x, None if memory is None else memory.hidden)
        return y, State(hidden)


class Counts(Base):
    def forward(self, x, memory=None):
        hidden, step = memory or (None, 0)
        y, hidden = self.rnn(x, hidden)
        return y, (hidden, step + 1)


class KeepsItToItself(Base):
    def forward(self, x, memory=None):
        y, self.held = self.rnn(x, getattr(self, "held", None) if len(x) == 1 else None)
        return y, None


class SaysItForgets(Base):
    recurrent = False


class AlwaysDrops(Base):
    def forward(self, x, memory=None):
        return self.rnn(nn.functional.dropout(x, 0.5), memory)


class SeesOthers(Base):
    def forward(self, x, memory=None):
        return self.rnn(x - x.mean(dim=1, keepdim=True), memory)


class Unstable(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return y / 0, memory


class Half(Base):
    def make(self):
        super().make()
        self.rnn.half()


class Weightless(Base):
    def make(self):
        self.rnn = nn.GRU(self.in_features, self.out_features, device="meta")


class Double(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return y.double(), memory


class RaisesInTraining(Base):
    def forward(self, x, memory=None):
        if self.training:
            raise KeyError("mask")
        return self.rnn(x, memory)


class WiderInTraining(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return (torch.cat((y, y), dim=-1) if self.training else y), memory


class NoGradient(Base):
    @torch.no_grad()
    def forward(self, x, memory=None):
        return self.rnn(x, memory)


class Detached(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return x[..., :1].expand_as(y) + y.detach(), memory


class Moving(Base):
    """Keeps a running mean that no file holds."""

    def make(self):
        super().make()
        self.register_buffer("mean", torch.zeros(self.in_features), persistent=False)

    def forward(self, x, memory=None):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(dim=(0, 1))
        return self.rnn(x - self.mean, memory)


class Ends(Base):
    def forward(self, x, memory=None):
        raise SystemExit(0)


class Says(Base):
    recurrent = "yes"


class TrainNone(Base):
    def train(self, mode=True):
        super().train(mode)


class NoMemory(Base):
    def forward(self, x, memory=None):
        return self.rnn(x)[0]


class TooWide(Base):
    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return torch.cat((y, y), dim=-1), memory


class Broken(Base):
    def forward(self, x, memory=None):
        raise IndexError("index 40\nis out of range")


STEPWISE = "gives other outputs step by step than for a whole trial"
ANEW = "does not start a trial anew with the memory that its reset returns"
REFUSED = {
    LooksAhead: STEPWISE,
    Forgets: STEPWISE,
    KeepsItToItself: "",  # by one of the two
    AlwaysDrops: STEPWISE,
    SeesOthers: STEPWISE,
    Caches: "the memory of Caches grows beyond one trial: 216 numbers for each after 36 steps",
    StartsWrong: ANEW,
    ComesToAnEnd: "ComesToAnEnd failed on inputs [1, 3, 6]: IndexError: index out of range",
    NeverCuts: "the memory of NeverCuts grows beyond one trial: 324 numbers for each after 36 steps",
    BatchFirst: "keeps a memory of shape [3, 1, 8] with 3 trials; its dimension 1 must count",
    Flat: "keeps a memory of shape [3] with 3 trials",
    Named: "keeps a State in its memory; it must be None, tensors, or",
    Counts: "keeps a int in its memory",
    SaysItForgets: "says recurrent = False, but its outputs depend on other steps",
    Unstable: "returns numbers that are not finite for inputs in [-1, 1]",
    Half: "Half.rnn.weight_ih_l0 is torch.float16; weights must be torch.float32",
    Weightless: "is without numbers (meta); weights must be torch.float32",
    Double: "Double returns torch.float64; outputs must be torch.float32",
    RaisesInTraining: "RaisesInTraining in train mode failed on inputs [36, 3, 6]: KeyError: 'mask'",
    WiderInTraining: "in train mode returns outputs [36, 3, 16]; they must be [36, 3, 8]",
    NoGradient: "NoGradient cannot learn, no gradient comes back",
    Detached: "Detached cannot learn",
    Moving: "Moving.mean changes in train mode and no file keeps it (persistent=False)",
    Ends: "Ends failed on inputs [1, 3, 6]: SystemExit: 0",
    Says: "Says.recurrent is yes; it must be True or False",
    TrainNone: "TrainNone.train returns None; it must return the module",
    NoMemory: "must return outputs and a memory",
    TooWide: "returns outputs [1, 3, 16]; they must be [1, 3, 8]",
    Broken: "Broken failed on inputs [1, 3, 6]: IndexError: index 40; see docs/own_modules.md",
}


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
def test_modules_that_do_not_are_refused_by_name(kind):
    with pytest.raises(ValueError, match=kind.__name__) as refusal:
        check_sequence(kind(6, 8), 36)
    message = str(refusal.value).replace(f"{__name__}.", "")
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
    belief = Base(6, 8)
    belief.source = "vision"
    with pytest.raises(ValueError, match="source is 'vision'; it must be one of observation, k"):
        Actor(belief, Feedforward(8, 2))


class Unregistered(Base):
    """Keeps a tensor that no file holds."""

    def make(self):
        super().make()
        self.scale = torch.rand(self.out_features)

    def forward(self, x, memory=None):
        y, memory = self.rnn(x, memory)
        return y * self.scale, memory


class Options(Base):
    def __init__(self, leak: float = 0.1, **options: int) -> None:
        super().__init__(**options)
        self.leak = leak


class Given(Base):
    """Takes a torch module, which no file describes."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__(6, 8)
        self.cell = cell


class Changed(Base):
    """Does not keep what it was given, but twice of it."""

    def __init__(self, in_features: int = 6, out_features: int = 8, width: int = 4) -> None:
        super().__init__(in_features, out_features)
        self.width = 2 * width
        self.more = nn.Linear(out_features, self.width)


def inside():
    class Local(Base):
        pass

    return Local(6, 8)


UNSAVED = {
    "unregistered": (lambda: Unregistered(6, 8), "Unregistered built anew from arguments and"),
    "options": (lambda: Options(in_features=6), "takes **options: int, which checkpoints cannot"),
    "given": (lambda: Given(nn.GRUCell(6, 8)), "GRUCell is no subclass of modnav.networks.Abstr"),
    "changed": (lambda: Changed(6, 8), "Changed made anew from the arguments that it keeps has"),
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
    memory = {"a": [one, None], "b": (State(two), {"c": two})}
    doubled = map_memory(lambda x: 2 * x, memory)
    assert type(doubled["b"][0]) is State
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
