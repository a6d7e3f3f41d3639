"""What a training keeps in the folder of its run: configuration and checkpoints, each whole."""

import copy
import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.cli import SaveConfigCallback
from pytorch_lightning.plugins.io import TorchCheckpointIO
from typing_extensions import override

from modnav.files import parse_yaml, replacing, write_atomically
from modnav.runs import RunFolder, read

_VERSION = re.compile(r"[2-9]\.\d+(\.\d+)*(\.?(a|b|rc|post|dev)\d+)*")


class KeptConfig(SaveConfigCallback):
    """Keep what a run was asked for in its folder, also what a resumed run was asked anew.

    This and what it replaces in the folder wait until all is made, checked and restored: a run that
    is refused leaves the folder as it was.

    Attributes:
        anew: Whether this run begins, and does not go on from a state.
        former: Files of a former run, which are deleted when this one begins.
    """

    anew = False
    former: Sequence[Path] = ()

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        pass

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            folder = RunFolder(Path(trainer.default_root_dir))
            if self.anew:
                folder.begun.touch()
            RunFolder.delete(self.former)
            with replacing(folder.config) as temporary:  # a killed run leaves the former whole
                self.parser.save(self.lasting(), temporary, skip_none=False, overwrite=True)
        trainer.strategy.barrier("the folder is ready")  # others look what is in it

    def lasting(self) -> Any:
        """Return the configuration without what is of this start alone."""
        config = self.config.clone()
        config.ckpt_path, config.folder, config.overwrite = None, None, False
        return config

    def text(self) -> str:
        """Return what the file will hold."""
        return str(self.parser.dump(self.lasting(), skip_none=False))

    def content(self) -> dict[str, Any]:
        """Return what the file will say."""
        found: dict[str, Any] = parse_yaml(self.text())
        return found


def _apart(content: Any, seen: set[int]) -> Any:
    """Return a checkpoint whose tensors hold nothing but themselves, each its own numbers.

    Those of a member of a population are views of what all members share: a file would hold it
    all, and tensors that were one number would be one again when they are read.
    """
    if isinstance(content, torch.Tensor):
        storage = content.untyped_storage()
        alone = storage.nbytes() <= content.nbytes and storage.data_ptr() not in seen
        seen.add(storage.data_ptr())
        return content if alone or not content.nbytes else content.clone()
    if isinstance(content, dict):
        held = copy.copy(content)  # of its own kind
        held.update({key: _apart(x, seen) for key, x in content.items()})
        return held
    if type(content) in (list, tuple):
        return type(content)(_apart(x, seen) for x in content)
    return content


def _check_states(states: Mapping[str, Any]) -> None:
    """Refuse states of callbacks that could not be read back: the run could not be resumed."""
    for name, state in states.items():
        file = io.BytesIO()
        try:
            torch.save(state, file)
            file.seek(0)
            torch.load(file, weights_only=True)
        except Exception as error:  # what pickle raises is of many kinds
            raise ValueError(
                f"state_dict of {name} cannot be read back from a checkpoint; it must hold numbers, "
                f"texts, tensors, lists and dictionaries ({type(error).__name__})"
            ) from error


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint beside its place and move it there when it is whole.

    A run that is killed, or a disk that fills up, leaves the former checkpoint as it was.
    """

    @override
    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        _check_states(checkpoint.get("callbacks", {}))
        write_atomically(_apart(checkpoint, set()), Path(path))

    @override
    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        checkpoint = dict(read(path).content)
        version = checkpoint.get("pytorch-lightning_version")
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise ValueError(f"{path} does not tell the version of Lightning that wrote it")
        return checkpoint
