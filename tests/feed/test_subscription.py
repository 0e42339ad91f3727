"""A connection that has doubts: it asks again, it probes, it takes back what it claimed."""

from typing import Any

import pytest

from actors.messages import (
    ConnectionEnded,
    ConnectionReport,
    RecheckCoverage,
    Renew,
    Retire,
    Subscribe,
    TradesSeen,
)
from actors.model import facts
from actors.model.assumptions import Assumption
from actors.model.connection import ConnectionSpec
from actors.model.trade import TokenId, Trade
from actors.polymarket import channel
from tests.fakes_box import drain
from tests.feed.test_actor import (
    CANARY,
    MS,
    NO,
    WALL_MS,
    YES,
    ConnectionHarness,
    a_book,
    a_change,
    a_trade,
    lines,
    sent_tokens,
)

ALONE = ConnectionSpec(name="a-0001", feed=0, tokens=(YES, NO))
DEEP = b'"bids"'


def asked_since(harness: ConnectionHarness, count: int) -> list[tuple[str, list[str]]]:
    return sent_tokens(harness.socket)[count:]


def ended(harness: ConnectionHarness) -> str:
    found = harness.supervisor.of(ConnectionEnded)
    return found[-1].reason if found else ""


def test_a_subscription_message_has_no_more_tokens_than_the_spec_allows() -> None:
    spec = ConnectionSpec(name="a-0001", feed=0, tokens=(YES, NO), tokens_at_once=1)
    harness = ConnectionHarness(spec).connect()

    assert [tokens for _, tokens in sent_tokens(harness.socket)] == [[YES], [NO]]


def test_nothing_is_subscribed_again_while_a_large_frame_arrives() -> None:
    harness = ConnectionHarness(ALONE).connect()
    harness.hear(a_book(YES))
    harness.socket.unfinished_bytes = 100_000
    for _ in range(60):
        harness.tick()
        harness.socket.last_data_at = harness.socket.last_byte_at = harness.now
    assert asked_since(harness, 1) == []
    harness.socket.unfinished_bytes = 0
    harness.tick()
    assert asked_since(harness, 1) == [("unsubscribe", [NO]), ("subscribe", [NO])]


# ----------------------------------------------------------------- unconfirmed


def test_a_token_without_a_book_is_subscribed_again_after_30_s() -> None:
    harness = ConnectionHarness(ALONE).connect()
    harness.hear(a_book(YES))
    for _ in range(31):
        harness.tick()

    assert asked_since(harness, 1) == [("unsubscribe", [NO]), ("subscribe", [NO])]
    assert DEEP in harness.socket.markers


def test_tokens_without_a_book_are_subscribed_again_in_shorter_messages() -> None:
    names = tuple(TokenId(str(number)) for number in range(1, 61))
    harness = ConnectionHarness(ConnectionSpec(name="a-0001", feed=0, tokens=names)).connect()
    harness.hear(a_book(*names[:20]))
    for _ in range(31):
        harness.tick()
    again = [tokens for kind, tokens in asked_since(harness, 1) if kind == "subscribe"]
    harness.hear(a_book(*names[20:40]))
    for _ in range(31):
        harness.tick()

    assert [len(tokens) for tokens in again] == [25, 15]
    sizes = [len(tokens) for kind, tokens in asked_since(harness, 1) if kind == "subscribe"]
    assert sizes == [25, 15, 6, 6, 6, 2]


def messages_of(harness: ConnectionHarness, start: int, count: int) -> list[int]:
    """Subscribe so many further tokens; return how many each message names."""
    before = len(sent_tokens(harness.socket))
    tokens = tuple(TokenId(str(number)) for number in range(start, start + count))
    harness.actor.on_receive(Subscribe(tokens=tokens))
    return [len(asked) for kind, asked in asked_since(harness, before) if kind == "subscribe"]


@pytest.mark.parametrize("dead", [(1,), (30, 31), (59, 60), (1, 20, 40, 60), (7, 8, 9, 10, 30, 31)])
def test_tokens_that_never_answer_do_not_make_messages_shorter(dead: tuple[int, ...]) -> None:
    names = tuple(TokenId(str(number)) for number in range(1, 61))
    harness = ConnectionHarness(ConnectionSpec(name="a-0001", feed=0, tokens=names)).connect()
    harness.hear(a_book(*(name for name in names if int(name) not in dead)))
    for _ in range(1_000):
        harness.tick()
        harness.socket.last_data_at = harness.socket.last_byte_at = harness.now

    assert messages_of(harness, 1_000, 250) == [100, 100, 50]


def test_messages_become_longer_again_when_all_of_one_is_answered() -> None:
    names = tuple(TokenId(str(number)) for number in range(1, 61))
    harness = ConnectionHarness(ConnectionSpec(name="a-0001", feed=0, tokens=names)).connect()
    harness.hear(a_book(*names[:20]))
    for _ in range(31):
        harness.tick()
    harness.hear(a_book(*names[20:]))
    harness.tick()
    sizes = []
    for start in (1_000, 2_000, 3_000):
        sizes.append(messages_of(harness, start, 110))
        harness.hear(a_book(*(TokenId(str(number)) for number in range(start, start + 110))))
        harness.tick()

    assert sizes == [[50, 50, 10], [100, 10], [100, 10]]


def test_a_token_that_stays_unanswered_after_two_retries_is_reported() -> None:
    harness = ConnectionHarness(ALONE).connect()
    harness.hear(a_book(YES))
    for _ in range(100):
        harness.tick()

    said = harness.supervisor.last(ConnectionReport)
    assert (said.unanswered, said.confirmed) == ((NO,), 1)
    harness.hear(a_book(NO))
    harness.tick()
    assert harness.supervisor.last(ConnectionReport).unanswered == ()


def test_a_token_without_a_book_is_not_asked_for_while_the_whole_exchange_is_silent() -> None:
    harness = ConnectionHarness(ALONE).connect()
    harness.hear(a_book(YES))
    harness.silence(100, exchange_silent=True)

    # The confirmed one is, since its book may prove the silence.
    assert asked_since(harness, 1) == [("subscribe", [YES]), ("subscribe", [YES])]


# ----------------------------------------------------------------------- probe


def test_a_silent_connection_asks_for_books_that_stay_covered_10_s_before_the_limit() -> None:
    harness = ConnectionHarness(ALONE).confirm().silence(49)
    assert asked_since(harness, 1) == []
    harness.silence(1)

    assert asked_since(harness, 1) == [("subscribe", [YES, NO])]
    assert DEEP in harness.socket.markers
    assert harness.facts(facts.TokensReleased) == []


def test_a_token_without_a_book_is_never_asked_for_to_judge_the_connection() -> None:
    harness = ConnectionHarness(ALONE).connect()
    harness.hear(a_book(YES))
    harness.silence(3_600)

    probes = [each for each in asked_since(harness, 1) if each[1] != [NO]]
    assert probes[0] == ("subscribe", [YES])
    assert ended(harness) == ""
    assert harness.supervisor.last(ConnectionReport).unanswered == (NO,)
    violations = dict(harness.supervisor.last(ConnectionReport).violations)
    assert violations[Assumption.DUMP_BY_DEFAULT] > 0


def test_a_quiet_connection_whose_probes_are_answered_never_ends() -> None:
    harness = ConnectionHarness(ALONE).confirm()
    for _ in range(20):
        harness.silence(50)
        harness.hear(a_book(YES))

    assert ended(harness) == ""
    assert len(harness.facts(facts.TokensConfirmed)) == 1


def test_a_connection_that_only_receives_new_markets_has_nothing_to_probe_with() -> None:
    harness = (
        ConnectionHarness(ConnectionSpec(name="lifecycle", feed=0, lifecycle=True))
        .connect()
        .silence(500)
    )

    assert len(sent_tokens(harness.socket)) == 1
    assert ended(harness) == ""


# ------------------------------------------------------------- exchange silent


def test_a_silence_of_the_whole_exchange_ends_no_connection() -> None:
    harness = ConnectionHarness().confirm().silence(54).silence(300, exchange_silent=True)

    assert ended(harness) == ""
    assert harness.facts(facts.TokensReleased) == []


def test_data_after_a_probe_without_answer_does_not_prove_the_silence() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(WALL_MS))
    proven_ns = (WALL_MS - 1_000) * MS
    harness.silence(54).silence(300, exchange_silent=True)
    harness.now += 0.2
    harness.hear(a_change(harness.wall_ms))

    (cut,) = harness.facts(facts.TokensReleased)
    assert cut == facts.TokensReleased(
        epoch=1, until_ns=proven_ns, tokens=(YES, NO), cause="exchange_silent"
    )
    before = len(sent_tokens(harness.socket))
    harness.actor.on_receive(Renew())
    assert asked_since(harness, before) == [("unsubscribe", [YES, NO]), ("subscribe", [YES, NO])]
    harness.hear(a_book(YES, NO))
    harness.tick()
    assert harness.supervisor.last(ConnectionReport).confirmed == 2
    assert len(harness.facts(facts.TokensReleased)) == 1


def test_data_after_an_answered_probe_proves_the_silence() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_change(WALL_MS))
    harness.silence(50)
    harness.now += 0.2
    harness.hear(a_book(CANARY))
    harness.silence(45)
    now_ms = harness.wall_ms
    harness.hear(a_change(now_ms))
    harness.tick()

    assert harness.facts(facts.TokensReleased) == []
    assert harness.supervisor.last(ConnectionReport).proven_until_ns >= (now_ms - 1_000) * MS


def test_a_socket_lost_in_such_a_silence_leaves_a_gap_with_that_cause() -> None:
    harness = ConnectionHarness().confirm().silence(54).silence(30, exchange_silent=True)
    harness.socket.on_end("reset", "Connection reset by peer")
    drain(harness.actor)

    (closed,) = harness.facts(facts.ListeningClosed)
    assert isinstance(closed, facts.ListeningClosed)
    assert (closed.reason, ended(harness)) == ("exchange_silent", "reset")


# --------------------------------------------------------------- missed trades


def seen(token: str, at_ms: int) -> Trade:
    return channel.decode((a_trade(token, at_ms=at_ms),), at_ms * MS).trades[0]


def listening(harness: ConnectionHarness, *, after_s: int = 30) -> int:
    """Let the connection hear both tokens for a while; give the exchange's time, ms."""
    harness.confirm()
    harness.hear(a_trade(NO, at_ms=WALL_MS + 2_000), after_ms=2_000)
    harness.tick(after_s)
    harness.hear(a_change(harness.wall_ms))
    return harness.wall_ms


def test_a_token_whose_trades_do_not_come_is_covered_until_it_was_last_received() -> None:
    harness = ConnectionHarness(ALONE)
    now_ms = listening(harness)
    harness.actor.on_receive(RecheckCoverage(trades=(seen(NO, now_ms - 10_000),)))

    (cut,) = harness.facts(facts.TokensReleased)
    assert cut == facts.TokensReleased(
        epoch=1, until_ns=(WALL_MS + 2_000) * MS, tokens=(NO,), cause="deaf"
    )
    assert asked_since(harness, 1) == [("unsubscribe", [NO]), ("subscribe", [NO])]
    harness.hear(a_book(NO))
    assert len(harness.facts(facts.TokensConfirmed)) == 2


def test_a_trade_that_was_received_withdraws_nothing() -> None:
    harness = ConnectionHarness(ALONE)
    now_ms = listening(harness)
    harness.hear(a_trade(NO, at_ms=now_ms - 10_000))
    harness.actor.on_receive(RecheckCoverage(trades=(seen(NO, now_ms - 10_000),)))

    assert harness.facts(facts.TokensReleased) == []
    assert asked_since(harness, 1) == []


@pytest.mark.parametrize("at_ms", [-1_000, 4_000, 30_000], ids=["before", "just after", "not yet"])
def test_a_trade_that_was_never_claimed_withdraws_nothing(at_ms: int) -> None:
    harness = ConnectionHarness(ALONE)
    listening(harness)
    harness.actor.on_receive(RecheckCoverage(trades=(seen(YES, WALL_MS + at_ms),)))

    assert harness.facts(facts.TokensReleased) == []


def test_the_coverage_of_a_waiting_or_released_token_cannot_be_withdrawn() -> None:
    harness = ConnectionHarness(ALONE)
    now_ms = listening(harness)
    doubt = RecheckCoverage(trades=(seen(NO, now_ms - 10_000), seen("73", now_ms - 10_000)))
    harness.actor.on_receive(doubt)
    harness.actor.on_receive(doubt)

    assert len(harness.facts(facts.TokensReleased)) == 1
    assert not harness.supervisor.last(ConnectionReport).misses_trades


def test_a_second_miss_within_5_minutes_requests_a_successor() -> None:
    harness = ConnectionHarness(ALONE)
    now_ms = listening(harness)
    harness.actor.on_receive(RecheckCoverage(trades=(seen(NO, now_ms - 10_000),)))
    harness.actor.on_receive(RecheckCoverage(trades=(seen(YES, now_ms - 10_000),)))
    harness.tick()

    assert harness.supervisor.last(ConnectionReport).misses_trades


def test_a_connection_that_has_ended_withdraws_nothing() -> None:
    harness = ConnectionHarness(ALONE)
    now_ms = listening(harness)
    harness.actor.on_receive(Retire(reason="stopped", at_once=True))
    harness.actor.on_receive(RecheckCoverage(trades=(seen(NO, now_ms - 10_000),)))

    assert harness.facts(facts.TokensReleased) == []


# ---------------------------------------------------------------------- others


def test_a_connection_names_its_busiest_tokens() -> None:
    harness = ConnectionHarness(ALONE).confirm()
    harness.hear(a_trade(NO), a_trade(NO, at_ms=WALL_MS + 1), a_trade(YES))
    harness.tick()

    assert harness.supervisor.last(ConnectionReport).busy == ((NO, 2), (YES, 1))


def test_trades_of_a_canary_that_became_an_own_token_are_recorded() -> None:
    harness = ConnectionHarness().confirm()
    harness.actor.on_receive(Subscribe(tokens=(CANARY,)))
    harness.hear(a_trade(CANARY))

    assert [p.token_id for p in harness.writer.last(TradesSeen).trades] == [TokenId(CANARY)]


def test_the_connection_for_announcements_comes_back_at_once_when_its_canary_is_resolved() -> None:
    lifecycle = ConnectionSpec(name="lifecycle", feed=0, canary=(CANARY,), lifecycle=True)
    harness = ConnectionHarness(lifecycle).connect()
    harness.socket.on_end("closed_1000", "all subscribed assets resolved")
    drain(harness.actor)

    found = harness.supervisor.last(ConnectionEnded)
    assert (found.reason, found.retry_after_s) == ("all_resolved", None)


def test_a_connection_whose_markets_are_all_resolved_ends_for_minutes() -> None:
    harness = ConnectionHarness().confirm()
    harness.socket.on_end("closed_1000", "all subscribed assets resolved")
    drain(harness.actor)

    found = harness.supervisor.last(ConnectionEnded)
    assert (found.reason, found.retry_after_s) == ("all_resolved", 300.0)


def test_a_policy_violation_is_logged_and_delays_the_next_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = ConnectionHarness().confirm()
    harness.socket.on_end("closed_1008", "invalid subscription payload")
    drain(harness.actor)

    assert lines(caplog, "feed_complained")[0]["text"] == "invalid subscription payload"
    assert harness.supervisor.last(ConnectionEnded).retry_after_s == 10.0


def test_an_answer_to_a_probe_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(b"NO NEW ASSETS", b"PONG", b"INVALID OPERATION")
    harness.tick()

    assert [line["texts"] for line in lines(caplog, "feed_control")] == [{"INVALID OPERATION": 1}]


def test_thousands_of_odd_texts_are_summed_up_in_a_line_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    harness = ConnectionHarness().confirm()
    for second in range(125):
        harness.hear(*[b"pong"] * 80, b"text %d" % second, a_book(YES))
        harness.tick()
    harness.socket.on_end("reset", "")
    drain(harness.actor)
    found: list[Any] = lines(caplog, "feed_control")

    assert len(found) == 4
    assert sum(line["texts"]["pong"] for line in found) == 10_000
    assert sum(line["count"] for line in found) == 10_125
    assert max(len(line["texts"]) for line in found) <= 11


@pytest.mark.parametrize(
    ("tokens", "served", "expected"),
    [
        (60, 20, Assumption.TOKENS_PER_CONNECTION),
        (60, 59, Assumption.DUMP_BY_DEFAULT),  # one token alone, perhaps of a settled market
        (60, 0, None),  # the connection ends before
    ],
)
def test_many_tokens_without_a_book_beside_others_that_have_theirs_hint_at_a_limit(
    tokens: int, served: int, expected: Assumption | None
) -> None:
    names = tuple(TokenId(str(number)) for number in range(1, tokens + 1))
    spec = ConnectionSpec(name="a-0001", feed=0, tokens=names)
    harness = ConnectionHarness(spec).connect()
    if served:
        harness.hear(a_book(*names[:served]))
    for _ in range(8):
        harness.hear(a_change(1))
        harness.silence(5)
    counted = dict(harness.supervisor.last(ConnectionReport).violations)
    hints = {Assumption.TOKENS_PER_CONNECTION, Assumption.DUMP_BY_DEFAULT}
    assert hints & counted.keys() == ({expected} if expected else set())
