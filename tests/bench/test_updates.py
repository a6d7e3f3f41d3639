import torch

from modnav.bench import InTraining, make_learner, update_flops
from modnav.learning import TD3


def test_operations_of_an_update_by_hand():
    """One step of one trial: two operations for each weight, three passes where it learns."""
    learner = make_learner("ekf", TD3)
    actor, critic = 13 * 300 + 300 * 300 + 300 * 2, 15 * 300 + 300 * 300 + 300
    target = 2 * (actor + 2 * critic)
    actors = (3 * actor + 2 * critic) / 2
    assert update_flops(learner, 1, 1) == 2 * (target + 6 * critic + actors)
    assert update_flops(learner, 1, 8) == 8 * update_flops(learner, 1, 1)


def test_updates_are_timed_in_the_precision_asked_for():
    learner = make_learner("modular", InTraining)
    found = []

    def job() -> None:
        found.append(torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else 0)

    learner.train_with("bf16-mixed", job)
    make_learner("modular", InTraining).train_with("32-true", job)
    assert found == [torch.bfloat16, 0]
