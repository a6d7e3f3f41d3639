"""Checkpoints: one every epoch, the best by reward rate, and the last to resume from."""

import signal
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint
from torch import Tensor
from typing_extensions import override

from modnav.errors import DivergedError, InterruptedRunError

from .parts import experience_of, learner_of
from .phases import phases_of


class TrialCheckpoint(ModelCheckpoint):
    """Keep the weights after every epoch, and know the best.

    Files are named by the index of the trial they follow, ``00499.ckpt``, ...; those of phase I end
    in ``_pre``. (With parallel trials a few more may have ended in the same step.) The best has the highest reward rate on the fixed test trials, summed over gains.

    Args:
        monitor: Logged metric to select by.
        dirpath: Folder; ``checkpoints`` in the run's folder by default.
    """

    def __init__(self, monitor: str = "selection/reward_rate", dirpath: str | None = None) -> None:
        super().__init__(
            dirpath=dirpath,
            monitor=monitor,
            mode="max",
            save_top_k=-1,
            save_weights_only=True,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )
        self._stem = "untrained"

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.dirpath is None:
            self.dirpath = str(Path(trainer.default_root_dir) / "checkpoints")
        super().setup(trainer, pl_module, stage)

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit":
            trials = experience_of(trainer).counters.checked
            suffix = "_pre" if phases_of(trainer).phase == 1 else ""
            self._stem = f"{max(trials - 1, 0):05d}{suffix}"
            self._last_global_step_saved = -1  # keep it even if the epoch had no update
        super().on_validation_end(trainer, pl_module)

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        def here(path: str) -> str:
            return str(Path(self.dirpath or ".") / Path(path).name) if path else path

        moved = dict(state_dict, dirpath=self.dirpath)  # the run's folder may have moved
        for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
            moved[key] = here(state_dict.get(key, ""))
        best = state_dict.get("best_k_models", {})
        moved["best_k_models"] = {here(path): score for path, score in best.items()}
        super().load_state_dict(moved)

    @override
    def format_checkpoint_name(
        self,
        metrics: dict[str, Tensor],
        filename: str | None = None,
        ver: int | None = None,
        prefix: str | None = None,
    ) -> str:
        return str(Path(self.dirpath or ".") / f"{self._stem}.ckpt")


class LastCheckpoint(Checkpoint):
    """Keep the full state of the run in ``last.ckpt``: after every epoch, and when interrupted.

    Ctrl-C, SIGTERM and SIGUSR1 end the run cleanly after the update under way; a second Ctrl-C
    ends it at once, and ``last.ckpt`` stays as it was.
    """

    signals = tuple(
        getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
    )  # Windows has no SIGUSR1

    def __init__(self) -> None:
        self._received: signal.Signals | None = None
        self._former: dict[signal.Signals, Any] = {}

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        try:
            self._former = {s: signal.signal(s, self._remember) for s in self.signals}
        except ValueError:
            self._former = {}  # not the main thread: signals are somebody else's

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._received = signal.Signals(number)

    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self._received is not None:
            path = self._save(trainer)
            raise InterruptedRunError(
                f"stopped by {self._received.name}; go on with: modnav fit --resume {path.parent}"
            )

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save(trainer)

    @override
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._release()

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._release()

    def _release(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}

    def _save(self, trainer: Trainer) -> Path:
        learner = learner_of(trainer)
        if not all(x.isfinite().all() for x in learner.parameters()):
            raise DivergedError(
                f"weights became NaN or infinite by update {learner.updates}; "
                "training stopped, and last.ckpt is as it was"
            )
        path = Path(trainer.default_root_dir) / "last.ckpt"
        trainer.save_checkpoint(path, weights_only=False)
        return path

    @override
    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["experience"] = experience_of(trainer).experience_state()
        checkpoint["torch_generator"] = torch.get_rng_state()

    @override
    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        experience_of(trainer).load_experience_state(checkpoint["experience"])
        torch.set_rng_state(checkpoint["torch_generator"])
