"""What each member of a population will do, checked before any of them starts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from modnav.callbacks import LastCheckpoint, TrainingPhases
from modnav.callbacks.last import go_on_with
from modnav.commands.checks import check_one_device
from modnav.commands.keeping import KeptConfig
from modnav.commands.strangers import check_run_config
from modnav.commands.terminal import tell
from modnav.errors import FOR_GOOD
from modnav.files import one_line, read_text, regular, write_text_atomically
from modnav.learning import check_stackable, room_for
from modnav.machine import open_files
from modnav.runs import RunFolder, resume_command

from .checked import CheckedCLI, check_same, checked, is_finished, one_thread
from .claims import OTHER_FILES, claim
from .gathered import CURVES, VALIDATIONS
from .members import Member, Outcome, Request, names_of, runs_in, seed_of, told_seeds

FILES = 4
"""Files that a stacked member has open: its two locks, TensorBoard's, what it writes."""

_SEED_LINE = re.compile(r"^seed_everything: .*$", re.MULTILINE)


@dataclass
class Plan:
    """What is to be done.

    Attributes:
        members: Members to train, in order.
        left_alone: Members that ended before, and how.
        folders: Folders of the runs' folders.
        threads: Threads of a member.
        on_gpu: Whether members are to be trained on a GPU.
        parts: Those of a member of each setting.
        states: States from which members go on, if not from their last.
        kind: How they are trained, ``processes`` or ``stacked``.
    """

    members: list[Member] = field(default_factory=list)
    left_alone: list[Outcome] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    threads: int = 1
    on_gpu: bool = False
    parts: list[CheckedCLI] = field(default_factory=list)
    states: dict[Path, Path] = field(default_factory=dict)
    kind: str = "processes"

    def take(self, cli: CheckedCLI) -> None:
        """Take up what one setting asks for."""
        config = cli.config[cli.subcommand]
        for key in ("devices", "num_nodes"):
            if str(config.trainer[key]) != "1":
                raise ValueError(f"trainer.{key} is {config.trainer[key]}; members have 1 each")
        self.threads = max(self.threads, config.threads)
        where = config.trainer.accelerator
        self.on_gpu |= where in ("gpu", "cuda", "auto") and torch.cuda.is_available()
        self.parts.append(cli)

    def settle(self, kind: str | None) -> None:
        """Settle how members are trained, before anything of them is made or deleted.

        Raises:
            ValueError: If there is too little memory, or too few files may be open.
        """
        self.kind = kind or ("stacked" if self.on_gpu else "processes")
        if self.kind == "stacked" and (reason := self.not_stacked()):
            print(f"members are trained as processes, not stacked: {reason}")
            self.kind = "processes"
        if self.kind != "stacked" or not self.members:
            return
        self.room()
        files = FILES * len(self.members) + OTHER_FILES
        if (allowed := open_files(files)) < files:
            raise ValueError(
                f"{len(self.members)} stacked members have up to {files:,} files open, and the system "
                f"allows {allowed:,} (ulimit -Hn); train fewer at once, or --population processes"
            )

    def not_stacked(self) -> str:
        """Return why the members cannot be stacked; empty if they can."""
        parts = [(x.model, x.datamodule, str(x.trainer.precision)) for x in self.parts]
        try:
            for x in self.parts:
                check_one_device(x.trainer.strategy)
            check_stackable(parts)
        except ValueError as error:
            return str(error)
        return ""

    def going_on(self) -> str:
        """Return how to go on with the members, in words."""
        return go_on_with(self.folders, self.imports)

    @property
    def imports(self) -> list[str]:
        """Modules of the user's own that a command which resumes the members has to be told."""
        return [module for cli in self.parts for module in cli.part(LastCheckpoint).imports]

    def room(self) -> tuple[int, int]:
        """Return the bytes that the members take if they are stacked, and those that there are.

        Raises:
            ValueError: If there are too few.
        """
        first, device = self.parts[0], torch.device("cuda" if self.on_gpu else "cpu")
        return room_for(first.model, first.datamodule, len(self.members), device)


@contextmanager
def planned(request: Request, imported: Sequence[str]) -> Iterator[Plan]:
    """Check a population and yield what it has to do; new members' folders are made.

    While the context lasts no other command of many members takes one of these.
    """
    more = tuple(word for module in imported for word in ("--import", module))
    with ExitStack() as held:
        with one_thread():
            if request.resumed:
                plan = _resumed(request, imported, more, held)
            else:
                plan = _begun(request, more, held)
        yield plan


def _begun(request: Request, more: tuple[str, ...], held: ExitStack) -> Plan:
    plan, texts, overwrite = Plan(), dict[Path, str](), False
    names = names_of(request.settings())
    for k, setting in enumerate(request.settings()):
        args = [*request.args, *(f"--{key}={value}" for key, value in setting)]
        cli = checked([*args, "--seed_everything", str(request.seeds[0])], quiet=k > 0)
        config = cli.config[cli.subcommand]
        _check_alone(config)
        overwrite |= config.overwrite
        plain = cli.run_folder.path.parent
        folder = plain.with_name(plain.name + names[setting])
        if setting:
            args += ["--name", str(folder.relative_to(config.runs))]
        args += ["--threads", str(config.threads), *more]
        phases, text = cli.part(TrainingPhases), cli.part(KeptConfig).text()
        plan.take(cli)
        plan.folders.append(folder)
        for seed in request.seeds:
            own = (*args, "--seed_everything", str(seed))
            member = Member(seed, setting, folder / f"seed{seed}", own, phases.schedule.trials)
            if not overwrite and is_finished(RunFolder(member.folder), phases):
                check_same(RunFolder(member.folder).config, text)
                plan.left_alone.append(Outcome(member, 0))
            else:
                plan.members.append(member)
                texts[member.folder] = _SEED_LINE.sub(f"seed_everything: {seed}", text)
    _refuse_unfinished(plan, overwrite=overwrite)
    _check_files(plan)
    plan.settle(request.kind)
    claim([m.folder for m in plan.members], held)
    _make_ready(texts, plan.imports, overwrite=overwrite)
    return plan


def _resumed(
    request: Request, imported: Sequence[str], more: tuple[str, ...], held: ExitStack
) -> Plan:
    plan, known = Plan(folders=list(dict.fromkeys(request.resumed))), dict[str, CheckedCLI]()
    rest = request.args[1:]
    for folder in plan.folders:
        chosen = _chosen(folder, request.seeds)
        claim(chosen, held)  # before it is seen which are finished
        for path in chosen:
            run_folder = RunFolder(path)
            text = _SEED_LINE.sub("", read_text(run_folder.config, "replace"))
            if text not in known:
                check_run_config(run_folder.config, imported)
                args = ["fit", "--config", str(run_folder.config), *rest]
                known[text] = checked(args, quiet=bool(known))
                plan.take(known[text])
            phases = known[text].part(TrainingPhases)
            own = ("fit", "--resume", str(path), *rest, *more)
            member = Member(seed_of(path), (), path, own, phases.schedule.trials)
            before = None if rest else run_folder.ended()
            if is_finished(run_folder, phases):
                plan.left_alone.append(Outcome(member, 0))
            elif before and before[0] in FOR_GOOD:  # it would end so again
                plan.left_alone.append(Outcome(member, *before))
            else:
                plan.members.append(member)
    _check_files(plan)
    plan.settle(request.kind)
    for member in plan.members:
        RunFolder(member.folder).check_free()
    return plan


def _chosen(folder: Path, seeds: Sequence[int]) -> list[Path]:
    """Return the runs of a folder that are to go on: those of some seeds, or all."""
    if not folder.exists():
        raise ValueError(f"--resume is {folder}; there is no such folder")
    if not folder.is_dir():
        raise ValueError(f"--resume is {folder}, a file; several are resumed by their folders")
    if not (runs := runs_in(folder)):
        raise ValueError(f"--resume is {folder}; it must hold runs, folders such as seed0")
    if lost := [p.name for p in sorted(folder.glob("seed*")) if p not in runs and p.is_dir()]:
        tell(f"{folder}: left out, without a config.yaml: {one_line(', '.join(lost))}")
    if lacking := sorted(set(seeds) - set(map(seed_of, runs))):
        raise ValueError(f"--seeds has {told_seeds(lacking)}; {folder} holds no such run")
    return [path for path in runs if not seeds or seed_of(path) in seeds]


def _check_alone(config: Any) -> None:
    """Refuse what a configuration gives to all members and each must have of its own."""
    for key, value in {"data.seed": config.data.seed, "folder": config.folder}.items():
        if value is not None:
            raise ValueError(f"{key} is {value}; leave it out where there are many runs")


def _check_files(plan: Plan) -> None:
    """Refuse folders in which what members write and this process reads or writes is no file."""
    for parent in plan.folders:
        for name in (VALIDATIONS, CURVES):
            regular(parent / name)
    for member in plan.members:
        folder = RunFolder(member.folder)
        if folder.path.is_symlink():
            raise ValueError(
                f"{folder.path} is a link; members are trained in folders of their own"
            )
        for path in (folder.log, folder.report, folder.path / "validation.csv"):
            regular(path)


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
                f"`{resume_command([folder], plan.imports)}`, choose another --name, or start anew with "
                "--overwrite true"
            )


def _make_ready(configs: Mapping[Path, str], imports: Sequence[str], *, overwrite: bool) -> None:
    """Make members' folders, with configurations, so that each can be resumed before it began."""
    for path in configs:  # all are asked for before anything in one of them is deleted
        folder = RunFolder(path)
        folder.claim(overwrite=overwrite, resume=False, imports=imports)
        folder.check_free()
    for path, config in configs.items():
        folder = RunFolder(path)
        folder.lock()
        try:
            folder.sweep()
            folder.delete(folder.of_former_run())
            write_text_atomically(config, folder.config)
        finally:
            folder.unlock()
