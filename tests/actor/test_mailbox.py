"""The batching mailbox: order is kept, and only what is urgent or much wakes the owner."""

import queue
import threading
from typing import Any

import pytest
from pykka._envelope import Envelope

from actors.actor import MOST_UNWOKEN, BatchingMailbox
from actors.messages import CatchUp, Flush, Message

WAIT_S = 20


def inbox() -> BatchingMailbox:
    return BatchingMailbox({CatchUp})


def put(into: BatchingMailbox, *messages: Message) -> None:
    for message in messages:
        into.put(Envelope(message))


def woken(of: BatchingMailbox) -> bool:
    return not of._wakeups.empty()


def test_messages_come_out_in_the_order_in_which_they_were_put() -> None:
    told = inbox()
    put(told, CatchUp(), Flush(), CatchUp())
    assert told.qsize() == 3
    assert [type(told.get().message) for _ in range(3)] == [CatchUp, Flush, CatchUp]
    assert told.empty()
    with pytest.raises(queue.Empty):
        told.get_nowait()


def test_of_one_type_only_the_last_that_waits_is_taken() -> None:
    told = BatchingMailbox({CatchUp}, latest=Flush)
    put(told, Flush(), CatchUp(), Flush(), Flush(), CatchUp(), CatchUp())
    assert [type(told.get().message) for _ in range(4)] == [CatchUp, Flush, CatchUp, CatchUp]
    assert told.empty()
    put(told, Flush())  # nothing is left of those before
    assert type(told.get_nowait().message) is Flush
    put(told, Flush(), CatchUp())
    assert type(told.get().message) is Flush


def test_what_can_wait_wakes_nobody_and_what_cannot_does() -> None:
    told = inbox()
    put(told, CatchUp(), CatchUp())
    assert not woken(told)
    put(told, Flush())
    assert woken(told)


def test_much_that_could_wait_wakes_the_owner() -> None:
    told = inbox()
    put(told, *[CatchUp()] * (MOST_UNWOKEN - 1))
    assert not woken(told)
    put(told, CatchUp())
    assert woken(told)


def test_an_owner_that_is_busy_is_woken_once() -> None:
    told = inbox()
    put(told, *[Flush()] * 1000)
    assert told._wakeups.qsize() == 1


def test_nothing_is_left_and_nobody_sleeps_on_when_many_put_at_once() -> None:
    told = inbox()
    received: list[Message] = []

    def own() -> None:
        while len(received) < 4 * 3001:
            received.append(told.get().message)

    def tell() -> None:
        for _ in range(3000):
            told.put(Envelope(CatchUp()))
        told.put(Envelope(Flush()))

    threads: list[Any] = [threading.Thread(target=each, daemon=True) for each in (own, *[tell] * 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert len(received) == 4 * 3001
