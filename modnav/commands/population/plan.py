"""What each member of a population will do, checked before any of them starts."""

import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from typing_extensions import override

from modnav.callbacks import TrainingPhases
from modnav.commands.keeping import KeptConfig
from modnav.commands.strangers import check_run_config
from modnav.commands.training import ModnavCLI, run
from modnav.errors import DivergedError, PhaseOneFailedError
from modnav.files import one_line, write_text_atomically
from modnav.learning import check_stackable
from modnav.runs import RunFolder, read

from .members import Member, Outcome, Request, names_of, runs_in, seed_of, told_seeds

FOR_GOOD = (PhaseOneFailedError.exit_status, DivergedError.exit_status)
"""Exit statuses of runs that would end likewise if they went on as they are."""

_SEED_LINE = re.compile(r"^seed_everything: .*$", re.MULTILINE)


class _Checked(ModnavCLI):
    """Make all parts of a run, as ``fit`` does, and neither take a folder nor run anything."""

    @override
    def _claim(self, folder: RunFolder, config: Any) -> None:
        pass

    @override
    def _run_subcommand(self, subcommand: str) -> None:
        pass

    def part(self, kind: type[Any]) -> Any:
        """Return the callback of a kind."""
        callbacks: list[Any] = self.trainer.callbacks  # type: ignore[attr-defined]  # by a connector
        return next(x for x in callbacks if isinstance(x, kind))


@dataclass
class Plan:
    """What is to be done.

    Attributes:
        members: Members to train, in order.
        left_alone: Members that ended before, and how.
        folders: Folders of the runs' folders.
        threads: Threads of a member.
        on_gpu: Whether members are to be trained on a GPU.
        checked: The parts of a member of each setting.
    """

    members: list[Member] = field(default_factory=list)
    left_alone: list[Outcome] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    threads: int = 1
    on_gpu: bool = False
    checked: list[_Checked] = field(default_factory=list)

    def add(self, cli: _Checked, folder: Path) -> None:
        """Take up what one setting asks for."""
        config = cli.config[cli.subcommand]
        for key in ("devices", "num_nodes"):
            if str(config.trainer[key]) != "1":
                raise ValueError(f"trainer.{key} is {config.trainer[key]}; members have 1 each")
        self.threads = max(self.threads, config.threads)
        where = config.trainer.accelerator
        self.on_gpu |= where in ("gpu", "cuda", "auto") and torch.cuda.is_available()
        self.folders.append(folder)
        self.checked.append(cli)

    def not_stacked(self) -> str:
        """Return why the members cannot be stacked; empty if they can."""
        parts = [(x.model, x.datamodule, str(x.trainer.precision)) for x in self.checked]
        try:
            check_stackable(parts)
        except ValueError as error:
            return str(error)
        return ""


def planned(request: Request, imported: Sequence[str]) -> Plan:
    """Check a population and return what it has to do; new members' folders are made.

    Args:
        request: What is asked for.
        imported: Modules that the user named by ``--import``.

    Raises:
        ValueError: If a member would not start, or its folder holds a run that is not finished.
    """
    more = tuple(word for module in imported for word in ("--import", module))
    with _one_thread():
        if request.resumed:
            return _resumed(request, imported, more)
        return _begun(request, more)


def _begun(request: Request, more: tuple[str, ...]) -> Plan:
    plan, texts, overwrite = Plan(), dict[Path, str](), False
    names = names_of(request.settings())
    for k, setting in enumerate(request.settings()):
        args = [*request.args, *(f"--{key}={value}" for key, value in setting)]
        cli = _check([*args, "--seed_everything", str(request.seeds[0])], quiet=k > 0)
        config = cli.config[cli.subcommand]
        _check_alone(config)
        overwrite |= config.overwrite
        plain = cli.run_folder.path.parent
        folder = plain.with_name(plain.name + names[setting])
        if setting:
            args += ["--name", str(folder.relative_to(config.runs))]
        args += ["--threads", str(config.threads), *more]
        phases, text = cli.part(TrainingPhases), cli.part(KeptConfig).text()
        plan.add(cli, folder)
        for seed in request.seeds:
            own = (*args, "--seed_everything", str(seed))
            member = Member(seed, setting, folder / f"seed{seed}", own, phases.schedule.trials)
            if not overwrite and _is_finished(RunFolder(member.folder), phases):
                plan.left_alone.append(Outcome(member, 0))
            else:
                plan.members.append(member)
                texts[member.folder] = _SEED_LINE.sub(f"seed_everything: {seed}", text)
    _refuse_unfinished(plan, overwrite=overwrite)
    for path, text in texts.items():
        _make_ready(RunFolder(path), text, overwrite=overwrite)
    return plan


def _resumed(request: Request, imported: Sequence[str], more: tuple[str, ...]) -> Plan:
    plan, known = Plan(), dict[str, _Checked]()
    rest = request.args[1:]
    for folder in request.resumed:
        if not (runs := runs_in(folder)):
            raise ValueError(f"--resume is {folder}; it must hold runs, folders such as seed0")
        for path in runs:
            run_folder = RunFolder(path)
            text = _SEED_LINE.sub("", run_folder.config.read_text("utf-8", "replace"))
            if text not in known:
                check_run_config(run_folder.config, imported)
                args = ["fit", "--config", str(run_folder.config), *rest]
                known[text] = _check(args, quiet=bool(known))
                plan.add(known[text], folder)
            phases = known[text].part(TrainingPhases)
            own = ("fit", "--resume", str(path), *rest, *more)
            member = Member(seed_of(path), (), path, own, phases.schedule.trials)
            ended = None if rest else _ended(run_folder)
            if _is_finished(run_folder, phases):
                plan.left_alone.append(Outcome(member, 0))
            elif ended:
                plan.left_alone.append(Outcome(member, *ended))
            else:
                plan.members.append(member)
    plan.folders = list(dict.fromkeys(plan.folders))
    return plan


def _check(args: list[str], *, quiet: bool) -> _Checked:
    with redirect_stdout(io.StringIO()) if quiet else nullcontext():
        cli = run(args, _Checked)
    assert isinstance(cli, _Checked)
    return cli


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let members have the threads that they ask for or one, whatever OMP_NUM_THREADS says."""
    before = os.environ.pop("OMP_NUM_THREADS", None)
    try:
        yield
    finally:
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before


def _check_alone(config: Any) -> None:
    """Refuse what a configuration gives to all members and each must have of its own."""
    for key, value in {"data.seed": config.data.seed, "folder": config.folder}.items():
        if value is not None:
            raise ValueError(f"{key} is {value}; leave it out where there are many runs")


def _is_finished(folder: RunFolder, phases: TrainingPhases) -> bool:
    """Return whether a run has nothing left to do, as its last state tells."""
    if not folder.last.is_file():
        return False
    try:
        content = read(folder.last).content
        phases.load_state_dict(content["callbacks"][phases.state_key])
        return phases.is_finished(content["experience"]["counters"]["checked"])
    except (ValueError, LookupError, TypeError):
        return False  # the run itself says what is wrong when it is resumed


def _ended(folder: RunFolder) -> tuple[int, str] | None:
    """Return exit status and reason of a run that would end likewise if it went on."""
    try:
        told = json.loads(folder.report.read_text("utf-8"))
        status, reason = told["status"], one_line(told["reason"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return (status, reason) if status in FOR_GOOD else None


def _refuse_unfinished(plan: Plan, *, overwrite: bool) -> None:
    for folder in plan.folders:
        seeds = [
            member.seed
            for member in plan.members
            if member.folder.parent == folder and RunFolder(member.folder).has_checkpoints()
        ]
        if seeds and not overwrite:
            raise ValueError(
                f"{folder} holds runs that are not finished (seeds {told_seeds(seeds)}); go on by "
                f"`modnav fit --resume {folder}`, choose another --name, or start anew with "
                "--overwrite true"
            )


def _make_ready(folder: RunFolder, config: str, *, overwrite: bool) -> None:
    """Make a member's folder, with its configuration, so that it can be resumed before it began."""
    folder.claim(overwrite=overwrite, resume=False)
    folder.lock()
    try:
        folder.clear(whole=True)
        write_text_atomically(config, folder.config)
    finally:
        folder.unlock()
