import re

import pytest
import torch
from torch import nn

from modnav.networks import (
    AbstractBelief,
    AbstractSequence,
    Actor,
    Agent,
    Chain,
    Critic,
    Feedforward,
    KalmanBelief,
    Recurrent,
    RecurrentBelief,
    TwinCritic,
    build_agent,
    describe,
    describe_agent,
    rebuild,
    rebuild_agent,
)


class LeakyBelief(AbstractBelief):
    """A belief of a user's own: leaky integration of the inputs, and a linear map."""

    source = "observation"
    recurrent = True

    def __init__(self, in_features: int = 6, out_features: int = 10, leak: float = 0.1) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.leak = leak
        self.linear = nn.Linear(in_features, out_features)

    def forward(self, x, memory=None):
        memory = x.new_zeros(1, *x.shape[1:]) if memory is None else memory
        history = []
        for now in x:
            memory = (1 - self.leak) * memory + now
            history.append(memory[0])
        return self.linear(torch.stack(history)), memory


class Forgetful(AbstractSequence):
    """A module that does not keep its argument."""

    recurrent = False

    def __init__(self, in_features: int, out_features: int, width: int) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.linear = nn.Linear(in_features, out_features)

    def forward(self, x, memory=None):
        return self.linear(x), None


def custom_agent():
    actor = Actor(LeakyBelief(leak=0.3), Chain([Recurrent(10, 7, cell="gru"), Feedforward(7, 2)]))
    critic = Critic(LeakyBelief(8), Feedforward(10, 1, (20,)), "belief")
    return Agent(actor, TwinCritic(critic))


def test_acting_step_by_step_equals_the_pass_over_the_whole_sequence(agent, make_segment):
    inputs = make_segment(agent.sources, 11, 3).inputs
    whole = agent.actions(inputs)
    memory, steps = None, []
    for t in range(12):
        action, memory = agent.act({name: x[t] for name, x in inputs.items()}, memory)
        steps.append(action)
    torch.testing.assert_close(torch.stack(steps), whole, rtol=1e-5, atol=1e-6)


def test_no_memory_starts_a_trial(agent, make_segment):
    inputs = make_segment(agent.sources, 3, 2).inputs
    now = {name: x[0] for name, x in inputs.items()}
    first, memory = agent.act(now)
    second, _ = agent.act(now, memory)
    assert torch.equal(agent.act(now, None)[0], first)
    assert torch.equal(first, second) != agent.actor.recurrent


@pytest.mark.parametrize("name", ["modular", "holistic", "EKF"])
def test_an_agent_with_one_stream_takes_a_lone_tensor(name, make_segment):
    agent = build_agent(name)
    segment = make_segment(agent.sources, 4, 2)
    inputs = {k: x[:-1] for k, x in segment.inputs.items()}
    (x,) = inputs.values()
    assert torch.equal(agent.actions(x), agent.actions(inputs))
    assert torch.equal(agent.values(x, segment.action), agent.values(inputs, segment.action))
    assert torch.equal(agent.act(x[0])[0], agent.act({k: x[0] for k, x in inputs.items()})[0])


def test_inference_makes_no_graph(agent, make_segment):
    segment = make_segment(agent.sources, 4, 2)
    inputs = {k: x[:-1] for k, x in segment.inputs.items()}
    assert not agent.actions(inputs).requires_grad
    values = agent.values(inputs, segment.action)
    assert values.shape == (2, 4, 2, 1)
    assert not values.requires_grad


def test_missing_and_misshapen_inputs_are_refused():
    agent = build_agent("holistic_ekf")
    kalman, observation = torch.zeros(3, 2, 13), torch.zeros(3, 2, 6)
    action = torch.zeros(3, 2, 2)
    assert agent.actions({"kalman": kalman}).shape == (3, 2, 2)
    with pytest.raises(ValueError, match="reads 'kalman'; the inputs hold observation"):
        agent.actions({"observation": observation})
    with pytest.raises(ValueError, match="reads 'observation'; the inputs hold nothing"):
        agent.values({}, action)
    with pytest.raises(ValueError, match="'kalman' inputs have 6 features; it must be 13"):
        agent.actions(observation)


@pytest.mark.parametrize("name", ["modular", "EKF"])  # torch's cells took (T, F) for one trial
@pytest.mark.parametrize("shape", [(), (7,), (7, 3), (7, 3, 2), (7, 3, 2, 1)])
def test_inputs_are_of_one_shape(name, shape):
    agent = build_agent(name)
    features = {"modular": 6, "EKF": 13}[name]
    x = torch.zeros(*shape[:-1], features) if shape else torch.zeros(())
    counts = {2: ["B"], 3: ["T, B"]}.get(len(shape), [])
    for rule, read in (
        ("T, B", agent.actions),
        ("B", agent.act),
        ("T, B", lambda x: agent.values(x, torch.zeros(*x.shape[:-1], 2))),
    ):
        if rule in counts:
            read(x)
            continue
        told = (
            rf"have shape \({', '.join(map(str, x.shape))},?\); it must be \({rule}, {features}\)"
        )
        with pytest.raises(ValueError, match=told):
            read(x)


@pytest.mark.parametrize("shape", [(7, 3), (7, 1, 2), (3, 7, 2), (7, 3, 3), (7, 2)])
def test_actions_are_those_of_the_inputs(shape):
    agent = build_agent("modular")
    told = r"actions have shape \(.*\); with these inputs it must be \(7, 3, 2\)"
    with pytest.raises(ValueError, match=told):
        agent.values(torch.zeros(7, 3, 6), torch.zeros(shape))


def test_a_kalman_critic_needs_a_kalman_actor():
    ekf, modular = build_agent("EKF"), build_agent("modular")
    with pytest.raises(ValueError, match="a Kalman critic is allowed with a Kalman actor only"):
        Agent(modular.actor, ekf.critic)
    assert Agent(ekf.actor, modular.critic).sources == {"kalman", "observation"}


def test_a_rebuilt_agent_is_the_same(agent, make_segment):
    description = describe_agent(agent)
    rebuilt = rebuild_agent(description)
    assert describe_agent(rebuilt) == description
    rebuilt.load_state_dict(agent.state_dict())
    segment = make_segment(agent.sources, 4, 2)
    inputs = {k: x[:-1] for k, x in segment.inputs.items()}
    assert torch.equal(rebuilt.actions(inputs), agent.actions(inputs))
    before, after = (a.values(inputs, segment.action) for a in (agent, rebuilt))
    assert torch.equal(before, after)


def test_an_agent_of_a_users_own_parts_is_rebuilt(make_segment):
    agent = custom_agent()
    assert re.fullmatch(r"LeakyBelief-[0-9a-f]{6}", agent.architecture)
    description = describe_agent(agent)
    assert description["actor"]["belief"] == {
        "class_path": f"{__name__}.LeakyBelief",
        "init_args": {"in_features": 6, "out_features": 10, "leak": 0.3},
    }
    rebuilt = rebuild_agent(description)
    rebuilt.load_state_dict(agent.state_dict())
    inputs = make_segment(agent.sources, 5, 3).inputs
    assert torch.equal(rebuilt.actions(inputs), agent.actions(inputs))
    memory, steps = None, []
    for now in inputs["observation"]:
        action, memory = rebuilt.act(now, memory)
        steps.append(action)
    torch.testing.assert_close(torch.stack(steps), agent.actions(inputs))


def plain(value):
    """Say whether a description holds mappings, lists, names and numbers only."""
    if isinstance(value, dict):
        return all(isinstance(k, str) and plain(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return value is None or type(value) in (bool, int, float, str)


def test_descriptions_are_plain(agent):
    assert plain(describe_agent(agent))


def test_a_description_survives_a_weights_only_file(tmp_path):
    description = describe_agent(custom_agent())
    torch.save(description, tmp_path / "agent.ckpt")
    assert torch.load(tmp_path / "agent.ckpt", weights_only=True) == description


@pytest.mark.parametrize(
    "module",
    [
        KalmanBelief(),
        RecurrentBelief(8, 12, 2, "gru"),
        Feedforward(3, 4, ()),
        Feedforward(3, 4, (5, 6)),
        Chain([Recurrent(3, 4), Chain([Feedforward(4, 2)])]),
    ],
)
def test_modules_are_described_and_rebuilt(module):
    description = describe(module)
    rebuilt = rebuild(description)
    assert type(rebuilt) is type(module)
    assert describe(rebuilt) == description
    assert str(rebuilt) == str(module)


def test_a_module_that_forgets_an_argument_is_named():
    with pytest.raises(ValueError, match="Forgetful does not keep its argument 'width'"):
        describe(Forgetful(2, 3, 4))


def test_an_argument_that_is_no_plain_value_is_named():
    belief = LeakyBelief()
    belief.leak = torch.tensor(0.1)
    with pytest.raises(ValueError, match=r"LeakyBelief\.leak is a Tensor; checkpoints hold"):
        describe(belief)


def refused(path, **arguments):
    with pytest.raises(ValueError, match=re.escape(path)) as error:
        rebuild({"class_path": path, "init_args": arguments})
    return str(error.value)


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "builtins.eval",
        "builtins.dict",
        "subprocess.Popen",
        "torch.nn.modules.linear.Linear",
        "modnav.networks.agent.os",
        "modnav.networks.agent.importlib",
        "modnav.networks.Agent",
        "modnav.networks.rebuild",
        "modnav.networks.sequence.Missing",
    ],
)
def test_only_sequence_modules_are_rebuilt(path):
    assert "not a modnav sequence module" in refused(path)


def test_nothing_is_run_for_a_refused_name(tmp_path):
    mark = tmp_path / "ran"
    refused("os.system", command=f"touch {mark}")
    refused("os.makedirs", name=str(mark))
    assert not mark.exists()


def test_modules_that_were_not_imported_are_not_imported(tmp_path, monkeypatch):
    (tmp_path / "stranger.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert "if you trust it, import stranger first" in refused("stranger.Belief")


@pytest.mark.parametrize("path", ["modnav.nowhere.Belief", "modnav.", "Belief"])
def test_names_that_do_not_exist_are_refused(path):
    refused(path)


def test_parts_inside_a_description_are_checked_as_well():
    inner = {"class_path": "os.system", "init_args": {"command": "true"}}
    with pytest.raises(ValueError, match=r"os\.system"):
        rebuild({"class_path": "modnav.networks.Chain", "init_args": {"parts": [inner]}})


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("modnav.networks.Feedforward", {"in_features": 2, "out_features": 3, "depth": 4}),
        ("modnav.networks.AbstractSequence", {}),
    ],
)
def test_arguments_that_a_class_does_not_take_are_refused(path, arguments):
    refused(path, **arguments)


def test_sizes_that_do_not_fit_are_refused():
    description = describe_agent(build_agent("modular"))
    description["actor"]["action"]["init_args"]["in_features"] = 100
    with pytest.raises(ValueError, match=r"actor\.action\.in_features is 100; it must be 128"):
        rebuild_agent(description)
