from actors.model.trade import TokenId
from actors.supervision.handover import Handover, MemberState, Step

SLOT = "a-0003"
S = 1_000_000_000


def standing(
    confirmed: int = 4, *, tokens: int = 4, state: str = "listening", proven_s: int = 0
) -> MemberState:
    return MemberState(
        state=state, tokens=tokens, confirmed=confirmed, proven_until_ns=proven_s * S
    )


def handover(*, due_at: float = 1_000.0) -> Handover:
    found = Handover(SLOT, 0, due_at=due_at)
    say(found, SLOT, standing())
    return found


def say(
    found: Handover,
    name: str,
    how: MemberState,
    *,
    unheard: tuple[TokenId, ...] = (),
    deaf: bool = False,
) -> None:
    found.reported(name, how, unheard=unheard, deaf=deaf)


def step(found: Handover, now: float) -> Step:
    return found.step(now, int(now) * S)


def test_a_connection_is_replaced_when_it_has_served_its_time() -> None:
    found = handover(due_at=1_000.0)
    assert (found.wish(999.9), found.wish(1_000.0)) == ("", "scheduled")
    assert found.begin(1_000.0, "scheduled") == f"{SLOT}.1"
    assert found.members == (SLOT, f"{SLOT}.1")
    assert found.wish(1_001.0) == ""


def test_one_that_does_not_listen_is_left_to_its_next_life() -> None:
    found = handover()
    say(found, SLOT, standing(0, state="subscribing"), deaf=True)
    assert found.wish(2_000.0) == ""
    found.ended(SLOT)
    assert found.wish(2_000.0) == ""


def test_the_old_one_stays_until_it_has_proven_what_came_before_the_successor() -> None:
    found = handover()
    new = found.begin(1_000.0, "scheduled")
    assert step(found, 1_001.0) is Step.STAY
    say(found, new, standing(3))
    assert step(found, 1_002.0) is Step.STAY
    say(found, new, standing(4))
    assert step(found, 1_003.0) is Step.STAY
    say(found, SLOT, standing(4, proven_s=1_002))
    assert step(found, 1_004.0) is Step.STAY
    say(found, SLOT, standing(4, proven_s=1_003))
    assert step(found, 1_005.0) is Step.HAND_OVER
    assert found.hand_over(due_at=5_000.0) == SLOT
    assert (found.members, found.wish(4_999.0)) == ((new,), "")


def test_an_old_one_that_proves_nothing_more_goes_after_10_s() -> None:
    found = handover()
    say(found, found.begin(1_000.0, "deaf"), standing())
    assert step(found, 1_001.0) is Step.STAY
    assert step(found, 1_010.9) is Step.STAY
    assert step(found, 1_011.0) is Step.HAND_OVER


def test_when_the_old_one_ends_by_itself_the_successor_is_in_charge_at_once() -> None:
    found = handover()
    found.begin(1_000.0, "scheduled")
    found.ended(SLOT)
    assert step(found, 1_001.0) is Step.HAND_OVER


def test_tokens_that_neither_of_them_hears_do_not_keep_the_old_one_for_ever() -> None:
    found = handover()
    say(found, SLOT, standing(3, proven_s=5_000))
    say(found, found.begin(1_000.0, "unconfirmed"), standing(3))
    assert step(found, 1_059.0) is Step.STAY
    assert step(found, 1_060.0) is Step.HAND_OVER


def test_a_successor_that_hears_less_is_given_up_and_the_next_try_comes_later() -> None:
    found = handover()
    new = found.begin(1_000.0, "scheduled")
    say(found, new, standing(3))
    assert step(found, 1_060.0) is Step.ABANDON
    assert found.abandon(1_060.0) == new
    assert found.members == (SLOT,)
    assert (found.wish(1_659.0), found.wish(1_660.0)) == ("", "scheduled")
    assert found.begin(1_660.0, "scheduled") == f"{SLOT}.2"


def test_a_successor_that_never_listened_is_given_up() -> None:
    found = handover()
    found.begin(1_000.0, "scheduled")
    assert step(found, 1_060.0) is Step.ABANDON


def test_more_tokens_are_waited_for_anew() -> None:
    found = handover()
    say(found, SLOT, standing(proven_s=5_000))
    new = found.begin(1_000.0, "scheduled")
    say(found, new, standing(4, tokens=6))
    assert step(found, 1_001.0) is Step.STAY
    say(found, new, standing(6, tokens=6))
    assert step(found, 1_002.0) is Step.HAND_OVER


def test_a_deaf_connection_is_replaced_at_once() -> None:
    found = handover()
    say(found, SLOT, standing(), deaf=True)
    assert found.wish(10.0) == "deaf"


def test_for_tokens_without_a_book_a_slot_is_replaced_once() -> None:
    a, b = TokenId("1"), TokenId("2")
    found = handover()
    say(found, SLOT, standing(3), unheard=(a,))
    assert found.wish(10.0) == "unconfirmed"
    new = found.begin(10.0, "unconfirmed")
    say(found, new, standing(3))
    found.hand_over(due_at=5_000.0)
    say(found, new, standing(3), unheard=(a,))
    assert found.wish(100.0) == ""
    say(found, new, standing(2), unheard=(a, b))
    assert found.wish(200.0) == "unconfirmed"


def test_what_ailed_one_life_does_not_ail_the_next() -> None:
    found = handover()
    say(found, SLOT, standing(), deaf=True)
    found.ended(SLOT)
    say(found, SLOT, standing())
    assert found.wish(10.0) == ""
