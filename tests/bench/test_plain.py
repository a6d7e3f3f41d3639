import pytest
import torch
from torch import nn

from modnav.acting import Segment
from modnav.bench import (
    InTraining,
    PlainUpdates,
    example_segment,
    make_learner,
    plain_agent,
    plain_evaluation,
)
from modnav.evaluation import fixed_gain_conditions, run
from modnav.learning import TD3
from modnav.networks import Linear
from modnav.task import TaskParameters


def parameters(agent: nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in agent.parameters()]


def few_in_double(segment: Segment, steps: int = 6) -> Segment:
    inputs = {name: x[: steps + 1].double() for name, x in segment.inputs.items()}
    return Segment(inputs, *(x[:steps].double() for x in segment[1:4]))


@pytest.mark.parametrize(("precision", "tolerance"), [("32-true", 0.02), ("64-true", 1e-8)])
@pytest.mark.parametrize("architecture", ["modular", "holistic", "Actor2Critic4", "ekf"])
def test_plain_updates_are_those_of_the_learner(
    architecture: str, precision: str, tolerance: float
):
    """In fp32 only nearly: Adam's first steps magnify the rounding of small gradients."""
    learner = make_learner(architecture, InTraining)
    segment = example_segment(learner)
    segment = few_in_double(segment) if precision == "64-true" else segment
    start = parameters(learner.agent) + parameters(learner.target)
    made = []

    def job() -> None:
        made.append(PlainUpdates(learner))
        for _ in range(5):
            learner.update(segment)
            made[0].update(segment)

    learner.train_with(precision, job)
    (plain,) = made
    assert {name: len(x) for name, x in plain.losses.items()} == {"critic": 5, "actor": 3}
    for name, losses in plain.losses.items():
        torch.testing.assert_close(
            learner.losses[name], losses, rtol=tolerance, atol=tolerance / 1e4
        )
    ours = parameters(learner.agent) + parameters(learner.target)
    theirs = parameters(plain.agent) + parameters(plain.target)
    for x, y, before in zip(ours, theirs, start, strict=True):
        moved = (y - before).norm()
        assert moved > 0
        rounding = torch.finfo(y.dtype).eps * y.norm()
        assert (x - y).norm() < tolerance * moved + rounding


def test_a_plain_agent_has_weights_and_products_of_its_own():
    agent = make_learner("modular", InTraining).agent
    plain = plain_agent(agent)
    assert not any(isinstance(module, Linear) for module in plain.modules())
    assert sum(isinstance(module, Linear) for module in agent.modules()) == 9
    assert list(plain.state_dict()) == list(agent.state_dict())
    for x, y in zip(plain.parameters(), agent.parameters(), strict=True):
        assert torch.equal(x, y)
        assert x.data_ptr() != y.data_ptr()


def test_the_plain_evaluation_runs_the_same_trials():
    agent = make_learner("ekf", TD3).agent
    conditions = fixed_gain_conditions(TaskParameters(), (1.0,), 4)
    together = run(agent, conditions).rewarded.tolist()
    assert plain_evaluation(plain_agent(agent), conditions, 4) == together
