"""Tokens that the feed announced: subscribed at once, demanded of nobody, asked for again."""

import json

from actors.feed.subscription import OFTEN, AnnouncedRetry
from actors.messages import (
    AnnouncedConfirmed,
    ConnectionEnded,
    ConnectionReport,
    Subscribe,
    TradesSeen,
    Unsubscribe,
)
from actors.model.connection import ConnectionSpec
from actors.model.facts import TokensConfirmed
from actors.model.trade import TokenId
from tests.fakes_box import drain
from tests.feed.test_actor import (
    CANARY,
    MS,
    NO,
    WALL_MS,
    YES,
    ConnectionHarness,
    a_book,
    a_trade,
    sent_tokens,
)

UP, DOWN = TokenId("81"), TokenId("82")


def with_announced() -> ConnectionHarness:
    harness = ConnectionHarness().confirm()
    harness.actor.on_receive(Subscribe(tokens=(UP, DOWN), announced=True))
    return harness


def asked(harness: ConnectionHarness) -> int:
    return sent_tokens(harness.socket).count(("subscribe", [UP, DOWN]))


def counts(harness: ConnectionHarness) -> tuple[int, int, tuple[TokenId, ...]]:
    report = harness.supervisor.last(ConnectionReport)
    return report.tokens, report.confirmed, report.unanswered


def confirmed(harness: ConnectionHarness) -> list[tuple[TokenId, ...]]:
    facts = harness.facts(TokensConfirmed)
    return [fact.tokens for fact in facts if isinstance(fact, TokensConfirmed)]


def test_announced_tokens_are_subscribed_at_once_and_confirmed_by_their_first_book() -> None:
    harness = with_announced()
    assert asked(harness) == 1
    assert b'"bids"' in harness.socket.markers

    harness.hear(a_book(UP, DOWN))
    harness.tick(1)

    assert confirmed(harness)[-1] == (UP, DOWN)
    assert harness.supervisor.last(AnnouncedConfirmed).tokens == (UP, DOWN)
    assert counts(harness) == (4, 4, ())
    harness.hear(a_book(CANARY))
    harness.tick(1)
    assert b'"bids"' not in harness.socket.markers
    for _ in range(30):
        harness.tick(1)
    assert asked(harness) == 1


def test_their_trades_are_recorded_before_any_book() -> None:
    harness = with_announced()
    harness.hear(a_trade(UP))

    assert harness.writer.last(TradesSeen).trades[0].token_id == UP


def test_without_a_book_they_are_no_unconfirmed_tokens_and_asked_for_every_second_at_first() -> (
    None
):
    harness = with_announced()
    for _ in range(OFTEN):
        harness.tick(1)

    assert counts(harness) == (2, 2, ())
    assert asked(harness) == 1 + OFTEN
    assert not harness.supervisor.of(AnnouncedConfirmed)


def test_what_nobody_knows_is_asked_for_once_a_day_in_the_end() -> None:
    retry, now, waits = AnnouncedRetry(), 0.0, []
    for _ in range(60):
        retry.asked((UP,), now)
        waits.append(retry.wakes_at - now)
        assert retry.due(now + waits[-1] - 0.1, frozenset((UP,))) == ()
        now += waits[-1]
        assert retry.due(now, frozenset((UP,))) == (UP,)

    assert waits[:OFTEN] == [1.0] * OFTEN
    assert waits[OFTEN : OFTEN + 3] == [2.0, 4.0, 8.0]
    assert waits[-1] == 86_400.0
    assert retry.due(now, frozenset()) == ()
    assert retry.wakes_at == float("inf")


def test_their_books_are_handed_on_for_a_while_after_each_request_only() -> None:
    harness = with_announced()
    for _ in range(120):
        harness.tick(1)
    assert b'"bids"' not in harness.socket.markers
    before = asked(harness)
    while asked(harness) == before:
        harness.tick(1)

    assert b'"bids"' in harness.socket.markers


def test_once_gamma_lists_them_they_are_tokens_like_others() -> None:
    harness = with_announced()
    harness.tick(0.5)
    harness.actor.on_receive(Subscribe(tokens=(UP, DOWN)))
    assert sent_tokens(harness.socket)[-2:] == [
        ("unsubscribe", [UP, DOWN]),
        ("subscribe", [UP, DOWN]),
    ]
    harness.tick(1)
    assert counts(harness) == (4, 2, ())

    harness.hear(a_book(UP, DOWN))
    harness.tick(1)
    assert counts(harness) == (4, 4, ())
    assert not harness.supervisor.of(AnnouncedConfirmed)


def test_announced_tokens_can_be_let_go() -> None:
    harness = with_announced()
    harness.actor.on_receive(
        Unsubscribe(tokens=(UP, DOWN), cause="released", since_ns=harness.wall_ms * MS)
    )
    for _ in range(12):
        harness.tick(1)
    before = asked(harness)
    for _ in range(30):
        harness.tick(1)

    assert sent_tokens(harness.socket)[-1] == ("unsubscribe", [UP, DOWN])
    assert asked(harness) == before


def test_a_connection_that_starts_subscribes_what_is_announced_for_its_slot() -> None:
    spec = ConnectionSpec(name="a-0001", feed=0, tokens=(YES, NO), announced=(UP, DOWN))
    harness = ConnectionHarness(spec).connect()
    assert json.loads(harness.socket.sent[0])["assets_ids"] == [YES, NO, UP, DOWN]

    harness.hear(a_book(YES, NO, DOWN))
    harness.tick(1)
    assert counts(harness) == (3, 3, ())


def test_one_with_nothing_but_announced_tokens_may_be_silent_until_one_trades() -> None:
    spec = ConnectionSpec(name="a-0001", feed=0, announced=(UP, DOWN))
    harness = ConnectionHarness(spec).connect().silence(90)
    assert not harness.supervisor.of(ConnectionEnded)

    harness.hear(a_book(UP, DOWN))
    harness.silence(90)
    assert not harness.supervisor.of(ConnectionEnded)
    harness.dialler.changes = {UP: WALL_MS + 100_000, DOWN: WALL_MS + 110_000}
    harness.silence(200)
    assert harness.supervisor.last(ConnectionEnded).reason == "frozen"


def test_it_is_not_put_off_for_minutes_when_all_others_resolved() -> None:
    harness = with_announced()
    harness.socket.on_end("closed_1000", "all subscribed assets resolved")
    drain(harness.actor)

    assert harness.supervisor.last(ConnectionEnded).retry_after_s is None
