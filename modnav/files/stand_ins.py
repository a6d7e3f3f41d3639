"""Stand-ins for the objects that a pickle mentions; they are not built, and nothing is run.

A :class:`StandIn` records what a pickle says about an object. Classes and functions are admitted by
their exact module and name.
"""

import pickle
from collections.abc import Mapping
from typing import IO, Any, ClassVar

from typing_extensions import Self, override

__all__ = ["StandIn", "StandInUnpickler"]


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


class StandInUnpickler(pickle._Unpickler):
    """Unpickler that knows nothing but stand-ins.

    It is the one in Python: that in C believes a file that asks for a memo, or for bytes, of any
    size, and fills the memory.

    Args:
        file: The pickle.
        size: Its number of bytes.
        admitted: What the pickle may name.

    Attributes:
        refused: What it named and may not have; None if there was nothing.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def __init__(
        self, file: IO[bytes], size: int, admitted: Mapping[tuple[str, str], type]
    ) -> None:
        super().__init__(_Bounded(file, size))
        self.admitted = admitted
        self.refused: str | None = None

    @override
    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in self.admitted:
            self.refused = f"{module}.{name}"
            raise pickle.UnpicklingError(f"{self.refused} is not admitted")
        return self.admitted[module, name]

    def _bytearray(self) -> None:
        size = int.from_bytes(self.read(8), "little")  # type: ignore[attr-defined]  # of load
        self.append(bytearray(self.read(size)))  # type: ignore[attr-defined]  # likewise

    dispatch[pickle.BYTEARRAY8[0]] = _bytearray


class _Bounded:
    """File that is never asked for more bytes than it has, for which room would be made first."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.size = file, size

    def read(self, count: int, /) -> bytes:
        if count > self.size:
            raise EOFError(f"{count} bytes are asked for, of {self.size}")
        return self.file.read(count)

    def readline(self) -> bytes:
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise EOFError("it ends within a line")
        return line
