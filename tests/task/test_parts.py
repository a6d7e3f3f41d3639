"""Rewards and motions of a user's own."""

import json
from dataclasses import dataclass, field, replace
from typing import Optional, Tuple  # noqa: UP035 - as older code has it

import numpy as np
import pytest
import torch
from own_parts import Drifting, Hurried

from modnav import train
from modnav.networks import build_agent
from modnav.recording import simulate
from modnav.task import (
    AbstractMotion,
    AbstractReward,
    TaskParameters,
    advance,
    begin,
    check_parts,
    rebuild_part,
    sample_trials,
    target_at,
)


@dataclass(frozen=True)
class Ringed(AbstractReward):
    """A reward in a ring."""

    ring: tuple[float, float] = (0.0, 0.2)
    others: tuple[tuple[float, float], ...] = ((0.3, 0.4),)
    plain: tuple = (1.0,)
    perhaps: Optional[Tuple[float]] = (2.0,)  # noqa: UP006, UP045 - as older code has it
    some: list[float] = field(default_factory=lambda: [3.0])

    def at_stop(self, distance, world, trials):
        """Return 1 between both radii."""
        return ((distance > self.ring[0]) & (distance < self.ring[1])).float()


def steps_of(task: TaskParameters, count: int, generator):
    """Drive on, then stop, and return the trials and what each step brought."""
    trials = sample_trials(task, 8, generator)
    world, _ = begin(trials)
    went = []
    for t in range(count):
        action = torch.full((8, 2), 0.0 if t == count - 1 else 0.5)
        noise = torch.zeros(8, 2)
        before = world
        world, sensation, outcome = advance(task, trials, world, action, action, noise, noise)
        went.append((before, sensation, outcome))
    return trials, went


def test_a_stop_is_worth_what_the_reward_says(generator):
    task = TaskParameters(reward=Hurried(width=0.5, per_step=0.1), reward_scale=3.0)
    _, went = steps_of(task, 4, generator)
    before, _, outcome = went[-1]
    assert outcome.terminated.all()
    wanted = 3 * torch.exp(-((outcome.distance / 0.5) ** 2)) * (1 - 0.1 * before.step)
    torch.testing.assert_close(outcome.reward, wanted)
    assert before.step.eq(3).all()
    assert all(not outcome.reward.any() for _, _, outcome in went[:-1])


def test_a_target_that_moves_is_seen_and_reached_where_it_is(generator):
    task = TaskParameters(motion=Drifting(speed_cm_s=100.0), visible_steps=3)
    trials, went = steps_of(task, 6, generator)
    for t, (before, sensation, outcome) in enumerate(went):
        here = trials.target + torch.tensor([0.25 * 0.1 * t, 0.0])
        torch.testing.assert_close(outcome.distance, (before.state[:, :2] - here).norm(dim=-1))
        shown = trials.target + torch.tensor([0.25 * 0.1 * (t + 1), 0.0])
        torch.testing.assert_close(sensation.target, shown if t < 2 else torch.zeros(8, 2))
    assert target_at(TaskParameters(), trials, before.step) is trials.target


def test_agents_that_read_a_filter_have_targets_at_rest():
    moving = TaskParameters(motion=Drifting())
    with pytest.raises(ValueError, match=r"data.task.motion is set, but the agent reads a Kalman"):
        simulate(build_agent("ekf"), task=moving, trials=2)
    assert len(simulate(build_agent("modular"), task=moving, trials=2).trials) == 2


def test_parts_are_described_and_made_anew_but_not_imported():
    task = TaskParameters(reward=Hurried(width=0.3), motion=Drifting())
    plain = task.plain()
    assert plain["reward"]["init_args"] == {"width": 0.3, "per_step": 0.02}
    assert rebuild_part(plain["reward"], AbstractReward) == task.reward
    assert replace(task, motion=Drifting(5.0)) != task
    ringed = replace(task, reward=Ringed((0.1, 0.3)))
    read = json.loads(json.dumps(ringed.plain()["reward"]))  # a file has lists
    assert rebuild_part(read, AbstractReward) == ringed.reward
    assert ringed in {ringed}  # caches are by task, whatever its parts hold
    assert "motion" not in TaskParameters().plain()
    with pytest.raises(ValueError, match=r"names os.system, which is no AbstractReward"):
        rebuild_part({"class_path": "os.system"}, AbstractReward)
    with pytest.raises(ValueError, match=r"import not_there first"):
        rebuild_part({"class_path": "not_there.Reward"}, AbstractReward)


def test_constants_from_arrays_are_those_of_python():
    counted = TaskParameters(gain=np.arange(1, 3)[1], process_noise=np.float32(0.5))
    assert counted == TaskParameters(gain=2, process_noise=0.5)
    assert {type(counted.gain), type(counted.process_noise)} == {int, float}
    for gain in ([1, 2], np.array([1, 2]), (np.int64(1), np.int64(2))):
        assert hash(TaskParameters(gain=gain)) == hash(TaskParameters(gain=(1, 2)))
        assert TaskParameters(gain=gain) == TaskParameters(gain=(1, 2))


@dataclass(frozen=True)
class Fine(Hurried):
    width: float = 1.0


def test_parts_whose_constants_nobody_could_tell_are_refused():
    class Plain(Hurried):
        pass

    with pytest.raises(ValueError, match=r"task.reward is Plain; .* frozen dataclass"):
        TaskParameters(reward=Plain())
    with pytest.raises(ValueError, match=r"task.reward is much; it must be one of mixed, gauss"):
        TaskParameters(reward="much")
    assert TaskParameters(reward=Fine()).plain()["reward"]["init_args"]["width"] == 1.0


@dataclass(frozen=True)
class Faulty(AbstractReward):
    """A reward of a wrong kind."""

    kind: str = "short"

    def at_stop(self, distance, world, trials):
        nothing = torch.full_like(distance, float("nan"))
        return {"short": distance[:1], "column": distance[:, None], "nan": nothing}.get(
            self.kind, 0.5
        )


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("short", r"data.task.reward gave \[1\]; it must be \[8\]"),
        ("column", r"data.task.reward gave \[8, 1\]; it must be \[8\]"),
        ("number", r"data.task.reward gave float; it must be \[8\]"),
        ("nan", "data.task.reward gave numbers that are not finite"),
    ],
)
def test_a_reward_of_a_wrong_kind_is_named(kind, told, generator):
    with pytest.raises(ValueError, match=told):
        steps_of(TaskParameters(reward=Faulty(kind)), 2, generator)


@dataclass(frozen=True)
class Rude(AbstractReward):
    """A reward that changes what it is given, in another precision."""

    def at_stop(self, distance, world, trials):
        return distance.mul_(0).double() + 1


def test_a_reward_may_change_its_copy_and_be_of_another_precision(generator):
    _, went = steps_of(TaskParameters(reward=Rude(), reward_scale=2.0), 2, generator)
    assert went[-1][2].reward.eq(2).all()
    assert went[-1][2].reward.dtype == torch.float32
    assert went[-1][2].distance.gt(0).any()


def test_a_class_within_another_is_refused():
    @dataclass(frozen=True)
    class Hidden(Rude):
        pass

    with pytest.raises(ValueError, match="a class at the top of its module"):
        TaskParameters(reward=Hidden())


@dataclass(frozen=True)
class Astray(AbstractMotion):
    """A motion that breaks a rule."""

    kind: str = "none"

    def position(self, trials, time):
        here = trials.target
        return {
            "double": here.double(),
            "elsewhere": here + 1,
            "mixed": here - here.mean(dim=0) + here[:1] * time.sum(),
            "nan": torch.where(time[:, None] > 0.15, torch.nan, here),
            "short": here[:1],
            "chance": here + time[:, None] * torch.randn_like(here),
            "changed": here.add_(0.1) if self.kind == "changed" else here,
        }.get(self.kind)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("none", r"motion gave NoneType; it must be \[4, 2\]"),
        ("short", r"motion gave \[1, 2\]; it must be \[4, 2\]"),
        ("nan", "motion gave numbers that are not finite"),
        ("elsewhere", "motion must give trials.target at time 0"),
        ("mixed", "motion gives something else to trials alone"),
        ("changed", "motion changes what it is given"),
        ("chance", "motion gives something else each time"),
    ],
)
def test_a_motion_that_breaks_a_rule_is_refused(kind, told):
    with pytest.raises(ValueError, match=f"data.task.{told}"):
        check_parts(TaskParameters(motion=Astray(kind)))
    check_parts(TaskParameters(motion=Astray("double"), reward=Hurried()))


@dataclass(frozen=True)
class Circling(AbstractMotion):
    """A motion around the origin, at the target at time 0 up to rounding."""

    def position(self, trials, time):
        x, y = trials.target.unbind(-1)
        angle = torch.atan2(y, x) + time
        return torch.hypot(x, y)[:, None] * torch.stack((angle.cos(), angle.sin()), dim=-1)


@dataclass(frozen=True)
class Lucky(AbstractReward):
    """A reward that is given now and then."""

    def at_stop(self, distance, world, trials):
        return (torch.rand(len(distance)) < 0.5).float()


def test_parts_may_round_and_draw_numbers():
    before = torch.get_rng_state()
    assert check_parts(TaskParameters(motion=Circling(), reward=Lucky()))
    assert not check_parts(TaskParameters(motion=Circling(), reward=Hurried()))
    assert torch.equal(torch.get_rng_state(), before)


@dataclass(frozen=True)
class Ranked(AbstractReward):
    """A reward that is no trial's own."""

    def at_stop(self, distance, world, trials):
        return distance / distance.max()


def test_a_reward_that_breaks_a_rule_is_refused_before_a_training(small):
    with pytest.raises(ValueError, match=r"data.task.reward gives something else to trials alone"):
        train(small, overrides={"data.task.reward": Ranked})
