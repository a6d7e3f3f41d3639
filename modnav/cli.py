"""Command line of modnav: ``modnav fit|validate|test|predict`` by LightningCLI."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.cli import LightningCLI, SaveConfigCallback
from pytorch_lightning.loggers import TensorBoardLogger
from typing_extensions import override

from modnav.callbacks import (
    InterruptedRunError,
    LastCheckpoint,
    Monitor,
    PhaseOneFailedError,
    Summary,
    TrainingPhases,
    TrialCheckpoint,
    TrialProgress,
)
from modnav.checkpoint_io import AtomicCheckpointIO
from modnav.commands import COMMANDS, load, overview
from modnav.experience import Experience
from modnav.learner import TD3, DivergedError
from modnav.runs import RunFolder, with_config_paths, with_run
from modnav.task import bounds

USAGE_ERROR, PHASE_ONE_FAILED, DIVERGED, INTERRUPTED = 2, 3, 4, 130
"""Exit statuses."""


class ModnavCLI(LightningCLI):
    """LightningCLI with the parts every run of modnav has."""

    @override
    def add_arguments_to_parser(self, parser: Any) -> None:
        parser.add_argument("--runs", type=str, default="runs", help="Folder of all runs.")
        parser.add_argument(
            "--name",
            type=str | None,
            default=None,
            help="Name of the run; architecture, task and noise by default.",
        )
        parser.add_argument(
            "--overwrite", type=bool, default=False, help="Start anew in a folder with a run."
        )
        parser.add_lightning_class_args(TrainingPhases, "phases")
        parser.add_lightning_class_args(TrialCheckpoint, "checkpoint")
        parser.link_arguments("data.task.stop_threshold", "model.stop_threshold")

    @override
    def before_instantiate_classes(self) -> None:
        trainer = self.config[self.subcommand].trainer
        on_cpu = trainer.accelerator == "cpu" or not torch.cuda.is_available()
        if str(trainer.precision) in ("16-mixed", "16") and on_cpu:
            raise ValueError(
                "trainer.precision is 16-mixed; on a CPU it must be 32-true or bf16-mixed"
            )

    @override
    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config_init[self.subcommand]
        folder = self._folder(config)
        self.run_folder = folder
        trainer = config.trainer
        logger = trainer.logger
        if self.subcommand == "fit":
            folder.claim(overwrite=config.overwrite, resume=bool(config.ckpt_path))
            logger = self._logger(folder) if logger in (None, True) else logger
        else:
            logger = False if logger in (None, True) else logger
        plugins = trainer.plugins or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        return super().instantiate_trainer(
            default_root_dir=str(folder.path),
            logger=logger,
            plugins=[*plugins, AtomicCheckpointIO()],
            callbacks=self._callbacks(trainer),
            **kwargs,
        )

    def _folder(self, config: Any) -> RunFolder:
        task = self.datamodule.task
        noise = "_".join(f"{bounds(x)[0]:g}" for x in (task.process_noise, task.observation_noise))
        name = config.name or f"{self.model.agent.architecture}-{task.name}-{noise}"
        return RunFolder(Path(config.runs) / name / f"seed{self.datamodule.seed}")

    def _logger(self, folder: RunFolder) -> TensorBoardLogger:
        return TensorBoardLogger(folder.path.parent, name="", version=folder.path.name)

    def _callbacks(self, trainer: Any) -> list[Any]:
        given = trainer.callbacks or []
        given = given if isinstance(given, list) else [given]
        if self.subcommand != "fit":
            return given
        bar = [] if trainer.enable_progress_bar is False else [TrialProgress()]
        return [*given, Monitor(), *bar, Summary(), LastCheckpoint()]


def main(args: Sequence[str] | None = None) -> None:
    """Run a command of modnav.

    Args:
        args: Arguments; those of the process by default.

    Raises:
        SystemExit: With status 2 for a mistake in the arguments or files, 3 if phase I was given
            up, 4 if a loss diverged, 130 if the run was interrupted.
    """
    given = list(sys.argv[1:] if args is None else args)
    if not given or given[0] in ("-h", "--help"):
        print(overview())
        return
    try:
        if given[0] in COMMANDS:
            load(given[0])(given[1:])
            return
        found = with_run(with_config_paths(given))
        if args is None:
            sys.argv[1:] = found  # where Lightning and the processes that it starts look
        _lightning(None if args is None else found)
    except (argparse.ArgumentError, ValueError, OSError) as error:
        _fail(error, USAGE_ERROR)
    except PhaseOneFailedError as error:
        _fail(error, PHASE_ONE_FAILED)
    except DivergedError as error:
        _fail(error, DIVERGED)
    except InterruptedRunError as error:
        _fail(error, INTERRUPTED)


def _lightning(args: list[str] | None) -> ModnavCLI:
    return ModnavCLI(
        TD3,
        Experience,
        save_config_callback=SaveConfigCallback,
        save_config_kwargs={"overwrite": True},
        trainer_defaults={"max_epochs": -1, "num_sanity_val_steps": 0},
        seed_everything_default=0,
        auto_configure_optimizers=False,
        parser_kwargs={"exit_on_error": False},
        args=args,
    )


def _fail(error: BaseException, status: int) -> None:
    message = " ".join(str(error).split())
    print(f"modnav: error: {message}", file=sys.stderr)
    raise SystemExit(status) from error
