"""What a command of Lightning is asked for, checked and settled before it begins."""

import os
import re
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.strategies import SingleDeviceStrategy

from modnav.errors import require
from modnav.files import one_line
from modnav.learning import SINGLE, Schedule, check_precision, fast_precision

from .terminal import tell

LEFT_ALONE = {
    "limit_val_batches": ((None,), "validations decide phases and select checkpoints"),
    "fast_dev_run": ((False, 0), "say --config debug, after the others, to try a run in seconds"),
    "overfit_batches": ((0, 0.0), "batches come from acting"),
    "gradient_clip_val": ((None, 0, 0.0), "modnav optimises by hand, as published"),
    "accumulate_grad_batches": ((1,), "modnav optimises by hand, as published"),
    "enable_checkpointing": ((None, True), "a run is resumed and selected by its checkpoints"),
}
"""Options of Lightning's trainer that a training of modnav cannot obey, and why."""


MOST_THREADS = 1024
"""Threads beyond which a number is taken for a mistake."""


def settle(command: str, config: Any) -> None:
    """Check what is asked for, and put threads, processes and precision into a configuration.

    Raises:
        ValueError: For what a training cannot obey or this machine cannot do.
    """
    trainer = config.trainer
    if command == "fit":
        config.threads = thread_count(config.threads)
        check_fit(config)
    on_cpu = trainer.accelerator == "cpu" or not torch.cuda.is_available()
    if command != "fit":
        trainer.precision = SINGLE  # as all evaluations, also of what learned in another
        in_one_process(trainer)
    if trainer.precision is None and config.prefer_bf16:
        trainer.precision = fast_precision(on_cpu)
        if trainer.precision == SINGLE:
            tell("training in single precision (32-true): bfloat16 is not known to be faster here")
    check_precision(trainer.precision, on_cpu)


def check_fit(config: Any) -> None:
    """Refuse what a training would silently ignore, or fail of later."""
    for key, (allowed, why) in LEFT_ALONE.items():
        value = config.trainer.get(key)
        if value not in allowed:
            raise ValueError(f"trainer.{key} is {value}; it must be left alone: {why}")
    if "spawn" in str(config.trainer.strategy) or "fork" in str(config.trainer.strategy):
        raise ValueError(
            f"trainer.strategy is {config.trainer.strategy}; processes of a training are started as "
            "commands of their own: say ddp (--config ddp)"
        )
    check_nodes(config.trainer)
    devices = config.trainer.devices
    if re.fullmatch(r"-?\d+", str(devices)):
        require("trainer.devices", int(devices), 1)
    on_cpu = config.trainer.accelerator == "cpu" or not torch.cuda.is_available()
    if isinstance(devices, list) and on_cpu:
        raise ValueError(f"trainer.devices is {devices}; of a processor it must be 1 or more")
    if config.name and (Path(config.name).is_absolute() or ".." in Path(config.name).parts):
        raise ValueError(f"name is {one_line(config.name)}; it must name a folder below --runs")
    if (elsewhere := config.checkpoint.dirpath) is not None:  # where members share it, too
        raise ValueError(
            f"checkpoint.dirpath is {one_line(elsewhere)}; leave it out: checkpoints lie in a run's own "
            "folder, where every command looks for them; --folder or --runs says where that is"
        )
    optimizer = config.model.get("optimizer")
    if optimizer is None:
        raise ValueError("model.optimizer is null; it must be a class, such as torch.optim.Adam")
    rate = getattr(getattr(optimizer, "init_args", None), "lr", None)
    # torch's own default and the published one: nobody asked for them
    if rate not in (None, 1e-3, Schedule.one.learning_rate, config.phases.one.learning_rate):
        raise ValueError(
            f"model.optimizer.init_args.lr is {rate}, but phases decide the learning rate; set "
            "phases.one.learning_rate, phases.two.learning_rate and phases.three.learning_rate"
        )


NODES = ("MASTER_ADDR", "SLURM_NTASKS", "LSB_JOBID", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
"""Variables of which one is set where something provides the other nodes of a training."""


def check_nodes(trainer: Any) -> None:
    """Refuse to wait for nodes that nobody starts."""
    require("trainer.num_nodes", trainer.num_nodes, 1)
    if trainer.num_nodes > 1 and not trainer.plugins and not any(x in os.environ for x in NODES):
        raise ValueError(
            f"trainer.num_nodes is {trainer.num_nodes}; it must be 1 unless all nodes are started "
            "(by SLURM, torchrun, or with MASTER_ADDR and NODE_RANK set): nothing here says so"
        )


def in_one_process(trainer: Any) -> None:
    """Evaluate in one process, whatever the training had: a checkpoint needs no more."""
    trainer.num_nodes, trainer.strategy = 1, "auto"
    trainer.devices = trainer.devices[:1] if isinstance(trainer.devices, list) else 1


def thread_count(asked: int | None) -> int:
    """Return the number of threads of a run: the one asked for, OMP_NUM_THREADS, or else 1.

    Raises:
        ValueError: If it is below 1, or a mistake.
    """
    if asked is None:
        return torch.get_num_threads() if os.environ.get("OMP_NUM_THREADS") else 1
    require("threads", asked, 1, MOST_THREADS)
    return asked


def check_one_device(strategy: Any) -> None:
    """Check that a run leaves its updates to nobody else, so that a population may make them."""
    if not isinstance(strategy, SingleDeviceStrategy):
        name = type(strategy).__name__
        raise ValueError(f"trainer.strategy is {name}, of several processes")  # noqa: TRY004 - a user's mistake
