"""How a member of a population stands, for the process that started it."""

import json
import time
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback
from typing_extensions import override

from modnav.errors import RunEndedError
from modnav.files import write_text_atomically
from modnav.learning import Block
from modnav.runs import RunFolder

from .parts import experience_of, learner_of
from .phases import phases_of

__all__ = ["MEMBER", "MemberReport"]


MEMBER = "MODNAV_MEMBER"
"""Environment variable that is set where a run is a member of a population."""


class MemberReport(Callback):
    """Write ``member.json`` into the run's folder: at the start, after every block, at the end.

    It holds phase, trials in it (phases II and III counted as one), updates, rewarded fraction of
    the last block, trials and updates per second since the start; and, for a run that ended before
    its time, exit status and reason.
    """

    def __init__(self) -> None:
        self._trainer: Trainer | None = None
        self._start = (0.0, 0, 0)
        self._told: dict[str, Any] = {}

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            self._trainer = trainer
            experience_of(trainer).listeners.append(self._after)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        counters = experience_of(trainer).counters
        self._start = (time.monotonic(), counters.total_trials, learner_of(trainer).updates)
        self._tell(trainer, trials=counters.checked)

    def _after(self, block: Block) -> None:
        assert self._trainer is not None
        seconds = max(time.monotonic() - self._start[0], 1e-9)
        self._tell(
            self._trainer,
            trials=block.trials,
            reward_fraction=block.reward_fraction,
            trials_per_s=(block.total_trials - self._start[1]) / seconds,
            updates_per_s=(learner_of(self._trainer).updates - self._start[2]) / seconds,
        )

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if isinstance(exception, RunEndedError) and self._told:
            self._tell(trainer, status=exception.exit_status, reason=str(exception))

    def _tell(self, trainer: Trainer, **values: Any) -> None:
        about = {"phase": phases_of(trainer).phase, "updates": learner_of(trainer).updates}
        self._told |= about | values
        path = RunFolder(Path(trainer.default_root_dir)).report
        write_text_atomically(json.dumps(self._told), path)
