"""What Lightning and torch say to every run, and no user can act on."""

import logging
import os
import warnings


def quieten() -> None:
    """Silence what Lightning says to every run and no user can act on."""
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # Lightning's use of it
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.seed"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for about in (
        "LightningCLI's args parameter is intended to run from within Python",  # members of a population
        "RNN module weights are not part of single contiguous chunk",  # those of members are views
        "You are using the `dataloader_iter` step flavor",  # so that acting waits for learning
        "Found `dataloader_iter` argument in the `training_step`",
        "`isinstance\\(treespec, LeafSpec\\)` is deprecated",
        "The `.*_dataloader` does not have many workers",
        "Checkpoint directory .* exists and is not empty",  # a resumed run
        "The `srun` command is available",  # a run may well be for this machine alone
        "GPU available but not used",  # where the processor was asked for
        "The AccumulateGrad node's stream does not match",  # Lightning starts DDP on its own stream
    ):
        warnings.filterwarnings("ignore", about)
