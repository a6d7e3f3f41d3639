"""Several functions that take turns: each runs in a thread of its own, one at a time.

Like coroutines, but what a member runs (Lightning's loops) need not know that it waits. As only
one thread runs at any time, nothing needs locks and the order is always the same.
"""

import traceback
from collections.abc import Callable
from threading import Lock, Thread
from typing import Any

__all__ = ["Seat"]


class Seat:
    """A member's place: where it asks, and waits for its answer.

    Args:
        run: What the member does; it is given the seat.

    Attributes:
        asked: What the member waits for: a word and what belongs to it.
        ended: Whether the function has returned or raised.
        error: What it raised, if it did.
        refusal: An exception to raise in the member when it goes on.
    """

    def __init__(self, run: Callable[["Seat"], None]) -> None:
        self.asked: tuple[str, Any] = ("", None)
        self.ended = False
        self.error: BaseException | None = None
        self.refusal: BaseException | None = None
        self._answer: Any = None
        self._go, self._back = Lock(), Lock()  # held until it is somebody's turn
        self._go.acquire()
        self._back.acquire()
        self._thread = Thread(target=self._live, args=(run,), daemon=True)

    def _live(self, run: Callable[["Seat"], None]) -> None:
        self._go.acquire()
        try:
            run(self)
        except BaseException as error:  # noqa: BLE001 - told by who asked for the run
            self.error = error
            traceback.clear_frames(error.__traceback__)  # they hold all that the member had
        self.asked = ("", None)  # so does this
        self.ended = True
        self._back.release()

    def ask(self, word: str, what: Any = None) -> Any:
        """Wait for an answer; called by the member."""
        self.asked = (word, what)
        self._back.release()
        self._go.acquire()
        refusal, self.refusal = self.refusal, None
        if refusal is not None:
            raise refusal
        return self._answer

    def go_on(self, answer: Any = None) -> None:
        """Let the member go on with an answer, and wait until it asks again or ends."""
        if self.ended:
            return
        if not self._thread.is_alive():
            self._thread.start()
        self._answer = answer
        self._go.release()
        self._back.acquire()
