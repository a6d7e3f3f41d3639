"""Checkpoints of weights: one every epoch, and which is best."""

from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from typing_extensions import override

from .parts import experience_of
from .phases import phases_of

__all__ = ["TrialCheckpoint"]


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
