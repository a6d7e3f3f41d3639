"""Parts of task and training as users write them; docs/extending.md shows the same."""

from dataclasses import dataclass

import torch

from modnav.acting import AbstractExploration
from modnav.evaluation import AbstractTrialMetric
from modnav.learning import TD3Losses
from modnav.networks import RecurrentBelief
from modnav.task import AbstractMotion, AbstractReward, ObservationStream


@dataclass(frozen=True)
class Hurried(AbstractReward):
    """Near the target, and soon."""

    width: float = 0.2
    per_step: float = 0.02

    def at_stop(self, distance, world, trials):
        return torch.exp(-((distance / self.width) ** 2)) * (1 - self.per_step * world.step)


@dataclass(frozen=True)
class Drifting(AbstractMotion):
    """To the right at a constant speed."""

    speed_cm_s: float = 20.0

    def position(self, trials, time):
        way = self.speed_cm_s / 400 * time
        return trials.target + torch.stack((way, torch.zeros_like(way)), dim=-1)


class Slow(AbstractExploration):
    """Noise that lasts: an autoregressive process of order 1 with the same spread."""

    def __init__(self, memory: float = 0.8) -> None:
        self.memory = memory

    def noise(self, draws, std, former):
        return self.memory * former + (1 - self.memory**2) ** 0.5 * std * draws


class AngularAction(AbstractTrialMetric):
    """Mean size of the angular action."""

    name = "angular_action"

    def measure(self, conditions, trials):
        turn = torch.where(trials.mask, trials.action[..., 1].abs(), 0.0)
        return turn.sum(dim=0) / trials.steps


class Huber(TD3Losses):
    """Huber loss of the critics, and the mean of both in the target."""

    stacked = True

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def critic(self, critic, segment, target):
        inputs = {name: x[:-1] for name, x in segment.inputs.items()}
        values = critic(inputs, segment.action)
        error = torch.nn.functional.huber_loss(
            values, target.expand_as(values), reduction="none", delta=self.delta
        )
        return segment.mean(error.sum(dim=0))


class Delayed(ObservationStream):
    """Self-motion is sensed two steps late: o_v and o_w of then, all else of now."""

    delay = 2

    def start(self, trials, sensation):
        inputs, _ = super().start(trials, sensation)
        return inputs, (inputs.new_zeros(len(inputs), self.delay, 2),)

    def step(self, trials, sensation, state, task):
        inputs, _ = super().step(trials, sensation, None, task)
        (late,) = state
        late = torch.cat((late, inputs[:, None, :2]), dim=1)
        return torch.cat((late[:, 0], inputs[:, 2:]), dim=1), (late[:, 1:],)


class DelayedBelief(RecurrentBelief):
    """A learned belief from what is sensed late."""

    source = "own_parts.Delayed"
