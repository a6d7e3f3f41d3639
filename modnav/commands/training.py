"""``modnav fit|validate|test|predict``: LightningCLI with the parts every run of modnav has."""

import os
import sys
import warnings
from argparse import ArgumentError
from collections.abc import Sequence
from contextlib import nullcontext
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jsonargparse._loaders_dumpers import get_yaml_default_loader
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Trainer
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger
from typing_extensions import override

from modnav.callbacks import (
    MEMBER,
    LastCheckpoint,
    MemberReport,
    Monitor,
    Summary,
    TrainingPhases,
    TrialCheckpoint,
    TrialProgress,
    check_hooks,
)
from modnav.callbacks.parts import callback_of
from modnav.errors import ProcessLostError, RunEndedError
from modnav.files import one_line, plain_values, replacing
from modnav.learning import (
    TD3,
    Experience,
    check_stackable,
)
from modnav.machine import threads_everywhere
from modnav.runs import RunFolder, read

from .arguments import with_adam
from .checks import check_one_device, settle
from .keeping import AtomicCheckpointIO, KeptConfig
from .lightning_errors import meant_by
from .own import own_part, told_error
from .quiet import quieten
from .refused import told, with_nearest_key
from .run_options import OPTIONS, Seed, name_of_run
from .strangers import own_imports, why_not_resumed
from .terminal import tell


class ModnavCLI(LightningCLI):
    """LightningCLI with the parts every run of modnav has.

    Args:
        command: The command that is run; the parsers of the others are not built.
        **kwargs: Arguments of LightningCLI.
    """

    def __init__(self, command: str, **kwargs: Any) -> None:
        self._command = command
        super().__init__(TD3, Experience, **kwargs)

    @override
    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # there it is static
        known = super().subcommands()
        given = self._command
        return {given: known[given]} if given in known else known

    @override
    def add_default_arguments_to_parser(self, parser: Any) -> None:
        parser.add_argument(
            "--seed_everything",
            type=bool | Seed,
            default=self.seed_everything_default,
            help="Seed of the run; true draws one, false seeds nothing.",
        )

    @override
    def add_arguments_to_parser(self, parser: Any) -> None:
        for option, (kind, default, text) in OPTIONS.items():
            parser.add_argument(option, type=kind, default=default, help=text)
        parser.add_lightning_class_args(TrainingPhases, "phases")
        parser.add_lightning_class_args(TrialCheckpoint, "checkpoint")
        parser.add_lightning_class_args(LastCheckpoint, "last")
        parser.set_defaults({"model.optimizer": None})  # ADAM gives it
        parser.link_arguments("data.task.stop_threshold", "model.stop_threshold")

    @override
    def before_instantiate_classes(self) -> None:
        """Settle precision and threads, so that the run's configuration names those it has."""
        self.config_dump: dict[str, Any] = {}  # Lightning's hyperparameters, which nobody saves
        settle(str(self.subcommand), self.config[self.subcommand])

    @override
    def instantiate_classes(self) -> None:
        """Make all parts; of a user's own that fails, tell where and why, not what else there may be."""
        failed: list[Exception] = []

        def made(kind: type, /, *args: Any, **kwargs: Any) -> Any:
            try:
                return kind(*args, **kwargs)
            except Exception as error:  # it may be anybody's
                if own_part(error):
                    failed.append(error)
                raise

        self._parser(self.subcommand).add_instantiator(made, object)  # after Lightning's own
        try:
            super().instantiate_classes()
        except Exception as error:
            if not failed or isinstance(error, RunEndedError):
                raise
            raise ValueError(" ".join(told_error(failed[0]).split())) from failed[0]

    @override
    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        config = self.config_init[self.subcommand]
        folder = self._folder(config)
        self.run_folder = folder
        trainer = config.trainer
        logger = trainer.logger
        if self.subcommand == "fit":
            self._claim(folder, config)
            logger = self._logger(folder, config) if logger in (None, True) else logger
        else:
            logger = False if logger in (None, True) else logger
        plugins = trainer.plugins or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        kwargs |= {"default_root_dir": str(folder.path), "logger": logger}
        kwargs |= {
            "plugins": [*plugins, AtomicCheckpointIO()],
            "callbacks": self._callbacks(config),
        }
        try:
            made = super().instantiate_trainer(**kwargs)
        except TypeError as error:  # of Lightning, for what fits no device of the accelerator
            if "devices" not in str(error):
                raise
            raise ValueError(f"trainer: {one_line(str(error))}") from error
        # Here, before the folder is taken and members of populations begin; phases check the rest.
        check_hooks(made.callbacks)  # type: ignore[attr-defined]  # set by a connector
        if self.subcommand == "fit":
            self._look_ahead(made, folder)
        return made

    def _look_ahead(self, trainer: Trainer, folder: RunFolder) -> None:
        """Say before a training if no command would read its configuration; note how it is resumed."""
        callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]  # set by a connector
        kept = next(x for x in callbacks if isinstance(x, KeptConfig)).content()
        for callback in callbacks:
            if isinstance(callback, LastCheckpoint):
                callback.imports = own_imports(kept)
        if reason := why_not_resumed(kept, folder.config):
            tell(f"this run can be trained, but neither resumed nor validated: {reason}")

    def _claim(self, folder: RunFolder, config: Any) -> None:
        resume = folder.holds(config.ckpt_path)
        imports = own_imports(self.config[self.subcommand].as_dict())
        folder.claim(overwrite=config.overwrite, resume=resume, imports=imports)

    def after_predict(self) -> None:
        """Write the table of trials beside the checkpoint."""
        config = self.config_init[self.subcommand]
        if not self.trainer.is_global_zero:
            return
        source = Path(config.ckpt_path or self.run_folder.path / "untrained")
        if source.parent.name == "checkpoints" and source.parent.is_symlink():
            raise ValueError(
                f"{source.parent} is a link, and nothing is written through links; give the path "
                "of the checkpoint where it is"
            )
        path = source.with_suffix(".trials.csv")
        with replacing(path) as temporary:
            pd.concat(self.trainer.predict_loop.predictions).to_csv(temporary, index=False)
        print(f"trials written to {path}")

    def before_fit(self) -> None:
        """Take the folder; what a former run left in it is deleted when this one begins."""
        if not self.trainer.is_global_zero:
            return
        config = self.config_init[self.subcommand]
        folder = self.run_folder
        folder.lock()
        self._claim(folder, config)  # it may have changed until now
        folder.sweep()
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]  # by a connector
            if isinstance(callback, LastCheckpoint):
                callback.check_folder = folder.check_held
            elif isinstance(callback, KeptConfig) and not config.ckpt_path:
                callback.anew, callback.former = True, folder.of_former_run()

    @override
    def parse_arguments(self, parser: Any, args: Any) -> None:
        """Parse; say in a line what was wrong, and name the nearest key where one is not known."""
        given = list(sys.argv[1:] if args is None else args)
        try:
            super().parse_arguments(parser, with_adam(given, self._subcommand_parsers))
        except ArgumentError as error:
            known = [
                option.lstrip("-")
                for command in self._subcommand_parsers.values()
                for action in command._actions
                for option in action.option_strings
            ]
            command = str(next(iter(given), ""))
            raise ValueError(told(with_nearest_key(str(error), known), command)) from error

    @override
    def _parse_ckpt_path(self) -> None:
        """Leave the checkpoint to the run, which reads it with care: it holds no arguments."""

    @override
    def _run_subcommand(self, subcommand: str) -> None:
        config = self.config_init[subcommand]
        try:
            with threads_everywhere(config.threads) if subcommand == "fit" else nullcontext():
                if subcommand == "fit" and self._is_stacked(config.population):
                    from .population.stacked import fit_alone  # it builds on this module

                    fit_alone(self.trainer, partial(super()._run_subcommand, subcommand))
                else:
                    super()._run_subcommand(subcommand)
        except Exception as error:  # parts of another kind than they should be raise many
            if subcommand == "fit" and isinstance(meant := meant_by(error), ProcessLostError):
                again = callback_of(self.trainer, LastCheckpoint).going_on(self.trainer)
                raise ProcessLostError(f"{meant}; {again}") from error
            checkpoint = str(config.ckpt_path)
            restoring = self.trainer._checkpoint_connector._loaded_checkpoint
            if not restoring or checkpoint in str(error) or isinstance(error, RunEndedError):
                raise
            told = isinstance(error, (ValueError, RuntimeError)) and str(error)
            reason = one_line(told or "part of it is of another kind than it must be")
            raise ValueError(f"{checkpoint} does not fit this run: {reason}") from error
        finally:
            self.run_folder.unlock()

    def _is_stacked(self, kind: str | None) -> bool:
        """Return whether a lone run is trained as a stacked population of one."""
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        if kind == "processes" or (kind is None and not on_gpu):
            return False
        try:
            check_one_device(self.trainer.strategy)
            check_stackable([(self.model, self.datamodule, str(self.trainer.precision))])
        except ValueError as error:
            if kind:
                raise ValueError(f"--population is stacked, but {error}") from error
            return False
        return True

    def _folder(self, config: Any) -> RunFolder:
        if config.folder:
            return RunFolder(Path(config.folder))
        name = config.name or name_of_run(self.model.agent.architecture, self.datamodule.task)
        return RunFolder(Path(config.runs) / name / f"seed{self.datamodule.seed}")

    def _logger(self, folder: RunFolder, config: Any) -> TensorBoardLogger:
        known: dict[str, Any] = {}
        if config.ckpt_path:  # what a killed run logged after its last state comes again
            counters = read(config.ckpt_path).content["experience"]["counters"]
            known["purge_step"] = counters["total_trials"] + 1
        return TensorBoardLogger(folder.path.parent, name="", version=folder.path.name, **known)

    def _callbacks(self, config: Any) -> list[Any]:
        trainer = config.trainer
        given = trainer.callbacks or []
        given = given if isinstance(given, list) else [given]
        if self.subcommand != "fit":
            return given
        bar = [] if trainer.enable_progress_bar is False else [TrialProgress()]
        told = [MemberReport()] if os.environ.get(MEMBER) else []
        return [*given, Monitor(), *bar, *told, Summary()]


def run(args: Sequence[str] | None, kind: type[ModnavCLI] = ModnavCLI) -> ModnavCLI:
    """Run a command of LightningCLI.

    Raises:
        ValueError: For a mistake in the arguments or the files.
        RunEndedError: If the run ended before its time.
    """
    quieten()
    command = (sys.argv[1:] if args is None else args)[0]
    if command != "fit":
        warnings.filterwarnings("ignore", "Be aware that when using `ckpt_path`, callbacks used")
    try:
        return _cli(command, args, kind)
    except (MisconfigurationException, SystemExit, RuntimeError) as error:
        meant = meant_by(error)
        if meant is None:
            raise
        raise meant from error


def _cli(command: str, args: Sequence[str] | None, kind: type[ModnavCLI]) -> ModnavCLI:
    loader = get_yaml_default_loader()  # type: ignore[no-untyped-call]  # of jsonargparse
    plain_values(loader)
    # defaults such as that of Lightning's Timer, by what they stand for
    yaml.SafeDumper.add_multi_representer(Enum, lambda dumper, x: dumper.represent_data(x.value))
    return kind(
        command,
        save_config_callback=KeptConfig if command == "fit" else None,
        trainer_defaults={
            "max_epochs": -1,
            "devices": 1,
            "num_sanity_val_steps": 0,
            "enable_model_summary": False,
        },
        seed_everything_default=0,
        auto_configure_optimizers=False,
        parser_kwargs={"exit_on_error": False, "allow_abbrev": False},
        args=None if args is None else list(args),
    )
