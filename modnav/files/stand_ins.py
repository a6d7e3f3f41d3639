"""Stand-ins for the few objects that published hyperparameters mention; they are not built.

A :class:`StandIn` records what a pickle says about an object, and :func:`plain` makes a plain
value of it. Classes and functions are admitted by their exact module and name.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from typing_extensions import Self, override

__all__ = ["ADMITTED", "StandIn", "plain"]


class _Sealed(type):
    """Kind of class whose attributes cannot be set: a pickle must not change what is admitted."""

    @override
    def __setattr__(cls, name: str, value: Any) -> None:
        raise TypeError(f"{cls.__name__} cannot be changed")


class StandIn(metaclass=_Sealed):
    """What a pickle says about one object of an admitted class or function.

    Attributes:
        named: Full name of the class or function.
        args: Arguments that the object would be made with.
        state: What the object would be given afterwards.
    """

    __slots__ = ("args", "state")
    named: ClassVar[str]
    args: tuple[Any, ...]
    state: Any

    def __new__(cls, *args: Any) -> Self:
        """Record the arguments."""
        record = super().__new__(cls)
        record.args, record.state = args, None
        return record

    def __setstate__(self, state: Any) -> None:
        """Record the state."""
        self.state = state

    def meaning(self) -> Any:
        """Return what is to be known of the object, perhaps with stand-ins in it.

        Raises:
            ValueError: If that is nothing: the class itself may be mentioned, but not an object.
        """
        raise ValueError(f"an object of {self.named} has no plain value")


def plain(value: Any) -> Any:
    """Return a value made of dicts, lists, numbers, strings and paths only.

    Raises:
        Exception: Of any kind, if a stand-in makes no sense or a value holds itself.
    """
    return _plain(value, {})


def _plain(value: Any, done: dict[int, Any]) -> Any:
    # What is mentioned often is converted once: mentions of mentions could be without end.
    if id(value) not in done:
        done[id(value)] = _converted(value, partial(_plain, done=done)), value
    return done[id(value)][0]


def _converted(value: Any, convert: Callable[[Any], Any]) -> Any:
    if isinstance(value, StandIn):
        return convert(value.meaning())
    if isinstance(value, _Sealed):
        return value.named  # type: ignore[attr-defined]  # every subclass has it
    if isinstance(value, Mapping):
        return {convert(key): convert(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [convert(item) for item in value]
    if isinstance(value, Tensor):
        if value.numel() > value.untyped_storage().nbytes():
            raise ValueError("a tensor repeats what it holds")  # as often as it likes
        return value.tolist()
    if value is None or isinstance(value, (bool, int, float, str, bytes, PurePath)):
        return value
    return str(value)


def _attributes(record: StandIn) -> Any:
    return record.state or {}


def _windows_path(record: StandIn) -> PurePath:
    return PureWindowsPath(*record.args)


def _posix_path(record: StandIn) -> PurePath:
    return PurePosixPath(*record.args)


def _device(record: StandIn) -> str:
    if not all(isinstance(part, (str, int)) for part in record.args):
        raise ValueError("a device is no name and number")
    return ":".join(map(str, record.args))


def _encoded(record: StandIn) -> bytes:
    text, encoding = record.args
    if encoding != "latin1":
        raise ValueError("bytes are written in another encoding than latin1")
    return text.encode("latin1")


def _no_bytes(record: StandIn) -> bytes:
    if record.args:
        raise ValueError("bytes have arguments; there must be none")
    return b""


def _dtype(record: StandIn) -> np.dtype[Any]:
    kind = record.args[0]
    if not re.fullmatch("[biuf][1248]", kind):
        raise ValueError(f"an array holds items of kind {kind!r}; they must be numbers")
    return np.dtype(kind).newbyteorder(record.state[1] if record.state else "=")


def _array(record: StandIn) -> Any:
    _, shape, dtype, by_columns, data = record.state
    content = plain(data)
    if not content:
        return []
    numbers = np.frombuffer(content, _dtype(dtype))
    return numbers.reshape(shape, order="F" if by_columns else "C").tolist()


def _scalar(record: StandIn) -> Any:
    dtype, data = record.args
    return np.frombuffer(plain(data), _dtype(dtype)).item()


_MEANINGS: dict[Callable[[StandIn], Any], tuple[tuple[str, str], ...]] = {
    StandIn.meaning: (
        ("numpy", "ndarray"),
        ("torch.optim.adam", "Adam"),
        ("torch.nn.modules.rnn", "LSTM"),
        ("torch.nn.modules.rnn", "GRU"),
        ("torch.nn.modules.rnn", "RNN"),
    ),
    _attributes: (
        ("argparse", "Namespace"),
        ("types", "SimpleNamespace"),
        ("config.config", "ConfigCore"),
        ("config.config", "ConfigGain"),
        ("config.config", "ConfigGainControl"),
        ("config.config", "ConfigPerturb"),
        ("config.config", "ConfigPerturbControl"),
    ),
    _windows_path: (
        ("pathlib", "WindowsPath"),
        ("pathlib", "PureWindowsPath"),
        ("pathlib._local", "WindowsPath"),
        ("pathlib._local", "PureWindowsPath"),
    ),
    _posix_path: (
        ("pathlib", "PosixPath"),
        ("pathlib", "PurePosixPath"),
        ("pathlib._local", "PosixPath"),
        ("pathlib._local", "PurePosixPath"),
    ),
    _device: (("torch", "device"),),
    _encoded: (("_codecs", "encode"),),
    _no_bytes: (("builtins", "bytes"), ("__builtin__", "bytes")),
    _dtype: (("numpy", "dtype"),),
    _array: (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
    ),
    _scalar: (("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar")),
}


def _stand_in(pair: tuple[str, str], means: Callable[[StandIn], Any]) -> type[StandIn]:
    class Admitted(StandIn):
        __slots__ = ()
        named = ".".join(pair)

        @override
        def meaning(self) -> Any:
            return means(self)

    return Admitted


ADMITTED: dict[tuple[str, str], type[StandIn]] = {
    pair: _stand_in(pair, meaning) for meaning, pairs in _MEANINGS.items() for pair in pairs
}
"""Stand-in for each class and function that hyperparameters may mention, by module and name."""
