"""Several functions that take turns: each runs in a thread of its own, one at a time.

Like coroutines, but what a member runs (Lightning's loops) need not know that it waits. As only
one thread runs at any time, nothing needs locks and the order is always the same.
"""

import traceback
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
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
        self._at_turn = False
        self._go: SimpleQueue[Any] = SimpleQueue()  # answers
        self._back: SimpleQueue[None] = SimpleQueue()  # a word that it waits again, or has ended
        self._thread = Thread(target=self._live, args=(run,), daemon=True)

    def _live(self, run: Callable[["Seat"], None]) -> None:
        self._go.get()
        try:
            run(self)
        except BaseException as error:  # noqa: BLE001 - told by who asked for the run
            self.error = error
            traceback.clear_frames(error.__traceback__)  # they hold all that the member had
        self.asked = ("", None)  # so does this
        self.ended = True
        self._back.put(None)

    def ask(self, word: str, what: Any = None) -> Any:
        """Wait for an answer; called by the member."""
        self.asked = (word, what)
        self._back.put(None)
        answer = self._go.get()
        refusal, self.refusal = self.refusal, None
        if refusal is not None:
            raise refusal
        return answer

    def go_on(self, answer: Any = None) -> None:
        """Let the member go on with an answer, and wait until it asks again or ends."""
        if self.ended:
            return
        if not self._thread.is_alive():
            self._thread.start()
        self._at_turn = True
        self._go.put(answer)
        self._back.get()
        self._at_turn = False

    def give_up(self, reason: BaseException) -> None:
        """Let the member end by an exception where it stands, so that it holds nothing any more.

        If it is its turn, as whoever waited for it was interrupted, it ends when it asks again.
        """
        if self.ended or not self._thread.is_alive():
            return
        self.refusal = reason
        if self._at_turn:
            self._go.put(None)
            self._thread.join()
        else:
            self.go_on()
