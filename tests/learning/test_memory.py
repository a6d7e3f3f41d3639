"""How much memory stacked members take; there is none until it is needed, and then once."""

import numpy as np
import pytest
import torch

from modnav.acting import Finished
from modnav.learning import (
    TD3,
    Experience,
    StepReplay,
    TrialReplay,
    join_replays,
    population_bytes,
    room_for,
)
from modnav.networks import build_agent

CPU = torch.device("cpu")
GB = 10**9


def parts(name: str, replay=None):
    agent = build_agent(name)
    kind = TrialReplay if agent.recurrent else StepReplay
    return TD3(agent.actor, agent.critic.first), Experience(replay=replay or kind())


@pytest.mark.parametrize("name", ["modular", "holistic", "ekf"])
def test_64_published_members_fit_into_16_gb(name: str):
    learner, experience = parts(name)
    taken = population_bytes(learner, experience, 64)
    assert taken == 64 * population_bytes(learner, experience, 1)
    replay = 64 * experience.replay.bytes_of(learner.agent.sources, 35)
    assert replay < taken < 16 * GB


def test_replay_is_counted_as_it_is():
    """100,000 trials of 36 x 6 inputs, 35 x 2 actions, a reward and a length, 4 bytes each."""
    learner, experience = parts("modular")
    count = experience.replay.bytes_of(learner.agent.sources, 35)
    assert count == 100_000 * 4 * (36 * 6 + 35 * 2 + 2)
    other = Experience(replay=TrialReplay(50_000))
    whole, half = (population_bytes(learner, x, 8) for x in (experience, other))
    assert whole - half == 8 * count / 2


def test_a_population_that_does_not_fit_is_refused_with_the_numbers(monkeypatch):
    learner, experience = parts("modular")
    monkeypatch.setattr("modnav.learning.memory.memory_bytes", lambda: 4 * 2**30)
    need, have = room_for(learner, experience, 2, CPU)
    assert (need, have) == (population_bytes(learner, experience, 2), 4 * 2**30)
    rule = r"64 stacked members take 1\d\.\d GiB, 6\.9 of them for replay\.capacity 100000; "
    rule += r"they must fit into the 4\.0 GiB of the machine"
    with pytest.raises(ValueError, match=rule):
        room_for(learner, experience, 64, CPU)


def test_what_replays_of_resumed_members_take_becomes_that_of_all(monkeypatch):
    learner, experience = parts("modular")
    need = population_bytes(learner, experience, 2)
    monkeypatch.setattr("modnav.learning.memory.device_bytes", lambda device: need - 10)
    gpu = torch.device("cuda", 0)
    with pytest.raises(ValueError, match="of the GPU"):
        room_for(learner, experience, 2, gpu, held=9)
    assert room_for(learner, experience, 2, gpu, held=10) == (need, need)


def held(replay: TrialReplay | StepReplay) -> int:
    return sum(x.nbytes for x in replay.buffers.values())


@pytest.mark.parametrize("kind", [TrialReplay, StepReplay])
def test_members_take_no_memory_of_their_own(kind):
    sources, capacity = {"observation"}, 40
    members = [kind(capacity, 4) for _ in range(3)]
    for member in members:
        member.allocate(sources, 5, CPU)
    state = kind(capacity, 4)
    state.allocate(sources, 5, CPU)
    with_items(state)
    members[1].load_state_dict(state.state_dict())
    assert [held(m) for m in members] == [0, held(state) * len(state) // capacity, 0]
    joined = join_replays(members)
    assert held(joined) == 3 * members[0].bytes_of(sources, 5) == sum(map(held, members))
    with_items(members[2])
    for name, x in joined.buffers.items():
        rows = x.unflatten(0, (3, capacity))
        assert torch.equal(rows[1], rows[2])
        assert torch.equal(rows[1, : len(state)], state.buffers[name][: len(state)])
        assert not rows[0].any()
        assert rows.data_ptr() == members[0].buffers[name].data_ptr()


def with_items(replay: TrialReplay | StepReplay) -> None:
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(3, *shape, generator=generator)

    steps = torch.tensor([5, 2, 3])
    replay.add_trials(
        Finished({"observation": draw(6, 6)}, draw(5, 2), draw(), steps), mirror=True
    )


@pytest.mark.parametrize("kind", [TrialReplay, StepReplay])
def test_a_state_without_room_is_one_to_go_on_from(kind):
    full, resumed = (kind(40, 4) for _ in range(2))
    for replay in (full, resumed):
        replay.allocate({"observation"}, 5, CPU)
    with_items(full)
    resumed.load_state_dict(full.state_dict())
    rngs = [np.random.default_rng(0) for _ in range(2)]
    for _ in range(2):
        batches = [r.sample(rng) for r, rng in zip((full, resumed), rngs, strict=True)]
        assert torch.equal(batches[0].action, batches[1].action)
        for replay in (full, resumed):
            with_items(replay)
    assert all(torch.equal(x, resumed.buffers[name]) for name, x in full.buffers.items())
