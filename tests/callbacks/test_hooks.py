"""Methods of callbacks that could not be called are told before a training."""

from types import SimpleNamespace

import pytest
from own_callbacks import Seen
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint

import modnav
from modnav.callbacks import TrainingPhases, TrialCallback, TrialProgress, check_hooks


def made(base: type[Callback], **methods: object) -> Callback:
    return type("Mine", (base,), methods)()


@pytest.mark.parametrize(
    ("base", "method", "body", "message"),
    [
        (TrialCallback, "on_block", lambda self, trainer, trials: None,
         "takes (trainer, trials); it must be def on_block(self, trainer, module, trials)"),
        (TrialCallback, "on_phase", lambda self, trainer, module, phase: None,
         "takes (trainer, module, phase); it must be def on_phase(self, trainer, module, old, new)"),
        (TrialCallback, "on_validation", lambda self, trainer, module, scores, *, more: None,
         "takes (trainer, module, scores, more); it must be def on_validation(self, trainer, module, scores)"),
        (TrialCallback, "on_block", 3, "is 3; it must be def on_block(self, trainer, module, trials)"),
        (Callback, "on_train_start", lambda self: None, "takes (); it must be def on_train_start(self, trainer, pl_module)"),
        (Callback, "setup", lambda self, trainer, module, what: None, "it must be def setup(self, trainer, pl_module, stage)"),
    ],
)  # fmt: skip
def test_it_says_how_the_method_must_be(base, method, body, message):
    with pytest.raises(ValueError, match=rf"Mine\.{method} ") as error:
        check_hooks([made(base, **{method: body})])
    assert str(error.value).endswith(message)


def test_what_can_be_called_passes():
    check_hooks([
        TrialCallback(), TrainingPhases(), TrialProgress(), EarlyStopping("x"), ModelCheckpoint(), Seen(),
        made(TrialCallback, on_block=lambda *args: None, on_phase=lambda self, a, b, c, d, more=1: None),
        made(Callback, on_block=lambda self: None, on_validation_batch_end=lambda self, a, b, c, d, e: None),
    ])  # fmt: skip


def test_a_trainer_of_ones_own_is_refused_before_it_trains():
    mine = made(TrialCallback, on_block=lambda self, trials: None)
    trainer = SimpleNamespace(callbacks=[mine])
    with pytest.raises(ValueError, match=r"Mine.on_block takes \(trials\)"):
        TrainingPhases().setup(trainer, None, "fit")


def test_a_run_is_refused_before_its_folder_is_made(small, monkeypatch, tmp_path):
    monkeypatch.setattr(Seen, "on_block", lambda self, trials: None)
    with pytest.raises(ValueError, match=r"own_callbacks.Seen.on_block takes \(trials\)"):
        modnav.train(small, overrides={"trainer.callbacks": Seen}, runs="made")
    assert not [x for x in (tmp_path / "made").rglob("*") if x.is_file()]
