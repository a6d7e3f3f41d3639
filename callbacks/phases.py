"""The three training phases: when noise, learning rate and replay change."""

from dataclasses import dataclass
from typing import Any, Literal

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from typing_extensions import override

from modnav.errors import PhaseOneFailedError
from modnav.learning import Block, Experience, Setting

from .parts import callback_of, experience_of, learner_of


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
        for key in ("exploration_std", "learning_rate", "action_penalty"):
            if getattr(self, key) < 0:
                raise ValueError(f"a phase's {key} is {getattr(self, key)}; it must be 0 or more")
        if self.steps_per_update is not None and self.steps_per_update < 1:
            raise ValueError(
                f"a phase's steps_per_update is {self.steps_per_update}; it must be 1 or more"
            )


class TrainingPhases(Callback):
    """Lead the training through its phases and end it.

    Phase I ends when enough of the last block of trials were rewarded; the replay memory is then
    emptied, unless ``keep_replay``. Phase III begins, not before ``refine_after`` trials, when a
    validation in phase II was good enough at any gain. Both are checked after every block of
    trials (100), before the validation of the same trial.

    Args:
        trials: Trials of training after phase I.
        give_up: Trials after which phase I is given up; at most ``trials``.
        learned_fraction: Rewarded fraction of a block above which phase I ends.
        refine_fraction: Rewarded fraction of a validation above which phase III begins.
        refine_after: Trials after phase I before which phase III does not begin; 0 as published.
        enough_fraction: Rewarded fraction of a validation at the first gain above which training
            ends after phase I; never as published.
        keep_replay: Whether phase II begins with the trials of phase I in memory; as published it
            begins with an empty one.
        one: Phase I.
        two: Phase II.
        three: Phase III.

    Raises:
        ValueError: If a number is not allowed; the message names the key, the value and the rule.

    References:
        Zhang, Pitkow & Angelaki (2024), Methods, "Agent training".
    """

    def __init__(
        self,
        trials: int = 10_000,
        give_up: int = 50_000,
        learned_fraction: float = 0.2,
        refine_fraction: float = 0.8,
        refine_after: int = 0,
        enough_fraction: float | None = None,
        keep_replay: bool = False,
        one: Phase = Phase(0.8, 3e-4, observation_noise=False, mirror=False),
        two: Phase = Phase(0.5, 3e-4),
        three: Phase = Phase(0.4, 5e-5),
    ) -> None:
        for key, value in {"trials": trials, "give_up": give_up}.items():
            if value < 1:
                raise ValueError(f"phases.{key} is {value}; it must be 1 or more")
        if refine_after < 0:
            raise ValueError(f"phases.refine_after is {refine_after}; it must be 0 or more")
        self.trials = trials
        self.give_up = min(give_up, trials)
        self.learned_fraction = learned_fraction
        self.refine_fraction = refine_fraction
        self.refine_after = refine_after
        self.enough_fraction = enough_fraction
        self.keep_replay = keep_replay
        self.phases = {1: one, 2: two, 3: three}
        self.phase: Literal[1, 2, 3] = 1
        self.earned = False
        self.finished = False
        self._trainer: Trainer | None = None

    @property
    def current(self) -> Phase:
        """The phase that holds now."""
        return self.phases[self.phase]

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self._trainer = trainer
            self._experience().listeners.append(self._check)

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._experience().counters.total_env_steps == 0:
            self._apply()
        else:
            self._experience().use(self._setting())

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        done = self.phase > 1 and self._experience().counters.checked >= self.trials
        if done or self.finished:
            raise ValueError(
                f"the run is finished after {self._experience().counters.checked} trials; to go on "
                "raise phases.trials or phases.enough_fraction"
            )
        self._set_learning()

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit" or self.phase == 1:
            return
        rows = learner_of(trainer).results.get("training", {})
        best = max((row["reward_fraction"] for row in rows.values()), default=0.0)
        self.earned = self.earned or best > self.refine_fraction
        first = next(iter(rows.values()), {"reward_fraction": 0.0})
        if self.enough_fraction is not None and first["reward_fraction"] > self.enough_fraction:
            trainer.should_stop = self.finished = True

    def _check(self, block: Block) -> None:
        """Decide at the end of a block of trials."""
        experience = self._experience()
        if self.phase == 1:
            if block.reward_fraction > self.learned_fraction:
                self.phase = 2
                experience.begin_anew(keep_replay=self.keep_replay)
                self._apply()
            elif block.trials >= self.give_up:
                raise PhaseOneFailedError(
                    f"phase I was given up after {block.trials} trials: at the end "
                    f"{block.reward_fraction:.0%} of trials were rewarded, and more than "
                    f"{self.learned_fraction:.0%} are needed. Try another --seed_everything, or "
                    "the scripted trials of --data.warmup (not published)"
                )
            return
        if self.phase == 2 and self.earned and block.trials >= self.refine_after:
            self.phase = 3
            self._apply()
        if block.trials >= self.trials:
            assert self._trainer is not None
            self._trainer.should_stop = True
            experience.close()

    def _apply(self) -> None:
        self._experience().begin_phase(self._setting())
        self._set_learning()

    def _setting(self) -> Setting:
        phase = self.current
        return Setting(
            phase.exploration_std,
            phase.observation_noise,
            phase.mirror,
            scripted=self.phase == 1,
            steps_per_update=phase.steps_per_update,
        )

    def _set_learning(self) -> None:
        assert self._trainer is not None
        learner_of(self._trainer).action_penalty = self.current.action_penalty
        for optimizer in self._trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.current.learning_rate

    def _experience(self) -> Experience:
        assert self._trainer is not None
        return experience_of(self._trainer)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {
            "phase": self.phase,
            "earned": self.earned,
            "enough": self.finished and self.enough_fraction,
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.phase = state_dict["phase"]
        self.earned = state_dict["earned"]
        reached = state_dict["enough"]
        self.finished = bool(reached) and reached == self.enough_fraction


def phases_of(trainer: Trainer) -> TrainingPhases:
    """Return the callback that leads a run.

    Raises:
        ValueError: If it has none.
    """
    return callback_of(trainer, TrainingPhases)
