import copy

import numpy as np
import pandas as pd
import pytest
import torch

from modnav.networks import (
    AbstractBelief,
    Actor,
    Agent,
    Critic,
    Feedforward,
    RecurrentBelief,
    TwinCritic,
    build_agent,
)
from modnav.recording import (
    ablate,
    captured,
    clamp,
    layers_of,
    make_session,
    parse_units,
    record,
    simulate,
)
from modnav.tables import open_loop
from modnav.task import advance, begin

UNITS = [3, 17, 40]


def silenced(agent, layer):
    """Return a copy whose weights from some units of a layer are 0."""
    agent = copy.deepcopy(agent)
    actor, critic = agent.actor, agent.critic.first
    belief = {"actor": actor.belief, "critic": critic.belief}
    readers = {
        "actor.belief": [belief["actor"].units.rnn.weight_hh_l0, first_weight(actor.action)],
        "critic.belief": [belief["critic"].units.rnn.weight_hh_l0, first_weight(critic.value)],
    }
    if layer == "actor.action.mlp.1":
        readers[layer] = [actor.action.mlp[2].weight]
    elif layer == "actor.action.parts.0":
        recurrent, linear = actor.action.parts
        readers[layer] = [recurrent.rnn.weight_hh_l0, first_weight(linear)]
    with torch.no_grad():
        for weight in readers[layer]:
            weight[:, UNITS] = 0
    return agent


def first_weight(module):
    return next(module.parameters())


@pytest.mark.parametrize(
    ("architecture", "layer"),
    [
        ("Actor3Critic5", "actor.belief"),
        ("Actor3Critic5", "actor.action.mlp.1"),
        ("Actor3Critic5", "critic.belief"),
        ("Actor1Critic1", "actor.belief"),
        ("Actor1Critic1", "critic.belief"),
        ("Actor2Critic4", "actor.belief"),
        ("Actor2Critic4", "actor.action.parts.0"),
        ("Actor2Critic4", "critic.belief"),
    ],
)
def test_ablation_is_the_absence_of_outgoing_weights(architecture, layer):
    """In closed loop, step by step, and in the recurrence."""
    agent = build_agent(architecture)
    with torch.no_grad():
        for parameter in agent.parameters():
            parameter.mul_(2)  # so that each unit has a say
    session = make_session(trials=6, seed=1)
    _, steps, _ = simulate(agent, session)
    _, expected, _ = simulate(silenced(agent, layer), session)
    with ablate(agent, {layer: UNITS}):
        _, found, units = record(agent, session)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4, atol=1e-3)
    column = "value" if layer.startswith("critic") else "action_v"
    assert abs(found[column] - steps[column]).max() > 1e-3
    if layer.startswith("critic"):
        pd.testing.assert_series_equal(found["action_v"], steps["action_v"])
    assert not units[[f"{layer}.{k}" for k in UNITS]].to_numpy().any()
    assert units[f"{layer}.0"].any()


def test_the_other_critic_goes_on_as_ever():
    agent = build_agent("modular")
    inputs, action = torch.randn(5, 3, 6), torch.rand(5, 3, 2)
    first, second = agent.values(inputs, action)
    with ablate(agent, "critic.belief:0-99"):
        ablated = agent.values(inputs, action)
    assert torch.equal(ablated[1], second)
    assert not torch.allclose(ablated[0], first)


def test_a_held_unit_holds_in_the_recurrence():
    agent = build_agent("holistic")
    inputs = torch.randn(8, 4, 6)
    cell = torch.nn.LSTMCell(6, 220)
    rnn = agent.actor.belief.units.rnn
    for name, parameter in cell.named_parameters():
        parameter.data = getattr(rnn, f"{name}_l0").data
    hidden = memory = torch.zeros(4, 220)
    expected = []
    for x in inputs:
        hidden, memory = cell(x, (hidden, memory))
        hidden = hidden.clone()
        hidden[:, 5], hidden[:, [8, 9]] = 0.7, -1.0
        expected.append(torch.tanh(agent.actor.action(hidden[None])[0])[0].detach())
    with clamp(agent, "actor.belief:5=0.7, actor.belief:8-9=-1"):
        at_once = agent.actions(inputs)
        memory, one_by_one = None, []
        for x in inputs:
            action, memory = agent.act(x, memory)
            one_by_one.append(action)
    torch.testing.assert_close(at_once, torch.stack(expected))
    torch.testing.assert_close(torch.stack(one_by_one), torch.stack(expected))


@pytest.mark.parametrize("cell", ["gru", "rnn", "lstm"])
def test_layers_of_a_stack_are_held_each_on_its_own(cell):
    belief = RecurrentBelief(6, 7, num_layers=2, cell=cell)
    critic = Critic(RecurrentBelief(6, 5), Feedforward(7, 1, ()))
    agent = Agent(Actor(belief, Feedforward(7, 2, ())), TwinCritic(critic))
    inputs = {"observation": torch.randn(9, 3, 6)}
    before = agent.actions(inputs)
    silent = copy.deepcopy(agent)
    rnn = silent.actor.belief.units.rnn
    with torch.no_grad():
        rnn.weight_hh_l0[:, 2] = 0
        rnn.weight_ih_l1[:, 2] = 0
    with ablate(agent, {"actor.belief.layer0": [2]}):
        found = agent.actions(inputs)
    torch.testing.assert_close(found, silent.actions(inputs))
    with ablate(agent, {"actor.belief.layer1": range(7)}):
        bias = torch.tanh(agent.actor.action.mlp[0].bias).detach()
        assert torch.equal(agent.actions(inputs), bias.expand(9, 3, 2))
    assert torch.equal(agent.actions(inputs), before)


def test_the_agent_is_as_it_was_afterwards(agent):
    inputs = {"observation": torch.randn(6, 2, 6), "kalman": torch.randn(6, 2, 13)}
    inputs = {name: inputs[name] for name in agent.sources}
    before, state = agent.actions(inputs), copy.deepcopy(agent.state_dict())
    layer = next(iter(layers_of(agent)))

    def fail():
        with ablate(agent, {layer: [0, 1, 2]}), clamp(agent, {layer: {3: 2.0}}):
            assert not torch.equal(agent.actions(inputs), before)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.equal(agent.actions(inputs), before)
    assert all(torch.equal(x, state[name]) for name, x in agent.state_dict().items())


def test_contexts_add_up():
    agent = build_agent("modular")
    layers = layers_of(agent, ["actor.belief", "actor.action.mlp.1"])
    both = {"actor.belief:1", "actor.belief:2=0.5", "actor.action.mlp.1:4=3"}
    inputs = torch.randn(6, 2, 6)
    with clamp(agent, ",".join(both)):
        expected = agent.actions(inputs)
    with (
        captured(layers) as activity,
        ablate(agent, {"actor.belief": [1]}),
        clamp(agent, {"actor.belief": {2: 0.5}, "actor.action.mlp.1": {4: 3.0}}),
    ):
        assert torch.equal(agent.actions(inputs), expected)
    assert (activity["actor.belief"][..., [1, 2]] == torch.tensor([0, 0.5])).all()
    assert (activity["actor.action.mlp.1"][..., 4] == 3).all()


class Leaky(AbstractBelief):
    """A belief that remembers in a way of its own."""

    source = "observation"
    recurrent = True
    in_features = out_features = 6

    def forward(self, x, memory=None):
        memory = torch.zeros_like(x[:1]) if memory is None else memory
        y = 0.1 * x.cumsum(dim=0) + memory
        return y, y[-1:]


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ("actor.mlp:3", r"no layer 'actor.mlp'; it has actor.belief \(128\), actor.action.mlp.1"),
        ("actor.belief:128", "actor.belief has no unit 128; it has 128, 0 to 127"),
        ("actor.belief:9-3", "the last index is below the first"),
        ("actor.belief", "'actor.belief' names no units; it must be LAYER:INDEX"),
        ("actor.belief:-1", "names no units"),
        ("actor.belief:1=high", "at 'high'; it must be a number"),
        ("actor.belief:1=nan", "held at nan; it must be finite"),
        (" , ", "no units are named"),
    ],
)
def test_units_that_are_not_there_are_refused(units, message):
    agent = build_agent("modular")
    with pytest.raises(ValueError, match=message), clamp(agent, units):
        pass
    assert "forward" not in vars(agent.actor.belief.units.rnn)


def test_other_mistakes_are_refused():
    with (
        pytest.raises(ValueError, match="clamp holds others"),
        ablate(build_agent("modular"), "actor.belief:1=1"),
    ):
        pass
    critic = Critic(RecurrentBelief(6, 5), Feedforward(7, 1, ()))
    own = Agent(Actor(Leaky(), Feedforward(6, 2, ())), TwinCritic(critic))
    leaky = "is a Leaky, which remembers in a way of its own"
    with pytest.raises(ValueError, match=leaky), ablate(own, {"actor.belief": [0]}):
        pass
    assert parse_units("a.b:1,a.b:3-4=2") == {"a.b": {1: 0.0, 3: 2.0, 4: 2.0}}


def stepwise(session, actions, count):
    """Return the positions of the task, step by step, in cm."""
    world, _ = begin(session.trials)
    positions = [world.state[:, :2]]
    for t in range(count - 1):
        zero = torch.zeros_like(world.state[:, :2])
        world, _, _ = advance(
            session.task, session.trials, world, actions[t], actions[t], zero, zero
        )
        positions.append(world.state[:, :2])
    return 400 * torch.stack(positions).numpy()


@pytest.fixture
def driven():
    """Noise-free trials of 4 lengths at gain 1, and the actions that were recorded."""
    agent = build_agent("holistic")
    with torch.no_grad():
        for parameter in agent.actor.parameters():
            parameter.mul_(6)
    quiet = {"process_noise": 0.0, "observation_noise": 0.0, "stop_threshold": 0.0}
    session = make_session(trials=4, seed=2, **quiet)
    trials, steps, _ = simulate(agent, session)
    lengths = np.array([35, 20, 9, 3])
    steps = steps[steps["step"].to_numpy() < lengths[steps["trial"]]].reset_index(drop=True)
    return session, trials, steps, lengths


def test_a_replay_in_the_same_world_is_the_trial(driven):
    _, trials, steps, _ = driven
    assert steps["action_v"].abs().max() > 0.1
    found = open_loop(trials, steps)
    columns = ["x_cm", "y_cm", "heading_deg", "v_cm_s", "w_deg_s", "action_v"]
    pd.testing.assert_frame_equal(found.steps[columns], steps[columns], rtol=1e-4, atol=1e-3)


def test_a_replay_in_another_world_follows_the_task(driven):
    """Gain 2 and a pulse, as :mod:`modnav.task.world` moves; it lasts until the pulse is over."""
    session, trials, steps, _ = driven
    other = trials.assign(
        gain=2.0,
        gain_v_cm_s=400.0,
        gain_w_deg_s=180.0,
        perturbation_peak_v_cm_s=[150.0, -80.0, 120.0, 0.0],
        perturbation_peak_w_deg_s=[60.0, 0.0, -100.0, 0.0],
        perturbation_onset_s=[0.0, 0.8, 1.0, 0.3],
    )
    found = open_loop(other, steps)
    assert list(found.trials["steps"]) == [35, 20, 21, 3]
    world = make_session(session.task, name="perturbation", targets=other)
    actions = torch.zeros(35, 4, 2)
    actions[steps["step"], steps["trial"]] = torch.tensor(
        steps[["action_v", "action_w"]].to_numpy(copy=True)
    )
    expected = stepwise(world, actions, 35)
    for k in range(4):
        rows = found.steps[found.steps["trial"] == k]
        np.testing.assert_allclose(rows[["x_cm", "y_cm"]], expected[: len(rows), k], 1e-4, 1e-2)
    end = np.stack([expected[n - 1, k] for k, n in enumerate([35, 20, 21, 3])])
    target = other[["target_x_cm", "target_y_cm"]].to_numpy()
    error = np.linalg.norm(end - target, axis=-1)
    np.testing.assert_allclose(found.trials["radial_error_cm"], error, 1e-4)
    assert (found.trials["gain"] == 2).all()
    assert not found.trials["rewarded"].any()


def test_a_replay_takes_the_actions_of_its_pair(driven):
    _, trials, steps, _ = driven
    found = open_loop(trials, steps, pairs=[2, 2, 0, 3])
    assert list(found.trials["steps"]) == [9, 9, 35, 3]
    mine, its = found.steps[found.steps["trial"] == 1], steps[steps["trial"] == 2]
    np.testing.assert_allclose(mine["x_cm"], its["x_cm"], 1e-4, 1e-3)
    with pytest.raises(ValueError, match="the recorded steps have no trial 7"):
        open_loop(trials, steps, pairs=[2, 7, 0, 3])
    with pytest.raises(ValueError, match="there are 2 pairs; it must be 4"):
        open_loop(trials, steps, pairs=[2, 2])


def test_a_replay_that_ends_by_a_stop_may_be_rewarded(driven):
    _, trials, steps, _ = driven
    last = steps.groupby("trial").tail(1).index
    stopped = steps.copy()
    stopped.loc[last, ["action_v", "action_w"]] = 0.05
    found = open_loop(trials, stopped, reward_zone_cm=1000.0).trials
    assert found["rewarded"].all()
    moving = steps.copy()
    moving.loc[last, "action_v"] = 0.2
    found = open_loop(trials, moving, reward_zone_cm=1000.0).trials
    assert not found["rewarded"].any()


def test_a_replay_without_delay_moves_at_once():
    """One second at full speed, sampled 10 times a second."""
    trials = pd.DataFrame(
        {
            "trial": [0],
            "subject": "B",
            "task": "gain",
            "gain": 1.0,
            "gain_v_cm_s": 200.0,
            "gain_w_deg_s": 90.0,
            "target_x_cm": 0.0,
            "target_y_cm": 200.0,
            "target_r_cm": 200.0,
            "target_theta_deg": 90.0,
            "dt_s": 0.1,
        }
    )
    steps = pd.DataFrame({"trial": 0, "step": range(10), "action_v": 1.0, "action_w": 0.0})
    assert open_loop(trials, steps, delayed=False).trials["end_y_cm"].item() == pytest.approx(200)
    assert open_loop(trials, steps).trials["end_y_cm"].item() == pytest.approx(160)


def test_noise_is_no_part_of_a_replay(driven):
    _, trials, steps, _ = driven
    noisy = trials.assign(process_noise=0.2, observation_noise=0.1)
    pd.testing.assert_frame_equal(open_loop(noisy, steps).steps, open_loop(trials, steps).steps)
    assert not open_loop(noisy, steps).trials["process_noise"].any()
