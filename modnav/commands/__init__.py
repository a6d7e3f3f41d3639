"""Commands beside those of LightningCLI, one module each with ``main(args)``.

A command reports a mistake of its user by raising ``ValueError`` with one clear line, ``OSError`` if a file
cannot be written, and ``InterruptedRunError`` if it was interrupted and the same command goes on.
"""

import importlib
from collections.abc import Callable, Sequence

COMMANDS: dict[str, str] = {
    "record": "write tables of trials, steps and unit activity of a checkpoint",
    "watch": "make an animation of a few trials of a checkpoint",
    "evaluate": "run every checkpoint of runs on the fixed test trials: training curves",
    "doctor": "tell what this machine can do and what will be slow, and what is missing",
    "completion": "print what lets a shell complete commands, options and names of configs",
    "bench": "time acting, updates, evaluation, replay and runs on this machine",
    "best": "find the best checkpoint of each run and architecture",
    "configs": "list the configs that `--config` knows",
    "compare": "compare how runs learned with the study's seeds, or with other runs",
    "export": "write a recording as NWB or pynapple objects, an agent as ONNX, torch.export or safetensors",
    "figures": "draw the study's figures from trained runs",
    "study": "train, evaluate, record and report a whole study, as a study file says",
    "report": "draw the study's figures, and one HTML page of them beside the published values",
    "redraw": "draw panels from their CSV anew, in a style and size of one's own",
    "import-published": "turn trained agents of the study into checkpoints",
    "export-published": "write a checkpoint's agent as the study did (.pth.tar)",
    "import-monkey": "turn published trials of a monkey into tables of trials and steps",
}
"""What each command does; ``import-published`` lives in ``import_published.py``."""

LIGHTNING = {
    "fit": "train an agent, e.g. `modnav fit --config modular`, or many: `--seeds 0-31`",
    "validate": "run a checkpoint on the gain task",
    "test": "run a checkpoint on the perturbation task",
    "predict": "write a table of trials of a checkpoint",
}
"""What the commands of LightningCLI do."""


def load(command: str) -> Callable[[Sequence[str]], None]:
    """Return the function that runs a command, imported only now."""
    return importlib.import_module(f"modnav.commands.{command.replace('-', '_')}").main
