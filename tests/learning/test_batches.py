"""Batches of all members: each has the noise, and finds the trials, that it would have alone."""

import numpy as np
import pytest
import torch

from modnav.acting import Finished, Sweep
from modnav.learning import TD3, AbstractReplay, Batches, StepReplay, TrialReplay, join_replays
from modnav.networks import build_agent

CPU, STEPS, CAPACITY, SIZE = torch.device("cpu"), 5, 12, 4
SHAPES = [(5, 16), (3, 16), (5, 16)], [(3, 1)], [], [(4, 16), (3, 7), (5, 2)]


def learner(seed: int) -> TD3:
    agent = build_agent("ekf")
    made = TD3(agent.actor, agent.critic.first)
    made.generator = torch.Generator().manual_seed(seed)
    return made


def test_noise_of_several_batches_is_that_of_one_after_the_other():
    for seed, shapes in enumerate(SHAPES):
        if shapes:
            at_once, each = learner(seed), learner(seed)
            expected = torch.cat([each.noise([shape]) for shape in shapes])
            assert torch.equal(at_once.noise(shapes), expected)


def replays(kind: type[AbstractReplay], count: int) -> list[AbstractReplay]:
    made = [kind(CAPACITY, SIZE) for _ in range(count)]
    for replay in made:
        replay.allocate({"observation"}, STEPS, CPU)
    return made


def sweep(members: int, trials: int, generator: torch.Generator) -> Sweep:
    """Return a step of members with so many trials each, of which some end."""

    def draw(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    count = members * trials
    which = (draw(count) > 0.4).nonzero()[:, 0]
    counts = [int((which // trials == k).sum()) for k in range(members)]
    n = len(which)
    steps = torch.randint(1, STEPS + 1, (n,), generator=generator)
    finished = Finished({"observation": draw(n, STEPS + 1, 6)}, draw(n, STEPS, 2), draw(n), steps)
    inputs, after = ({"observation": draw(count, 6)} for _ in range(2))
    ended = torch.zeros(count, dtype=torch.bool)
    ended[which] = True
    return Sweep(
        inputs, draw(count, 2), draw(count), ended, after, finished, draw(n) > 0.5, counts
    )


def of_member(whole: Sweep, k: int, trials: int) -> Sweep:
    """Return the part of a member."""
    rows = slice(k * trials, (k + 1) * trials)
    first = sum(whole.counts[:k])
    own = slice(first, first + whole.counts[k])
    done = whole.finished
    return Sweep(
        {name: x[rows] for name, x in whole.inputs.items()},
        whole.action[rows],
        whole.reward[rows],
        whole.terminal[rows],
        {name: x[rows] for name, x in whole.next_inputs.items()},
        Finished({name: x[own] for name, x in done.inputs.items()}, *(x[own] for x in done[1:])),
        whole.rewarded[own],
        [whole.counts[k]],
    )


@pytest.mark.parametrize("kind", [TrialReplay, StepReplay])
@pytest.mark.parametrize(
    "trials", [3, 8]
)  # eight and their images are more than there is room for
def test_a_step_of_all_is_stored_as_that_of_each(kind: type[AbstractReplay], trials: int):
    generator, mirror = torch.Generator().manual_seed(0), [True, False, True, False]
    parts, alone = replays(kind, 4), replays(kind, 4)
    joined = join_replays(parts)
    left = [0, 1, 3]  # one has ended
    for _ in range(6):
        whole = sweep(len(left), trials, generator)
        joined.add_sweep_of_all([parts[k] for k in left], whole, [mirror[k] for k in left])
        for n, k in enumerate(left):
            alone[k].add_sweep(of_member(whole, n, trials), mirror[k])
    rngs = [np.random.default_rng(0) for _ in range(2)]
    for k in left:
        first, second = parts[k].state_dict(), alone[k].state_dict()
        assert first["cursor"] == second["cursor"]
        assert len(parts[k]) == len(alone[k]) > 0
        for name, x in first["items"].items():
            assert torch.equal(x, second["items"][name])
        for _ in range(5):
            found, expected = (r.draw(g) for r, g in zip((parts[k], alone[k]), rngs, strict=True))
            assert np.array_equal(found, expected)
    assert not len(parts[2])
    assert not any(x[2 * CAPACITY : 3 * CAPACITY].any() for x in joined.buffers.values())


def test_members_find_their_trials_and_draw_their_noise():
    generator = torch.Generator().manual_seed(1)
    parts = replays(TrialReplay, 3)
    whole = join_replays(parts)
    for _ in range(4):
        whole.add_sweep_of_all(parts, sweep(3, 3, generator), [True] * 3)
    rngs = [np.random.default_rng(k) for k in range(3)]
    drawn = [[parts[k].draw(rngs[k]) for _ in range(n)] for k, n in enumerate((2, 0, 3))]
    batches = Batches(drawn, parts, whole, bucket=2)
    assert batches.counts.tolist() == [2, 0, 3]
    # not beyond what is held, of which no bucket may be a multiple
    held = whole.buffers["action"].shape[1]
    wide = Batches(drawn, parts, whole, bucket=held + 1)
    assert (wide.longest == held).all()
    where, real = (torch.from_numpy(x[0]) for x in (wide.slots, wide.real))
    segment = whole.gather(where, int(wide.longest[0]), real)
    assert segment.action.shape == (*segment.mask.shape[:2], 2)
    learners, lone = ([learner(k) for k in range(3)] for _ in range(2))
    noise = batches.noise(learners, CPU)
    for j, longest in enumerate(batches.longest.tolist()):
        assert longest % 2 == 0 or longest == held
        where, real = (torch.from_numpy(x[j]) for x in (batches.slots, batches.real))
        segment = whole.gather(where, longest, real)
        assert segment.mask is not None
        for k, own in enumerate(drawn):
            rows = slice(k * SIZE, (k + 1) * SIZE)
            if j >= len(own):
                assert not segment.mask[:, rows].any()
                assert not noise[j, :, rows].any()
                continue
            count, steps = len(own[j]), int(parts[k].lengths_of(own[j]).max())
            assert torch.equal(real[rows], torch.arange(SIZE) < count)
            mine = parts[k].gather(torch.from_numpy(own[j]), steps)
            found = segment.action[:steps, rows][:, :count]
            assert torch.equal(found, mine.action)
            assert not segment.mask[steps:, rows].any()
            assert segment.mask[:, rows].sum(0).amax() == steps
            expected = lone[k].noise([(steps, count)]).view(steps, count, 2)
            assert torch.equal(noise[j, :steps, rows][:, :count], expected)
            assert not noise[j, steps:, rows].any()
            assert not noise[j, :, rows][:, count:].any()
