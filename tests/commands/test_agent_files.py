"""Agents in other runtimes act as they do here, step by step."""

import json

import onnxruntime
import own_modules
import pytest
import torch
from safetensors import safe_open
from same_weights import same

from modnav import build_agent
from modnav.cli import main
from modnav.commands.agent_files import write_agent
from modnav.networks import (
    Actor,
    Agent,
    Critic,
    Feedforward,
    RecurrentBelief,
    StepPolicy,
    TwinCritic,
    rebuild_agent,
)
from modnav.runs import save_agent

STEPS, TRIALS = 35, 3


def recurrent(cell: str) -> Agent:
    critic = Critic(RecurrentBelief(cell=cell), Feedforward(130, 1))
    return Agent(Actor(RecurrentBelief(cell=cell), Feedforward(128, 2)), TwinCritic(critic))


AGENTS = {
    "lstm": lambda: build_agent("Actor2Critic4"),  # two LSTMs, one after the other
    "gru": lambda: recurrent("gru"),
    "tanh": lambda: recurrent("rnn"),
    "kalman": lambda: build_agent("ekf"),
}


@pytest.fixture(params=list(AGENTS))
def acting(request):
    """An agent whose actions differ from step to step."""
    agent = AGENTS[request.param]().eval()
    with torch.no_grad():
        for weight in agent.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return agent


def as_onnx(path):
    session = onnxruntime.InferenceSession(path)

    def step(inputs, memory):
        names = [x.name for x in session.get_inputs()]
        numbers = [x.numpy() for x in (inputs, *memory)]
        out = session.run(None, dict(zip(names, numbers, strict=True)))
        return [torch.from_numpy(x) for x in out]

    return step


def as_program(path):
    program = torch.export.load(path).module()
    return lambda inputs, memory: program(inputs, *memory)


@pytest.mark.parametrize(("kind", "read"), [("x.onnx", as_onnx), ("x.pt2", as_program)])
@pytest.mark.filterwarnings("ignore")  # of torch.export, which are not ours
def test_policies_act_alike_over_a_trial_and_a_restart(acting, kind, read, tmp_path):
    path = tmp_path / kind
    write_agent(acting, "onnx" if kind == "x.onnx" else "torch-export", path)
    step, policy = read(path), StepPolicy(acting.actor)
    inputs = torch.randn(STEPS, TRIALS, policy.features)
    own, other, actions = None, [x.repeat(1, TRIALS, 1) for x in policy.start], []
    for t in range(STEPS):
        action, own = acting.act(inputs[t], own)
        told, *other = step(inputs[t], other)
        torch.testing.assert_close(told, action, rtol=0, atol=1e-5)
        actions.append(action)
        if t == 20:  # the second trial begins anew
            own = acting.actor.reset(own, torch.tensor([1]))
            other = [x.index_fill(1, torch.tensor([1]), 0.0) for x in other]
    assert torch.stack(actions).std(dim=0).min() > 1e-3


def test_safetensors_hold_all_that_rebuilds_an_agent(acting, tmp_path):
    write_agent(acting, "safetensors", tmp_path / "x.safetensors")
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        again = rebuild_agent(json.loads(file.metadata()["agent"]))
    again.load_state_dict(weights)
    assert same(again, acting)


def test_the_command_writes_one_file_of_the_kind_and_refuses_others(tmp_path, capsys):
    save_agent(build_agent("modular"), tmp_path / "agent.ckpt")
    args = ["export", str(tmp_path / "agent.ckpt"), "--to", "onnx", "--out"]
    main([*args, str(tmp_path / "agent.onnx")])
    assert "agent.onnx  " in capsys.readouterr().out
    assert {x.name for x in tmp_path.iterdir()} == {"agent.ckpt", "agent.onnx"}
    about = onnxruntime.InferenceSession(tmp_path / "agent.onnx").get_modelmeta()
    assert about.custom_metadata_map["architecture"] == "Actor3Critic5"
    for out, told in (
        ("agent.onnx", "is there already"),
        ("agent.pt", "must be a file that ends"),
    ):
        with pytest.raises(SystemExit) as end:
            main([*args, str(tmp_path / out)])
        assert end.value.code == 2
        assert told in capsys.readouterr().err


def test_memories_that_do_not_start_at_zeros_are_refused():
    class Started(RecurrentBelief):
        def forward(self, x, memory=None):
            if memory is None:
                memory = torch.ones(1, x.shape[1], 128)
            return super().forward(x, memory)

    with pytest.raises(ValueError, match="does not start at zeros"):
        StepPolicy(Actor(Started(cell="gru"), Feedforward(128, 2)))


class Own(RecurrentBelief):
    """A belief that breaks a rule of exports, or shares its weights."""

    def __init__(self, in_features: int = 6, out_features: int = 8, kind: str = "branch"):
        super().__init__(in_features, out_features)
        self.kind = kind
        self.same = self.units if kind == "shares" else None

    def forward(self, x, memory=None):
        y, memory = super().forward(x, memory)
        if self.kind == "branch":
            y = y * 2 if x.abs().mean() > 0.5 else y
        if self.kind == "counts":
            y = y + torch.zeros(int(x.shape[1]), 8)
        return y, memory


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
@pytest.mark.parametrize("own", ["branch", "counts"])
def test_an_agent_that_no_file_could_stand_for_is_refused(tmp_path, kind, own):
    critic = Critic(RecurrentBelief(out_features=8), Feedforward(10, 1))
    agent = Agent(Actor(Own(kind=own), Feedforward(8, 2)), TwinCritic(critic))
    with pytest.raises(ValueError, match=r"what was written|cannot write the actor"):
        write_agent(agent, kind, tmp_path / "agent")
    assert not list(tmp_path.iterdir())


def test_weights_that_parts_share_are_written_for_each(tmp_path):
    critic = Critic(RecurrentBelief(out_features=8), Feedforward(10, 1))
    agent = Agent(Actor(Own(kind="shares"), Feedforward(8, 2)), TwinCritic(critic))
    write_agent(agent, "safetensors", tmp_path / "agent.safetensors")
    with safe_open(tmp_path / "agent.safetensors", "pt") as file:
        assert set(file.keys()) == set(agent.state_dict())


def with_belief(kind) -> Agent:
    critic = Critic(kind(6, 8), Feedforward(10, 1, (5,)))
    return Agent(Actor(kind(6, 8), Feedforward(8, 2, ())), TwinCritic(critic))


@pytest.mark.parametrize("kind", ["onnx", "torch-export"])
@pytest.mark.filterwarnings("ignore")  # of torch.export, which are not ours
def test_what_a_module_does_in_train_mode_alone_is_not_written(kind, tmp_path):
    write_agent(with_belief(own_modules.Noisy), kind, tmp_path / "agent")


class Turning(own_modules.Own):
    """A state of complex numbers, of which ONNX knows nothing."""

    def make(self):
        self.linear = torch.nn.Linear(self.in_features, self.out_features)

    def forward(self, x, memory=None):
        u = torch.polar(self.linear(x), self.linear(x))
        return u.real, None


def test_what_the_format_lacks_is_told_in_a_line(tmp_path):
    with pytest.raises(ValueError, match=r"^torch.onnx cannot write the actor: .*polar.*$"):
        write_agent(with_belief(Turning), "onnx", tmp_path / "agent.onnx")
    assert not (tmp_path / "agent.onnx").exists()
