"""The last checkpoint: the full state of a run, to resume it as if nothing had happened."""

import operator
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities import rank_zero_only
from typing_extensions import override

from modnav.errors import DivergedError, InterruptedRunError, require
from modnav.files import write_atomically
from modnav.learning import take_up
from modnav.runs import RunFolder, read, resume_command

from .checkpoints import TrialCheckpoint
from .parts import callback_of, experience_of, learner_of
from .random_state import random_state, set_random_state

__all__ = ["LastCheckpoint"]


_OF_RANK = re.compile(r"(?:last|best)\.(\d+)\.rank\d+\.ckpt")
"""Names of files that hold what is a process's own."""


def go_on_with(folders: Iterable[str | Path], imports: Iterable[str]) -> str:
    """Return in words the command that goes on with runs, and the modules it has to be told."""
    return f"go on with: {resume_command(folders, imports)}"


class LastCheckpoint(Checkpoint):
    """Keep the full state of the run in ``last.ckpt``.

    It is written after every epoch, every few minutes, and when the run is interrupted: Ctrl-C,
    SIGTERM and SIGUSR1 end it cleanly after the updates under way; a second Ctrl-C ends it at
    once, and ``last.ckpt`` stays as it was. Of several processes the first writes ``last.ckpt``,
    the others what is their own beside it: ``last.<save>.rank<r>.ckpt``. The state before it is
    kept as ``last-1.ckpt``, should the last be damaged.

    Args:
        replay: Which full checkpoint holds the replay memory, which is most of it: ``last``;
            ``best``, a ``best.ckpt`` written whenever a validation is the best so far; or
            ``never``. Without it a resumed run begins with an empty memory.
        every_minutes: Minutes between two saves within an epoch.

    Attributes:
        megabytes: Size of the last file written, MB.
        seconds: Time it took, s.
        together: Whether the run is a member of a population, which says when to save: all members
            at one moment, by :meth:`save_together`. Its own saves are those at its end.
        in_company: Whether that population has other members.
        meeting: Number of the last moment at which it was saved with the others.
        imports: Modules of the user's own that a command which resumes the run has to be told.
        check_folder: Called before each save; raises ``OSError`` if the folder is no longer ours.
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
        self.together = self.in_company = False
        self.meeting = 0
        self.imports: Sequence[str] = ()
        self.check_folder: Callable[[], None] = lambda: None
        self._saves = 0
        self._whole = False
        self._own: dict[str, Path] = {}
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
        names = map(_OF_RANK.fullmatch, (file.name for file in folder.glob("*.rank*.ckpt")))
        self._saves = max([self._saves, *(int(name[1]) for name in names if name)])
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
        if self.together or not experience_of(trainer).within_epoch:
            return  # the epoch has just ended, and is saved whole after its validation
        received, due = self._everywhere(trainer)
        if received or due:
            self._save(trainer)
        self._stop(trainer, received)

    def save_together(self, trainer: Trainer, meeting: int, received: int) -> None:
        """Save as all members of a population do now, and end if a signal was received.

        Args:
            trainer: The run's trainer.
            meeting: Number of this moment.
            received: The signal, or 0.
        """
        self.meeting = meeting
        self._save(trainer)
        self._stop(trainer, received)

    def _stop(self, trainer: Trainer, received: int) -> None:
        if received:
            name = signal.Signals(received).name
            raise InterruptedRunError(f"stopped by {name}; {self.going_on(trainer)}")

    def going_on(self, trainer: Trainer) -> str:
        """Return how to go on with the run, in words."""
        return go_on_with([trainer.default_root_dir], self.imports)

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
        if self.together and not trainer.should_stop:
            return
        self._save(trainer)
        if not trainer.should_stop:
            self._stop(trainer, self._everywhere(trainer)[0])

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._release()  # no later: those are Lightning's own, which it takes away before teardown

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
        self.check_folder()
        if not path.parent.is_dir():
            raise OSError(f"{path.parent} was removed while it was trained; training stopped")
        if name == "last" and trainer.is_global_zero and self._whole:
            _keep(path, path.with_name("last-1.ckpt"))
        self._with_replay = self.replay == name
        self._saves += 1
        own = _of_rank(path, self._saves, trainer.global_rank)
        if not trainer.is_global_zero:
            write_atomically(self._own_state(trainer), own)
        trainer.strategy.barrier("own states are written")  # before the one that refers to them
        trainer.save_checkpoint(path, weights_only=False)
        kept = {own, self._own.get(name)}  # the state before the last needs its own
        for file in path.parent.glob(f"{name}.*.rank{trainer.global_rank}.ckpt"):
            if file not in kept:
                file.unlink(missing_ok=True)
        self._own[name], self._whole = own, self._whole or name == "last"
        self._saved_at = time.monotonic()
        self._report(trainer, path, self._saved_at - start)

    @rank_zero_only
    def _report(self, trainer: Trainer, path: Path, seconds: float) -> None:
        self.megabytes, self.seconds = path.stat().st_size / 1e6, seconds
        RunFolder(path.parent).begun.unlink(missing_ok=True)
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
            "random": random_state(trainer.strategy.root_device),
        }

    @override
    def state_dict(self) -> dict[str, Any]:
        meeting = self.meeting if self.in_company else 0  # who went on alone has left the others
        return {"saves": self._saves, "best": self._best, "meeting": meeting}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._saves, self._best = operator.index(state_dict["saves"]), str(state_dict["best"])
        self.meeting = operator.index(state_dict["meeting"])

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
        if trainer.state.fn != "fit":
            return  # its weights alone are asked for
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
        path, saves = (
            Path(str(trainer.ckpt_path)),
            checkpoint["callbacks"][self.state_key]["saves"],
        )
        if rank % processes:
            own = read(_of_rank(path, saves, rank % processes)).content
        if path.resolve() == (Path(trainer.default_root_dir) / "last.ckpt").resolve():
            self._whole, self._own["last"] = True, _of_rank(path, saves, rank)
        if own["experience"]["replay"] is None:
            _tell("the checkpoint holds no replay: the memory starts empty (last.replay)")
        experience = experience_of(trainer)
        for change in experience.load_experience_state(
            own["experience"], generators=rank < processes
        ):
            _tell(change)
        if rank >= processes:
            return  # a new process draws numbers of its own
        generator = learner_of(trainer).generator
        if generator is not None:
            take_up(generator, own["smoothing_generator"])
        set_random_state(own["random"], trainer.strategy.root_device)


def _of_rank(path: Path, save: int, rank: int) -> Path:
    """Return where process ``rank`` keeps what is its own."""
    return path.with_name(f"{path.stem.removesuffix('-1')}.{save}.rank{rank}.ckpt")


def _keep(path: Path, former: Path) -> None:
    """Keep a file under another name, too, so that there is always a whole one under each."""
    if not path.is_file():
        return
    new = former.with_name(f".{former.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    try:
        os.link(path, new)
    except OSError:  # a file system without links
        shutil.copyfile(path, new)
    os.replace(new, former)
    new.unlink(missing_ok=True)  # of one file under two names, nothing is moved


@rank_zero_only
def _tell(text: str) -> None:
    print(text)
