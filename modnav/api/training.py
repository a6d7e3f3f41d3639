"""Training from Python: the arguments of ``modnav fit``, run in this process."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from modnav.cli import execute
from modnav.errors import whole
from modnav.networks import ARCHITECTURES

from .results import Runs, open_runs

__all__ = ["resume", "train"]

Name = str | os.PathLike[str]


def train(
    agent: Name | Sequence[Name] = "modular",
    *,
    seeds: int | Iterable[int] = 0,
    protocol: Name | Sequence[Name] = (),
    runs: Name = "runs",
    name: str | None = None,
    cores: int | None = None,
    sweep: Mapping[str, Sequence[float]] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Runs:
    """Train an agent, or many, as ``modnav fit`` does: the same runs, bit for bit.

    One seed is trained in this process. Several are trained as a population, whose members are
    processes of their own (on a GPU they are stacked, in this process); nothing of a script is run
    again in them, so it needs no ``if __name__ == "__main__"``.

    Args:
        agent: A name such as ``"modular"`` (see ``modnav configs``) or ``"Actor2Critic4"``, or
            YAML files.
        seeds: A seed, or several.
        protocol: Overlays: names such as ``"warmup"`` and ``"fast"``, or YAML files; the published
            protocol by default.
        runs: Folder of all runs.
        name: Name of the runs; architecture, task and noise by default.
        cores: Cores for several seeds; all by default.
        sweep: Numbers to train with in turn, by full key; needs several seeds.
        overrides: Any other option of ``modnav fit`` by its full key, such as
            ``{"data.task.process_noise": 0.3, "threads": 2}``; a class may stand for its name.

    Returns:
        The runs: those trained, and members that were finished before.

    Raises:
        ValueError: For a mistake in what is asked for, before anything is trained.
        RunEndedError: If a run ended before its time: phase I was given up, a loss diverged, it was
            interrupted, or members of a population failed and the others finished. What there is
            can be opened by :func:`open_runs`.

    Example:
        >>> runs = train("modular", seeds=range(4), protocol="warmup")  # doctest: +SKIP
        >>> runs.best().checkpoint()  # doctest: +SKIP
    """
    args = ["fit"]
    for config in (*_configs(agent), *_several("protocol", protocol)):
        args += ["--config", os.fspath(config)]
    args.append(f"--runs={os.fspath(runs)}")
    args += [f"--name={name}"] if name is not None else []
    args += _options(overrides)
    if isinstance(seeds, (int, Integral)):
        args.append(f"--seed_everything={seeds}")
    else:
        args.append(f"--seeds={','.join(map(str, _several_seeds(seeds)))}")
    args += [f"--cores={cores}"] if cores is not None else []
    for key, values in (sweep or {}).items():
        if not hasattr(values, "__iter__"):
            raise ValueError(f"sweep of {key} is {values!r}; it must be several numbers")
        args += ["--sweep", f"{key}={','.join(map(str, values))}"]
    return open_runs(*execute(args))


def resume(
    *paths: Name,
    modules: Sequence[str] = (),
    cores: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Runs:
    """Go on with a run, or with all of some folders that are not finished.

    Args:
        paths: Folder of a run, or folders of many.
        modules: Modules of your own whose classes the configurations of the runs may name.
        cores: Cores for many; all by default.
        overrides: Options that shall be others from now on, as in :func:`train`.

    Returns:
        The runs.

    Raises:
        ValueError: If there is none, or it has nothing left to do.
        RunEndedError: As in :func:`train`.
    """
    args = ["fit", "--resume", *(os.fspath(path) for path in paths)]
    for module in modules:
        args += ["--import", module]
    args += _options(overrides)
    args += [f"--cores={cores}"] if cores is not None else []
    return open_runs(*execute(args))


def _configs(agent: Name | Sequence[Name]) -> Sequence[Name]:
    """Return what ``--config`` takes to make an agent."""
    if isinstance(agent, str) and agent in ARCHITECTURES and not Path(agent).is_file():
        actor, critic = ARCHITECTURES[agent]
        return "train", f"actors/{actor}", f"critics/{critic}"
    return _several("agent", agent)


def _several(key: str, names: Name | Sequence[Name]) -> Sequence[Name]:
    given: Sequence[Any] = [names]
    if isinstance(names, Sequence) and not isinstance(names, str):
        given = names
    wrong = [name for name in given if not isinstance(name, (str, os.PathLike))]
    if wrong:
        kind = type(wrong[0]).__name__
        raise ValueError(f"{key} has what is of kind {kind}; it must be names or YAML files")
    return given


def _several_seeds(seeds: Iterable[int]) -> list[int]:
    if isinstance(seeds, str) or not hasattr(seeds, "__iter__"):
        raise ValueError(f"seeds is {seeds!r}; it must be a whole number, or several")
    return [whole("seeds", seed) for seed in seeds]


def _options(overrides: Mapping[str, Any] | None) -> list[str]:
    try:
        return [f"--{key}={_text(value)}" for key, value in dict(overrides or {}).items()]
    except (TypeError, ValueError) as error:
        raise ValueError(f"overrides are {overrides!r}; {error}") from error


def _text(value: Any) -> str:
    """Return a value as the command line has it."""
    if isinstance(value, type):
        return _address(value)
    return value if isinstance(value, str) else json.dumps(value, default=_address)


def _address(value: Any) -> Any:
    """Return a class by its address, and a number of NumPy as one of Python."""
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{value!r} is no plain value, and no class")
