"""Agents from files: any checkpoint of modnav, any damage."""

import random
import re
from contextlib import contextmanager

import own_modules
import pytest
import torch
from same_weights import same
from torch import nn
from torch.nn.utils import parametrizations

import modnav
from modnav.learning import TD3
from modnav.networks import (
    FORMAT,
    Actor,
    Agent,
    Critic,
    Feedforward,
    RecurrentBelief,
    TwinCritic,
    build_agent,
    rebuild_agent,
)
from modnav.published import write_published
from modnav.runs import load_agent, read, save_agent


@pytest.fixture
def custom():
    """An agent of no published architecture."""
    actor = Actor(RecurrentBelief(6, 5, cell="gru"), Feedforward(5, 2, (4,)))
    critic = Critic(RecurrentBelief(8, 5, num_layers=2), Feedforward(5, 1), "belief")
    return Agent(actor, TwinCritic(critic))


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of a small agent."""
    path = tmp_path / "x.ckpt"
    save_agent(build_agent("EKF"), path)
    return path


def test_every_agent_returns_from_its_checkpoint(architecture, agent, make_segment, tmp_path):
    save_agent(agent, tmp_path / "x.ckpt")
    loaded = modnav.load_agent(tmp_path / "x.ckpt")
    assert same(loaded, agent)
    assert loaded.architecture == architecture
    assert not loaded.training
    segment = make_segment(agent.sources, 4, 2)
    inputs = {name: x[:-1] for name, x in segment.inputs.items()}
    assert torch.equal(loaded.actions(inputs), agent.actions(inputs))
    values = loaded.values(inputs, segment.action)
    assert torch.equal(values, agent.values(inputs, segment.action))


def test_agents_of_ones_own_return_too(custom, tmp_path):
    save_agent(custom, tmp_path / "x.ckpt")
    loaded = load_agent(tmp_path / "x.ckpt")
    assert same(loaded, custom)
    assert re.fullmatch("ActorCritic-[0-9a-f]{6}", loaded.architecture)
    with pytest.raises(ValueError, match=r"holds ActorCritic-\w{6}, not Actor3Critic5"):
        load_agent(tmp_path / "x.ckpt", "modular")


@pytest.mark.parametrize("kind", own_modules.BELIEFS, ids=lambda kind: kind.__name__)
def test_modules_of_ones_own_return_with_their_buffers(kind, make_segment, tmp_path):
    actor = Actor(kind(6, 8), own_modules.Gate(8, 2))
    agent = Agent(actor, TwinCritic(Critic(kind(6, 8), own_modules.Gate(10, 1))))
    segment = make_segment({"observation"}, 4, 3)
    agent.actor(segment.inputs)  # in train mode: whatever has running means moves them
    save_agent(agent, tmp_path / "x.ckpt")
    loaded = load_agent(tmp_path / "x.ckpt")
    assert same(loaded, agent)
    assert not loaded.training
    assert torch.equal(loaded.actions(segment.inputs), agent.actions(segment.inputs))


def replaced(agent):
    agent.actor.action.mlp[1] = nn.Tanh()


def compiled(agent):
    agent.actor = torch.compile(agent.actor)


def compiled_within(agent):
    agent.actor.action.mlp = torch.compile(agent.actor.action.mlp)


class OwnActor(Actor):
    """An actor of a user's own, which descriptions do not know."""


def retyped(agent):
    agent.actor = OwnActor(agent.actor.belief, agent.actor.action)


BACK = "no file would bring the agent back: "
CHANGES = {
    "half": (Agent.half, BACK + "actor.action.mlp.0.weight is of kind torch.float16"),
    "double": (Agent.double, BACK + "actor.action.mlp.0.weight is of kind torch.float64"),
    "compiled": (compiled, "agent.actor is a torch._dynamo.eval_frame.OptimizedModule"),
    "compiled within": (compiled_within, BACK + "actor.action.mlp.0.weight is missing"),
    "retyped": (retyped, "OwnActor, which no file would bring back; it must be a modnav.netw"),
    "spectral_norm": (
        lambda agent: parametrizations.spectral_norm(agent.actor.action.mlp[0]),
        BACK + "actor.action.mlp.0.weight is missing",
    ),
    "more": (
        lambda agent: agent.critic.register_buffer("more", torch.zeros(1)),
        BACK + "critic.more is none of its parameters. Undo what was done to it since",
    ),
    "replaced": (replaced, "the agent built anew from arguments and weights gives other actions"),
}


COMPILES = pytest.mark.filterwarnings("ignore:.*torch.jit.script_method")
"""What torch's own compiler uses as it is imported."""


@COMPILES
@pytest.mark.parametrize("name", CHANGES)
def test_what_would_not_load_is_not_saved(name, tmp_path):
    agent, (change, message) = build_agent("EKF"), CHANGES[name]
    change(agent)
    with pytest.raises(ValueError, match=re.escape(message)) as refusal:
        save_agent(agent, tmp_path / "x.ckpt")
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


@COMPILES
def test_an_agent_compiled_in_place_is_saved_without_compiling(tmp_path):
    def backend(*args):
        pytest.fail("compiled")

    agent = build_agent("EKF")
    agent.actor.compile(backend=backend)
    save_agent(agent, tmp_path / "x.ckpt")
    assert same(load_agent(tmp_path / "x.ckpt"), agent)


def test_saving_changes_nothing(make_segment, tmp_path):
    agent = build_agent("modular")
    before, numbers = (
        agent.critic.first.belief.units.rnn.weight_hh_l0.clone(),
        torch.get_rng_state(),
    )
    save_agent(agent, tmp_path / "x.ckpt")
    assert torch.equal(torch.get_rng_state(), numbers)
    assert torch.equal(agent.critic.first.belief.units.rnn.weight_hh_l0, before)
    assert agent.training


@contextmanager
def defaults(dtype, device):
    """Other defaults of torch than its own."""
    torch.set_default_dtype(dtype)
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)


@pytest.mark.parametrize(
    "elsewhere",
    [
        lambda: defaults(torch.float64, None),
        lambda: defaults(torch.float32, "meta"),
        lambda: torch.device("meta"),
    ],
    ids=["float64", "default device", "device"],
)
@pytest.mark.parametrize("name", ["x.ckpt", "x.pth.tar", "own.ckpt"])
def test_agents_are_loaded_in_float32_on_the_cpu(name, elsewhere, tmp_path):
    agent = build_agent("modular")
    if name == "own.ckpt":
        noisy = own_modules.Noisy(6, 8)
        agent = Agent(
            Actor(noisy, Feedforward(8, 2)), TwinCritic(Critic(noisy, Feedforward(10, 1)))
        )
    (write_published if name.endswith("tar") else save_agent)(agent, tmp_path / name)
    with elsewhere():
        found = load_agent(tmp_path / name), read(tmp_path / name).agent()
    for loaded in found:
        assert {str(x.device) for x in loaded.state_dict().values()} == {"cpu"}
        assert {x.dtype for x in loaded.parameters()} == {torch.float32}
        assert same(loaded, agent)


def test_the_full_state_of_a_run_is_read(agent, tmp_path):
    """As Lightning writes it: with targets and optimizers beside the agent."""
    learner = TD3(agent.actor, agent.critic.first)
    checkpoint = {"state_dict": learner.state_dict(), "optimizer_states": [], "experience": {}}
    learner.on_save_checkpoint(checkpoint)
    assert any(key.startswith("target.") for key in checkpoint["state_dict"])
    torch.save(checkpoint, tmp_path / "last.ckpt")
    assert same(load_agent(tmp_path / "last.ckpt"), learner.agent)


def test_a_saved_agent_fits_the_learner(agent, tmp_path):
    """What Lightning does with ``--ckpt_path``."""
    save_agent(agent, tmp_path / "x.ckpt", task={"name": "gain"})
    fresh = build_agent(agent.architecture)
    learner = TD3(fresh.actor, fresh.critic.first)
    checkpoint = torch.load(tmp_path / "x.ckpt")
    learner.on_load_checkpoint(checkpoint)
    learner.load_state_dict(checkpoint["state_dict"])
    assert same(learner.agent, agent)
    assert same(learner.target, agent)
    assert checkpoint["modnav"]["task"] == {"name": "gain"}
    assert checkpoint["modnav"]["format"] == FORMAT


@pytest.mark.parametrize("name", ["x.ckpt", "x.pth.tar"])
def test_loading_takes_no_random_numbers(name, tmp_path):
    agent = build_agent("EKF")
    (write_published if name.endswith("tar") else save_agent)(agent, tmp_path / name)
    before = torch.get_rng_state()
    load_agent(tmp_path / name)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_file_smaller_than_its_agent_is_refused_before_that_takes_memory(tmp_path, monkeypatch):
    actor = Actor(own_modules.Orthogonal(6, 8), Feedforward(8, 2, (4,)))
    critic = Critic(RecurrentBelief(8, 5), Feedforward(5, 1), "belief")
    save_agent(Agent(actor, TwinCritic(critic)), tmp_path / "x.ckpt")
    content = torch.load(tmp_path / "x.ckpt")
    content["modnav"]["agent"]["actor"]["action"]["init_args"]["hidden_features"] = [3000, 3000]
    content["state_dict"]["agent.junk"] = torch.zeros(1).expand(10**12)  # one number, as a file
    torch.save(content, tmp_path / "x.ckpt")

    def sketched(description):
        assert torch.empty(1).device.type == "meta", "it is made, and takes memory"
        return rebuild_agent(description)

    monkeypatch.setattr("modnav.runs.checkpoints.rebuild_agent", sketched)
    with pytest.raises(ValueError, match=r"mlp\.0\.weight has shape|junk"):
        load_agent(tmp_path / "x.ckpt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x["state_dict"].update({"agent.actor.action.mlp.0.bias": torch.zeros(4)}),
            "actor.action.mlp.0.bias has shape [4]; it must be [300]",
        ),
        (
            lambda x: x["state_dict"].pop("agent.critic.second.value.mlp.2.weight"),
            "critic.second.value.mlp.2.weight is missing; its shape must be [300, 300]",
        ),
        (lambda x: x["modnav"].update(format=2), "is of format 2; it must be 1"),
        (lambda x: x["modnav"].pop("agent"), "does not describe an agent that can be built"),
        (lambda x: x["modnav"].update(agent=3), "does not describe an agent that can be built"),
        (
            lambda x: x["modnav"]["agent"]["actor"]["action"]["init_args"].update(in_features="a"),
            "modnav.networks.Feedforward, which cannot be made",
        ),
        (
            lambda x: x["modnav"]["agent"]["actor"]["action"].update(class_path="os.system"),
            "os.system, which is not a modnav sequence module",
        ),
        (
            lambda x: x["modnav"]["agent"]["actor"]["action"]["init_args"].update(in_features=9),
            "actor.action.in_features is 9; it must be 13",
        ),
        (lambda x: x.pop("state_dict"), "does not describe an agent that can be built"),
        (lambda x: x.pop("modnav"), "neither a checkpoint of modnav nor one of the study"),
    ],
)
def test_checkpoints_that_make_no_sense_are_refused(change, message, saved):
    content = torch.load(saved)
    change(content)
    torch.save(content, saved)
    with pytest.raises(ValueError, match=re.escape(message)) as refusal:
        load_agent(saved)
    assert str(saved) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_other_files_are_refused(tmp_path):
    for content in ([1, 2], torch.zeros(3), {"state_dict": {}}):
        torch.save(content, tmp_path / "x")
        with pytest.raises(
            ValueError, match="neither a checkpoint of modnav nor one of the study"
        ):
            load_agent(tmp_path / "x")


def agent_or_reason(path):
    """The agent of a file, or why it is refused."""
    try:
        return load_agent(path)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("name", ["x.ckpt", "x.pth.tar"])
def test_damage_is_refused_or_harmless(name, tmp_path):
    """Any truncation is refused; a flipped bit never gives other weights or another error."""
    path, damaged, agent = tmp_path / name, tmp_path / "damaged", build_agent("EKF")
    (write_published if name.endswith("tar") else save_agent)(agent, path)
    whole, generator = path.read_bytes(), random.Random(0)
    for k in range(50):
        damaged.write_bytes(whole[: k * len(whole) // 50])
        with pytest.raises(ValueError, match=re.escape(str(damaged))):
            load_agent(damaged)
    for k in range(300):
        content = bytearray(whole)
        # most bytes are weights: every other flip is where the rest is written
        place = generator.randrange(len(whole)) if k % 2 else -generator.randrange(1, 4000)
        content[place] ^= 1 << generator.randrange(8)
        damaged.write_bytes(content)
        loaded = agent_or_reason(damaged)
        assert "\n" not in loaded if isinstance(loaded, str) else same(loaded, agent)


def test_a_failed_save_leaves_the_former_file(saved, monkeypatch):
    before = saved.read_bytes()

    def full(*args, **kwargs):
        raise RuntimeError("no space left")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="no space left"):
        save_agent(build_agent("EKF"), saved)
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]
