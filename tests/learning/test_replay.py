import copy
import io
import math

import numpy as np
import pytest
import torch

from modnav.acting import Finished, Sweep
from modnav.learning import StepReplay, TrialReplay
from modnav.task import STREAMS, mirror_action

CPU = torch.device("cpu")
MAX_STEPS = 6
SOURCES = {"observation", "kalman"}


def finished(lengths, first=0, sources=SOURCES):
    """Return trials that tell which they are: the number ``first + k`` is in all they hold."""
    count = len(lengths)
    marks = torch.arange(first, first + count, dtype=torch.float32)
    step = torch.arange(MAX_STEPS + 1) / 100

    def fill(steps, features):
        x = marks[:, None] + step[:steps]
        return x[..., None].expand(-1, -1, features).clone()

    return Finished(
        {name: fill(MAX_STEPS + 1, STREAMS[name].features) for name in sorted(sources)},
        fill(MAX_STEPS, 2),
        marks + 0.5,
        torch.tensor(lengths),
    )


def trial_replay(capacity=30, batch_size=4, padded=False, sources=SOURCES):
    replay = TrialReplay(capacity, batch_size, padded)
    replay.allocate(sources, MAX_STEPS, CPU)
    return replay


def step_replay(capacity=30, batch_size=4, sources=SOURCES):
    replay = StepReplay(capacity, batch_size)
    replay.allocate(sources, MAX_STEPS, CPU)
    return replay


def marks(segment):
    """Return the numbers of the trials in a batch."""
    return segment.inputs["observation"][0, :, 0].floor().long().tolist()


def some_lengths(count, seed=0):
    return np.random.default_rng(seed).integers(1, MAX_STEPS + 1, count).tolist()


def sweeps(trials):
    """Yield the steps of trials that run one after the other, as a collector would."""
    for k, steps in enumerate(trials.steps.tolist()):
        for t in range(steps):
            last = t == steps - 1
            which = slice(k, k + 1) if last else slice(0, 0)
            yield Sweep(
                {name: x[k, t][None] for name, x in trials.inputs.items()},
                trials.action[k, t][None],
                trials.reward[k][None] * last,
                torch.tensor([last]),
                {name: x[k, t + 1][None] for name, x in trials.inputs.items()},
                Finished(
                    {name: x[which] for name, x in trials.inputs.items()},
                    *(x[which] for x in trials[1:]),
                ),
                torch.tensor([False] * last),
                [int(last)],
            )


def same(first, second):
    if first.mask is not None:
        assert torch.equal(first.mask, second.mask)
    assert first.inputs.keys() == second.inputs.keys()
    tensors = [*first.inputs.values(), *first[1:4]], [*second.inputs.values(), *second[1:4]]
    return all(map(torch.equal, *tensors))


@pytest.mark.parametrize("padded", [False, True])
def test_a_batch_holds_what_was_stored(padded):
    lengths = some_lengths(25)
    replay = trial_replay(padded=padded)
    stored = finished(lengths)
    replay.add_trials(stored, mirror=False)
    rng = np.random.default_rng(0)
    for _ in range(50):
        segment = replay.sample(rng)
        which = marks(segment)
        longest = max(lengths[k] for k in which)
        assert segment.action.shape == (longest, len(which), 2)
        for column, k in enumerate(which):
            steps = lengths[k]
            for name, x in segment.inputs.items():
                assert len(x) == longest + 1
                assert torch.equal(x[: steps + 1, column], stored.inputs[name][k, : steps + 1])
            assert torch.equal(segment.action[:steps, column], stored.action[k, :steps])
            expected = torch.zeros(longest, 1)
            expected[steps - 1] = 1
            assert torch.equal(segment.terminal[:, column], expected)
            assert torch.equal(segment.reward[:, column], (k + 0.5) * expected)
            if padded:
                real = (torch.arange(longest) < steps).float()[:, None]
                assert torch.equal(segment.mask[:, column], real)
        assert (segment.mask is None) != padded


def test_batches_are_of_one_length_and_hold_no_trial_twice():
    lengths = some_lengths(30)
    replay = trial_replay()
    replay.add_trials(finished(lengths), mirror=False)
    rng = np.random.default_rng(0)
    sizes = set()
    for _ in range(200):
        which = marks(replay.sample(rng))
        assert len({lengths[k] for k in which}) == 1
        assert len(set(which)) == len(which) <= 4
        sizes.add(len(which))
    assert len(sizes) > 1


def test_padded_batches_are_full_and_mix_lengths():
    lengths = some_lengths(30)
    replay = trial_replay(padded=True)
    replay.add_trials(finished(lengths), mirror=False)
    rng = np.random.default_rng(0)
    batches = [marks(replay.sample(rng)) for _ in range(400)]
    assert all(len(set(which)) == 4 for which in batches)
    assert any(len({lengths[k] for k in which}) > 1 for which in batches)
    counts = np.bincount(np.concatenate(batches), minlength=30)
    assert abs(counts - 400 * 4 / 30).max() < 5 * np.sqrt(400 * 4 / 30)


@pytest.mark.parametrize("padded", [False, True])
def test_the_oldest_trials_are_overwritten(padded):
    capacity, total = 20, 53
    lengths = some_lengths(total)
    replay = trial_replay(capacity, 3, padded)
    rng, added = np.random.default_rng(0), 0
    while added < total:
        count = min(int(rng.integers(1, 8)), total - added)
        replay.add_trials(finished(lengths[added : added + count], added), mirror=False)
        added += count
        assert len(replay) == min(added, capacity)
        held = set(range(max(0, added - capacity), added))
        seen = set()
        for _ in range(60):
            which = marks(replay.sample(rng))
            seen |= set(which)
            assert padded or len({lengths[k] for k in which}) == 1
        assert seen <= held
    for _ in range(600):
        seen |= set(marks(replay.sample(rng)))
    assert seen == held


def test_more_trials_at_once_than_the_capacity_leave_the_latest():
    replay = trial_replay(8, 2)
    replay.add_trials(finished(some_lengths(21)), mirror=False)
    rng = np.random.default_rng(0)
    seen = {k for _ in range(300) for k in marks(replay.sample(rng))}
    assert seen == set(range(13, 21))


def published_sample(lengths, capacity, batch_size, rng):
    """The procedure as published, literally: which of the stored trials make up a batch."""
    subset = np.arange(len(lengths))
    if len(lengths) > capacity // 10:
        subset = rng.choice(len(lengths), size=capacity // 10, replace=False)
    length = lengths[rng.choice(subset)]
    alike = [k for k in subset if lengths[k] == length]
    return rng.choice(alike, size=min(batch_size, len(alike)), replace=False)


def published_probabilities(lengths, capacity, batch_size):
    """Probability of each (length, batch size), summed over what the random tenth may hold."""
    stored = len(lengths)
    subset = min(stored, capacity // 10)
    found = np.zeros((MAX_STEPS + 1, batch_size + 1))
    for length in np.unique(lengths):
        alike = int((lengths == length).sum())
        for k in range(1, min(alike, subset) + 1):
            ways = math.comb(alike, k) * math.comb(stored - alike, subset - k)
            found[length, min(k, batch_size)] += ways / math.comb(stored, subset) * k / subset
    return found


def unlikely(observed, expected):
    """Return Pearson's statistic as a standard normal deviate (Wilson and Hilferty, 1931)."""
    rare = expected < 10
    pooled = [np.append(x[~rare], x[rare].sum()) for x in (observed, expected)]
    observed, expected = (x[pooled[1] > 0] for x in pooled)
    freedom = len(observed) - 1
    statistic = ((observed - expected) ** 2 / expected).sum()
    spread = 2 / (9 * freedom)
    return ((statistic / freedom) ** (1 / 3) - (1 - spread)) / np.sqrt(spread)


@pytest.mark.parametrize(
    ("capacity", "stored", "weights"),
    [
        (60, 60, (1, 2, 3, 4, 5, 6)),
        (60, 41, (6, 1, 1, 0, 0, 12)),
        (200, 150, (1, 0, 0, 0, 8, 8)),
        (100, 9, (1, 1, 1, 1, 1, 1)),
        (30, 30, (1, 1, 1, 1, 1, 1)),
    ],
    ids=["full", "partly", "frequent", "fewer-than-a-tenth", "tiny-tenth"],
)
def test_sampling_has_the_published_distribution(capacity, stored, weights):
    """Both ways are compared with the exact probabilities of lengths, batch sizes and trials."""
    batch_size, draws = 4, 6000
    spread = np.array(weights) / sum(weights)
    lengths = np.random.default_rng(7).choice(np.arange(1, 7), size=stored, p=spread)
    replay = trial_replay(capacity, batch_size, sources={"observation"})
    replay.add_trials(finished(lengths.tolist(), sources={"observation"}), mirror=False)
    exact = published_probabilities(lengths, capacity, batch_size)
    assert exact.sum() == pytest.approx(1)
    drawn = exact @ np.arange(batch_size + 1) / np.maximum(1, np.bincount(lengths, minlength=7))
    chance = drawn[lengths]  # that a batch holds a given trial
    samplers = {
        "modnav": lambda rng: np.array(marks(replay.sample(rng))),
        "literal": lambda rng: published_sample(lengths, capacity, batch_size, rng),
    }
    for name, sample in samplers.items():
        rng = np.random.default_rng(1)
        kinds, trials = np.zeros_like(exact), np.zeros(stored)
        for _ in range(draws):
            which = sample(rng)
            kinds[lengths[which[0]], len(which)] += 1
            trials[which] += 1
        assert not kinds[exact == 0].any(), name
        assert unlikely(kinds.flatten(), draws * exact.flatten()) < 3.7, name
        deviate = (trials - draws * chance) / np.sqrt(draws * chance * (1 - chance) + 1e-9)
        assert abs(deviate).max() < 4.5, name


@pytest.mark.parametrize("make", [trial_replay, step_replay])
def test_mirror_images_are_stored_right_after_the_original(make):
    replay = make(capacity=60)
    trials = finished([3, 1, 5])
    replay.add_trials(trials, mirror=True)
    items = replay.state_dict()["items"]
    plain = make(capacity=60)
    plain.add_trials(trials, mirror=False)
    originals = plain.state_dict()["items"]
    assert len(replay) == 2 * len(plain)
    for name, x in items.items():
        image = originals[name]
        if name in STREAMS:
            image = STREAMS[name]().mirror(image)
        elif name == "action":
            image = mirror_action(image)
        assert torch.equal(x[::2], originals[name]), name
        assert torch.equal(x[1::2], image), name
        if name in (*STREAMS, "action"):
            assert not torch.equal(image, originals[name])


def test_mirror_images_are_published_trials_of_their_own():
    """A mirrored trial keeps its length, reward and end, and can be drawn."""
    replay = trial_replay(20, 2)
    replay.add_trials(finished([3]), mirror=True)
    segment = replay.sample(np.random.default_rng(0))
    assert segment.action.shape == (3, 2, 2)
    left, right = segment.action.unbind(1)
    assert torch.equal(left, mirror_action(right))
    assert segment.reward[-1].tolist() == [[0.5], [0.5]]


def build(kind):
    if kind == "steps":
        return step_replay(40, 5)
    return trial_replay(20, 4, padded=kind == "padded")


@pytest.mark.parametrize("kind", ["trials", "padded", "steps"])
@pytest.mark.parametrize("count", [7, 33])
def test_a_restored_replay_gives_identical_samples(kind, count):
    replay = build(kind)
    replay.add_trials(finished(some_lengths(count)), mirror=False)
    file = io.BytesIO()
    torch.save(replay.state_dict(), file)
    file.seek(0)
    restored = build(kind)
    restored.add_trials(finished(some_lengths(11, seed=3), first=900), mirror=False)
    restored.load_state_dict(torch.load(file, weights_only=True))
    assert len(restored) == len(replay)
    first, second = (np.random.default_rng(4) for _ in range(2))
    for k in range(30):
        assert same(replay.sample(first), restored.sample(second))
        for memory in (replay, restored):
            memory.add_trials(finished(some_lengths(2, seed=k), first=100 + 2 * k), k % 2 == 0)


@pytest.mark.parametrize("kind", ["trials", "padded", "steps"])
def test_a_saved_state_does_not_change_later(kind):
    replay = build(kind)
    replay.add_trials(finished(some_lengths(9)), mirror=False)
    state = replay.state_dict()
    kept = copy.deepcopy(state)
    replay.add_trials(finished(some_lengths(30, seed=5), first=50), mirror=False)
    assert all(torch.equal(x, kept["items"][name]) for name, x in state["items"].items())
    assert state["cursor"] == kept["cursor"]
    for name, x in state.get("index", {}).items():
        assert torch.equal(x, kept["index"][name])


@pytest.mark.parametrize("kind", ["trials", "steps"])
def test_a_state_of_another_replay_is_refused(kind):
    replay = build(kind)
    replay.add_trials(finished(some_lengths(9)), mirror=False)
    other = (trial_replay if kind == "trials" else step_replay)(21, 4)
    with pytest.raises(ValueError, match="with capacity"):
        other.load_state_dict(replay.state_dict())


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("capacity", [200, 25])
def test_steps_of_whole_trials_are_those_of_their_sweeps(mirror, capacity):
    trials = finished(some_lengths(9))
    at_once, by_step = step_replay(capacity), step_replay(capacity)
    for k in range(9):
        at_once.add_trials(
            Finished(
                {name: x[k : k + 1] for name, x in trials.inputs.items()},
                *(x[k : k + 1] for x in trials[1:]),
            ),
            mirror,
        )
    for sweep in sweeps(trials):
        by_step.add_sweep(sweep, mirror)
    first, second = at_once.state_dict(), by_step.state_dict()
    assert first["cursor"] == second["cursor"]
    assert len(at_once) == min(capacity, (1 + mirror) * int(trials.steps.sum()))
    assert all(torch.equal(x, second["items"][name]) for name, x in first["items"].items())
    assert first["items"]["terminal"].sum() > 0


def test_several_trials_at_once_are_stored_in_order():
    trials = finished(some_lengths(9))
    at_once, by_step = step_replay(200), step_replay(200)
    at_once.add_trials(trials, mirror=True)
    for sweep in sweeps(trials):
        by_step.add_sweep(sweep, mirror=True)
    first, second = at_once.state_dict()["items"], by_step.state_dict()["items"]
    assert all(torch.equal(x, second[name]) for name, x in first.items())


def test_steps_of_parallel_trials_are_stored_together():
    replay = step_replay(capacity=10)
    step = {name: torch.randn(3, STREAMS[name].features) for name in SOURCES}
    after = {name: x + 1 for name, x in step.items()}
    action, reward = torch.rand(3, 2), torch.tensor([0.0, 5.0, 0.0])
    terminal = torch.tensor([False, True, False])
    sweep = Sweep(step, action, reward, terminal, after, finished([1]), torch.ones(1), [1])
    replay.add_sweep(sweep, mirror=False)
    assert len(replay) == 3
    items = replay.state_dict()["items"]
    assert torch.equal(items["terminal"], terminal.float())
    assert torch.equal(items["reward"], reward)
    for name in SOURCES:
        assert torch.equal(items[name], torch.stack((step[name], after[name]), dim=1))


def test_steps_are_drawn_evenly_without_repetition():
    replay = step_replay(40, 5)
    lengths = [MAX_STEPS] * 9
    replay.add_trials(finished(lengths), mirror=False)  # 54 steps, so 14 are overwritten
    rng, seen = np.random.default_rng(0), {}
    for _ in range(1000):
        segment = replay.sample(rng)
        assert segment.action.shape == (1, 5, 2)
        assert segment.mask is None
        now, after = segment.inputs["observation"][..., 0]
        assert (after - now - 0.01).abs().max() < 1e-5
        assert torch.equal(segment.action[0, :, 0], now)
        keys = [round(x, 2) for x in now.tolist()]
        assert len(set(keys)) == 5
        for key in keys:
            seen[key] = seen.get(key, 0) + 1
    assert len(seen) == 40
    counts = np.array(list(seen.values()))
    assert abs(counts - 125).max() < 5 * np.sqrt(125)


@pytest.mark.parametrize("kind", ["trials", "padded", "steps"])
def test_a_cleared_replay_holds_what_came_after(kind):
    replay = build(kind)
    replay.add_trials(finished(some_lengths(30)), mirror=False)
    replay.clear()
    assert len(replay) == 0
    replay.add_trials(finished(some_lengths(6, seed=2), first=500), mirror=False)
    rng = np.random.default_rng(0)
    assert all(min(marks(replay.sample(rng))) >= 500 for _ in range(100))


def test_the_replay_of_a_sweep_holds_its_finished_trials():
    trials = finished([2, 4, 1])
    replay, expected = trial_replay(), trial_replay()
    for sweep in sweeps(trials):
        replay.add_sweep(sweep, mirror=True)
    expected.add_trials(trials, mirror=True)
    first, second = replay.state_dict()["items"], expected.state_dict()["items"]
    assert all(torch.equal(x, second[name]) for name, x in first.items())


@pytest.mark.parametrize("kind", [TrialReplay, StepReplay])
def test_sizes_that_cannot_be_are_refused(kind):
    with pytest.raises(ValueError, match=r"replay\.batch_size is 0; it must be 1 or more"):
        kind(10, 0)
    with pytest.raises(ValueError, match=r"replay\.batch_size is 11; it must be at most .* 10"):
        kind(10, 11)


def test_a_replay_larger_than_the_machine_is_refused():
    replay = TrialReplay(10**12, 16)
    with pytest.raises(ValueError, match=r"replay\.capacity is 1000000000000, which takes .* GiB"):
        replay.allocate({"observation"}, 35, CPU)


@pytest.mark.parametrize(
    ("replay", "capacity", "batch_size"),
    [(TrialReplay(), 10**5, 16), (StepReplay(), 1600000, 256)],
)
def test_default_sizes_are_the_published_ones(replay, capacity, batch_size):
    assert (replay.capacity, replay.batch_size) == (capacity, batch_size)


def test_more_steps_at_once_than_the_capacity_leave_the_latest():
    replay = step_replay(10, 2)
    replay.add_trials(finished([MAX_STEPS] * 5), mirror=False)
    items = replay.state_dict()["items"]
    held = sorted(round(x, 2) for x in items["action"][:, 0].tolist())
    wanted = [3.02, 3.03, 3.04, 3.05, *(4 + t / 100 for t in range(6))]
    assert held == pytest.approx(wanted)
