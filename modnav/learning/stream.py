"""What a data loader of Lightning's is here: items that are made as they are asked for."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Stream"]

T = TypeVar("T")


class Stream(Generic[T]):
    """An iterable that asks for new items each time it is iterated.

    Args:
        make: Returns the items.
    """

    def __init__(self, make: Callable[[], Iterator[T]]) -> None:
        self.make = make

    def __iter__(self) -> Iterator[T]:
        """Return new items."""
        return self.make()
