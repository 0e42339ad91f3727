from actors.model.trade import TokenId
from actors.supervision.handover import TRIAL, Handover, HandoverStep, MemberState

SLOT = "a-0003"
S = 1_000_000_000


def state(
    confirmed: int = 4,
    *,
    tokens: int = 4,
    state: str = "listening",
    proven_s: int = 0,
    waiting: tuple[TokenId, ...] = (),
    traded: tuple[TokenId, ...] = (),
) -> MemberState:
    return MemberState(
        state=state,
        tokens=tokens,
        confirmed=confirmed,
        proven_until_ns=proven_s * S,
        waiting=frozenset(waiting),
        traded=frozenset(traded),
    )


def new_handover(*, due_at: float = 1_000.0) -> Handover:
    handover = Handover(SLOT, 0, due_at=due_at)
    report(handover, SLOT, state())
    return handover


def report(
    handover: Handover,
    name: str,
    reported: MemberState,
    *,
    unanswered: tuple[TokenId, ...] = (),
    misses_trades: bool = False,
) -> None:
    handover.reported(name, reported, unanswered=unanswered, misses_trades=misses_trades)


def step(handover: Handover, now: float) -> HandoverStep:
    return handover.next_step(now, int(now) * S)


def test_a_connection_is_replaced_at_its_age() -> None:
    handover = new_handover(due_at=1_000.0)
    assert (handover.due(999.9), handover.due(1_000.0)) == ("", "scheduled")
    assert handover.start(1_000.0, "scheduled") == f"{SLOT}.1"
    assert handover.connections == (SLOT, f"{SLOT}.1")
    assert handover.due(1_001.0) == ""


def test_a_connection_that_does_not_listen_is_left_to_its_restart() -> None:
    handover = new_handover()
    report(handover, SLOT, state(0, state="subscribing"), misses_trades=True)
    assert handover.due(2_000.0) == ""
    handover.ended(SLOT)
    assert handover.due(2_000.0) == ""


def test_one_that_gets_no_book_any_more_is_replaced_once_and_goes_on_meanwhile() -> None:
    a, b = TokenId("1"), TokenId("2")
    handover = new_handover()
    report(handover, SLOT, state(0, tokens=2, state="subscribing"), unanswered=(a, b))
    assert handover.due(2_000.0) == "unconfirmed"
    new = handover.start(2_000.0, "unconfirmed")
    report(handover, new, state(2, tokens=2))
    report(handover, SLOT, state(0, tokens=2, state="subscribing"), unanswered=(a, b))
    assert step(handover, 2_001.0) is HandoverStep.WAIT
    assert step(handover, 2_011.0) is HandoverStep.COMPLETE
    handover.complete(due_at=9_000.0)
    report(handover, new, state(0, tokens=2, state="subscribing"), unanswered=(a, b))
    assert handover.due(3_000.0) == ""


def test_a_trial_keeps_no_handover_from_following_it() -> None:
    handover = new_handover(due_at=1_010.0)
    handover.start(1_000.0, TRIAL)
    assert handover.trial_step(1_005.0, exchange_silent=False) is HandoverStep.ABANDON
    handover.abandon(1_005.0)
    assert handover.due(1_010.0) == "scheduled"


def test_the_predecessor_stays_until_it_has_proven_what_came_before_the_successor() -> None:
    handover = new_handover()
    new = handover.start(1_000.0, "scheduled")
    assert step(handover, 1_001.0) is HandoverStep.WAIT
    report(handover, new, state(3))
    assert step(handover, 1_002.0) is HandoverStep.WAIT
    report(handover, new, state(4))
    assert step(handover, 1_003.0) is HandoverStep.WAIT
    report(handover, SLOT, state(4, proven_s=1_002))
    assert step(handover, 1_004.0) is HandoverStep.WAIT
    report(handover, SLOT, state(4, proven_s=1_003))
    assert step(handover, 1_005.0) is HandoverStep.COMPLETE
    assert handover.complete(due_at=5_000.0) == SLOT
    assert (handover.connections, handover.due(4_999.0)) == ((new,), "")


def test_a_predecessor_that_proves_nothing_more_retires_after_10_s() -> None:
    handover = new_handover()
    report(handover, handover.start(1_000.0, "token_missed"), state())
    assert step(handover, 1_001.0) is HandoverStep.WAIT
    assert step(handover, 1_010.9) is HandoverStep.WAIT
    assert step(handover, 1_011.0) is HandoverStep.COMPLETE


def test_when_the_predecessor_ends_by_itself_the_successor_is_active_at_once() -> None:
    handover = new_handover()
    handover.start(1_000.0, "scheduled")
    handover.ended(SLOT)
    assert step(handover, 1_001.0) is HandoverStep.COMPLETE


def test_tokens_that_neither_of_them_has_confirmed_do_not_keep_the_predecessor_for_ever() -> None:
    handover = new_handover()
    report(handover, SLOT, state(3, proven_s=5_000))
    report(handover, handover.start(1_000.0, "unconfirmed"), state(3))
    assert step(handover, 1_059.0) is HandoverStep.WAIT
    assert step(handover, 1_060.0) is HandoverStep.COMPLETE


def test_a_successor_that_receives_less_is_abandoned_and_the_next_handover_comes_later() -> None:
    handover = new_handover()
    new = handover.start(1_000.0, "scheduled")
    report(handover, new, state(3))
    assert step(handover, 1_060.0) is HandoverStep.ABANDON
    assert handover.abandon(1_060.0) == new
    assert handover.connections == (SLOT,)
    assert (handover.due(1_659.0), handover.due(1_660.0)) == ("", "scheduled")
    assert handover.start(1_660.0, "scheduled") == f"{SLOT}.2"


A, B, C = TokenId("1"), TokenId("2"), TokenId("3")


def test_a_market_that_settled_on_the_predecessor_keeps_no_successor_from_taking_over() -> None:
    handover = new_handover()
    new = handover.start(1_000.0, "scheduled")
    report(handover, new, state(2, waiting=(A, B)))
    report(handover, SLOT, state(4, proven_s=1_059, traded=(C,)))
    assert step(handover, 1_059.0) is HandoverStep.WAIT  # its books may still come
    assert step(handover, 1_060.0) is HandoverStep.WAIT
    report(handover, SLOT, state(4, proven_s=1_061, traded=(C,)))
    assert step(handover, 1_061.0) is HandoverStep.COMPLETE


def test_a_connection_that_misses_trades_is_replaced_by_one_without_the_settled_market() -> None:
    handover = new_handover()
    report(handover, SLOT, state(), misses_trades=True)
    new = handover.start(1_000.0, handover.due(1_000.0))
    assert handover.reason == "token_missed"
    report(handover, new, state(2, waiting=(A, B)))
    assert step(handover, 1_060.0) is HandoverStep.WAIT
    assert step(handover, 1_070.0) is HandoverStep.COMPLETE  # it proves nothing any more


def test_what_the_predecessor_still_hears_is_not_given_up() -> None:
    handover = new_handover()
    new = handover.start(1_000.0, "scheduled")
    report(handover, new, state(2, waiting=(A, B)))
    report(handover, SLOT, state(4, traded=(B, C)))
    assert step(handover, 1_060.0) is HandoverStep.ABANDON


def test_many_silent_tokens_are_not_given_up_since_the_exchange_may_have_set_a_limit() -> None:
    tokens = tuple(TokenId(str(number)) for number in range(100))
    for lacking, expected in ((10, HandoverStep.WAIT), (11, HandoverStep.ABANDON)):
        handover = new_handover()
        report(handover, SLOT, state(100, tokens=100))
        new = handover.start(1_000.0, "scheduled")
        report(handover, new, state(100 - lacking, tokens=100, waiting=tokens[:lacking]))
        assert step(handover, 1_060.0) is expected


def test_tokens_that_the_predecessor_waits_for_too_explain_nothing() -> None:
    handover = new_handover()
    report(handover, SLOT, state(3, waiting=(A,)))
    new = handover.start(1_000.0, "scheduled")
    report(handover, new, state(2, waiting=(A,)))
    assert step(handover, 1_060.0) is HandoverStep.ABANDON


def test_a_successor_that_never_listened_is_abandoned() -> None:
    handover = new_handover()
    handover.start(1_000.0, "scheduled")
    assert step(handover, 1_060.0) is HandoverStep.ABANDON


def test_tokens_that_are_added_meanwhile_are_waited_for() -> None:
    handover = new_handover()
    report(handover, SLOT, state(proven_s=5_000))
    new = handover.start(1_000.0, "scheduled")
    report(handover, new, state(4, tokens=6))
    assert step(handover, 1_001.0) is HandoverStep.WAIT
    report(handover, new, state(6, tokens=6))
    assert step(handover, 1_002.0) is HandoverStep.COMPLETE


def test_a_connection_that_misses_trades_is_replaced_at_once() -> None:
    handover = new_handover()
    report(handover, SLOT, state(), misses_trades=True)
    assert handover.due(10.0) == "token_missed"


def test_for_tokens_without_a_book_a_slot_is_replaced_once() -> None:
    a, b = TokenId("1"), TokenId("2")
    handover = new_handover()
    report(handover, SLOT, state(3), unanswered=(a,))
    assert handover.due(10.0) == "unconfirmed"
    new = handover.start(10.0, "unconfirmed")
    report(handover, new, state(3))
    handover.complete(due_at=5_000.0)
    report(handover, new, state(3), unanswered=(a,))
    assert handover.due(100.0) == ""
    report(handover, new, state(2), unanswered=(a, b))
    assert handover.due(200.0) == "unconfirmed"


def test_a_fault_of_one_incarnation_is_not_one_of_the_next() -> None:
    handover = new_handover()
    report(handover, SLOT, state(), misses_trades=True)
    handover.ended(SLOT)
    report(handover, SLOT, state())
    assert handover.due(10.0) == ""
