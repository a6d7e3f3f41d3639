"""What the command line asks of a population, checked as far as that needs no run."""

import math
import re
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modnav.commands.refused import Parser
from modnav.errors import require
from modnav.machine import cores

from .members import Request, runs_in, short

MOST = 10_000
"""Members beyond which a number is taken for a mistake."""

LARGEST_SEED = 2**32 - 1
"""Largest seed that ``seed_everything`` takes."""

SWEPT = re.compile(r"(?!model\.(actor|critic)\b|data\.seed$)(data|phases|model)(\.\w+)+")
"""Keys that may differ between members: none that shapes a network, or makes a run what it is."""


def requested(args: Sequence[str]) -> Request | None:
    """Return what is asked of a population; None if one run is meant.

    Raises:
        ValueError: If it makes no sense; the message names the option, its value and the rule.
    """
    if not args or args[0] != "fit":
        return None
    parser = Parser(prog="modnav fit", add_help=False, allow_abbrev=False)
    for flag, kind in (
        ("--seeds", str),
        ("--sweep", str),
        ("--cores", int),
        ("--population", str),
    ):
        parser.add_argument(flag, type=kind, action="append", default=[])
    parser.add_argument("--resume", nargs="+", type=Path, action="extend", default=[])
    given, rest = parser.parse_known_args(args[1:])
    several = any(map(runs_in, given.resume)) or len(given.resume) > 1
    if not (given.seeds or given.sweep or given.cores or several):
        return None  # --population may say how a lone run is trained
    _check_whole(given, rest, several=several)
    at_once = given.cores[-1] if given.cores else cores()
    require("--cores", at_once, 1, MOST)
    how = given.population[-1] if given.population else None
    seeds = seeds_of(given.seeds[0]) if given.seeds else ()
    resumed = tuple(given.resume)
    found = Request(seeds, _sweeps(given.sweep), resumed, at_once, how, (args[0], *rest))
    count = len(seeds) * math.prod(map(len, found.sweeps.values()))
    if count > MOST:
        raise ValueError(f"--seeds and --sweep ask for {count:,} runs; {MOST:,} are the most")
    return found


def _check_whole(given: Namespace, rest: Sequence[str], *, several: bool) -> None:
    """Refuse options that do not go together."""
    if given.resume and (given.sweep or (given.seeds and not several)):
        raise ValueError("--resume goes on with the members there are; leave out --seeds, --sweep")
    if not given.seeds and not several:
        first = next(flag for flag in ("sweep", "cores") if getattr(given, flag))
        raise ValueError(
            f"--{first} is for many runs; say which by --seeds, such as --seeds 0-7, "
            "or by --resume with a folder of runs"
        )
    if len(given.seeds) > 1:
        raise ValueError("--seeds is given twice; say --seeds 0-3,5 once")
    flags = {word.partition("=")[0] for word in rest}
    if own := {"--seed_everything", "--folder", "--ckpt_path", "--data.seed"} & flags:
        raise ValueError(f"{min(own)} is a run's own; leave it out where there are many")
    if kind := set(given.population) - {"processes", "stacked"}:
        raise ValueError(f"--population is {kind.pop()}; it must be processes or stacked")


def seeds_of(text: str, key: str = "--seeds") -> tuple[int, ...]:
    """Return the seeds that a text such as ``0-2,5`` names.

    Raises:
        ValueError: If it names none, or one twice.
    """

    def refuse(rule: str) -> ValueError:
        return ValueError(f"{key} is {text}; {rule}")

    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,12})(?:-(\d{1,12}))?", part.strip(), re.ASCII)
        if not match:
            raise refuse("it must be seeds such as 0-31 or 0-2,5, whole numbers of 0 or more")
        low, high = int(match[1]), int(match[2] or match[1])
        if low > high:
            raise refuse(f"{low} is above {high}: the lower seed comes first")
        if high > LARGEST_SEED:
            raise refuse(f"seeds must be {LARGEST_SEED:,} or less")
        if len(found) + high - low + 1 > MOST:
            raise refuse(f"these are more than {MOST:,} seeds")
        found += range(low, high + 1)
    if _any_twice(found):
        raise refuse(f"seed {Counter(found).most_common(1)[0][0]} is there twice")
    return tuple(found)


def _any_twice(found: Sequence[Any]) -> bool:
    return len(set(found)) < len(found)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _sweeps(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        key, _, values = text.partition("=")
        if not SWEPT.fullmatch(key):
            raise ValueError(
                f"--sweep {text}: members may differ in numbers of data, phases and model, such as "
                "data.task.process_noise, data.task.observation_noise, data.task.gain, "
                "phases.two.learning_rate, phases.one.exploration_std and model.discount, but not in "
                "their networks, seed, folder or trainer"
            )
        parts = tuple(part.strip() for part in values.split(","))
        if not all(map(_is_number, parts)):
            raise ValueError(
                f"--sweep {text}; it must be KEY=NUMBER,NUMBER,..., such as "
                "data.task.process_noise=0,0.1"
            )
        if key in found or _any_twice([short(part) for part in parts]):
            raise ValueError(f"--sweep {text}: a key or a value is there twice")
        found[key] = parts
    return found
