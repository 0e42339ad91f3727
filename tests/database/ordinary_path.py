"""A database whose tables are all large, and everything that a tracker does to one, step by step.

Each step carries as much as a transaction may: where the planner expects many rows it prefers to
read a whole table, so a step that does not with many does not with few.
"""

# ruff: noqa: S608 - the statements are made of our own numbers

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from actors.database.store import Store
from actors.model.audit import (
    Audit,
    AuditResult,
    HourQuestion,
    SampleQuestion,
    SummaryQuestion,
    Witness,
)
from actors.model.facts import (
    Fact,
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessAlive,
    ProcessStarted,
    ProcessStopped,
    RangeLost,
    TokensConfirmed,
    TokensReleased,
    TokensUnwanted,
    TokensWanted,
)
from actors.model.market import (
    Clearance,
    Confirmation,
    Contradiction,
    ContradictionKind,
    Details,
    MarketState,
    Source,
    TimeWindow,
    Transition,
)
from actors.model.storage import Batch, ConnectionEvent, RejectedRow
from actors.model.trade import ConditionId, Rejection, TokenId
from tests.database.samples import DETAILS, EVENT, START, market, ns, observation, resolution, trade

TOKENS: Final = 40_000
"""Rows of the table of tokens; no other one has fewer than half as many."""
AT_ONCE: Final = 500
"""Markets of one step, with two tokens each."""
FIRST_SEQ: Final = 100_000
"""Below it are the epochs that are stored already."""
LAST_START: Final = 90_000
OPEN_EPOCHS: Final = range(95_001, 95_201)
"""A tracker's connections, each with two hundred tokens."""

FILL: Final = (
    "select add_trade_day('2026-03-01')",
    f"""insert into assets (token_id, condition_id, outcome, outcome_index)
       select n::text, '0x' || lpad(to_hex(n / 2), 64, '0'),
              case n % 2 when 0 then 'Yes' else 'No' end, n % 2
       from generate_series(1, {TOKENS}) n""",
    f"""insert into events (event_id, title)
       select n, 'Rain' from generate_series(1, {TOKENS // 2}) n""",
    f"""insert into markets (condition_id, question, slug, end_date, closed, active, neg_risk,
         version, tags, event_id, neg_risk_market_id)
       select '0x' || lpad(to_hex(n), 64, '0'), 'Will it rain?', 'will-it-rain',
         now() - n * interval '1 minute', true, true, false, 'v1', '{{}}', n / 3, '0x' || n / 3
       from generate_series(1, {TOKENS // 2}) n""",
    f"""insert into unresolved select condition_id from markets
       order by condition_id limit {TOKENS // 4}""",
    f"""insert into resolutions (condition_id, kind, winning_token_id, payouts, resolved_at,
         recorded_at, sources)
       select condition_id, 'winner', '1', '{{1,0}}', now() - interval '100 days',
         now() - interval '100 days', '{{gamma,clob}}'
       from markets order by condition_id desc limit {TOKENS // 4}""",
    """insert into resolution_payouts
       select condition_id, token_id, outcome, 1 - outcome_index
       from assets join resolutions using (condition_id)""",
    """insert into resolution_observations (condition_id, source, observed_at, verdict, reason,
         payload)
       select condition_id, source, now() - interval '100 days', 'not final', 'r', '{}'
       from markets, unnest('{gamma,clob,tracker}'::text[]) source""",
    """insert into resolution_conflicts (condition_id, detected_at, recorded, observed, source,
         cleared_at, cleared_by)
       select condition_id, now() - interval '90 days', 'a', 'b', 'clob', now(), 'sources agree'
       from markets""",
    """insert into resolution_confirmations select condition_id, 'chain', now() from resolutions""",
    """insert into journals (journal_id) select gen_random_uuid() from generate_series(1, 3000)""",
    "insert into journal_progress select journal_key, 1 from journals",
    f"""insert into process_life (journal_key, start_seq, started_at, alive_at, host, version)
       select journal_key, n, now(), now() - interval '2 days', 'h', '1'
       from journals, unnest(array[1, 2, {LAST_START}]) n""",
    f"""insert into epochs (journal_key, epoch, connection, leg, opened_at, proven_until)
       select journal_key, n, 'a-0001', 0, now(), now()
       from journals, generate_series({OPEN_EPOCHS.start}, {OPEN_EPOCHS.stop - 1}) n
       where journal_key = 1 or n % 20 = 0""",
    # What a rejected message puts in doubt stays, of however many connections it is.
    f"""insert into epochs (journal_key, epoch, connection, leg, opened_at, proven_until, closed_at,
         closed_seq, reason, held)
       select 1, 1000 + n, 'a-0001', 0, now(), now(), now(), 1001 + n, 'reset', true
       from generate_series(1, {TOKENS // 2}) n""",
    f"""insert into listening (journal_key, asset_key, epoch, confirmed_seq, from_at)
       select 1, asset_key, {OPEN_EPOCHS.start} + asset_key % {len(OPEN_EPOCHS)}, 200, now()
       from assets""",
    """insert into coverage_ranges (journal_key, asset_key, from_at, until_at, known_at, epoch,
         confirmed_seq, released_seq, cause)
       select 1, asset_key, now() - n * interval '1 day', now() - n * interval '1 day', now(), n, n,
         n + 1, 'frozen'
       from assets, generate_series(1, 3) n""",
    """insert into wanted (journal_key, asset_key, wanted_seq, from_at)
       select 1, asset_key, 1, now() from assets""",
    # Wishes that ended, and days of which coverage is computed: two are not finished.
    """insert into wanted (journal_key, asset_key, wanted_seq, from_at, unwanted_seq, until_at)
       select 2, asset_key, 1, now() - interval '7 days', 2,
         now() - interval '6 days' + asset_key * interval '1 second' from assets""",
    """insert into computed_days (day, computed_at)
       select '1900-01-01'::date + n, now() from generate_series(1, 20000) n""",
    f"""insert into computed_days (day, announced_at, until_at, journal_key, asset_key)
       values ((now() - interval '5 days')::date, now() - interval '1 hour',
               now() - interval '6 days' + {TOKENS - 50} * interval '1 second', 1, 0),
              ((now() - interval '4 days')::date, now() - interval '1 hour', null, 1, 0)""",
    """insert into market_days select asset_key, '1900-01-02'::date + n, 1, 1, 1, 1, true, null
       from assets, generate_series(1, 2) n""",
    f"""insert into changed_market_days
       select asset_key, (now() - interval '5 days')::date from assets
       where asset_key > {TOKENS - 150}""",
    """insert into connection_events
       select now() - n * interval '1 second', 'a-0001', 'connected', 'x', 1
       from generate_series(1, 30000) n""",
    """insert into rejected_messages (received_at, connection, reason, payload, journal_key, seq,
         index, epoch, occurrence, doubt)
       select now() - n * interval '1 second', 'a-0001', 'r', '\\x00', 1, n, 0, 1000 + n, 1, '*'
       from generate_series(1, 20000) n""",
    """insert into audits
       select condition_id, now() - n * interval '20 hours', 'data', 1, 1, 0, 0, 0, 'complete',
         now() - n * interval '20 hours', '{}'
       from markets, generate_series(2, 3) n""",
    """insert into tracker.trades (traded_at, received_at, trade_hash, asset_key, occurrence,
         is_buy, price, size)
       select timestamptz '2026-03-01 10:00+00' + n * interval '1 second', now(), n, n, 1, true,
         0.5, 1
       from generate_series(1, 40000) n""",
)


def condition(number: int) -> ConditionId:
    return ConditionId(f"0x{number:064x}")


def tokens_of(number: int) -> tuple[TokenId, TokenId]:
    return TokenId(str(2 * number)), TokenId(str(2 * number + 1))


def known(first: int, count: int = AT_ONCE) -> range:
    """Return numbers of markets that the database has."""
    return range(first, first + count)


def _tokens(markets: range) -> tuple[TokenId, ...]:
    return tuple(token for number in markets for token in tokens_of(number))


_TODAY = int(START.timestamp()) // 86_400
_NEW = known(TOKENS)
_TOKENS = _tokens(known(1_000))
_MS = ns(0) // 1_000_000
Act = Callable[[Store], object]


def _facts(first: int, *facts: Fact) -> Act:
    """Return a commit of these facts, numbered from `first` on."""
    numbered = tuple((FIRST_SEQ + first + place, fact) for place, fact in enumerate(facts))
    return lambda store: store.commit(Batch(facts=numbered, watermark=FIRST_SEQ + first + 50))


def _wanted(first: int, tokens: tuple[TokenId, ...]) -> Act:
    return _facts(first, TokensWanted(ns(first), tokens))


def _epoch(first: int, tokens: tuple[TokenId, ...]) -> Iterator[tuple[str, Act]]:
    epoch = FIRST_SEQ + first
    half = tokens[: len(tokens) // 2]
    yield "open_epoch", _facts(first, ListeningOpened(ns(first), "a-0001", 0))
    yield "confirm_tokens", _facts(first + 1, TokensConfirmed(epoch, ns(first), tokens))
    proofs = tuple((each, ns(first)) for each in (*OPEN_EPOCHS, epoch))
    yield "prove_epochs", _facts(first + 2, ListeningProven(proofs))
    released = TokensReleased(epoch, ns(first + 3), half, "released")
    yield "release_tokens", _facts(first + 3, released)
    yield "settle_released", _settle
    closed = ListeningClosed(epoch, ns(first + 4), ns(first + 4), "frozen")
    yield "close_epoch", _facts(first + 4, closed)
    yield "settle_ended", _settle


def _settle(store: Store) -> None:
    while not store.settle():
        pass


def _trades() -> Batch:
    markets = [*known(2_000), *_NEW]
    return Batch(
        trades=tuple(
            trade(number % 1_000, token_id=tokens_of(number)[0], condition_id=condition(number))
            for number in markets
        )
    )


def _doubtful(store: Store) -> None:
    """Store rejections, some twice, that keep their connections from being settled."""
    rejection = Rejection(reason="r", payload=b"x", received_at_ns=ns(1))
    rows = tuple(
        RejectedRow(
            seq=FIRST_SEQ + 700 + place,
            index=0,
            connection="a-0001",
            rejection=rejection,
            epoch=FIRST_SEQ + 100,
            doubts=(None,),
        )
        for place in range(AT_ONCE)
    )
    store.commit(Batch(rejections=rows))
    store.commit(Batch(rejections=rows))


def _resolutions(markets: range) -> Batch:
    return Batch(
        resolutions=tuple(
            resolution(tokens_of(number), condition_id=condition(number)) for number in markets
        )
    )


def _contradictions(store: Store) -> None:
    found = tuple(
        Contradiction(
            condition_id=condition(number),
            detected_at_ms=_MS,
            recorded="winner 1",
            observed="split",
            source=Source.CHAIN,
        )
        for number in known(15_000)
    )
    ended = tuple(
        Clearance(
            condition_id=each.condition_id,
            kind=ContradictionKind.OUTCOME,
            cleared_at_ms=_MS + 1,
            reason="sources agree",
        )
        for each in found[: AT_ONCE // 2]
    )
    store.commit(Batch(contradictions=found))
    store.commit(Batch(clearances=ended, contradictions=found))


def _evidence(store: Store) -> None:
    markets = known(3_000)
    observations = tuple(observation(condition_id=condition(number)) for number in markets)
    moved = tuple(
        Transition(
            condition_id=condition(number),
            at_ms=_MS,
            before=MarketState.ENDED,
            after=MarketState.HOLDING,
            reason="",
        )
        for number in markets
    )
    store.commit(Batch(observations=observations, transitions=moved))
    confirmed = tuple(
        Confirmation(condition_id=condition(number), source=Source.CLOB, confirmed_at_ms=_MS)
        for number in known(15_000)
    )
    store.commit(Batch(confirmations=confirmed))


def _details(number: int, title: str) -> Details | None:
    """Return what a listing tells besides; every third market is announced, without any."""
    if number % 3 == 0:
        return None
    event = msgspec.structs.replace(EVENT, event_id=str(number // 3), title=title)
    return msgspec.structs.replace(DETAILS, event=event, description=title)


def _markets(store: Store) -> None:
    """Store markets of which some are new, some changed and some neither."""
    numbers = [*known(4_000), *known(TOKENS + AT_ONCE)]
    listed = [
        market(condition(number), tokens_of(number), closed=True, details=_details(number, "Rain?"))
        for number in numbers
    ]
    store.commit(Batch(markets=tuple(listed)))
    changed = [
        market(
            each.condition_id,
            tokens_of(number)[::-1],
            closed=number % 2 == 0,
            details=_details(number, "Rain or snow?"),
        )
        for number, each in zip(numbers, listed, strict=True)
    ]
    store.commit(Batch(markets=tuple(changed)))


def _audits(store: Store) -> None:
    made = Audit(
        condition_id=condition(1),
        hour_ms=_MS,
        witness=Witness.DATA,
        theirs=1,
        ours=1,
        missing=0,
        outside_gaps=0,
        unmatched=0,
        result=AuditResult.COMPLETE,
        checked_at_ms=_MS,
        evidence="{}",
    )
    conditions = [*known(100), *known(TOKENS + 9_000)]
    store.commit(
        Batch(
            audits=tuple(
                msgspec.structs.replace(made, condition_id=condition(number))
                for number in conditions
            )
        )
    )


def _questions(store: Store) -> None:
    """Ask what an audit asks; the trades of the database begin at ten o'clock."""
    from_ms = round(START.timestamp() * 1_000) // 86_400_000 * 86_400_000 + 36_000_000
    until_ms = from_ms + 3_600_000
    store.for_audit(HourQuestion(condition_id=condition(60), from_ms=from_ms, until_ms=until_ms))
    store.for_audit(
        SampleQuestion(
            witness=Witness.DATA,
            from_ms=from_ms,
            until_ms=until_ms,
            probe_ms=from_ms + 1_000_000,
            after=condition(3_000),
            again_ms=from_ms,
        )
    )


def _compute_coverage(store: Store) -> None:
    assert not store.compute_coverage().failed


def _summary(store: Store) -> None:
    now_ms = round(datetime.now(UTC).timestamp() * 1_000)
    store.for_audit(SummaryQuestion(since_ms=now_ms - 3_600_000))


def _rechecks(store: Store) -> None:
    now_ms = round(START.timestamp() * 1_000)
    next(iter(store.resolutions_to_check(TimeWindow(now_ms - 900_000, now_ms))), None)
    next(iter(store.resolutions_to_check(store.recheck_window(TimeWindow(None, now_ms)))), None)


def steps() -> Iterator[tuple[str, Act]]:
    """Yield everything that a tracker does, each with a name; the order matters."""
    yield "open", lambda _: None
    for what in ("changed", "changed_rest", "of_wishes_that_ended", "of_wishes_that_last"):
        yield f"compute_coverage_{what}", _compute_coverage
    yield "keep_process_alive", _facts(60, ProcessAlive(ns(60)))
    yield "want_tokens_wanted", _wanted(61, _TOKENS)
    yield "want_tokens_new", _wanted(62, _tokens(_NEW))
    yield "want_one_token", _wanted(63, _TOKENS[:1])
    yield "unwant_tokens", _facts(64, TokensUnwanted(ns(64), _TOKENS))
    yield "unwant_one_token", _facts(65, TokensUnwanted(ns(65), _TOKENS[:1]))
    yield from _epoch(100, _TOKENS)
    yield from _epoch(200, _TOKENS[:1])
    yield (
        "release_of_many",
        _facts(300, TokensReleased(OPEN_EPOCHS.start, ns(300), _TOKENS, "released")),
    )
    yield "trades_new", lambda store: store.commit(_trades())
    yield "trades_again", lambda store: store.commit(_trades())
    yield "one_trade", lambda store: store.commit(Batch(trades=(trade(1, token_id="17"),)))
    yield "rejections", _doubtful
    yield "settle_doubtful", _settle
    yield "markets", _markets
    yield "evidence", _evidence
    yield "resolutions_new", lambda store: store.commit(_resolutions(known(5_000)))
    yield "resolutions_known", lambda store: store.commit(_resolutions(known(15_000)))
    yield "one_resolution", lambda store: store.commit(_resolutions(known(6_000, 1)))
    yield "contradictions", _contradictions
    event = ConnectionEvent(at_ns=ns(1), connection="a-0001", event="connected", reason="x")
    yield "connection_events", lambda store: store.commit(Batch(events=(event,)))
    yield "range_lost", _facts(400, RangeLost(FIRST_SEQ + 390, FIRST_SEQ + 395))
    yield "process_started", _facts(500, ProcessStarted(ns(500), "h", "1"))
    yield "process_stopped", _facts(501, ProcessStopped(ns(501)))
    yield "settle_lost", lambda store: store.settle()
    yield "housekeep", lambda store: store.housekeep()
    yield "take in", lambda store: store.take_in(0)
    yield "review", lambda store: store.review(ConditionId("0x"))
    yield "unresolved_after", lambda store: store.unresolved_after(ConditionId("0x"))
    yield "open_conflicts", lambda store: store.open_conflicts()
    conditions = [condition(number) for number in known(7_000)]
    yield "stored_evidence", lambda store: store.stored_evidence(conditions)
    yield "rechecks", _rechecks
    yield "audits", _audits
    yield "questions_of_an_audit", _questions
    yield "summary_of_audits", _summary
    yield "day_stored", lambda store: store.day_stored(_TODAY, FIRST_SEQ)
    yield "open_markets", lambda store: next(store.open_markets())
