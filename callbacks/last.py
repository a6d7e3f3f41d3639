"""The last checkpoint: the full state of a run, to resume it as if nothing had happened."""

import random
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import numpy as np
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities import rank_zero_only
from typing_extensions import override

from modnav.errors import DivergedError, InterruptedRunError, require
from modnav.files import write_atomically
from modnav.runs import read

from .checkpoints import TrialCheckpoint
from .parts import callback_of, experience_of, learner_of


class LastCheckpoint(Checkpoint):
    """Keep the full state of the run in ``last.ckpt``.

    It is written after every epoch, every few minutes, and when the run is interrupted: Ctrl-C,
    SIGTERM and SIGUSR1 end it cleanly after the updates under way; a second Ctrl-C ends it at
    once, and ``last.ckpt`` stays as it was. Of several processes the first writes ``last.ckpt``,
    the others what is their own beside it: ``last.<save>.rank<r>.ckpt``.

    Args:
        replay: Which full checkpoint holds the replay memory, which is most of it: ``last``;
            ``best``, a ``best.ckpt`` written whenever a validation is the best so far; or
            ``never``. Without it a resumed run begins with an empty memory.
        every_minutes: Minutes between two saves within an epoch.

    Attributes:
        megabytes: Size of the last file written, MB.
        seconds: Time it took, s.
    """

    signals = tuple(
        getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
    )  # Windows has no SIGUSR1

    def __init__(
        self, replay: Literal["last", "best", "never"] = "last", every_minutes: float = 10.0
    ) -> None:
        require("last.every_minutes", every_minutes, 0, strict=True)
        self.replay = replay
        self.every_minutes = every_minutes
        self.megabytes = self.seconds = 0.0
        self._saves = 0
        self._best = ""
        self._with_replay = True
        self._saved_at = 0.0
        self._received = 0
        self._former: dict[signal.Signals, Any] = {}

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved_at, self._received = time.monotonic(), 0
        folder = Path(trainer.default_root_dir)
        # A run that goes on from an earlier state must not write over the files of a later one.
        numbers = [int(file.name.split(".")[1]) for file in folder.glob("*.*.rank*.ckpt")]
        self._saves = max([self._saves, *numbers])
        try:
            self._former = {s: signal.signal(s, self._remember) for s in self.signals}
        except ValueError:
            self._former = {}  # not the main thread: signals are somebody else's

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._received = number

    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if not experience_of(trainer).within_epoch:
            return  # the epoch has just ended, and is saved whole after its validation
        received, due = self._everywhere(trainer)
        if received or due:
            self._save(trainer)
        self._stop(trainer, received)

    def _stop(self, trainer: Trainer, received: int) -> None:
        if received:
            raise InterruptedRunError(
                f"stopped by {signal.Signals(received).name}; "
                f"go on with: modnav fit --resume {trainer.default_root_dir}"
            )

    def _everywhere(self, trainer: Trainer) -> tuple[int, bool]:
        """Return the signal that any process received, and whether a save is due in any."""
        due = time.monotonic() - self._saved_at > 60 * self.every_minutes
        if trainer.world_size == 1:
            return self._received, due
        told = torch.tensor([self._received, int(due)], device=trainer.strategy.root_device)
        told = trainer.strategy.reduce(told, reduce_op="max")
        return int(told[0]), bool(told[1])

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.replay == "best":
            best = Path(callback_of(trainer, TrialCheckpoint).best_model_path).name
            if best != self._best:
                self._best = best
                self._save(trainer, "best")
        self._save(trainer)
        if not trainer.should_stop:
            self._stop(trainer, self._everywhere(trainer)[0])

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

    def _save(self, trainer: Trainer, name: Literal["last", "best"] = "last") -> None:
        learner = learner_of(trainer)
        if not all(x.isfinite().all() for x in learner.parameters()):
            raise DivergedError(
                f"weights became NaN or infinite by update {learner.updates}; "
                "training stopped, and last.ckpt is as it was"
            )
        start = time.monotonic()
        path = Path(trainer.default_root_dir) / f"{name}.ckpt"
        if not path.parent.is_dir():
            raise OSError(f"{path.parent} was removed while it was trained; training stopped")
        self._with_replay = self.replay == name
        self._saves += 1
        own = _of_rank(path, self._saves, trainer.global_rank)
        if not trainer.is_global_zero:
            write_atomically(self._own_state(trainer), own)
        trainer.strategy.barrier("own states are written")  # before the one that refers to them
        trainer.save_checkpoint(path, weights_only=False)
        for file in path.parent.glob(f"{name}.*.rank{trainer.global_rank}.ckpt"):
            if file != own:
                file.unlink(missing_ok=True)
        self._saved_at = time.monotonic()
        self._report(trainer, path, self._saved_at - start)

    @rank_zero_only
    def _report(self, trainer: Trainer, path: Path, seconds: float) -> None:
        self.megabytes, self.seconds = path.stat().st_size / 1e6, seconds
        values = {"checkpoint/megabytes": self.megabytes, "checkpoint/seconds": seconds}
        for logger in trainer.loggers:
            logger.log_metrics(values, step=experience_of(trainer).counters.total_trials)

    def _own_state(self, trainer: Trainer) -> dict[str, Any]:
        """Return what differs between processes."""
        generator = learner_of(trainer).generator
        return {
            "modnav": {},  # so that it reads as one of our files
            "experience": experience_of(trainer).experience_state(replay=self._with_replay),
            "smoothing_generator": None if generator is None else generator.get_state(),
            "random": _random_state(trainer.strategy.root_device),
        }

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"saves": self._saves, "best": self._best}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._saves, self._best = state_dict["saves"], state_dict["best"]

    @override
    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        own = self._own_state(trainer)
        for name in ("experience", "smoothing_generator", "random"):
            checkpoint[name] = own[name]
        checkpoint["processes"] = trainer.world_size

    @override
    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        try:
            self._restore(trainer, checkpoint)
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError(
                f"{trainer.ckpt_path} lacks part of a run's state ({error}); it is damaged, or of "
                "another version of modnav"
            ) from error

    def _restore(self, trainer: Trainer, checkpoint: dict[str, Any]) -> None:
        own: Mapping[str, Any] = checkpoint
        rank, processes = trainer.global_rank, checkpoint["processes"]
        if processes != trainer.world_size:
            _tell(
                f"the checkpoint is of {processes} processes and this run has "
                f"{trainer.world_size}: process r goes on from the memory and the trials of "
                f"process r % {processes}; the run is not the one it would have been"
            )
        if rank % processes:
            saves = checkpoint["callbacks"][self.state_key]["saves"]
            own = read(_of_rank(Path(str(trainer.ckpt_path)), saves, rank % processes)).content
        if own["experience"]["replay"] is None:
            _tell("the checkpoint holds no replay: the memory starts empty (last.replay)")
        experience_of(trainer).load_experience_state(
            own["experience"], generators=rank < processes
        )
        if rank >= processes:
            return  # a new process draws numbers of its own
        generator = learner_of(trainer).generator
        if generator is not None:
            generator.set_state(own["smoothing_generator"])
        _set_random_state(own["random"], trainer.strategy.root_device)


def _of_rank(path: Path, save: int, rank: int) -> Path:
    """Return where process ``rank`` keeps what is its own."""
    return path.with_name(f"{path.stem}.{save}.rank{rank}.ckpt")


@rank_zero_only
def _tell(text: str) -> None:
    print(text)


def _random_state(device: torch.device) -> dict[str, Any]:
    """Return the states of the global generators, which modules of a user's own may use."""
    kind, keys, *rest = np.random.get_state()
    state = {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": (kind, torch.from_numpy(np.array(keys)), *rest),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _set_random_state(state: dict[str, Any], device: torch.device) -> None:
    kind, keys, *rest = state["numpy"]
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
    np.random.set_state((kind, keys.numpy(), *rest))
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
