from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.actor import Outbox


class Note(NamedTuple):
    ticket: int
    text: str


def put(outbox: Outbox, text: str) -> Note:
    return outbox.put(lambda ticket: Note(ticket, text))


def test_a_message_waits_until_its_ticket_is_stored() -> None:
    outbox = Outbox()
    first, second = put(outbox, "a"), put(outbox, "b")
    assert outbox.waiting() == (first, second)
    assert outbox.stored([first.ticket]) == (first,)
    assert outbox.waiting() == (second,)
    assert len(outbox) == 1


def test_every_message_has_its_own_ticket_even_after_all_were_stored() -> None:
    outbox = Outbox()
    first = put(outbox, "a")
    outbox.stored([first.ticket])
    assert put(outbox, "a").ticket != first.ticket


def test_a_ticket_stored_twice_or_never_given_means_nothing() -> None:
    outbox = Outbox()
    note = put(outbox, "a")
    assert outbox.stored([note.ticket, note.ticket, 99]) == (note,)
    assert outbox.stored([note.ticket]) == ()
    assert len(outbox) == 0


def test_a_late_answer_to_an_earlier_incarnation_confirms_nothing() -> None:
    former = Outbox(incarnation=1)
    late = [put(former, "a").ticket for _ in range(3)]
    now = Outbox(incarnation=2)
    mine = put(now, "b")
    assert now.stored(late) == ()
    assert now.waiting() == (mine,)


def test_a_message_that_cannot_be_made_leaves_the_older_one_waiting() -> None:
    outbox = Outbox()
    old = put(outbox, "old")
    with pytest.raises(ZeroDivisionError):
        outbox.put(lambda ticket: Note(ticket // 0, ""))
    assert outbox.waiting() == (old,)


@given(steps=st.lists(st.one_of(st.none(), st.integers(1, 12)), max_size=40))
def test_outbox_agrees_with_a_plain_list(steps: list[int | None]) -> None:
    outbox = Outbox()
    model: list[Note] = []
    for ticket in steps:
        if ticket is None:
            model.append(put(outbox, "x"))
        else:
            outbox.stored([ticket])
            model = [note for note in model if note.ticket != ticket]
        assert outbox.waiting() == tuple(model)
        assert len(outbox) == len(model)
