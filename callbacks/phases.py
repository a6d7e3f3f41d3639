"""Lead a training through its phases: apply what the schedule decides."""

from functools import partial
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from typing_extensions import override

from modnav.errors import RunFinishedError, require
from modnav.learning import Block, End, Experience, Phase, Schedule, Standing, Step

from .hooks import check_hooks
from .parts import callback_of, experience_of, learner_of
from .trials import TrialCallback

__all__ = ["TrainingPhases"]


class TrainingPhases(Callback):
    """Lead the training through its phases and end it.

    Phase I ends when enough of the last block of trials were rewarded; the replay memory is then
    emptied, unless ``keep_replay``. Phase III begins, not before ``refine_after`` trials, when a
    validation in phase II was good enough at any gain. Both are decided after every block of
    trials (100), before the validation of the same trial.

    Args:
        trials: Trials of training after phase I.
        give_up: Trials after which phase I is given up, whatever ``trials``; in the study it took
            5,000 to 36,500.
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
        if enough_fraction is not None:
            require("phases.enough_fraction", enough_fraction, -1, 1)
        self.schedule = Schedule(
            trials,
            give_up,
            learned_fraction,
            refine_fraction,
            refine_after,
            keep_replay,
            one,
            two,
            three,
        )
        self.enough_fraction = enough_fraction
        self.standing = Standing()
        self.finished = False
        self._trainer: Trainer | None = None

    @property
    def phase(self) -> int:
        """Number of the phase that holds now."""
        return self.standing.phase

    @property
    def current(self) -> Phase:
        """The phase that holds now."""
        return self.schedule.phase(self.standing)

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            # Also for a trainer that is not the command line's, which checks before it takes the folder.
            check_hooks(trainer.callbacks)  # type: ignore[attr-defined]  # set by a connector
            self._trainer = trainer
            self._experience().decide = self._decide
            for callback in self._own():  # not by their `setup`, which a subclass may replace
                self._experience().listeners.append(partial(callback.tell_block, trainer))

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        setting = self.schedule.setting(self.standing)
        if self._experience().counters.total_env_steps == 0:
            self._experience().begin_phase(setting)
            self._set_learning()
        else:
            self._experience().use(setting)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for optimizer in trainer.optimizers:
            if missing := optimizer.defaults.keys() - optimizer.param_groups[0].keys():
                raise ValueError(
                    f"the state of the run is of another optimizer than {type(optimizer).__name__}: "
                    f"it lacks {', '.join(sorted(missing))}; it must be as it was (model.optimizer)"
                )
        checked = self._experience().counters.checked
        if self.is_finished(checked):
            raise RunFinishedError(
                f"the run is finished after {checked} trials; to go on "
                "raise phases.trials or phases.enough_fraction"
            )
        self._set_learning()

    def is_finished(self, checked: int) -> bool:
        """Return whether nothing is left to do for a run that has so many checked trials."""
        return self.finished or (self.phase > 1 and checked >= self.schedule.trials)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn != "fit":
            return
        for callback in self._own():
            callback.tell_validation(trainer)
        if self.phase == 1:
            return
        rows = learner_of(trainer).results.get("training", {})
        fractions = [row["reward_fraction"] for row in rows.values()]
        self.standing = self.schedule.validated(self.standing, fractions)
        enough = self.enough_fraction
        if enough is not None and fractions and fractions[0] > enough:
            trainer.should_stop = self.finished = True

    def _decide(self, block: Block) -> list[Step]:
        """Return what the data module shall do after a block of trials."""
        before = self.phase
        self.standing, steps = self.schedule.after(self.standing, block)
        if self.phase != before:
            self._set_learning()
            assert self._trainer is not None
            for callback in self._own():
                callback.on_phase(self._trainer, learner_of(self._trainer), before, self.phase)
        if any(isinstance(step, End) for step in steps):
            assert self._trainer is not None
            self._trainer.should_stop = True
        return steps

    def _own(self) -> list[TrialCallback]:
        assert self._trainer is not None
        callbacks = self._trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
        return [callback for callback in callbacks if isinstance(callback, TrialCallback)]

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
            "phase": self.standing.phase,
            "earned": self.standing.earned,
            "enough": self.finished and self.enough_fraction,
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.standing = Standing(state_dict["phase"], state_dict["earned"])
        if self.standing.phase not in (1, 2, 3) or self.standing.earned not in (False, True):
            raise ValueError("its training phase is damaged")
        reached = state_dict["enough"]
        self.finished = bool(reached) and reached == self.enough_fraction


def phases_of(trainer: Trainer) -> TrainingPhases:
    """Return the callback that leads a run.

    Raises:
        ValueError: If it has none.
    """
    return callback_of(trainer, TrainingPhases)
