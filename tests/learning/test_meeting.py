"""Members that take turns: one at a time, in order, also where one fails."""

import gc
import weakref
from threading import Event
from unittest.mock import Mock

import pytest

from modnav.learning import Seat


def test_members_take_turns_and_get_their_answers():
    told: list[object] = []

    def run(seat: Seat) -> None:
        for k in range(2):
            told.append((name[id(seat)], k, seat.ask("number", k)))

    seats = [Seat(run) for _ in range(2)]
    name = {id(seat): x for seat, x in zip(seats, "ab", strict=True)}
    for seat in seats:
        seat.go_on()
    assert [seat.asked for seat in seats] == [("number", 0)] * 2
    for answer in (10, 11):
        for seat in seats:
            seat.go_on(answer)
    assert told == [("a", 0, 10), ("b", 0, 10), ("a", 1, 11), ("b", 1, 11)]
    assert all(seat.ended and seat.error is None for seat in seats)


def test_a_refusal_is_raised_in_the_member_and_an_ended_one_is_left_alone():
    def run(seat: Seat) -> None:
        with pytest.raises(ValueError, match="first"):
            seat.ask("x")
        seat.ask("y")

    seat = Seat(run)
    seat.go_on()
    seat.refusal = ValueError("first")
    seat.go_on()
    assert seat.asked[0] == "y"
    seat.refusal = OSError("second")
    seat.go_on()
    assert seat.ended
    assert isinstance(seat.error, OSError)
    seat.go_on()  # nobody is there to wait for


def test_members_that_are_given_up_end_where_they_stand():
    go = Event()

    def run(seat: Seat) -> None:
        seat.ask("x")
        go.wait(10)
        seat.ask("y")

    class Interrupted:  # a second Ctrl-C while somebody is waited for
        get = Mock(side_effect=KeyboardInterrupt)

    waiting, running, unborn = (Seat(run) for _ in range(3))
    for seat in (waiting, running):
        seat.go_on()
    back = running._back
    running._back = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        running.go_on()
    running._back = back
    for seat in (waiting, running, unborn):
        seat.give_up(OSError("all"))
    go.set()
    running._thread.join(10)
    assert [str(seat.error) for seat in (waiting, running)] == ["all", "all"]
    assert waiting.ended
    assert running.ended
    assert not unborn.ended


@pytest.mark.parametrize("fails", [False, True])
def test_of_a_member_that_ended_nothing_is_kept(fails: bool):
    """What it had lies on a GPU, and others go on."""
    kept: list[object] = []

    class Held:
        pass

    def run(seat: Seat) -> None:
        held = Held()
        kept.append(weakref.ref(held))
        seat.ask("something", held)
        if fails:
            raise ValueError("it failed")

    seat = Seat(run)
    seat.go_on()
    assert kept[0]() is not None
    seat.go_on()
    assert seat.ended
    assert str(seat.error or "") == ("it failed" if fails else "")
    gc.collect()
    assert kept[0]() is None
