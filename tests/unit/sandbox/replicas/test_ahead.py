"""Work that is done beside the caller: one piece at a time, in order, whatever it raises."""

import threading
from functools import partial

import pytest

from sandbox.replicas.ahead import Ahead

WAIT_S = 20.0


def test_the_caller_goes_on_while_one_piece_is_done_and_waits_before_the_third() -> None:
    ahead, done = Ahead(), list[str]()
    gate, has_begun = threading.Event(), threading.Event()

    def slow() -> None:
        has_begun.set()
        assert gate.wait(WAIT_S)
        done.append("slow")

    ahead.hand_on(slow)
    assert has_begun.wait(WAIT_S)
    assert done == []  # the caller is here while it is at work
    caller = threading.Thread(target=lambda: ahead.do(lambda: done.append("by the caller")))
    caller.start()
    assert done == []
    gate.set()
    caller.join(WAIT_S)
    ahead.finish(WAIT_S)
    assert done == ["slow", "by the caller"]


def test_pieces_keep_their_order() -> None:
    ahead, done = Ahead(), list[int]()
    for number in range(200):
        (ahead.hand_on if number % 3 else ahead.do)(partial(done.append, number))
    ahead.finish(WAIT_S)
    assert done == list(range(200))


def test_one_that_raises_is_logged_and_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    ahead, done = Ahead(), list[int]()

    def broken() -> None:
        raise OSError("Redis is away")

    ahead.hand_on(broken)
    with pytest.raises(OSError, match="away"):
        ahead.do(broken)
    ahead.hand_on(lambda: done.append(1))
    ahead.finish(WAIT_S)
    assert done == [1]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["Redis is away"]
