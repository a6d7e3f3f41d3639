"""Arguments that name shipped configs and runs, put in full before LightningCLI reads them."""

from importlib import resources
from pathlib import Path

from modnav.runs import RunFolder

from .terminal import tell


def with_config_paths(args: list[str]) -> list[str]:
    """Return the arguments with the names of shipped configs replaced by their paths.

    ``--config modular`` finds ``modular.yaml`` among the configs that came with modnav.

    Raises:
        ValueError: If a config is neither a file nor such a name; the message lists the names.
    """
    found: list[str] = []
    for k, word in enumerate(args):
        flag, equals, value = word.partition("=")
        if flag in ("--config", "-c") and equals:
            found.append(f"{flag}={_config(value)}")
        elif k and args[k - 1] in ("--config", "-c"):
            found.append(_config(word))
        else:
            found.append(word)
    return found


def _config(name: str) -> str:
    if Path(name).exists() or name.lstrip().startswith("{"):
        return name
    shipped = Path(str(resources.files("modnav.configs")))
    path = shipped / (name if name.endswith(".yaml") else f"{name}.yaml")
    if path.exists():
        return str(path)
    names = sorted(str(p.relative_to(shipped).with_suffix("")) for p in shipped.rglob("*.yaml"))
    raise ValueError(f"--config is {name}; it must be a file or one of {', '.join(names)}")


def with_run(args: list[str]) -> list[str]:
    """Return the arguments with ``--resume RUN`` replaced by that run's config and checkpoint.

    ``RUN`` is its folder, or one of its full checkpoints. A run that was stopped before its first
    checkpoint starts from its beginning. ``validate``, ``test`` and ``predict`` with a
    ``--ckpt_path`` but no config take the config of the checkpoint's run.

    Raises:
        ValueError: If the folder holds no run that can be resumed.
    """
    if not args:
        return args
    command, rest = args[0], args[1:]
    run = _take(rest, "--resume")
    if run is not None:
        given = Path(run)
        folder = RunFolder(given.parent if given.is_file() else given)
        last = given if given.is_file() else folder.last
        if not folder.config.is_file():
            raise ValueError(f"--resume is {run}; it must hold a run, but has no config.yaml")
        if rest:
            tell(f"resuming {run} with its own configuration, but for: {' '.join(rest)}")
        if last.is_file():
            _check_whole(str(last))
            where = ["--ckpt_path", str(last)]
        else:
            tell(f"{folder.path} has no last.ckpt yet: the run starts from its beginning")
            where = ["--overwrite", "true"]
        config, path = str(folder.config), str(folder.path)
        return [command, "--config", config, *rest, *where, "--folder", path]
    checkpoint = _value(rest, "--ckpt_path")
    if checkpoint and command == "fit":
        _check_whole(checkpoint)
    if checkpoint and command in ("validate", "test", "predict") and not _value(rest, "--config"):
        for parent in Path(checkpoint).resolve().parents[:2]:
            if RunFolder(parent).config.is_file():
                return [command, "--config", str(RunFolder(parent).config), *rest]
    return args


def _check_whole(path: str) -> None:
    from modnav.runs import read  # only here, as it imports torch

    read(path).check_whole()


def _value(args: list[str], flag: str) -> str | None:
    for k, word in enumerate(args):
        if word == flag and k + 1 < len(args):
            return args[k + 1]
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def _take(args: list[str], flag: str) -> str | None:
    """Return the value of a flag and remove both from ``args``."""
    value = _value(args, flag)
    if value is not None:
        k = next(k for k, word in enumerate(args) if word.split("=")[0] == flag)
        del args[k : k + (1 if "=" in args[k] else 2)]
    return value
