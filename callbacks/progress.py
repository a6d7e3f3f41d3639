"""What the terminal shows: a progress bar while training, a table at its end."""

import time
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, ProgressBar
from pytorch_lightning.loggers import TensorBoardLogger
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from typing_extensions import override

from modnav.files import in_shell

from .last import LastCheckpoint
from .monitor import Monitor
from .parts import callback_of, experience_of, learner_of
from .phases import phases_of

__all__ = ["Summary", "TrialProgress"]

LINE_S = 60.0
"""Time between two lines where nobody looks at a terminal, s."""


class TrialProgress(ProgressBar):
    """Show phase, trials, rewarded fraction, reward rate and time left.

    Where the output is no terminal, as in a file or the log of a cluster, it prints a line a minute
    instead, and one at the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(markup=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._enabled = True
        self._told_at = 0.0

    @override
    def disable(self) -> None:
        self._enabled = False

    @override
    def enable(self) -> None:
        self._enabled = True

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._told_at = time.monotonic()
        if not self._enabled or not self._console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("phase {task.fields[phase]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} trials"),
            TextColumn("{task.fields[doing]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=1, phase="I", doing="")
        self._show(trainer)

    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self._show(trainer)
        if self._bar is None and time.monotonic() - self._told_at >= LINE_S:
            self._tell(trainer)

    def _tell(self, trainer: Trainer) -> None:
        """Print how far the run is, unless there is a terminal that shows it."""
        if not self._enabled or self._console.is_terminal:
            return
        self._told_at = time.monotonic()
        phases = phases_of(trainer)
        trials = experience_of(trainer).counters.trials
        self._console.print(
            f"phase {'I' * phases.phase}  {trials}/{_total(trainer)} trials  {_doing(trainer)}"
        )
        self._console.file.flush()  # where nobody waits for more of it

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._tell(trainer)
        self._stop()

    @override
    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._stop()

    def _show(self, trainer: Trainer) -> None:
        if self._bar is None or self._task is None:
            return
        trials = experience_of(trainer).counters.trials
        phase = "I" * phases_of(trainer).phase
        if self._bar.tasks[0].fields["phase"] == "I" != phase:
            # Time left is that of the phases to come. (reset forgets the fields it is not given.)
            self._bar.reset(self._task, phase=phase, doing="")
        self._bar.update(
            self._task,
            completed=trials,
            total=_total(trainer),
            phase=phase,
            doing=_doing(trainer),
        )

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _total(trainer: Trainer) -> int:
    phases = phases_of(trainer)
    return phases.schedule.give_up if phases.phase == 1 else phases.schedule.trials


def _doing(trainer: Trainer) -> str:
    latest = callback_of(trainer, Monitor).latest
    if latest is None:
        return ""
    return f"{latest.reward_fraction:.0%} rewarded  {latest.reward_rate:.2f}/s"


class Summary(Callback):
    """End a training with a table of its last validation and where its files are."""

    @override
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        if callback_of(trainer, Monitor).rows:
            self._print(trainer)
        phases = phases_of(trainer)
        if not phases.is_finished(experience_of(trainer).counters.checked):
            Console(markup=False).print(
                "ended by the trainer (max_steps, max_time or the like) in phase "
                f"{'I' * phases.phase}; {callback_of(trainer, LastCheckpoint).going_on(trainer)}",
                soft_wrap=True,
            )

    def _print(self, trainer: Trainer) -> None:
        monitor = callback_of(trainer, Monitor)
        learner = learner_of(trainer)
        table = Table(title=f"{learner.agent.architecture} after {learner.updates:,} updates")
        heads = ("test task", "validation", "rewarded", "rewards/s", "error (cm)")
        for head in heads:
            table.add_column(head, justify="left" if head in heads[:2] else "right")
        last = monitor.rows[-1]["total_trials"]
        for row in monitor.rows:
            if row["total_trials"] == last:
                table.add_row(
                    row["task"],
                    row["validation"],
                    f"{row['reward_fraction']:.1%}",
                    f"{row['reward_rate']:.2f}",
                    f"{row['error_distance']:.0f}",
                )
        console = Console(markup=False)
        console.print(table)
        folder = Path(trainer.default_root_dir)
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, ModelCheckpoint) and callback.best_model_path:
                console.print(f"best checkpoint: {callback.best_model_path}", soft_wrap=True)
        for last in trainer.checkpoint_callbacks:
            if isinstance(last, LastCheckpoint):
                console.print(
                    f"full state:      {folder / 'last.ckpt'}, {last.megabytes:.1f} MB, "
                    f"written in {last.seconds:.2f} s",
                    soft_wrap=True,
                )
        console.print(f"learning curve:  {folder / 'learning_curve.png'}", soft_wrap=True)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                told = f"TensorBoard:     tensorboard --logdir {in_shell(logger.log_dir)}"
                console.print(told, soft_wrap=True)
