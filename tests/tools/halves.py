"""One real update of TD3 in one process or in two, for test_processes.py.

``python halves.py PROCESSES FOLDER`` updates once on a given batch, each process on its part of
the trials, and writes the weights.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from pytorch_lightning import LightningDataModule, Trainer, seed_everything

from modnav.acting import Segment
from modnav.learning import TD3, Stream
from modnav.networks import build_agent

TRIALS, STEPS = 8, 6


def batch() -> Segment:
    """Return a batch of random numbers."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    last = torch.zeros(STEPS, TRIALS, 1)
    last[-1] = 1
    inputs = {"observation": normal(STEPS + 1, TRIALS, 6)}
    action = normal(STEPS, TRIALS, 2).tanh()
    return Segment(inputs, action, last * normal(STEPS, TRIALS, 1), last, None)


class Batches(LightningDataModule):
    """Streams a process's part of one batch, twice, so that the delayed actor is met too."""

    def train_dataloader(self) -> Stream[Segment]:
        return Stream(self.parts)

    def parts(self) -> Iterator[Segment]:
        assert self.trainer is not None
        size = TRIALS // self.trainer.world_size
        part = slice(self.trainer.global_rank * size, (self.trainer.global_rank + 1) * size)
        whole = batch()
        inputs = {name: x[:, part] for name, x in whole.inputs.items()}
        for _ in range(2):
            yield Segment(
                inputs, whole.action[:, part], whole.reward[:, part], whole.terminal[:, part], None
            )


def update(processes: int, folder: Path) -> None:
    """Train for two updates and write the weights of each process."""
    seed_everything(0)
    agent = build_agent("modular")
    learner = TD3(agent.actor, agent.critic.first, noise_std=0.0)
    trainer = Trainer(
        accelerator="cpu",
        devices=processes,
        strategy="ddp_find_unused_parameters_true" if processes > 1 else "auto",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(learner, datamodule=Batches())
    assert learner.updates == 2
    torch.save(learner.state_dict(), folder / f"{processes}.{trainer.global_rank}.pt")


def main() -> None:
    """Do as the command line says."""
    update(int(sys.argv[1]), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
