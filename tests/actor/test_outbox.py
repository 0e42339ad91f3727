from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.actor import Outbox


class Note(NamedTuple):
    ticket: int
    text: str


def put(outbox: Outbox, text: str, key: str | None = None) -> Note:
    return outbox.put(lambda ticket: Note(ticket, text), key=key)


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


def test_a_newer_message_about_the_same_takes_the_place_of_the_older() -> None:
    outbox = Outbox()
    old, other = put(outbox, "old", key="k"), put(outbox, "other", key="j")
    new = put(outbox, "new", key="k")
    assert outbox.waiting() == (other, new)
    assert outbox.stored([old.ticket]) == ()
    assert outbox.waiting() == (other, new)


def test_a_key_is_free_again_after_its_message_was_stored() -> None:
    outbox = Outbox()
    outbox.stored([put(outbox, "a", key="k").ticket])
    again = put(outbox, "b", key="k")
    assert outbox.waiting() == (again,)


def test_a_late_answer_to_a_former_life_confirms_nothing() -> None:
    former = Outbox(life=1)
    late = [put(former, "a").ticket for _ in range(3)]
    now = Outbox(life=2)
    mine = put(now, "b")
    assert now.stored(late) == ()
    assert now.waiting() == (mine,)


def test_a_message_that_cannot_be_made_leaves_the_older_one_waiting() -> None:
    outbox = Outbox()
    old = put(outbox, "old", key="k")
    with pytest.raises(ZeroDivisionError):
        outbox.put(lambda ticket: Note(ticket // 0, ""), key="k")
    assert outbox.waiting() == (old,)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.sampled_from(["a", "b", "c"])),
            st.tuples(st.just("put"), st.none()),
            st.tuples(st.just("stored"), st.integers(1, 12)),
        ),
        max_size=40,
    )
)
def test_outbox_agrees_with_a_plain_list(steps: list[tuple[str, str | int | None]]) -> None:
    outbox = Outbox()
    model: list[tuple[str | None, Note]] = []
    for step, value in steps:
        if step == "put":
            key = value if isinstance(value, str) else None
            note = put(outbox, "x", key=key)
            model = [(k, n) for k, n in model if key is None or k != key] + [(key, note)]
        else:
            assert isinstance(value, int)
            outbox.stored([value])
            model = [(k, n) for k, n in model if n.ticket != value]
        assert outbox.waiting() == tuple(note for _, note in model)
        assert len(outbox) == len(model)
