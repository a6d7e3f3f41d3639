"""A callback as a user writes it: writes down what it is told, over resumes too."""

import json
from pathlib import Path

from modnav.callbacks import TrialCallback


class Seen(TrialCallback):
    """Keeps all that it is told in ``seen.json``."""

    def __init__(self) -> None:
        self.seen = {"blocks": [], "phases": [], "validations": []}

    def on_block(self, trainer, module, trials):
        means = ("trials", "reward_fraction", "steps_per_trial")
        self.seen["blocks"].append(
            {key: getattr(trials.summary, key) for key in means}
            | {"rewarded": trials.rewarded.tolist(), "steps": trials.steps.tolist()}
            | {"updates": module.updates}
        )

    def on_phase(self, trainer, module, old, new):
        self.seen["phases"].append([old, new, trainer.datamodule.counters.checked])

    def on_validation(self, trainer, module, scores):
        _, whole = module.shown
        row = {"rows": len(scores), "columns": list(scores), "steps": int(whole.steps.sum())}
        self.seen["validations"].append(row)
        told = json.dumps(self.seen)
        folder = Path(trainer.default_root_dir)
        folder.mkdir(exist_ok=True)  # Lightning makes it with the first checkpoint
        (folder / "seen.json").write_text(told)

    def state_dict(self):
        return self.seen

    def load_state_dict(self, state_dict):
        self.seen = {key: list(rows) for key, rows in state_dict.items()}
