"""Arguments as LightningCLI gets them: names of configs and runs in full, the published optimizer first."""

import os
import re
from collections.abc import Container, Sequence
from pathlib import Path

import yaml

from modnav.files import in_shell
from modnav.runs import RunFolder, checkpoint_at, lost_validations, read, resume_command

from .configs import is_overlay, shipped_configs
from .refused import Parser
from .strangers import check_run_config
from .terminal import tell

ADAM = """
model:
  optimizer: {class_path: torch.optim.Adam, init_args: {lr: 3.0e-4, eps: 1.5e-4, fused: true}}
"""
"""The published optimizer, as a config before all others: of a default jsonargparse would keep all arguments,
also those that nobody gave, in the place of another optimizer's own."""


def with_adam(args: list[str], commands: Container[str]) -> list[str]:
    """Return arguments with :data:`ADAM` before all other configs, also those before the command's name.

    Args:
        args: The arguments.
        commands: Names of the commands of LightningCLI.
    """
    command = next((word for word in args if word in commands), None)
    if command is None:
        return args
    if args[0] == command:
        return [command, f"--config={ADAM}", *args[1:]]
    return [f"--config={yaml.safe_dump({command: yaml.safe_load(ADAM)})}", *args]


def with_config_paths(args: list[str]) -> list[str]:
    """Return the arguments with the names of shipped configs replaced by their paths.

    ``--config modular`` finds ``modular.yaml`` among the configs that came with modnav.

    Raises:
        ValueError: If a config is neither a file nor such a name; the message lists the names.
    """
    found: list[str] = []
    has_agent = any(word.partition("=")[0] == "--resume" for word in args)
    for k, word in enumerate(args):
        flag, equals, value = word.partition("=")
        named = flag in ("--config", "-c") and bool(equals)
        if named or (k and args[k - 1] in ("--config", "-c")):
            name = value if named else word
            path = _config(name)
            if not has_agent and Path(path).is_file() and is_overlay(Path(path)):
                raise ValueError(
                    f"--config {name} is an overlay: give it after an agent, "
                    f"as in --config modular --config {name}"
                )
            has_agent = True
            found.append(f"{flag}={path}" if named else path)
        else:
            found.append(word)
    return found


def with_negative_numbers(args: list[str]) -> list[str]:
    """Return the arguments with ``--key -1e-3`` as ``--key=-1e-3``, which argparse understands."""
    found: list[str] = []
    for word in args:
        if found and found[-1].startswith("--") and "=" not in found[-1] and _NEGATIVE(word):
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


_NEGATIVE = re.compile(r"-(\d+\.?\d*|\.\d+)e[+-]?\d+|-inf|-nan", re.IGNORECASE).fullmatch


def _config(name: str) -> str:
    if Path(name).is_file() or name.lstrip().startswith("{"):
        return name
    shipped = shipped_configs()
    if found := shipped.get(name.removesuffix(".yaml")):
        return str(found)
    raise ValueError(
        f"--config is {name}; it must be a file or one of {', '.join(sorted(shipped))}"
    )


def with_run(args: list[str], imported: Sequence[str] = ()) -> list[str]:
    """Return the arguments with ``--resume RUN`` replaced by that run's config and checkpoint.

    ``RUN`` is its folder, or one of its full checkpoints. A run that was stopped before its first
    checkpoint starts from its beginning. ``validate``, ``test`` and ``predict`` with a
    ``--ckpt_path`` but no config take the config of the checkpoint's run.

    Raises:
        ValueError: If the folder holds no run that can be resumed, or its config names others.
    """
    if not args:
        return args
    command, evaluates = args[0], args[0] in ("validate", "test", "predict")
    parser = Parser(prog=f"modnav {command}", add_help=False, allow_abbrev=False)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--ckpt_path", type=Path)
    given, rest = parser.parse_known_args(args[1:])
    if given.resume is not None:
        named = ["--ckpt_path", str(given.ckpt_path)] if given.ckpt_path else []
        return [command, *_resumed(given.resume, [*rest, *named], imported)]
    if given.ckpt_path is None:
        return args
    if command == "fit":
        read(given.ckpt_path).check_whole()
    if not evaluates:
        return args
    if given.ckpt_path.is_dir():
        given.ckpt_path = taken_checkpoint(given.ckpt_path)
    if not any(word.partition("=")[0] == "--config" for word in rest):
        rest = [*_config_of_run(given.ckpt_path, rest, imported), *rest]
    return [command, *rest, "--ckpt_path", str(given.ckpt_path)]


def taken_checkpoint(given: Path) -> Path:
    """Return the checkpoint that an argument names, and say which it is if that is a folder of runs.

    Raises:
        ValueError: If the folder holds none.
    """
    found, unknown = checkpoint_at(given)
    if found != given:
        where = found.absolute()
        kind = "last" if any(where.is_relative_to(run.absolute()) for run in unknown) else "best"
        tell(f"{given}: its {kind} checkpoint is {found}")
    for run in unknown:
        tell(lost_validations(run))
    return found


def _config_of_run(checkpoint: Path, rest: list[str], imported: Sequence[str]) -> list[str]:
    """Return the arguments that name the config of a checkpoint's run."""
    ways = checkpoint.absolute(), checkpoint.resolve()  # the file, or its folder, may be a link
    for parent in dict.fromkeys(parent for way in ways for parent in way.parents[:2]):
        config = RunFolder(parent).config
        if config.is_file():
            check_run_config(config, imported)
            return ["--config", str(config)]
    read(checkpoint)  # what is wrong with the file itself comes first
    if any(word.startswith("--model") for word in rest):
        return []
    raise ValueError(
        f"--ckpt_path is {checkpoint}, which lies in no run: no file config.yaml is beside it or "
        "in the folder above; name one with --config, e.g. --config modular"
    )


def _resumed(given: Path, rest: list[str], imported: Sequence[str]) -> list[str]:
    """Return the arguments that resume a run."""
    folder = RunFolder(given.parent if given.is_file() else given)
    state = given if given.is_file() else folder.last
    if not given.exists():
        raise ValueError(f"--resume is {given}; there is no such folder")
    if not folder.config.is_file():
        raise ValueError(f"--resume is {given}; it must hold a run, but has no config.yaml")
    check_run_config(folder.config, imported)
    there = os.path.lexists(state)
    if there:
        _check_state(folder, state, imported)
    elif folder.has_checkpoints():
        raise ValueError(
            f"{folder.path} holds a run but no last.ckpt, the state to go on from"
            f"{_former(folder, imported)}; its checkpoints can be evaluated "
            f"(modnav evaluate {in_shell(folder.path)}); to start anew and delete what is there: modnav fit --config {in_shell(folder.config)} --overwrite true"
        )
    if rest:
        tell(f"resuming {given} with its own configuration, but for: {' '.join(rest)}")
    if not there:
        tell(f"{folder.path} has no checkpoint yet: the run starts from its beginning")
    where = ["--ckpt_path", str(state)] if there else []
    return ["--config", str(folder.config), *rest, *where, "--folder", str(folder.path)]


def _check_state(folder: RunFolder, state: Path, imported: Sequence[str]) -> None:
    try:
        read(state).check_whole()
    except ValueError as error:
        former = "" if state == folder.former else _former(folder, imported)
        raise ValueError(f"{error}{former}") from error


def _former(folder: RunFolder, imported: Sequence[str]) -> str:
    """Return what to do if there is a state before the last."""
    if not folder.former.is_file():
        return ""
    return f"; the state before it: {resume_command([folder.former], imported)}"
