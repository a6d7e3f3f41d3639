"""Rules that values of a study file are checked by; messages name key, value and rule."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from modnav.commands.refused import nearest
from modnav.errors import require

__all__ = ["check_keys", "check_number", "checked_options", "listed", "one_of", "refuse"]


def check_keys(given: Mapping[Any, Any], known: Sequence[str], where: str = "") -> None:
    """Refuse keys that are not known; the nearest is named."""
    for key in map(str, given):
        if key not in known:
            told = nearest(key, known, where) or f"; known are {', '.join(known)}"
            raise ValueError(f"{where}{key} is not known in a study file{told}")


def refuse(key: str, value: Any, rule: str) -> NoReturn:
    """Refuse a value."""
    raise ValueError(f"{key} is {value!r}; it must be {rule}")


def listed(key: str, value: Any) -> list[Any]:
    """Return a list, empty for None; refuse what is none."""
    if value is None:
        return []
    if not isinstance(value, list):
        refuse(key, value, "a list")
    return value


def one_of(key: str, value: Any, known: Sequence[Any]) -> Any:
    """Return a value that must be one of those known, and of its type."""
    if not any(value is x or (value == x and type(value) is str) for x in known):
        names = " or ".join("null" if x is None else str(x).lower() for x in known)
        refuse(key, value, names)
    return value


def check_number(
    key: str, value: Any, low: float, *, whole: bool = False, strict: bool = False
) -> None:
    """Refuse what is no number, or not in its range, see :func:`modnav.errors.require`."""
    if type(value) is not int and (whole or type(value) is not float):
        refuse(key, value, f"a {'whole ' * whole}number")
    require(key, value, low, strict=strict)


_SAID = {
    "data.task.gain": "gains",
    "data.task.process_noise": "noises",
    "data.task.observation_noise": "noises",
    "phases.trials": "trials",
    "trainer.accelerator": "accelerator",
    "population": "population",
    "threads": "accelerator",
}
"""Options of ``modnav fit`` that a study has keys of its own for."""


_OWN = {"seed_everything", "folder", "runs", "name", "overwrite", "ckpt_path", "config"}
_OWN |= {"trainer.devices", "trainer.num_nodes", "trainer.default_root_dir"}


def checked_options(key: str, value: Any) -> dict[str, Any]:
    """Return options of ``modnav fit``: full keys, such as ``data.task.reward``, with values."""
    if value is None:
        return {}
    plain = (str, int, float, type(None))  # no dates, bytes or sets, which YAML has
    if not isinstance(value, dict) or not all(isinstance(x, plain) for x in value.values()):
        raise ValueError(
            f"{key} is {value!r}; it must be full keys of modnav fit with plain values, such as "
            "phases.give_up: 20000 (what takes more is a file of your own under protocol)"
        )
    if own := _OWN & set(value):
        raise ValueError(f"{key}.{min(own)} is a run's own; leave it out of a study")
    if said := sorted(_SAID.keys() & set(value)):
        raise ValueError(f"{key}.{said[0]} is said by {_SAID[said[0]]} of the study; leave it out")
    return {str(k): v for k, v in value.items()}
