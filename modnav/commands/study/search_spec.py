"""The ``search`` of a study file: which hyperparameters are tried, how they are drawn and pruned."""

import itertools
import json
import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from modnav.files import one_line, regular
from modnav.studies import StudyFolder

from .rules import check_keys, check_number, checked_options, listed, one_of, refuse

__all__ = ["SearchSpec", "database", "search_of"]

_RANGE = ("low", "high", "log", "step")
_SQLITE = b"SQLite format 3\0"
_NOT_BESIDE = ("population", "evaluate", "record", "compare", "report")


def database(folder: StudyFolder) -> Path:
    """Return where the trials of a study's search are kept.

    Raises:
        ValueError: If there is something else in its place, or no address can be made of its path.
    """
    path = folder.path / "search" / "trials.sqlite"
    if odd := [x for x in "?#%{}" if x in str(path.absolute())]:
        raise ValueError(f"{path} holds {odd[0]!r}, which a search cannot have in its path")
    if path.is_symlink() or path.exists():
        with regular(path).open("rb") as file:
            start = file.read(len(_SQLITE))
        if start not in (b"", _SQLITE):
            raise ValueError(f"{path} is no database of SQLite; remove it to search anew")
        _check_whole(path)
    return path


def _check_whole(path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True)) as found:
            (told,) = found.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError:  # such as a lock: a worker acts on it
        return
    except sqlite3.DatabaseError as error:
        told = str(error)
    if told != "ok":
        raise ValueError(f"{path} is damaged: {one_line(told)}; remove it to search anew")


@dataclass(frozen=True)
class SearchSpec:
    """A search; what its keys mean is in docs/studies.md.

    Attributes:
        parameters: Full keys of ``modnav fit``, each with a list of values, or with ``low``,
            ``high`` and perhaps ``log`` and ``step``.
        sampler: ``tpe``, ``random`` or ``grid``.
        trials: Number of trials.
        pruner: ``median`` or ``halving``; None if no trial is ended before its time.
        prune_after: Validations of a trial before which it is not pruned.
        workers: Jobs that share the trials.
        seed: Seed of what is drawn.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    sampler: str = "tpe"
    trials: int = 20
    pruner: str | None = "median"
    prune_after: int = 1
    workers: int = 1
    seed: int = 0

    def words(self, values: Mapping[str, Any]) -> list[str]:
        """Return arguments of ``modnav fit`` that set the parameters to values."""
        texts = {key: x if isinstance(x, str) else json.dumps(x) for key, x in values.items()}
        return [f"--{key}={texts[key]}" for key in self.parameters]

    def point(self, number: int) -> dict[str, Any]:
        """Return the values of a point of a grid."""
        points = itertools.product(*self.parameters.values())
        values = next(itertools.islice(points, number, None))
        return dict(zip(self.parameters, values, strict=True))

    def tried(self) -> list[list[str]]:
        """Return such arguments, in which each value and each end of a range is there once."""
        ends = {
            key: [said["low"], said["high"]] if isinstance(said, dict) else said
            for key, said in self.parameters.items()
        }
        most = max(map(len, ends.values()))
        return [
            self.words({key: found[k % len(found)] for key, found in ends.items()})
            for k in range(most)
        ]


def search_of(value: Any, beside: Mapping[str, Any]) -> SearchSpec | None:
    """Return the search that a study file asks for; None if it does not.

    Raises:
        ValueError: If it makes no sense; the message names key, value and rule.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        refuse("search", value, "settings, such as parameters")
    check_keys(value, [x.name for x in fields(SearchSpec)], "search.")
    for key in _NOT_BESIDE:
        if beside.get(key):
            raise ValueError(
                f"{key} does not go with search, which only searches; leave it out, and give "
                "best.yaml as the protocol of an architecture of another study"
            )
    found = SearchSpec(
        _parameters(value.get("parameters")),
        one_of("search.sampler", value.get("sampler", "tpe"), ("tpe", "random", "grid")),
        pruner=one_of("search.pruner", value.get("pruner", "median"), (None, "median", "halving")),
        prune_after=_count(value, "prune_after", 1),
        workers=_count(value, "workers", 1),
        seed=_count(value, "seed", 0, least=0),
        trials=_count(value, "trials", _default_trials(value)),
    )
    if found.workers > found.trials:
        raise ValueError(
            f"search.workers is {found.workers}; the search has {found.trials} trials"
        )
    if found.sampler == "grid":
        for key, said in found.parameters.items():
            if not isinstance(said, list):
                refuse(f"search.parameters.{key}", said, "a list of values for a grid")
        if found.trials > (points := _default_trials(value)):
            raise ValueError(f"search.trials is {found.trials}; the grid has {points} points")
    return found


def _default_trials(value: Mapping[str, Any]) -> int:
    """Return the number of trials if none is said: all of a grid, else 20."""
    values = value["parameters"].values()
    if value.get("sampler") != "grid" or not all(isinstance(x, list) for x in values):
        return SearchSpec.trials
    return math.prod(map(len, values))


def _count(value: Mapping[str, Any], key: str, default: int, least: int = 1) -> int:
    check_number(f"search.{key}", found := value.get(key, default), least, whole=True)
    return found


def _parameters(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        refuse("search.parameters", value, "full keys of modnav fit, each with values or a range")
    checked_options("search.parameters", dict.fromkeys(value))
    for key, said in value.items():
        _check(f"search.parameters.{key}", said)
    return {str(key): said for key, said in value.items()}


def _check(key: str, said: Any) -> None:
    """Check the values of a parameter."""
    if not isinstance(said, dict):
        plain = [x for x in listed(key, said) if isinstance(x, (str, int, float, bool))]
        alike = any(x == y or str(x) == str(y) for k, x in enumerate(plain) for y in plain[:k])
        if not plain or len(plain) < len(said) or alike:
            refuse(key, said, "a list of plain values, each once, or a range with low and high")
        return
    check_keys(said, _RANGE, f"{key}.")
    for end in ("low", "high"):
        check_number(f"{key}.{end}", said.get(end), -1e9)
    check_number(f"{key}.high", said["high"], said["low"], strict=True)
    log = one_of(f"{key}.log", said.get("log", False), (False, True))
    if log:
        check_number(f"{key}.low", said["low"], 0, strict=True)
    if "step" in said:
        check_number(f"{key}.step", said["step"], 0, strict=True)
        if log:
            raise ValueError(f"{key} has log and step; only one of them is possible")
        if type(said["low"]) is type(said["high"]) is int and type(said["step"]) is not int:
            refuse(f"{key}.step", said["step"], "a whole number, as low and high are")
