"""What experience goes on from."""

import pickle
import random

import pytest
import torch

from modnav.learning import TD3, Counters, Experience, TrialReplay, take_up
from modnav.networks import build_agent


def test_a_generators_state_is_taken_up_unless_it_is_of_another_device():
    generator, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    state = other.get_state()
    before = generator.get_state()
    of_gpu = torch.zeros(16, dtype=torch.uint8)  # seed and offset
    assert not take_up(generator, of_gpu)
    assert torch.equal(generator.get_state(), before)
    assert take_up(generator, state)
    assert torch.equal(torch.rand(3, generator=generator), torch.rand(3, generator=other))
    with pytest.raises(RuntimeError):
        take_up(generator, state[:100])


def test_it_is_known_beforehand_whether_a_block_or_an_epoch_ends_with_a_step():
    """Threads of members sleep until then."""
    draw = random.Random(0)
    for first in (0, 1):  # phase II begins with trial 1
        counters, found = Counters(trials=first), set()
        for _ in range(300):
            more = draw.choice([0, 0, 1, 3, 16])
            known = counters.has_block(more, 10, 40)
            counters.trials += more
            counters.recent += [[1, 5]] * more
            blocks = 0
            while counters.next_block(10, 40, 0.1):
                blocks += 1
            ended = counters.trials - counters.closed >= 40
            counters.closed += 40 * ended
            assert known == (blocks > 0 or ended)
            found.add((blocks, ended))
        assert {(0, False), (1, False), (1, True)} <= found


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"task": "gain"}, TypeError, "data.task is of kind str; it must be modnav.task.TaskPara"),
        ({"task": {"gain": 2.0}}, TypeError, "data.task is of kind dict"),
        (
            {"replay": TrialReplay},
            TypeError,
            "data.replay is of kind ABCMeta; it must be a memory",
        ),
        ({"validation": 5}, TypeError, "data.validation is of kind int"),
        (
            {"warmup": 5},
            TypeError,
            "data.warmup is of kind int; it must be a modnav.acting.Warmup or",
        ),
        ({"exploration": "pink"}, TypeError, "data.exploration is of kind str; it must be"),
        ({"learning_starts": "a"}, ValueError, "data.learning_starts is 'a'; it must be a whole"),
        ({"parallel_trials": 2.5}, ValueError, "data.parallel_trials is 2.5; it must be a whole"),
        ({"seed": "a"}, ValueError, "data.seed is 'a'; it must be a whole number"),
    ],
)
def test_what_is_of_another_kind_is_told(given, error, told):
    with pytest.raises(error, match=told):
        Experience(**given)


def test_a_critic_is_one_of_the_two():
    agent = build_agent("EKF")
    for parts, told in (
        ((agent.actor, agent.critic), "model.critic is of kind TwinCritic; .*agent.critic.first"),
        (
            (agent.critic.first, agent.actor),
            "model.actor is of kind Critic; .* such as agent.actor",
        ),
    ):
        with pytest.raises(TypeError, match=told):
            TD3(*parts)


def test_to_print_it_takes_no_batch():
    experience = Experience()
    experience.train_dataloader = pytest.fail
    assert "Experience" in f"{experience}"


def test_parts_can_be_pickled_for_other_processes():
    agent = build_agent("EKF")
    learner = TD3(agent.actor, agent.critic.first)
    other, experience = pickle.loads(pickle.dumps((learner, Experience())))
    for key, weight in learner.state_dict().items():
        assert torch.equal(weight, other.state_dict()[key])
    assert other.update_with.__self__ is other
    assert experience.act.__self__ is experience
    for mine, its in zip(
        learner.configure_optimizers(), other.configure_optimizers(), strict=True
    ):
        assert mine.defaults == its.defaults
