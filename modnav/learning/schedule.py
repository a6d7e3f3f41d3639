"""The three training phases, as pure functions: what follows from how a block of trials went.

References:
    Zhang, Pitkow & Angelaki (2024), Methods, "Agent training".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from modnav.errors import require

from .counters import Block, Setting

__all__ = ["End", "Phase", "Restart", "Schedule", "Standing", "Step"]


@dataclass(frozen=True)
class Phase:
    """What holds during a phase.

    Attributes:
        exploration_std: Standard deviation of the exploration noise, action units.
        learning_rate: Learning rate of actor and critics.
        observation_noise: Whether observations are noisy.
        mirror: Whether each trial is also stored mirrored.
        action_penalty: Weight of the mean squared action in the actor's loss; 0 as published.
        steps_per_update: Environment steps per update; ``data.steps_per_update`` if None, as
            published.

    Raises:
        ValueError: If a number is not allowed; the message names the key, the value and the rule.
    """

    exploration_std: float
    learning_rate: float
    observation_noise: bool = True
    mirror: bool = True
    action_penalty: float = 0.0
    steps_per_update: int | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        require("a phase's exploration_std", self.exploration_std, 0, 10)
        require("a phase's learning_rate", self.learning_rate, 0, 1, strict=True)
        require("a phase's action_penalty", self.action_penalty, 0, 1000)
        if self.steps_per_update is not None:
            require("a phase's steps_per_update", self.steps_per_update, 1)


class Standing(NamedTuple):
    """Where a training stands; all of it is saved.

    Attributes:
        phase: The phase that holds now.
        earned: Whether a validation in phase II was good enough for phase III.
    """

    phase: Literal[1, 2, 3] = 1
    earned: bool = False


class Restart(NamedTuple):
    """Trials and steps are counted anew, with another setting.

    Attributes:
        setting: What holds from now on.
        keep_replay: Whether the memory is kept; as published it is emptied.
    """

    setting: Setting
    keep_replay: bool


class End(NamedTuple):
    """Training ends with this block.

    Attributes:
        failure: Why it failed; empty if it did not.
    """

    failure: str = ""


Step = Setting | Restart | End
"""What to do after a block: go on with another setting, start anew with one, or end."""


@dataclass(frozen=True)
class Schedule:
    """When the phases begin and end.

    Attributes:
        trials: Trials of training after phase I.
        give_up: Trials after which phase I is given up.
        learned_fraction: Rewarded fraction of a block above which phase I ends.
        refine_fraction: Rewarded fraction of a validation above which phase III begins.
        refine_after: Trials after phase I before which phase III does not begin; 0 as published.
        keep_replay: Whether phase II begins with the trials of phase I in memory.
        one: Phase I.
        two: Phase II.
        three: Phase III.

    Raises:
        ValueError: If a number is not allowed; the message names the key, the value and the rule.
    """

    trials: int = 10_000
    give_up: int = 50_000
    learned_fraction: float = 0.2
    refine_fraction: float = 0.8
    refine_after: int = 0
    keep_replay: bool = False
    one: Phase = Phase(0.8, 3e-4, observation_noise=False, mirror=False)
    two: Phase = Phase(0.5, 3e-4)
    three: Phase = Phase(0.4, 5e-5)

    def __post_init__(self) -> None:
        """Check every value."""
        for key, least in {"trials": 1, "give_up": 1, "refine_after": 0}.items():
            require(f"phases.{key}", getattr(self, key), least)
        for key in ("learned_fraction", "refine_fraction"):
            require(f"phases.{key}", getattr(self, key), -1, 1)

    def phase(self, standing: Standing) -> Phase:
        """Return the phase that holds."""
        return (self.one, self.two, self.three)[standing.phase - 1]

    def setting(self, standing: Standing) -> Setting:
        """Return what the phase decides about experience."""
        phase = self.phase(standing)
        return Setting(
            phase.exploration_std,
            phase.observation_noise,
            phase.mirror,
            scripted=standing.phase == 1,
            steps_per_update=phase.steps_per_update,
        )

    def after(self, standing: Standing, block: Block) -> tuple[Standing, list[Step]]:
        """Return where training stands after a block of trials, and what to do.

        Args:
            standing: Where it stood during the block.
            block: How its trials went.
        """
        if standing.phase == 1:
            return self._after_one(standing, block)
        steps: list[Step] = []
        if standing.phase == 2 and standing.earned and block.trials >= self.refine_after:
            standing = standing._replace(phase=3)
            steps.append(self.setting(standing))
        if block.trials >= self.trials:
            steps.append(End())
        return standing, steps

    def _after_one(self, standing: Standing, block: Block) -> tuple[Standing, list[Step]]:
        if block.reward_fraction > self.learned_fraction:
            standing = standing._replace(phase=2)
            return standing, [Restart(self.setting(standing), self.keep_replay)]
        if block.trials < self.give_up:
            return standing, []
        return standing, [
            End(
                f"phase I was given up after {block.trials} trials: at the end "
                f"{block.reward_fraction:.0%} of trials were rewarded, and more than "
                f"{self.learned_fraction:.0%} are needed. Try another --seed_everything, or "
                "the scripted trials of --data.warmup (not published)"
            )
        ]

    def validated(self, standing: Standing, fractions: Iterable[float]) -> Standing:
        """Return where training stands after a validation.

        Args:
            standing: Where it stood before.
            fractions: Rewarded fraction at each test gain.
        """
        if standing.phase == 1:
            return standing
        good = max(fractions, default=0.0) > self.refine_fraction
        return standing._replace(earned=standing.earned or good)
