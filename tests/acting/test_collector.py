import copy
import io
from dataclasses import replace

import pytest
import torch

from modnav.acting import ROLES, Collector, join_collectors
from modnav.networks import build_agent, map_memory
from modnav.task import STREAMS, TaskParameters, advance, begin, is_moving

TASK = TaskParameters(name="perturbation", gain=(1.0, 2.0))
LIVELY = TaskParameters(name="perturbation", gain=(1.0, 2.0), stop_threshold=0.3)
"""A task in which untrained agents stop at different times."""


def make_generators(first=0):
    return {role: torch.Generator().manual_seed(first + k) for k, role in enumerate(ROLES)}


def make_collector(sources, count=4, task=LIVELY, kind=Collector, seed=0):
    return kind(task, sources, count, make_generators(seed))


class Recorder(Collector):
    """A collector that remembers its draws."""

    def _normal(self, role):
        draws = super()._normal(role)
        self.__dict__.setdefault("draws", {}).setdefault(role, []).append(draws)
        return draws


class Fixed:
    """An actor without memory that gives each slot the same action at every step."""

    def __init__(self, actions):
        self.actions = torch.tensor(actions)

    def __call__(self, inputs, memory=None):
        return self.actions[None], None


def calm(agent):
    """Let an untrained agent set out at about 0.4, so that exploration stops it now and then."""
    with torch.no_grad():
        *_, weight, bias = agent.actor.action.parameters()
        weight.mul_(0.5)
        bias.copy_(torch.tensor([0.45, 0.0]))
    return agent


def alone(agent, task, trials, draws, exploration_std):
    """Run one trial by itself; yield what happens at each step."""
    streams = {name: STREAMS[name]() for name in sorted(agent.sources)}
    world, sensation = begin(trials)
    now = {name: s.start(trials, sensation) for name, s in streams.items()}
    memory = None
    for process, observation, exploration in draws:
        inputs = {name: x for name, (x, _) in now.items()}
        greedy, memory = agent.act(inputs, memory)
        action = greedy
        if is_moving(greedy, task.stop_threshold):
            action = (greedy + exploration_std * exploration).clamp(-1, 1)
        world, sensation, outcome = advance(
            task, trials, world, action, greedy, process, observation
        )
        now = {name: s.step(trials, sensation, now[name][1], task) for name, s in streams.items()}
        yield inputs, action, outcome, {name: x for name, (x, _) in now.items()}
        if outcome.terminated or outcome.truncated:
            return


@pytest.mark.parametrize(
    "name", ["modular", "holistic", "Actor2Critic4", "EKF", "holistic_ekf", "ActorEKFCritic5"]
)
def test_a_trial_in_the_collector_equals_the_same_trial_alone(name):
    agent, count, std = calm(build_agent(name)), 5, 0.4
    collector = make_collector(agent.sources, count, kind=Recorder)
    begun, given, sweeps = [0] * count, [None] * count, []
    ends, checked = set(), 0
    for now in range(80):
        for slot in range(count):
            if begun[slot] == now:
                given[slot] = type(collector.trials)(
                    *(x[slot : slot + 1].clone() for x in collector.trials)
                )
        sweeps.append(collector.sweep(agent.actor, std))
        for row, slot in enumerate(sweeps[-1].terminal.nonzero()[:, 0].tolist()):
            first = begun[slot]
            draws = [
                [collector.draws[role][t][slot : slot + 1] for role in ROLES[1:]]
                for t in range(first, now + 1)
            ]
            steps = list(alone(agent, LIVELY, given[slot], draws, std))
            done = sweeps[-1].finished
            assert len(steps) == done.steps[row] == now - first + 1
            for t, (inputs, action, outcome, after) in enumerate(steps):
                sweep = sweeps[first + t]
                pairs = [
                    (sweep.action[slot], action[0]),
                    (done.action[row, t], action[0]),
                    (sweep.reward[slot], outcome.reward[0]),
                    *((sweep.inputs[k][slot], x[0]) for k, x in inputs.items()),
                    *((done.inputs[k][row, t], x[0]) for k, x in inputs.items()),
                    *((sweep.next_inputs[k][slot], x[0]) for k, x in after.items()),
                    *((done.inputs[k][row, t + 1], x[0]) for k, x in after.items()),
                ]
                for found, expected in pairs:
                    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-5)
                assert bool(sweep.terminal[slot]) == (t == len(steps) - 1)
            torch.testing.assert_close(done.reward[row], outcome.reward[0])
            assert sweeps[-1].rewarded[row] == outcome.rewarded[0]
            begun[slot] = now + 1
            ends.add(len(steps))
            checked += 1
    assert checked >= 10
    assert len(ends) >= 3


def test_memory_is_reset_where_a_trial_ends(agent):
    if not agent.actor.recurrent:
        assert make_collector(agent.sources).memory is None
        return
    calm(agent)
    collector = make_collector(agent.sources, 6)
    for _ in range(34):
        ended = collector.sweep(agent.actor, 0.4).terminal
        if ended.any() and not ended.all():
            break
    assert ended.any()
    states = []
    map_memory(states.append, collector.memory)
    for state in states:
        assert not state[:, ended].any()
        assert state[:, ~ended].any(dim=-1).all()


def test_the_first_input_of_a_new_trial_is_its_start():
    agent = calm(build_agent("holistic_ekf"))
    collector = make_collector(agent.sources, 6)
    for _ in range(40):
        ended = collector.sweep(agent.actor, 0.4).terminal
        if not ended.any():
            continue
        world, sensation = begin(collector.trials)
        for name, stream in collector.streams.items():
            first, _ = stream.start(collector.trials, sensation)
            assert torch.equal(collector.now[name][ended], first[ended])
            assert (collector.now[name][~ended] != first[~ended]).any(dim=-1).all()
        assert not collector.world.step[ended].any()
        assert not collector.world.started[ended].any()
        assert torch.equal(collector.world.state[ended], world.state[ended])
        return
    pytest.fail("no trial ended")


def test_a_sweep_keeps_what_it_returned():
    """What a sweep returned stays as it is when trials restart and go on."""
    agent = calm(build_agent("holistic_ekf"))
    collector = make_collector(agent.sources, 6)
    returned = []
    for _ in range(50):
        sweep = collector.sweep(agent.actor, 0.4)
        returned.append((sweep, copy.deepcopy(sweep)))
    assert sum(len(sweep.finished.steps) for sweep, _ in returned) > 5
    for sweep, kept in returned:
        assert all(torch.equal(sweep.inputs[k], x) for k, x in kept.inputs.items())
        assert all(torch.equal(sweep.next_inputs[k], x) for k, x in kept.next_inputs.items())
        assert all(
            torch.equal(sweep.finished.inputs[k], x) for k, x in kept.finished.inputs.items()
        )
        assert torch.equal(sweep.finished.action, kept.finished.action)


def test_trials_restart_independently():
    """A slot that never ends is not touched by another that ends all the time."""
    turns = Fixed([[0.0, 0.5], [0.0, 0.5]])
    trials = make_collector({"kalman"}, 2, TASK)
    before = [x[0].clone() for x in trials.trials]
    ways = []
    for t in range(34):
        turns.actions[1] = torch.tensor([0.0, 0.5 * (t % 2 == 0)])
        sweep = trials.sweep(turns, 0.0)
        assert sweep.terminal.tolist() == [False, t % 2 == 1]
        assert trials.world.step.tolist() == [t + 1, (t + 1) % 2]
        ways.append(trials.trials.target[1].tolist())
    assert all(torch.equal(x[0], kept) for x, kept in zip(trials.trials, before, strict=True))
    assert len(set(map(tuple, ways))) == 18
    assert trials.sweep(turns, 0.0).terminal[0]


def test_time_out_after_35_steps():
    collector = make_collector({"observation"}, 3, TASK)
    go = Fixed([[0.0, 0.5]] * 3)
    for t in range(70):
        sweep = collector.sweep(go, 0.0)
        assert bool(sweep.terminal.all()) == (t % 35 == 34)
        assert len(sweep.finished.steps) == (3 if t % 35 == 34 else 0)
    assert sweep.finished.steps.tolist() == [35] * 3
    assert not sweep.finished.reward.any()
    assert not sweep.rewarded.any()


def test_only_moving_actions_explore():
    raw = [[0.05, -0.09], [0.1, 0.1], [0.5, 0.0], [0.0, -0.2], [0.0, 0.0]]
    collector = make_collector({"observation"}, 5, TASK)
    for _ in range(20):
        action = collector.sweep(Fixed(raw), 0.8).action
        stays = torch.tensor(raw)
        assert torch.equal(action[[0, 1, 4]], stays[[0, 1, 4]])
        assert (action[[2, 3]] != stays[[2, 3]]).all()
        assert action.abs().max() <= 1


def test_exploration_has_the_size_asked_for():
    raw = [[0.2, 0.0]] * 2000
    collector = make_collector({"observation"}, 2000, TASK)
    noise = collector.sweep(Fixed(raw), 0.2).action - torch.tensor(raw)
    assert noise.std(dim=0).tolist() == pytest.approx([0.2, 0.2], rel=0.06)
    assert noise.mean(dim=0).abs().max() < 0.02
    assert abs(torch.corrcoef(noise.T)[0, 1]) < 0.06
    assert torch.equal(collector.sweep(Fixed(raw), 0.0).action, torch.tensor(raw))


def test_a_stop_by_exploration_ends_a_started_trial():
    """Stopping looks at the action taken, starting at the noise-free one."""
    collector = make_collector({"observation"}, 500, TASK)
    go = Fixed([[0.2, 0.0]] * 500)
    first = collector.sweep(go, 0.2)
    still = (first.action.abs() < 0.1).all(dim=-1)
    assert still.any()
    assert not first.terminal.any()
    second = collector.sweep(go, 0.2)
    assert torch.equal(second.terminal, (second.action.abs() < 0.1).all(dim=-1))
    assert second.terminal.any()


@pytest.mark.parametrize("name", ["modular", "holistic_ekf"])
def test_members_of_one_collector_act_as_each_alone(name):
    agent, stds = calm(build_agent(name)), (0.4, 0.1, 0.5)
    tasks = [LIVELY, replace(LIVELY, process_noise=(0.1, 0.6)), replace(LIVELY, gain=(1.5, 3.0))]
    alone, parts = (
        [make_collector(agent.sources, 4, task, seed=10 * k) for k, task in enumerate(tasks)]
        for _ in range(2)
    )
    joined, ended = join_collectors(parts), 0
    for now in range(50):
        if now == 30:
            alone[1].restart(LIVELY)
            joined.restart_member(1, LIVELY, agent.actor)
        each = [c.sweep(agent.actor, std) for c, std in zip(alone, stds, strict=True)]
        whole = joined.sweep_all(agent.actor, stds)
        assert list(whole.counts) == [len(x.rewarded) for x in each]
        assert whole.ended() == [trial for x in each for trial in x.ended()]
        for field in ("action", "reward", "terminal"):
            expected = torch.cat([getattr(x, field) for x in each])
            torch.testing.assert_close(getattr(whole, field), expected, rtol=0, atol=1e-5)
        for key in agent.sources:
            for field in ("inputs", "next_inputs"):
                expected = torch.cat([getattr(x, field)[key] for x in each])
                torch.testing.assert_close(getattr(whole, field)[key], expected, rtol=0, atol=1e-4)
        done = torch.cat([x.finished.reward for x in each])
        torch.testing.assert_close(whole.finished.reward, done, rtol=0, atol=1e-4)
        ended += len(done)
    assert ended > 30


@pytest.mark.parametrize("name", ["modular", "Actor2Critic2", "EKF", "holistic_ekf"])
def test_a_restored_collector_goes_on_bit_by_bit(name):
    agent = calm(build_agent(name))
    collector = make_collector(agent.sources, 4)
    for _ in range(23):
        collector.sweep(agent.actor, 0.4)
    file = io.BytesIO()
    generators = {role: g.get_state() for role, g in collector.generators.items()}
    torch.save({"collector": collector.state_dict(), "generators": generators}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    restored = make_collector(agent.sources, 4, seed=50)
    restored.load_state_dict(state["collector"])
    for role, generator in restored.generators.items():
        generator.set_state(state["generators"][role])
    ended = 0
    for _ in range(40):
        first, second = (c.sweep(agent.actor, 0.4) for c in (collector, restored))
        for x, y in zip(first[1:4], second[1:4], strict=True):
            assert torch.equal(x, y)
        for x, y in zip(first.finished[1:], second.finished[1:], strict=True):
            assert torch.equal(x, y)
        for key in agent.sources:
            assert torch.equal(first.next_inputs[key], second.next_inputs[key])
            assert torch.equal(first.finished.inputs[key], second.finished.inputs[key])
        ended += len(first.finished.steps)
    assert ended > 3


def test_a_saved_state_does_not_change_later():
    agent = calm(build_agent("modular"))
    collector = make_collector(agent.sources, 4)
    collector.sweep(agent.actor, 0.4)
    state = collector.state_dict()
    kept = copy.deepcopy(state)
    for _ in range(3):
        collector.sweep(agent.actor, 0.4)
    assert torch.equal(state["action_log"], kept["action_log"])
    assert torch.equal(state["input_logs"]["observation"], kept["input_logs"]["observation"])


def test_a_state_of_another_number_of_trials_is_refused():
    state = make_collector({"observation"}, 3).state_dict()
    with pytest.raises(ValueError, match="parallel_trials is 4; the checkpoint has 3 under way"):
        make_collector({"observation"}, 4).load_state_dict(state)


def test_each_role_draws_from_its_own_generator():
    """More exploration changes no trial and no noise of the world."""
    collectors = [make_collector({"observation"}, 3, TASK, Recorder) for _ in range(2)]
    still = Fixed([[0.05, 0.05]] * 3)
    go = Fixed([[0.5, 0.5]] * 3)
    assert torch.equal(collectors[0].trials.target, collectors[1].trials.target)
    for _ in range(5):
        collectors[0].sweep(go, 0.8)
        collectors[1].sweep(still, 0.0)
    for role in ROLES[1:]:
        first, second = (torch.stack(c.draws[role]) for c in collectors)
        assert torch.equal(first, second)


def test_a_restart_drops_the_trials_under_way():
    agent = calm(build_agent("holistic_ekf"))
    collector = make_collector(agent.sources, 4)
    for _ in range(10):
        collector.sweep(agent.actor, 0.4)
    before = collector.trials.target.clone()
    quiet = TaskParameters(observation_noise=0.0)
    collector.restart(quiet)
    assert collector.task is quiet
    assert not collector.world.step.any()
    assert collector.memory is None
    assert not torch.equal(collector.trials.target, before)
    assert not collector.trials.observation_noise_std.any()
    sweep = collector.sweep(agent.actor, 0.0)
    torch.testing.assert_close(sweep.inputs["observation"][:, 4:], collector.trials.target)
