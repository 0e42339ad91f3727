from actors.model.trade import TokenId
from actors.supervision.allocation import PlanDiff, PlanDiffBuilder, Slot

A, B = TokenId("1"), TokenId("2")


def test_a_step_and_its_reverse_cancel_out() -> None:
    builder = PlanDiffBuilder()
    builder.want([A, B])
    builder.unwant([A, B])
    builder.open(Slot("a-0000", 0))
    builder.subscribe("a-0000", [A, B])
    builder.unsubscribe("a-0000", [B, A])
    builder.close("a-0000")
    assert builder.diff() == PlanDiff()


def test_each_slot_is_named_once_and_in_order() -> None:
    builder = PlanDiffBuilder()
    builder.subscribe("a-0001", [A])
    builder.subscribe("a-0000", [A])
    builder.subscribe("a-0001", [B])
    assert builder.diff().subscribed == (("a-0001", (A, B)), ("a-0000", (A,)))


def test_a_slot_that_existed_before_closes() -> None:
    builder = PlanDiffBuilder()
    builder.unsubscribe("a-0000", [A])
    builder.close("a-0000")
    diff = builder.diff()
    assert (diff.closed, diff.opened) == (("a-0000",), ())
    assert diff.unsubscribed == (("a-0000", (A,)),)
