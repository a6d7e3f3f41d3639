"""A pl.Trainer of one's own with modnav's parts, as docs/python.md has it."""

import signal

import pytest
import pytorch_lightning as pl
from own_callbacks import Seen
from same_weights import same_runs

from modnav import load_agent
from modnav.callbacks import LastCheckpoint, Monitor, TrainingPhases, TrialCheckpoint
from modnav.learning import TD3, Experience, TrialReplay, Validation
from modnav.networks import build_agent
from modnav.task import TaskParameters


def train(folder: str, trials: int, checkpoint: str | None = None) -> tuple[pl.Trainer, TD3]:
    pl.seed_everything(0)
    agent = build_agent("ekf")
    learner = TD3(agent.actor, agent.critic.first)
    experience = Experience(
        TaskParameters(max_steps=8), TrialReplay(capacity=100, batch_size=4), 4,
        learning_starts=1, epoch_trials=20, check_trials=10,
        validation=Validation((1.0,), 5, 5), seed=0,
    )  # fmt: skip
    phases = TrainingPhases(trials=trials, learned_fraction=-1.0)
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=-1, num_sanity_val_steps=0, default_root_dir=folder,
        logger=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[Seen(), phases, TrialCheckpoint(), LastCheckpoint(), Monitor()],
    )  # fmt: skip
    trainer.fit(learner, datamodule=experience, ckpt_path=checkpoint)
    return trainer, learner


def test_a_script_that_has_trained_ends_by_signals_as_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    handlers = [signal.getsignal(number) for number in LastCheckpoint.signals]
    train("short", 10)
    assert [signal.getsignal(number) for number in LastCheckpoint.signals] == handlers


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_it_trains_logs_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer, learner = train("whole", 40)
    assert {"selection/reward_rate", "training/gain1x/TD_error"} <= trainer.callback_metrics.keys()
    steps = trainer.fit_loop.epoch_loop.total_batch_idx + 1
    assert steps < learner.updates <= 16 * steps
    assert trainer.global_step == learner.updates + (learner.updates + 1) // 2
    assert load_agent("whole/checkpoints/00039.ckpt").architecture == "EKF"
    train("broken", 20)
    train("broken", 40, "broken/last.ckpt")
    assert same_runs("whole", "broken")
