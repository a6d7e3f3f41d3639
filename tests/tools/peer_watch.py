"""The clock and the evaluation that all peers of ``peers.py`` share."""

import os
import time
from collections.abc import Callable
from typing import Any

from modnav.acting import Policy, rollout
from modnav.evaluation import GAINS, fixed_gain_conditions
from modnav.evaluation.metrics import RewardFraction, RewardRate
from modnav.task import TaskParameters

TASK = TaskParameters()


class Over(Exception):
    """The time of a peer is over."""


def evaluate(policy: Policy, count: int) -> dict[str, float]:
    """Return rewarded fraction and rewarded trials per second at each gain.

    The trials are those of modnav's selection: the same targets and noise at each time, for all.
    """
    conditions = fixed_gain_conditions(TASK, GAINS, count)
    trials = rollout(
        policy, ("observation",), conditions.trials, conditions.noise, TASK, drop_ended=True
    )
    found = {}
    for k, gain in enumerate(GAINS):
        chosen = conditions.group == k
        for name, metric in (("rewarded", RewardFraction()), ("rate", RewardRate(TASK.dt))):
            metric.update(trials.rewarded[chosen], trials.steps[chosen])
            found[f"{name}_{gain:g}x"] = round(float(metric.compute()), 4)
    return found


class Watch:
    """What ends a training, and evaluates it on the way; neither counts as its time.

    Args:
        name: What to call it.
        seconds: Processor seconds of training.
        every: Processor seconds between evaluations.
        count: Test trials at each gain.
        write: Takes each row of results.

    Attributes:
        trials: Trials so far, counted by who trains.
        rewarded: Those of them that were rewarded, exploration and all; None if nobody counts them.
    """

    def __init__(
        self,
        name: str,
        seconds: float,
        every: float,
        count: int,
        write: Callable[[dict[str, Any]], None],
    ) -> None:
        self.name, self.seconds, self.every, self.count = name, seconds, every, count
        self.write, self.trials = write, 0
        self.rewarded: int | None = None

    def begin(self, policy: Policy) -> None:
        """Start the clock of a training, whose ``policy`` acts without exploration."""
        self.policy, self.due, self.latest = policy, 0.0, ""
        self.spent = self.passed = 0.0
        self._resume()
        self.said = time.monotonic()

    def look(self) -> None:
        """Look at the clock: evaluate if it is time for it.

        Raises:
            Over: If the time is over.
        """
        spent = self.spent + time.process_time() - self._cpu
        if spent >= self.due:
            self.spent, self.passed = spent, self.passed + time.monotonic() - self._wall
            self._row()
            self.due = min(self.due + self.every, self.seconds)
            if self.spent >= self.seconds:
                raise Over
            self._resume()
        if time.monotonic() - self.said >= 60:
            self._say(spent)

    def _resume(self) -> None:
        self._cpu, self._wall = time.process_time(), time.monotonic()

    def _row(self) -> None:
        found = evaluate(self.policy, self.count)
        clock = {"cpu_s": round(self.spent, 1), "wall_s": round(self.passed, 1)}
        counts = {"trials": self.trials, "rewarded": self.rewarded}
        self.write(clock | counts | found | {"load": round(os.getloadavg()[0], 1)})
        self.latest = f", {found['rewarded_1x']:.3f} rewarded at 1x"
        self._say(self.spent)

    def _say(self, spent: float) -> None:
        self.said = time.monotonic()
        at = f"{spent:.0f} of {self.seconds:.0f} s, {self.trials:,} trials"
        print(f"{self.name}: {at}{self.latest}", flush=True)
