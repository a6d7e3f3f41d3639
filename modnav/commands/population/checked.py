"""Runs made as ``fit`` makes them, but not trained: whether they would start, what is left to do."""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

from typing_extensions import override

from modnav.callbacks import TrainingPhases
from modnav.commands.training import ModnavCLI, run
from modnav.files import one_line, parse_yaml, read_yaml
from modnav.networks import check_agent
from modnav.runs import RunFolder, read

_MAY_DIFFER = {"phases.trials"}
"""Constants that say how long a run is, not which."""


class CheckedCLI(ModnavCLI):
    """Make all parts of a run, as ``fit`` does, and neither take a folder nor run anything."""

    @override
    def _claim(self, folder: RunFolder, config: Any) -> None:
        pass

    @override
    def _run_subcommand(self, subcommand: str) -> None:
        """Check what a run checks when it begins."""
        agent, experience = self.model.agent, self.datamodule
        check_agent(agent, experience.task.max_steps)
        experience.check(agent)
        where = self.trainer.strategy.root_device
        experience.replay.allocate(agent.sources, experience.task.max_steps, where)

    def part(self, kind: type[Any]) -> Any:
        """Return the callback of a kind."""
        callbacks: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]  # by a connector
        return next(x for x in callbacks if isinstance(x, kind))


def checked(args: list[str], *, quiet: bool) -> CheckedCLI:
    """Make all parts of a run from arguments of ``modnav``, and return what made them.

    Raises:
        ValueError: If the run would not start; the message is that of the run itself.
    """
    with redirect_stdout(io.StringIO()) if quiet else nullcontext():
        cli = run(args, CheckedCLI)
    assert isinstance(cli, CheckedCLI)
    return cli


@contextmanager
def one_thread() -> Iterator[None]:
    """Let members have the threads that they ask for or one, whatever OMP_NUM_THREADS says."""
    before = os.environ.pop("OMP_NUM_THREADS", None)
    try:
        yield
    finally:
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


def is_finished(folder: RunFolder, phases: TrainingPhases) -> bool:
    """Return whether a run has nothing left to do, as its last state tells."""
    if not folder.last.is_file():
        return False
    try:
        content = read(folder.last).content
        phases.load_state_dict(content["callbacks"][phases.state_key])
        return phases.is_finished(content["experience"]["counters"]["checked"])
    except (ValueError, LookupError, TypeError):
        return False  # the run itself says what is wrong when it is resumed


def check_same(config: Path, text: str) -> None:
    """Refuse to take a finished run for one that was asked for otherwise."""
    there, here = (_constants(c) for c in (read_yaml(config), parse_yaml(text)))
    for key in there.keys() & here.keys():
        if there[key] != here[key] and key not in _MAY_DIFFER:
            raise ValueError(
                f"{config.parent} is finished, but was trained otherwise: {key} is "
                f"{one_line(there[key])} there and {one_line(here[key])} here; choose another "
                "--name, or start anew with --overwrite true"
            )


def _constants(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return each constant of what is trained, by its key."""
    todo = {key: config.get(key) for key in ("model", "data", "phases")}
    found: dict[str, Any] = {}
    while todo:
        key, value = todo.popitem()
        if isinstance(value, Mapping):
            found[key] = {}  # another than None
            todo |= {f"{key}.{name}": part for name, part in value.items()}
        else:
            found[key] = value
    return found
