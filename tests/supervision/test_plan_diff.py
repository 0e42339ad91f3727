from actors.model.trade import TokenId
from actors.supervision.allocation import Changes, PlanDiff, Slot

A, B = TokenId("1"), TokenId("2")


def test_what_is_done_and_undone_leaves_nothing_behind() -> None:
    difference = PlanDiff()
    difference.want([A, B])
    difference.unwant([A, B])
    difference.open(Slot("a-0000", 0))
    difference.subscribe("a-0000", [A, B])
    difference.unsubscribe("a-0000", [B, A])
    difference.close("a-0000")
    assert difference.changes() == Changes()


def test_each_slot_is_told_once_and_in_order() -> None:
    difference = PlanDiff()
    difference.subscribe("a-0001", [A])
    difference.subscribe("a-0000", [A])
    difference.subscribe("a-0001", [B])
    assert difference.changes().subscribed == (("a-0001", (A, B)), ("a-0000", (A,)))


def test_a_slot_that_was_there_before_closes() -> None:
    difference = PlanDiff()
    difference.unsubscribe("a-0000", [A])
    difference.close("a-0000")
    changes = difference.changes()
    assert (changes.closed, changes.opened) == (("a-0000",), ())
    assert changes.unsubscribed == (("a-0000", (A,)),)
