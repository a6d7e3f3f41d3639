"""Study files: what may be said in one, checked in one line for what is wrong."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from modnav.analysis import FIGURES
from modnav.commands.population.options import seeds_of
from modnav.commands.refused import nearest
from modnav.files import read_yaml
from modnav.networks import ARCHITECTURES, NICKNAMES, description_of

from .rules import check_keys, check_number, checked_options, listed, one_of, refuse
from .search_spec import SearchSpec, search_of

__all__ = ["AgentSpec", "StudySpec", "read_spec", "study_file"]

_NAME = re.compile(r"[A-Za-z0-9_][\w+-]{0,59}", re.ASCII)
_AGENT_KEYS = ("name", "protocol", "options")
_EVALUATE = {"tasks": ["gain"], "trials": None, "extensive": False}
_RECORD = {"trials": 500, "gain": 1.0, "units": True}
_REPORT: dict[str, Any] = {"figures": [], "trials": None}


@dataclass(frozen=True)
class AgentSpec:
    """An architecture of a study.

    Attributes:
        name: What it is called in the study.
        configs: Configurations that make it, as ``--config`` takes them.
        options: Further options of ``modnav fit``.
    """

    name: str
    configs: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StudySpec:
    """What a study file says; its keys, in docs/studies.md, are those of the file."""

    name: str
    path: Path
    agents: tuple[AgentSpec, ...]
    seeds: tuple[int, ...]
    noises: tuple[tuple[float, float] | None, ...] = (None,)
    gains: tuple[float | None, ...] = (None,)
    protocol: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    trials: int | None = None
    imports: tuple[str, ...] = ()
    accelerator: str = "cpu"
    population: str | None = None
    evaluate: dict[str, Any] | None = None
    record: dict[str, Any] | None = None
    compare: bool = False
    report: dict[str, Any] | None = None
    search: SearchSpec | None = None


_OTHERWISE = {"path": None, "agents": "architectures", "imports": "import"}
_KEYS = [key for x in fields(StudySpec) if (key := _OTHERWISE.get(x.name, x.name))]
"""What a study file may say."""


def study_file(text: str) -> Path:
    """Return the path of a study file: a file, or the name of one that came with modnav.

    Raises:
        ValueError: If it is neither; the message lists the names.
    """
    shipped = Path(str(resources.files("modnav.configs"))) / "studies"
    path = shipped / (text if text.endswith(".yaml") else f"{text}.yaml")
    if Path(text).is_file():
        return Path(text)
    if path.is_file():
        return path
    names = ", ".join(sorted(file.stem for file in shipped.glob("*.yaml")))
    raise ValueError(f"STUDY is {text}; it must be a file or one of {names}")


def read_spec(path: Path) -> StudySpec:
    """Read a study file.

    Raises:
        ValueError: If it says what no study can be; the message names key, value and rule.
    """
    given = read_yaml(path, "a study file")
    check_keys(given, _KEYS)
    for key in ("name", "architectures", "seeds"):
        if not given.get(key) and given.get(key) != 0:
            raise ValueError(f"{key} is missing in {path}; a study file must have it")
    trials = given.get("trials")
    if trials is not None:
        check_number("trials", trials, 1, whole=True)
    compare = one_of("compare", given.get("compare", False), (False, True))
    search = search_of(given.get("search"), given)
    steps = search is None  # a search only searches
    spec = StudySpec(
        _name("name", given["name"]),
        path,
        _agents(given["architectures"], path.parent),
        _seeds(given["seeds"]),
        _noises(given.get("noises")),
        _gains(given.get("gains")),
        _configs("protocol", given.get("protocol"), path.parent),
        _options("options", given.get("options"), path.parent),
        trials,
        _imports(given.get("import")),
        one_of("accelerator", given.get("accelerator", "cpu"), ("cpu", "gpu")),
        one_of("population", given.get("population"), (None, "processes", "stacked")),
        _section("evaluate", given.get("evaluate", steps), _EVALUATE),
        _section("record", given.get("record", steps), _RECORD),
        compare,
        _section("report", given.get("report", steps), _REPORT),
        search,
    )
    if search:
        _check_search(spec, search)
    return spec


def _check_search(spec: StudySpec, search: SearchSpec) -> None:
    """Refuse what a search does not go with."""
    if len(spec.agents) * len(spec.noises) * len(spec.gains) > 1:
        raise ValueError("search is for one architecture at one noise and gain; name one of each")
    (agent,) = spec.agents
    if said := sorted(search.parameters.keys() & (spec.options | agent.options).keys()):
        raise ValueError(
            f"{said[0]} is in options and in search.parameters; leave one of them out"
        )


def _name(key: str, value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(
            f"{key} is {value!r}; it must be of letters, digits, _, + and -, at most 60"
        )
    return value


def _texts(key: str, value: Any) -> tuple[str, ...]:
    for text in listed(key, value):
        if not isinstance(text, str):
            refuse(key, value, "a list of names")
    return tuple(value or ())


def _imports(value: Any) -> tuple[str, ...]:
    for module in (found := _texts("import", value)):
        if not all(part.isidentifier() for part in module.split(".")):
            raise ValueError(f"import has {module!r}; it must be a module's name, such as beliefs")
    return found


def _configs(key: str, value: Any, beside: Path) -> tuple[str, ...]:
    """Return configurations; those of the user, beside the study file or not, by full paths."""
    return tuple(_full(text, beside, Path()) for text in _texts(key, value))


def _options(key: str, value: Any, beside: Path) -> dict[str, Any]:
    """Return options; files of the user's beside the study file by full paths."""
    found = checked_options(key, value)
    return {k: _full(x, beside) if isinstance(x, str) else x for k, x in found.items()}


def _full(text: str, *folders: Path) -> str:
    paths = [os.path.abspath(folder / text) for folder in folders]
    return next((path for path in paths if os.path.isfile(path)), text)


def _agents(value: Any, beside: Path) -> tuple[AgentSpec, ...]:
    found = [_agent(entry, beside) for entry in listed("architectures", value)]
    names = [NICKNAMES.get(agent.name, agent.name) for agent in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"architectures has {name} twice; each is there once")
    return tuple(found)


def _agent(entry: Any, beside: Path) -> AgentSpec:
    if isinstance(entry, dict):
        check_keys(entry, _AGENT_KEYS, "architectures.")
        name = _name("architectures.name", entry.get("name"))
        configs = _configs("architectures.protocol", entry.get("protocol"), beside)
        if not configs:
            raise ValueError(f"architectures.{name} has no protocol, such as [modular]")
        options = _options(f"architectures.{name}.options", entry.get("options"), beside)
        return AgentSpec(name, configs, options)
    known = [*ARCHITECTURES, *NICKNAMES]
    if entry not in known:
        if meant := nearest(str(entry), known):
            raise ValueError(f"architectures has {entry}, unknown{meant}")
        description_of(str(entry))  # raises, and lists all
    if entry in NICKNAMES:
        return AgentSpec(entry, (entry,))
    actor, critic = ARCHITECTURES[entry]
    return AgentSpec(entry, ("train", f"actors/{actor}", f"critics/{critic}"))


def _seeds(value: Any) -> tuple[int, ...]:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return seeds_of(text, "seeds")


def _noises(value: Any) -> tuple[tuple[float, float] | None, ...]:
    found: list[tuple[float, float] | None] = []
    for pair in listed("noises", value):
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(
                f"noises has {pair!r}; it must be [process noise, observation noise], such as [0.2, 0.1]"
            )
        for number in pair:
            check_number("noises", number, 0)
        if pair in [list(x or ()) for x in found]:
            raise ValueError(f"noises has {pair} twice; each is there once")
        found.append((pair[0], pair[1]))
    return tuple(found) or (None,)


def _gains(value: Any) -> tuple[float | None, ...]:
    found = listed("gains", value)
    for number in found:
        check_number("gains", number, 0, strict=True)
        if found.count(number) > 1:
            raise ValueError(f"gains has {number} twice; each is there once")
    return tuple(found) or (None,)


def _section(key: str, value: Any, defaults: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings of a step; None if it is left out (``false``)."""
    if value is False:
        return None
    given = {} if value is True or value is None else value
    if not isinstance(given, dict):
        refuse(key, value, "true, false or settings")
    check_keys(given, list(defaults), f"{key}.")
    found = dict(defaults) | given
    if found["trials"] is not None or defaults["trials"] is not None:
        check_number(f"{key}.trials", found["trials"], 1, whole=True)
    if "tasks" in found:
        _check_tasks(f"{key}.tasks", found["tasks"])
    for name in sorted({"extensive", "units"} & found.keys()):
        one_of(f"{key}.{name}", found[name], (False, True))
    if "figures" in found:
        _check_figures(f"{key}.figures", found["figures"])
    if "gain" in found:
        check_number(f"{key}.gain", found["gain"], 0, strict=True)
    return found


def _check_tasks(key: str, tasks: Any) -> None:
    for task in listed(key, tasks):
        one_of(key, task, ("gain", "perturbation"))
        if tasks.count(task) > 1:
            raise ValueError(f"{key} has {task} twice; each is there once")
    if not tasks:
        raise ValueError(f"{key} is empty; it must be gain, perturbation or both")


def _check_figures(key: str, figures: Any) -> None:
    for figure in listed(key, figures):
        if str(figure) not in FIGURES:
            refuse(key, figure, f"among {', '.join(FIGURES)}")
