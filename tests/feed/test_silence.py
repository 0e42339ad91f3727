"""A connection without data: what it asks, what proves silence, what shows a loss."""

import json

import pytest

from actors.feed.silence import Question, Silence
from actors.messages import (
    ChangeCanary,
    ConnectionReport,
    HeardElsewhere,
    Retire,
    Subscribe,
    TradesSeen,
)
from actors.model import facts
from actors.model.assumptions import Assumption
from actors.model.connection import ConnectionSpec
from actors.model.trade import TokenId
from tests.feed.test_actor import (
    CANARY,
    CONDITION,
    MS,
    NO,
    WALL_MS,
    YES,
    ConnectionHarness,
    a_book,
    a_change,
    a_trade,
    ended_at,
    sent_tokens,
)
from tests.feed.test_subscription import ALONE, ended

MANY = tuple(TokenId(str(number)) for number in range(1_000, 1_010))
HOUR_S = 3_600


def books_of(changes: dict[TokenId, int]) -> bytes:
    """Return snapshots whose books changed last at these times, milliseconds."""
    books = [
        {"event_type": "book", "asset_id": token, "market": CONDITION, "timestamp": str(at_ms)}
        for token, at_ms in changes.items()
    ]
    return json.dumps([{**book, "bids": [], "asks": []} for book in books]).encode()


def listening(*tokens: TokenId) -> ConnectionHarness:
    """Return a connection that delivered an event at WALL_MS and is silent from then on."""
    spec = ConnectionSpec(name="a-0001", feed=0, tokens=tokens or (YES, NO))
    harness = ConnectionHarness(spec).connect()
    harness.hear(a_book(*spec.tokens))
    harness.hear(a_change(WALL_MS))
    return harness


def before(seconds: int, *tokens: TokenId) -> dict[TokenId, int]:
    return dict.fromkeys(tokens or (YES, NO), WALL_MS - 1000 * seconds)


def quiet(harness: ConnectionHarness, seconds: int, answer: str) -> None:
    """Let time pass without an event; the exchange answers repeated subscriptions so."""
    asked = len(sent_tokens(harness.socket))
    for _ in range(seconds):
        harness.silence(1)
        if ended(harness):
            return
        for kind, tokens in sent_tokens(harness.socket)[asked:]:
            if kind == "subscribe" and answer == "book":
                harness.hear(books_of(before(60, *map(TokenId, tokens))))
            elif kind == "subscribe" and answer:
                harness.socket.on_frames(harness.wall_ms * MS, (answer.encode(),))
        asked = len(sent_tokens(harness.socket))


@pytest.mark.no_cover  # see CONTRIBUTING.md
@pytest.mark.parametrize("answer", ["book", "NO NEW ASSETS", "[]", "", "books over http"])
def test_a_quiet_hour_costs_no_gap_and_no_reconnect(answer: str) -> None:
    harness = listening()
    harness.dialler.changes = before(60) if answer == "books over http" else {}
    quiet(harness, HOUR_S, answer)
    harness.hear(a_change(harness.wall_ms))
    harness.tick()

    assert ended(harness) == ""
    assert harness.facts(facts.TokensReleased) == []
    proven_ns = harness.supervisor.last(ConnectionReport).proven_until_ns
    assert proven_ns >= (harness.wall_ms - 3_000) * MS


@pytest.mark.no_cover  # see CONTRIBUTING.md
@pytest.mark.parametrize("answer", ["NO NEW ASSETS", ""])
def test_what_proves_nothing_is_asked_ever_less_often_and_counted(answer: str) -> None:
    harness = listening()
    quiet(harness, HOUR_S, answer)

    asked = len(sent_tokens(harness.socket)) - 1
    assert 10 <= asked <= 16
    violations = dict(harness.supervisor.last(ConnectionReport).violations)
    assert violations[Assumption.REPEATED_BOOK] in {asked - 1, asked}


def test_what_proves_is_asked_once_in_the_silence_limit() -> None:
    harness = listening()
    harness.dialler.changes = before(60)
    harness.silence(600)

    assert 9 <= len(harness.dialler.questions) <= 11
    assert len(sent_tokens(harness.socket)) == 1


def test_when_others_ask_just_now_it_asks_again_on_the_next_tick() -> None:
    harness = listening()
    harness.dialler.changes = None
    harness.silence(55)
    assert len(harness.dialler.questions) == 6
    assert len(sent_tokens(harness.socket)) == 1


# ------------------------------------------------------------------------ covered


@pytest.mark.parametrize("beside", [True, False], ids=["books over http", "on the socket"])
def test_silence_that_snapshots_prove_is_covered_until_the_question(*, beside: bool) -> None:
    harness = listening()
    harness.dialler.changes = before(60) if beside else {}
    quiet(harness, 150, "" if beside else "book")
    harness.actor.on_receive(Retire(reason="stopped", at_once=True))

    released = harness.facts(facts.TokensReleased)
    assert {token for each in released for token in each.tokens} == {YES, NO}  # type: ignore[union-attr]
    for each in released:
        assert isinstance(each, facts.TokensReleased)
        assert each.cause == "process_down"
        assert WALL_MS + 90_000 <= each.until_ns // MS <= WALL_MS + 150_000
    assert ended_at(harness) == -1_000


def retired_in_a_silence(harness: ConnectionHarness, seconds: int) -> int:
    """Let its successor replace it in a silence; return when, wall-clock milliseconds."""
    harness.silence(seconds)
    harness.actor.on_receive(Retire(reason="scheduled"))
    return harness.wall_ms


@pytest.mark.parametrize("seconds", [20, 45, 75, 100])
def test_a_connection_that_is_replaced_in_a_silence_proves_it_before_it_ends(seconds: int) -> None:
    harness = listening()
    harness.dialler.changes = before(60)
    retired_ms = retired_in_a_silence(harness, seconds)
    harness.silence(1)

    (released,) = harness.facts(facts.TokensReleased)
    assert isinstance(released, facts.TokensReleased)
    assert set(released.tokens) == {YES, NO}
    assert released.until_ns >= retired_ms * MS
    assert ended(harness) == "scheduled"


def test_it_waits_for_its_turn_to_ask_and_no_longer_than_for_an_answer() -> None:
    harness = listening()
    harness.dialler.changes = None
    retired_in_a_silence(harness, 20)
    harness.silence(5)
    assert ended(harness) == ""
    harness.dialler.changes = before(60)
    retired_ms = harness.wall_ms
    harness.silence(1)
    assert ended(harness) == "scheduled"
    (released,) = harness.facts(facts.TokensReleased)
    assert isinstance(released, facts.TokensReleased)
    assert released.until_ns >= retired_ms * MS


@pytest.mark.parametrize("changes", [None, {}], ids=["others ask", "no answer"])
def test_without_an_answer_it_ends_all_the_same(changes: dict[TokenId, int] | None) -> None:
    harness = listening()
    harness.dialler.changes = changes
    retired_in_a_silence(harness, 20)
    harness.silence(11)
    assert ended(harness) == "scheduled"
    assert harness.facts(facts.TokensReleased) == []


def test_one_that_receives_data_needs_no_question_to_end() -> None:
    harness = listening()
    harness.tick()
    harness.actor.on_receive(Retire(reason="scheduled"))
    assert harness.dialler.questions == []
    assert ended(harness) == "scheduled"


def proven_at(harness: ConnectionHarness) -> float:
    return harness.supervisor.last(ConnectionReport).silence_proven_at


def test_it_reports_the_last_question_that_proves_the_silence_of_its_tokens() -> None:
    harness = listening(*MANY)
    harness.dialler.changes = before(60, *MANY)
    harness.silence(45)
    assert proven_at(harness) == 0.0
    harness.silence(10)
    first = proven_at(harness)
    assert first > 0
    harness.silence(120)
    assert proven_at(harness) - first > 60
    # An event is lost on three of them: then nothing is proven any more.
    harness.dialler.changes |= dict.fromkeys(MANY[:3], harness.wall_ms)
    harness.silence(65)
    assert proven_at(harness) == 0.0


@pytest.mark.parametrize(("answered", "proves"), [(10, True), (6, True), (5, False), (0, False)])
def test_without_an_answer_for_most_of_its_tokens_their_silence_is_not_proven(
    answered: int, *, proves: bool
) -> None:
    harness = listening(*MANY)
    harness.dialler.changes = before(60, *MANY[:answered]) if answered else {}
    harness.silence(55)
    assert (proven_at(harness) > 0) is proves


def test_what_nothing_proves_is_not_covered() -> None:
    harness = listening()
    quiet(harness, 150, "NO NEW ASSETS")
    harness.actor.on_receive(Retire(reason="stopped", at_once=True))

    assert harness.facts(facts.TokensReleased) == []
    assert ended_at(harness) == -1_000


def test_only_the_tokens_that_a_snapshot_shows_are_covered_longer() -> None:
    harness = listening()
    harness.dialler.changes = before(60, YES)
    harness.silence(100)
    harness.actor.on_receive(Retire(reason="stopped", at_once=True))

    (released,) = harness.facts(facts.TokensReleased)
    assert isinstance(released, facts.TokensReleased)
    assert released.tokens == (YES,)


def test_a_change_just_after_the_last_event_is_no_loss_and_proves_no_silence() -> None:
    harness = listening()
    harness.dialler.changes = {YES: WALL_MS + 400, NO: WALL_MS}
    harness.silence(100)
    report = harness.supervisor.last(ConnectionReport)
    assert report.silence_proven_at > 0
    assert ended(harness) == ""
    harness.actor.on_receive(Retire(reason="stopped", at_once=True))

    (released,) = harness.facts(facts.TokensReleased)
    assert isinstance(released, facts.TokensReleased)
    assert released.tokens == (NO,)
    assert ended_at(harness) == -1_000


def test_a_clock_that_steps_during_a_silence_covers_no_time_that_was_not() -> None:
    harness = listening()
    harness.dialler.changes = before(60)
    harness.wall_ms += 2 * 24 * HOUR_S * 1000
    harness.silence(100)
    harness.actor.on_receive(Retire(reason="stopped", at_once=True))

    (released,) = harness.facts(facts.TokensReleased)
    assert isinstance(released, facts.TokensReleased)
    assert released.until_ns // MS <= WALL_MS + 100_000


# --------------------------------------------------------------------------- lost


def test_a_loss_of_several_tokens_is_the_fault_of_the_connection() -> None:
    harness = listening(*MANY)
    harness.dialler.changes = {**before(60, *MANY), **dict.fromkeys(MANY[:3], WALL_MS + 20_000)}
    harness.silence(49)
    assert ended(harness) == ""
    harness.silence(4)

    assert ended(harness) == "frozen"


def test_a_loss_of_one_token_is_its_own() -> None:
    harness = listening(*MANY)
    harness.dialler.changes = {**before(60, *MANY), MANY[0]: WALL_MS + 20_000}
    harness.silence(52)

    assert ended(harness) == ""
    (cut,) = harness.facts(facts.TokensReleased)
    assert isinstance(cut, facts.TokensReleased)
    assert (cut.tokens, cut.cause) == ((MANY[0],), "deaf")
    assert cut.until_ns // MS <= WALL_MS


def test_a_change_that_may_still_arrive_is_no_loss_until_it_is_late() -> None:
    harness = listening(*MANY)
    harness.silence(49)
    harness.dialler.changes = {
        **before(60, *MANY),
        **dict.fromkeys(MANY[:5], harness.wall_ms + 500),
    }
    harness.silence(2)
    assert harness.facts(facts.TokensReleased) == []
    harness.hear(a_trade(MANY[0], at_ms=harness.wall_ms))
    harness.silence(10)
    assert ended(harness) == ""

    again = listening(*MANY)
    again.silence(49)
    again.dialler.changes = harness.dialler.changes
    again.silence(6)
    assert ended(again) == "frozen"


def test_while_trades_are_late_a_change_has_as_much_longer_to_arrive() -> None:
    harness = listening(*MANY)
    # 5 s after its time, and the proof stays 6 s behind.
    harness.hear(a_trade(MANY[9], at_ms=WALL_MS - 5_000))
    harness.silence(49)
    harness.dialler.changes = {
        **before(60, *MANY),
        **dict.fromkeys(MANY[:5], harness.wall_ms + 500),
    }
    harness.silence(6)
    assert ended(harness) == ""
    harness.silence(8)
    assert ended(harness) == "frozen"


def test_a_server_that_stamps_snapshots_with_the_present_shows_no_loss() -> None:
    harness = listening(*MANY)
    for _ in range(600):
        harness.dialler.changes = dict.fromkeys(MANY, harness.wall_ms)
        harness.silence(1)

    assert ended(harness) == ""
    assert harness.facts(facts.TokensReleased) == []


def test_tokens_that_change_all_the_time_show_a_loss_as_well() -> None:
    harness = listening(*MANY)
    for _ in range(60):
        changes = {token: harness.wall_ms - 40 * place for place, token in enumerate(MANY)}
        harness.dialler.changes = changes
        harness.silence(1)

    assert ended(harness) == "frozen"


def test_a_loss_on_the_socket_is_shown_as_well() -> None:
    harness = listening()
    harness.silence(50)
    harness.hear(books_of({YES: WALL_MS + 20_000, NO: WALL_MS + 30_000}))
    harness.silence(3)

    assert ended(harness) == "frozen"


def test_a_token_in_doubt_that_lost_an_event_is_missed_like_any_other() -> None:
    harness = listening(*MANY)
    harness.hear(a_trade(MANY[0], at_ms=WALL_MS + 1_000, price="7"), after_ms=1_000)
    harness.dialler.changes = {**before(60, *MANY), MANY[0]: WALL_MS + 20_000}
    harness.silence(60)
    harness.hear(a_change(harness.wall_ms))

    doubted, missed = harness.facts(facts.TokensReleased)
    assert isinstance(doubted, facts.TokensReleased)
    assert isinstance(missed, facts.TokensReleased)
    assert (doubted.cause, missed.cause) == ("rejected", "deaf")
    assert doubted.tokens == missed.tokens == MANY[:1]
    assert sent_tokens(harness.socket)[-1] == ("subscribe", [MANY[0]])
    assert len(harness.facts(facts.TokensConfirmed)) == 1


def test_while_all_are_silent_a_loss_ends_no_connection_but_its_coverage() -> None:
    harness = listening()
    harness.dialler.changes = {YES: WALL_MS + 20_000, NO: WALL_MS + 30_000}
    harness.silence(300, exchange_silent=True)
    assert ended(harness) == ""
    harness.hear(a_change(harness.wall_ms))

    (cut,) = harness.facts(facts.TokensReleased)
    assert isinstance(cut, facts.TokensReleased)
    assert (cut.until_ns // MS - WALL_MS, cut.cause) == (-1_000, "exchange_silent")


def test_a_silence_of_the_exchange_that_snapshots_prove_costs_nothing() -> None:
    harness = listening()
    harness.dialler.changes = before(60)
    harness.silence(54).silence(90, exchange_silent=True)
    harness.hear(a_change(harness.wall_ms))
    harness.silence(2)

    assert ended(harness) == ""
    assert harness.facts(facts.TokensReleased) == []
    assert not harness.supervisor.last(ConnectionReport).awaits_renewal


def test_when_all_were_silent_a_change_just_after_the_last_event_leaves_a_gap() -> None:
    harness = listening()
    harness.dialler.changes = {YES: WALL_MS + 400, NO: WALL_MS}
    harness.silence(54).silence(90, exchange_silent=True)
    harness.hear(a_change(harness.wall_ms))

    until = {
        token: each.until_ns // MS - WALL_MS
        for each in harness.facts(facts.TokensReleased)
        if isinstance(each, facts.TokensReleased)
        for token in each.tokens
    }
    assert until[YES] == -1_000
    assert until[NO] > 90_000


# ---------------------------------------------------------------- heard elsewhere


@pytest.mark.parametrize(
    ("token", "after_s", "end"),
    [
        (YES, 40, "frozen"),
        (CANARY, 40, "frozen"),
        (TokenId("5"), 40, ""),
        (YES, 1, ""),
        (YES, -10, ""),
    ],
)
def test_a_trade_that_others_received_and_this_one_should_have_ends_it(
    token: TokenId, after_s: int, end: str
) -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_book(CANARY), a_change(WALL_MS))
    harness.silence(55, exchange_silent=True)
    harness.actor.on_receive(HeardElsewhere(trades=((token, WALL_MS + 1000 * after_s),)))
    harness.silence(2, exchange_silent=True)

    assert ended(harness) == end


def test_one_that_received_data_lately_is_not_judged_by_what_others_hear() -> None:
    harness = listening()
    harness.silence(30)
    harness.actor.on_receive(HeardElsewhere(trades=((YES, WALL_MS + 20_000),)))
    harness.silence(5)

    assert ended(harness) == ""


# ------------------------------------------------------------------------- canary


def test_a_canary_is_changed_and_its_trades_are_left_to_others() -> None:
    harness = ConnectionHarness().confirm()
    other = TokenId("98")
    harness.actor.on_receive(ChangeCanary(token=other))
    harness.hear(a_trade(other), a_trade(CANARY), a_trade(YES))

    assert sent_tokens(harness.socket)[1:] == [("subscribe", [other]), ("unsubscribe", [CANARY])]
    assert [trade.token_id for trade in harness.writer.last(TradesSeen).trades] == [YES]


def test_an_own_token_does_not_become_a_canary() -> None:
    harness = ConnectionHarness(ALONE).confirm()
    harness.actor.on_receive(ChangeCanary(token=NO))
    harness.hear(a_trade(NO))

    assert len(sent_tokens(harness.socket)) == 1
    assert [trade.token_id for trade in harness.writer.last(TradesSeen).trades] == [NO]


def test_a_connection_tells_the_last_trades_that_it_received_once() -> None:
    harness = ConnectionHarness().confirm()
    harness.hear(a_trade(CANARY))
    harness.hear(a_trade(YES, at_ms=WALL_MS + 1), a_trade(NO, at_ms=WALL_MS + 2))
    harness.tick()
    assert harness.supervisor.last(ConnectionReport).heard == ((CANARY, WALL_MS), (NO, WALL_MS + 2))
    harness.tick()
    assert harness.supervisor.last(ConnectionReport).heard == ()


# ------------------------------------------------------------------------ by itself


def test_a_connection_that_delivered_nothing_yet_has_nothing_to_compare_with() -> None:
    silence = Silence()
    question = Question(
        tokens=frozenset({YES}), whole=True, at=50.0, exchange_ms=WALL_MS, until_ns=1, heard_ms=0
    )
    silence.asked(question, 0.0)
    silence.answered({YES: WALL_MS})
    found = silence.judge(WALL_MS + 50_000, 0, 1)

    assert (found.proven, found.lost, silence.frozen) == ((), (), False)


# ------------------------------------------------- what was subscribed after the last event


NEW = TokenId("81")


@pytest.mark.parametrize("elsewhere", [False, True], ids=["snapshot", "heard elsewhere"])
@pytest.mark.parametrize("canary", [False, True], ids=["own", "canary"])
def test_what_happened_to_a_token_before_its_first_book_is_no_loss(
    *, canary: bool, elsewhere: bool
) -> None:
    harness = ConnectionHarness(ConnectionSpec(name="a-0001", feed=0, tokens=(YES,))).connect()
    harness.hear(a_book(YES))
    harness.hear(a_change(WALL_MS))
    harness.silence(30)
    change = ChangeCanary(token=NEW) if canary else Subscribe(tokens=(NEW,))
    harness.actor.on_receive(change)
    harness.hear(books_of({NEW: WALL_MS + 20_000}))
    if not elsewhere:
        harness.dialler.changes = {YES: WALL_MS - 60_000, NEW: WALL_MS + 20_000}
    harness.silence(52)
    if elsewhere:
        harness.actor.on_receive(HeardElsewhere(trades=((NEW, WALL_MS + 20_000),)))
    harness.silence(10)

    assert ended(harness) == ""
    assert harness.facts(facts.TokensReleased) == []


@pytest.mark.parametrize("elsewhere", [False, True], ids=["snapshot", "heard elsewhere"])
def test_what_happened_to_it_afterwards_is_one(*, elsewhere: bool) -> None:
    harness = ConnectionHarness(ConnectionSpec(name="a-0001", feed=0)).connect()
    harness.actor.on_receive(Subscribe(tokens=(NEW,)))
    harness.hear(a_change(WALL_MS))
    harness.silence(10)
    harness.hear(books_of({NEW: WALL_MS + 5_000}))
    if not elsewhere:
        harness.dialler.changes = {NEW: WALL_MS + 30_000}
    harness.silence(52)
    if elsewhere:
        harness.actor.on_receive(HeardElsewhere(trades=((NEW, WALL_MS + 30_000),)))
    harness.silence(10)

    assert ended(harness) == "frozen"


def test_data_that_the_supervisor_does_not_know_of_yet_puts_no_later_data_in_doubt() -> None:
    harness = listening()
    harness.dialler.changes = before(60)
    harness.silence(54).silence(60, exchange_silent=True)
    harness.hear(a_change(harness.wall_ms))
    harness.silence(1, exchange_silent=True)
    harness.hear(a_change(harness.wall_ms))
    harness.silence(2)

    assert harness.facts(facts.TokensReleased) == []
    assert not harness.supervisor.last(ConnectionReport).awaits_renewal


# ----------------------------------------------------------- while all are silent together


def test_while_all_are_silent_it_asks_on_the_socket_too_and_counts_no_missing_answer() -> None:
    harness = listening()
    harness.silence(49).silence(30, exchange_silent=True)

    assert sent_tokens(harness.socket)[1:] == [("subscribe", [YES, NO])] * 2
    violations = dict(harness.supervisor.last(ConnectionReport).violations)
    assert Assumption.REPEATED_BOOK not in violations
