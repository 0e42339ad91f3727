from actors.model.trade import TokenId
from actors.supervision.allocation import Changes, Lane, PlanDiff

A, B = TokenId("1"), TokenId("2")


def test_what_is_done_and_undone_leaves_nothing_behind() -> None:
    difference = PlanDiff()
    difference.want([A, B])
    difference.unwant([A, B])
    difference.open(Lane("leg0-0000", 0))
    difference.subscribe("leg0-0000", [A, B])
    difference.unsubscribe("leg0-0000", [B, A])
    difference.close("leg0-0000")
    assert difference.changes() == Changes()


def test_each_lane_is_told_once_and_in_order() -> None:
    difference = PlanDiff()
    difference.subscribe("leg0-0001", [A])
    difference.subscribe("leg0-0000", [A])
    difference.subscribe("leg0-0001", [B])
    assert difference.changes().subscribed == (("leg0-0001", (A, B)), ("leg0-0000", (A,)))


def test_a_lane_that_was_there_before_closes() -> None:
    difference = PlanDiff()
    difference.unsubscribe("leg0-0000", [A])
    difference.close("leg0-0000")
    changes = difference.changes()
    assert (changes.closed, changes.opened) == (("leg0-0000",), ())
    assert changes.unsubscribed == (("leg0-0000", (A,)),)
