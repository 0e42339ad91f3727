"""What was kept and is taken in later ends as if it had been understood at once.

A connection hears the same feed twice, once with the reader of today and once with one that
understands more. Taken in later, the first must hold the trades and the coverage of the second.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Any

import pytest
from msgspec import Raw

from actors.app.reingest import understand
from actors.database.commands import kept
from actors.database.commands.kept import BEGINNING, KeptMessage, KeptMessages, Step, Understood
from actors.database.store import Store
from actors.feed.actor import ConnectionActor
from actors.messages import Retire, Unsubscribe
from actors.model.facts import Entry, TokensWanted
from actors.model.storage import Batch
from actors.model.trade import TokenId
from actors.polymarket import spelling
from actors.writer.gather import FindingsBatch, TradeBatch, to_batch
from tests.feed.test_actor import MS, NO, WALL_MS, YES, ConnectionHarness, a_change, a_trade
from tests.postgres import Server, ask

pytestmark = pytest.mark.db

TRADES = """select token_id, traded_at, received_at, price, size, side, transaction_hash,
    occurrence, extra from trades order by token_id, traded_at, price, occurrence"""
COVERED = "select token_id, lower(during), upper(during) from coverage order by token_id, during"
GAPS = """select a.token_id, g.gap::text, g.cause from assets a
    cross join lateral coverage_gaps(a.token_id, '2026-09-20', '2026-09-22') g
    order by a.token_id, g.gap"""
TABLES = (
    "tracker.trades",
    "listening",
    "epochs",
    "rejected_messages",
    "assets",
    "journal_progress",
)


class LaterReader:
    """Switches a reader on and off that knows one more side, and tokens in a list."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def __enter__(self) -> None:
        side, token = spelling.side, spelling.token

        def later_side(raw: Raw) -> str:
            return "BUY" if bytes(raw) == b'"TAKE"' else side(raw)

        def later_token(raw: Raw) -> str:
            return token(Raw(bytes(raw)[1:-1]) if bytes(raw)[:1] == b"[" else raw)

        self._patch.setattr(spelling, "side", later_side)
        self._patch.setattr(spelling, "token", later_token)

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> LaterReader:
    return LaterReader(monkeypatch)


def odd(token: TokenId, at_ms: int, *, listed: bool = False, **changes: str) -> bytes:
    """Return a trade that only the later reader understands."""
    event = json.loads(a_trade(token, at_ms=at_ms, **changes))
    event |= {"asset_id": [token]} if listed else {"side": "TAKE"}
    return json.dumps(event).encode()


def scenario(seed: int, *, hopeless: bool) -> list[tuple[int, tuple[bytes, ...]]]:
    """Return frames with the milliseconds after which each arrives."""
    rng = Random(seed)
    at_ms, frames = 0, []
    for _ in range(60):
        at_ms += rng.choice([20, 400, 1_500])
        stamp = WALL_MS + at_ms
        token, price = rng.choice([YES, NO]), rng.choice(["0.5", "0.6"])
        fine = a_trade(token, at_ms=stamp, price=price)
        # Another price: the same trade is spelled in one way.
        strange = odd(token, stamp, listed=rng.random() < 0.2, price="0.7")
        some = [[fine], [a_change(stamp)], [fine, strange], [strange] * rng.choice([1, 1, 2, 3])]
        if hopeless:
            some.append([a_trade(token, at_ms=stamp, price="7")])
        frames.append((at_ms, tuple(rng.choice(some))))
    frames.append((at_ms + 60_000, (a_change(WALL_MS + at_ms + 60_000),)))
    return frames


def heard(frames: list[tuple[int, tuple[bytes, ...]]], *, release: bool) -> ConnectionHarness:
    """Let a connection hear these frames and end."""
    harness = ConnectionHarness().confirm()
    harness.journal.append(b"")
    for place, (after_ms, some) in enumerate(frames):
        if release and place == len(frames) // 2:
            asked_ns = (WALL_MS + after_ms) * MS
            harness.actor.on_receive(Unsubscribe(tokens=(NO,), cause="released", since_ns=asked_ns))
            harness.tick(11)
        harness.hear(*some, after_ms=after_ms - (harness.wall_ms - WALL_MS))
    harness.actor.on_receive(Retire(reason="stopped", at_once=True))
    assert isinstance(harness.actor, ConnectionActor)
    return harness


def store_journal(dsn: str, harness: ConnectionHarness) -> None:
    """Store a whole journal, as the writer does."""
    journal, store, gathered = harness.journal, Store(dsn), TradeBatch()
    gathered.add_fact(0, TokensWanted((WALL_MS - 1_000) * MS, (YES, NO)))
    for entry in journal.read(1):
        if isinstance(entry, Entry) and entry.body:
            gathered.add_entry(entry, opened_at_seq=1)
    try:
        store.open(journal.journal_id)
        batch: Batch = to_batch(gathered, FindingsBatch(), (), journal.next_seq)
        store.commit(batch)
    finally:
        store.close()


def take_in(dsn: str, *, since: datetime = BEGINNING, die_at: int = 0) -> list[Step]:
    """Read everything that is kept; die at the n-th message."""
    messages, steps, after, count = KeptMessages(dsn), [], 0, 0

    def read(message: KeptMessage) -> Understood:
        nonlocal count
        count += 1
        if count == die_at:
            raise KeyboardInterrupt
        return understand(message)

    try:
        while (step := messages.step(after, since, read)) is not None:
            steps.append(step)
            after = step.until
    finally:
        messages.close()
    return steps


@pytest.fixture
def at_once(server: Server, template: str) -> Iterator[str]:
    """Return a second database: that of the reader that understands more."""
    with server.database(template) as dsn:
        yield dsn


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("release", [False, True])
def test_trades_and_coverage_are_those_of_a_reader_that_understood_at_once(
    database: str, at_once: str, later: LaterReader, seed: int, *, release: bool
) -> None:
    frames = scenario(seed, hopeless=False)
    store_journal(database, heard(frames, release=release))
    with later:
        store_journal(at_once, heard(frames, release=release))
    assert ask(database, TRADES) != ask(at_once, TRADES)
    assert ask(database, COVERED) != ask(at_once, COVERED)

    assert sum(step.taken_in for step in take_in(database)) == 0
    with later:
        steps = take_in(database)
    assert sum(step.taken_in for step in steps) == sum(step.messages for step in steps) > 0
    assert sum(step.covered for step in steps) > 0
    assert ask(database, TRADES) == ask(at_once, TRADES)
    assert ask(database, COVERED) == ask(at_once, COVERED)
    assert ask(database, GAPS) == ask(at_once, GAPS)


@pytest.mark.parametrize("seed", [10, 11])
def test_what_is_still_not_understood_is_still_not_covered(
    database: str, at_once: str, later: LaterReader, seed: int
) -> None:
    frames = scenario(seed, hopeless=True)
    store_journal(database, heard(frames, release=False))
    with later:
        store_journal(at_once, heard(frames, release=False))
        steps = take_in(database)
    assert 0 < sum(step.taken_in for step in steps) < sum(step.messages for step in steps)
    assert ask(database, TRADES) == ask(at_once, TRADES)
    covered, whole = ask(database, COVERED), ask(at_once, COVERED)
    for token, since, until in covered:
        assert any(each[0] == token and each[1] <= since and until <= each[2] for each in whole)
    assert ask(database, GAPS)


@pytest.mark.parametrize("die_at", [1, 8])
def test_a_run_that_dies_leaves_whole_steps_and_the_next_one_goes_on(
    database: str,
    at_once: str,
    later: LaterReader,
    monkeypatch: pytest.MonkeyPatch,
    die_at: int,
) -> None:
    frames = scenario(5, hopeless=True)
    harness = heard(frames, release=False)
    for dsn in (database, at_once):
        store_journal(dsn, harness)
    with later:
        take_in(at_once)
        monkeypatch.setattr(kept, "MESSAGES_AT_ONCE", 3)
        with pytest.raises(KeyboardInterrupt):
            take_in(database, die_at=die_at)
        ((left,),) = ask(
            database, "select count(*) from rejected_messages where taken_in_at is null"
        )
        assert left >= len(ask(database, "table rejected_messages")) - die_at // 3 * 3
        take_in(database)
    assert ask(database, TRADES) == ask(at_once, TRADES)
    assert ask(database, COVERED) == ask(at_once, COVERED)


def rows_of_all(dsn: str) -> dict[str, list[tuple[Any, ...]]]:
    return {
        name: ask(dsn, f"select to_jsonb(t)::text from {name} t order by 1")  # noqa: S608
        for name in TABLES
    }


def test_a_second_run_changes_nothing(database: str, later: LaterReader) -> None:
    store_journal(database, heard(scenario(6, hopeless=True), release=False))
    with later:
        take_in(database)
        before = rows_of_all(database)
        steps = take_in(database)
    assert rows_of_all(database) == before
    assert [(step.taken_in, step.stored, step.covered) for step in steps] == [(0, 0, 0)]
