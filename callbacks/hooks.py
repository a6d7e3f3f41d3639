"""Whether the methods of callbacks can be called as they will be, told before a training."""

import inspect
from collections.abc import Iterable

from pytorch_lightning.callbacks import Callback

from modnav.files import one_line

from .trials import TrialCallback

__all__ = ["check_hooks"]

_BY_NAME = {"stage"}
"""Arguments that Lightning gives by name."""


def check_hooks(callbacks: Iterable[Callback]) -> None:
    """Check that every method of theirs that replaces one of a base takes what the base's does.

    Raises:
        ValueError: If one does not; the message says how it would.
    """
    for callback in callbacks:
        base = TrialCallback if isinstance(callback, TrialCallback) else Callback
        for name in (x for x in dir(base) if not x.startswith("_")):
            of_base, own = getattr(base, name), getattr(callback, name)
            if inspect.isfunction(of_base) and getattr(own, "__func__", own) is not of_base:
                _check(callback, name, inspect.signature(of_base))


def _check(callback: Callback, name: str, wanted: inspect.Signature) -> None:
    needed = [x for x in wanted.parameters.values() if x.default is x.empty][1:]  # without self
    by_place = [x for x in needed if x.name not in _BY_NAME]
    by_name = {x.name: x for x in needed if x.name in _BY_NAME}
    own = getattr(callback, name)
    try:
        takes = inspect.signature(own)
        takes.bind(*by_place, **by_name)
    except TypeError as error:
        where = f"{type(callback).__module__}.{type(callback).__qualname__}.{name}"
        rule = f"it must be def {name}({', '.join(['self', *(x.name for x in needed)])})"
        told = f"takes ({', '.join(takes.parameters)})" if callable(own) else f"is {one_line(own)}"
        raise ValueError(f"{where} {told}; {rule}") from error
