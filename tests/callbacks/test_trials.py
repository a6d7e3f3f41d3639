"""Callbacks of one's own see the same trials in runs, resumed runs and populations."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from own_callbacks import Seen

import modnav
from modnav.cli import main

OWN = ["--trainer.callbacks", "own_callbacks.Seen", "--phases.refine_after", "30"]
TRUSTED = ["--import", "own_callbacks"]


def told(folder: str) -> dict:
    return json.loads((Path(folder) / "seen.json").read_text())


def fit(config: Path, folder: str, trials: int, *more: str) -> None:
    where = ["--folder", folder, "--phases.trials", str(trials)]
    main(["fit", "--config", str(config), *where, *OWN, *more])


def test_blocks_phases_and_validations_also_of_a_resumed_run(small):
    fit(small, "whole", 60)
    found = told("whole")
    assert [block["trials"] for block in found["blocks"]] == [10, 10, 20, 30, 40, 50, 60]
    sizes = [len(block["steps"]) for block in found["blocks"]]
    assert sizes == [10, 9, 10, 10, 10, 10, 10]  # the first of phase II is a trial shorter
    for block in found["blocks"]:
        steps, rewarded = torch.tensor(block["steps"]), torch.tensor(block["rewarded"])
        assert block["steps_per_trial"] == pytest.approx(float(steps.float().mean()))
        assert block["reward_fraction"] == pytest.approx(float(rewarded.float().mean()))
    assert found["phases"] == [[1, 2, 10], [2, 3, 30]]
    assert [x["rows"] for x in found["validations"]] == [4, 4, 4]
    assert found["validations"][0]["columns"][:2] == ["validation", "task"]

    fit(small, "broken", 40)
    main(["fit", "--resume", "broken", "--phases.trials", "60", *TRUSTED])
    assert told("broken") == found


def test_members_of_stacked_populations_tell_the_same(small):
    args = ["fit", "--config", str(small), "--phases.trials", "40", *OWN]
    main([*args, "--seeds", "0-1", "--population", "stacked"])
    main([*args, "--name", "alone", "--seed_everything", "1"])
    assert told("runs/small/seed1") == told("runs/alone/seed1")


def test_what_is_not_overridden_does_nothing(small):
    main(["fit", "--config", str(small), "--trainer.callbacks", "modnav.callbacks.TrialCallback"])
    assert Path("runs/small/seed0/last.ckpt").is_file()


def test_hooks_of_ones_own_take_nothing_away(small, monkeypatch):
    for hook in ("setup", "on_validation_end"):
        monkeypatch.setattr(Seen, hook, lambda *args, **kwargs: None)
    fit(small, "whole", 20)
    assert [block["trials"] for block in told("whole")["blocks"]] == [10, 10, 20]
    assert len(told("whole")["validations"]) == 1


@pytest.mark.parametrize("state", [np.ones(2), threading.Lock()])
def test_a_state_that_could_not_be_read_back_is_refused(small, monkeypatch, state):
    monkeypatch.setattr(Seen, "state_dict", lambda self: {"state": state})
    with pytest.raises(ValueError, match="state_dict of Seen cannot be read back"):
        modnav.train(small, overrides={"trainer.callbacks": Seen})
