"""modnav: modular reinforcement-learning agents that navigate under uncertainty."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modnav.api import Run, Runs, open_runs, resume, train
    from modnav.networks import Agent, build_agent
    from modnav.recording import record, simulate
    from modnav.runs import load_agent
    from modnav.studies import open_study

__version__ = "0.1.0"

_LAZY = {
    "build_agent": "modnav.networks",
    "Agent": "modnav.networks",
    "Run": "modnav.api",
    "Runs": "modnav.api",
    "load_agent": "modnav.runs",
    "open_runs": "modnav.api",
    "resume": "modnav.api",
    "train": "modnav.api",
    "open_study": "modnav.studies",
    "record": "modnav.recording",
    "simulate": "modnav.recording",
}

__all__ = [
    "Agent",
    "Run",
    "Runs",
    "__version__",
    "build_agent",
    "load_agent",
    "open_runs",
    "open_study",
    "record",
    "resume",
    "simulate",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first asked for, so that ``import modnav`` is light."""
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'modnav' has no attribute {name!r}")
