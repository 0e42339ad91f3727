from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.actor import KEEP_STORED_S, Outbox


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


# --------------------------------------------- a database that loses its last commits


def test_what_is_stored_is_sent_again_for_a_while_with_what_waits_in_order() -> None:
    outbox = Outbox(keep=10)
    first, second, third = (put(outbox, text) for text in "abc")
    outbox.stored([second.ticket], 100.0)
    outbox.stored([first.ticket], 101.0)

    assert outbox.to_send_again() == (first, second, third)
    assert (outbox.waiting(), len(outbox)) == ((third,), 1)


def test_what_was_stored_long_before_the_last_commit_is_forgotten() -> None:
    outbox = Outbox(keep=10)
    old, new = put(outbox, "old"), put(outbox, "new")
    outbox.stored([old.ticket], 100.0)
    outbox.stored([new.ticket], 100.0 + KEEP_STORED_S)

    assert outbox.to_send_again() == (new,)


def test_time_in_which_nothing_is_stored_makes_nothing_forgotten() -> None:
    """The database may be away for an hour, and come back without its last commits."""
    outbox = Outbox(keep=10)
    note = put(outbox, "a")
    outbox.stored([note.ticket], 100.0)
    outbox.stored([], 100.0)

    assert outbox.to_send_again() == (note,)


def test_what_is_stored_once_more_is_kept_from_then_on_and_counts_once() -> None:
    outbox = Outbox(keep=10)
    note, other = put(outbox, "a"), put(outbox, "b")
    assert outbox.stored([note.ticket], 100.0) == (note,)
    assert outbox.stored([note.ticket], 900.0) == ()
    outbox.stored([other.ticket], 100.0 + KEEP_STORED_S)

    assert outbox.to_send_again() == (note, other)


def test_no_more_is_kept_than_was_allowed() -> None:
    outbox = Outbox(keep=2)
    notes = [put(outbox, text) for text in "abcd"]
    outbox.stored([note.ticket for note in notes], 100.0)

    assert outbox.to_send_again() == tuple(notes[2:])
