from actors.feed.report import BusyTokens
from actors.model.trade import TokenId
from actors.supervision.canary import Activity

A, B, C, D = (TokenId(str(n)) for n in range(1, 5))


def test_the_busiest_tokens_come_first() -> None:
    busy = BusyTokens()
    busy.add([A, B, B, C, C, C, D, D, D, D])
    assert busy.top(10.0) == ((D, 4), (C, 3), (B, 2))


def test_trades_of_two_minutes_ago_are_forgotten() -> None:
    busy = BusyTokens()
    busy.top(0.0)
    busy.add([A])
    assert busy.top(59.0) == ((A, 1),)
    busy.top(60.0)
    busy.add([B])
    assert busy.top(119.0) == ((A, 1), (B, 1))
    assert busy.top(120.0) == ((B, 1),)
    assert busy.top(180.0) == ()


def test_a_server_that_invents_tokens_does_not_fill_the_memory() -> None:
    busy = BusyTokens()
    busy.add(TokenId(str(n)) for n in range(5_000))
    assert len(busy.top(0.0, most=10_000)) == 1_000


def test_a_token_is_as_busy_as_the_highest_report_says() -> None:
    activity = Activity()
    assert activity.count(A) == 0
    activity.reported("a-0000", ((A, 5), (B, 1)))
    activity.reported("b-0000", ((A, 4), (C, 3)))
    assert [activity.count(token) for token in (A, B, C, D)] == [5, 1, 3, 0]
    activity.reported("a-0000", ((B, 2),))
    assert [activity.count(token) for token in (A, B, C)] == [4, 2, 3]


def test_the_busiest_token_is_that_of_one_connection() -> None:
    activity = Activity()
    activity.reported("a-0000", ((A, 5), (B, 1)))
    assert (activity.busiest("a-0000"), activity.busiest("b-0000")) == (A, None)
    activity.forget("a-0000")
    assert (activity.busiest("a-0000"), activity.count(A)) == (None, 0)


def test_what_traded_in_the_last_minute_or_two_is_named() -> None:
    busy = BusyTokens()
    busy.top(0.0)
    busy.add([A])
    assert busy.traded(59.0) == {A}
    busy.traded(60.0)
    busy.add([B])
    assert busy.traded(119.0) == {A, B}
    assert busy.traded(120.0) == {B}
    assert busy.traded(180.0) == frozenset()
