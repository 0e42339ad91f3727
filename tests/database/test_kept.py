"""Kept messages that are taken in: trades, marks, and the coverage that they had cost."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec
import pytest

from actors.database.commands import kept
from actors.database.commands.kept import BEGINNING, KeptMessage, KeptMessages, Step, Understood
from actors.database.schema import migrate
from actors.database.store import Store
from actors.errors import SchemaMismatch, StoreUnavailable
from actors.model.facts import (
    Fact,
    ListeningClosed,
    ListeningOpened,
    ProcessAlive,
    ProcessStarted,
    TokensConfirmed,
    TokensReleased,
)
from actors.model.storage import Batch, RejectedRow
from actors.model.trade import Rejection, TokenId, Trade
from tests.database.samples import NO, YES, at, ns, trade
from tests.postgres import ask, do

pytestmark = pytest.mark.db

Span = tuple[float, float]


class Feed:
    """A connection whose facts and rejected messages are stored as they come.

    Two tokens are confirmed at second 0; the number of a message is its payload. Of the process
    nothing is known unless it `started`.

    Attributes:
        settles: Whether what is final is settled after each fact: no answer may depend on it.
    """

    settles = False

    def __init__(self, store: Store, database: str, *, started: bool = False) -> None:
        self._store, self._database = store, database
        self.seq = 0
        if started:
            self.add(ProcessStarted(ns(-2), "host", "1"))
        self.epoch = self.add(ListeningOpened(ns(-1), "a-0001", 0))
        self.add(TokensConfirmed(self.epoch, ns(0), (YES, NO)))

    def add(self, fact: Fact) -> int:
        self.seq += 1
        self._store.commit(Batch(facts=((self.seq, fact),), watermark=self.seq + 1))
        while self.settles and not self._store.settle():
            pass
        return self.seq

    def reject(self, second: float, *doubts: TokenId | None, payload: bytes = b"") -> int:
        """Store a rejected message; return its number."""
        self.seq += 1
        rejection = Rejection(
            reason="r", payload=payload or b"%d" % self.seq, received_at_ns=ns(second)
        )
        row = RejectedRow(
            seq=self.seq,
            index=0,
            connection="a-0001",
            rejection=rejection,
            epoch=self.epoch,
            doubts=doubts,
        )
        self._store.commit(Batch(rejections=(row,), watermark=self.seq + 1))
        return self.seq

    def release(self, until: float, cause: str = "rejected", *tokens: TokenId) -> None:
        self.add(TokensReleased(self.epoch, ns(until), tokens or (YES,), cause))

    def confirm(self, second: float, *tokens: TokenId) -> None:
        self.add(TokensConfirmed(self.epoch, ns(second), tokens or (YES,)))

    def close(self, until: float) -> None:
        self.add(ListeningClosed(self.epoch, ns(until + 1), ns(until), "disconnected"))

    def covered(self, token: TokenId = YES) -> list[Span]:
        query = """select lower(during), upper(during) from coverage
            where token_id = %s order by during"""
        zero = at(0)
        return [
            ((low - zero).total_seconds(), (high - zero).total_seconds())
            for low, high in ask(self._database, query, token)
        ]

    def cause_of(self, second: float) -> str | None:
        query = "select cause from coverage_gaps(%s, %s, %s)"
        do(self._database, WANT, YES, at(0))
        found = ask(self._database, query, YES, at(second), at(second + 0.1))
        return found[0][0] if found else None


WANT = """insert into tracker.wanted (journal_key, asset_key, wanted_seq, from_at)
    select (select min(journal_key) from tracker.journals), a.asset_key, 1, w.at
    from (values (%s, %s::timestamptz)) as w (token_id, at) join assets a using (token_id)
    on conflict do nothing"""


@pytest.fixture(
    autouse=True,
    params=[False, pytest.param(True, marks=pytest.mark.long)],
    ids=["plain", "settled"],
)
def _settled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test without settling, and with settling after each fact.

    That both are the same is the property that tests/database/test_replay.py tries.
    """
    monkeypatch.setattr(Feed, "settles", request.param)


@pytest.fixture
def feed(store: Store, database: str) -> Feed:
    return Feed(store, database)


def seen(number: int) -> Trade:
    """Return the trade in the message with this number."""
    return trade(number, size=Decimal(number))


def all_of(message: KeptMessage) -> Understood:
    return Understood((seen(int(message.payload)),))


def only(*numbers: int) -> Callable[[KeptMessage], Understood]:
    def read(message: KeptMessage) -> Understood:
        return all_of(message) if int(message.payload) in numbers else Understood(reason="odd")

    return read


def take_in(dsn: str, read: Callable[[KeptMessage], Understood] = all_of) -> list[Step]:
    messages, steps, after = KeptMessages(dsn), list[Step](), 0
    try:
        while (step := messages.step(after, BEGINNING, read)) is not None:
            steps.append(step)
            after = step.until
    finally:
        messages.close()
    return steps


def sizes(dsn: str) -> list[int]:
    return [int(size) for (size,) in ask(dsn, "select size from trades order by size")]


# ------------------------------------------------------------------------ coverage


def test_a_doubt_that_is_removed_is_covered_from_end_to_end(feed: Feed, database: str) -> None:
    feed.reject(12, YES)
    feed.release(10)
    feed.confirm(14)
    feed.close(30)
    assert feed.covered() == [(0, 10), (14, 30)]
    assert feed.cause_of(12) == "rejected"
    (step,) = take_in(database)
    assert (step.messages, step.taken_in, step.stored, step.covered) == (1, 1, 1, 1)
    assert feed.covered() == [(0, 30)]
    assert feed.cause_of(12) is None
    assert feed.cause_of(31) == "disconnected"


def test_what_is_taken_in_was_not_known_before(feed: Feed, store: Store, database: str) -> None:
    query = "select known_at >= %s from coverage where token_id = %s order by during"
    feed.reject(12, YES)
    feed.release(10)
    feed.confirm(14)
    feed.close(30)
    do(database, "update tracker.epochs set late_at = null")  # as if it had been stored in time
    ((before,),) = ask(database, "select clock_timestamp()")
    assert ask(database, query, before, YES) == [(False,), (False,)]
    take_in(database)
    assert ask(database, query, before, YES) == [(True,)]
    while not store.settle():
        pass
    assert ask(database, "select count(*) from tracker.epochs") == [(0,)]
    assert ask(database, query, before, YES) == [(True,)]


def test_a_doubt_is_removed_only_when_every_message_in_it_is_understood(
    feed: Feed, database: str
) -> None:
    first = feed.reject(12, YES)
    feed.release(10)
    second = feed.reject(13, YES)
    any_token = feed.reject(13.5, None)
    other, none = feed.reject(13.6, NO), feed.reject(13.7)
    feed.release(12, "rejected", NO)
    feed.confirm(14)
    feed.close(30)
    for understood in ((first,), (any_token,), (other, none)):
        take_in(database, only(*understood))
        assert feed.covered() == [(0, 10), (14, 30)]
    (step,) = take_in(database, only(second))
    assert (step.messages, step.covered) == (1, 1)
    assert feed.covered() == [(0, 30)]
    assert feed.covered(NO) == [(0, 30)]


def test_each_doubt_is_removed_by_itself(feed: Feed, database: str) -> None:
    feed.reject(12, YES)
    feed.release(10)
    feed.confirm(14)
    second = feed.reject(22, YES)
    feed.release(20)
    feed.confirm(24)
    feed.close(30)
    take_in(database, only(second))
    assert feed.covered() == [(0, 10), (14, 30)]
    take_in(database)
    assert feed.covered() == [(0, 30)]


def test_what_put_all_tokens_in_doubt_gives_all_of_them_back(feed: Feed, database: str) -> None:
    feed.reject(12, None)
    feed.release(10, "rejected", YES, NO)
    feed.confirm(14, YES, NO)
    feed.close(30)
    (step,) = take_in(database)
    assert step.covered == 2
    assert feed.covered() == feed.covered(NO) == [(0, 30)]


def test_a_doubt_that_never_ended_is_covered_to_the_end_of_the_connection(
    feed: Feed, database: str
) -> None:
    feed.reject(12, YES)
    feed.release(10)
    feed.close(30)
    take_in(database)
    assert feed.covered() == feed.covered(NO) == [(0, 30)]
    assert feed.cause_of(31) == "disconnected"


def test_a_token_that_was_released_in_doubt_is_covered_until_then(
    feed: Feed, database: str
) -> None:
    feed.reject(12, YES)
    feed.release(10)
    feed.release(15, "released")
    feed.confirm(20)
    feed.close(30)
    assert feed.covered() == [(0, 10), (20, 30)]
    take_in(database)
    assert feed.covered() == [(0, 15), (20, 30)]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_token_whose_trades_were_missed_in_or_right_after_the_doubt_is_not_covered(
    feed: Feed, database: str, *, at_once: bool
) -> None:
    feed.reject(12, YES)
    feed.release(10)
    if not at_once:
        feed.confirm(14)
    feed.release(14, "deaf")
    feed.close(30)
    (step,) = take_in(database)
    assert (step.stored, step.covered) == (1, 0)
    assert feed.covered() == [(0, 10)]


def test_a_token_whose_trades_were_missed_later_is_covered(feed: Feed, database: str) -> None:
    feed.reject(12, YES)
    feed.release(10)
    feed.confirm(14)
    feed.release(18, "deaf")
    feed.close(30)
    take_in(database)
    assert feed.covered() == [(0, 18)]


def test_a_doubt_whose_message_is_gone_stays(feed: Feed, database: str) -> None:
    """Somebody deleted it: nothing shows that its trades are stored."""
    feed.reject(12, YES)
    feed.release(10)
    feed.confirm(14)
    feed.reject(22, YES)
    feed.release(20)
    feed.confirm(24)
    feed.close(30)
    do(database, "delete from rejected_messages where received_at < %s", at(20))
    take_in(database)
    assert feed.covered() == [(0, 10), (14, 30)]


def test_an_end_that_arrived_before_its_beginning_is_replaced(
    feed: Feed, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Feed, "settles", False)  # what is still to arrive is never settled
    feed.seq = 7
    feed.release(10)  # 8
    for feed.seq in (5, 3):  # 6 and 4
        if feed.seq == 3:
            feed.release(5, "released")
        else:
            feed.confirm(6)
    feed.seq = 6
    feed.reject(8, YES)  # 7
    feed.seq = 8
    feed.confirm(14)
    feed.close(30)
    assert feed.covered() == [(0, 5), (6, 10), (14, 30)]
    take_in(database)
    assert feed.covered() == [(0, 5), (6, 30)]


# ------------------------------------------------------------------ which and when


def test_messages_wait_for_the_end_of_their_connection(store: Store, database: str) -> None:
    feed = Feed(store, database, started=True)
    do(database, "update tracker.process_life set alive_at = now()")
    feed.reject(12, YES)
    assert take_in(database) == []
    store.commit(Batch(facts=((99, ListeningClosed(feed.epoch, ns(20), ns(20), "reset")),)))
    assert take_in(database) == []  # facts before this one may be missing
    store.commit(Batch(watermark=100))
    assert [step.messages for step in take_in(database)] == [1]


def test_messages_of_a_tracker_that_is_gone_for_a_day_wait_no_longer(
    store: Store, database: str
) -> None:
    feed = Feed(store, database, started=True)
    feed.add(ProcessAlive(ns(20)))
    feed.reject(12, YES)
    (step,) = take_in(database)
    assert (step.stored, step.covered) == (1, 0)


def test_only_what_was_received_since_a_time_is_read(feed: Feed, database: str) -> None:
    numbers = [feed.reject(second) for second in (1, 2, 3)]
    messages = KeptMessages(database)
    try:
        step = messages.step(0, at(2), all_of)
        assert step is not None
        assert step.messages == 2
        assert (messages.count(at(2)), messages.count(BEGINNING)) == (0, 1)
    finally:
        messages.close()
    assert sizes(database) == numbers[1:]


def test_steps_are_bounded_in_messages_and_bytes(
    feed: Feed, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MESSAGES_AT_ONCE", 3)
    monkeypatch.setattr(kept, "BYTES_AT_ONCE", 1000)
    for length in (10, 10, 10, 10, 5000, 10, 990):
        feed.reject(1, payload=b"0" * (length - 1) + b"7")
    steps = take_in(database, lambda _: Understood())
    assert [step.messages for step in steps] == [3, 2, 2]


# ----------------------------------------------------------------------- the trades


def test_a_trade_that_is_there_already_is_not_stored_again(
    feed: Feed, store: Store, database: str
) -> None:
    first, second = feed.reject(1), feed.reject(2)
    store.commit(Batch(trades=(seen(first),)))
    (step,) = take_in(database)
    assert (step.trades, step.stored) == (2, 1)
    store.commit(Batch(trades=(seen(second),)))  # the tracker, later
    assert sizes(database) == [first, second]


def test_a_message_is_marked_and_stays_as_it_was(feed: Feed, database: str) -> None:
    number = feed.reject(1)
    columns = "received_at, connection, reason, payload, seq, index, occurrence"
    query = f"select {columns} from rejected_messages"  # noqa: S608
    before = ask(database, query)
    take_in(database)
    assert ask(database, query + " where taken_in_at <= now()") == before
    assert take_in(database) == []
    assert sizes(database) == [number]


def test_what_the_database_rejects_stays_and_the_others_are_stored(
    feed: Feed, database: str
) -> None:
    numbers = [feed.reject(second) for second in (1, 2, 3)]

    def read(message: KeptMessage) -> Understood:
        found = all_of(message)
        if int(message.payload) != numbers[1]:
            return found
        return Understood(
            tuple(msgspec.structs.replace(each, side="HOLD") for each in found.trades)
        )

    (step,) = take_in(database, read)
    assert (step.taken_in, step.trades, step.stored) == (2, 2, 2)
    ((reason, count),) = step.left.items()
    assert count == 1
    assert reason.startswith("database rejected: ")
    assert "is_buy" in reason
    assert sizes(database) == [numbers[0], numbers[2]]
    take_in(database)
    assert sizes(database) == numbers


def test_a_fact_that_was_kept_is_written(feed: Feed, database: str) -> None:
    number = feed.reject(1)
    do(database, "update rejected_messages set connection = 'journal', epoch = null, doubt = null")
    feed.release(20, "released")
    feed.close(30)
    fact = TokensReleased(feed.epoch, ns(10), (YES,), "frozen")
    take_in(database, lambda _: Understood(fact=(number, fact)))
    assert number < feed.seq
    assert feed.covered() == [(0, 10)]
    assert feed.covered(NO) == [(0, 30)]


# ------------------------------------------------------------------------ the database


def test_a_database_of_another_version_is_rejected(empty_database: str) -> None:
    with pytest.raises(SchemaMismatch, match="tracker --migrate"):
        KeptMessages(empty_database)
    migrate.apply(empty_database)
    KeptMessages(empty_database).close()


def test_two_at_once_take_turns_and_each_message_is_taken_in_once(
    feed: Feed, database: str
) -> None:
    for second in (1, 2, 3):
        feed.reject(second)
    first, second_one = KeptMessages(database), KeptMessages(database)
    steps: list[Step | None] = []
    other = threading.Thread(
        target=lambda: steps.append(second_one.step(0, BEGINNING, lambda _: Understood(reason="r")))
    )
    left = 3

    def read(message: KeptMessage) -> Understood:
        nonlocal left
        left -= 1
        if left == 0:
            other.start()
            waiting = "select count(*) > 0 from pg_locks where not granted"
            while not ask(database, waiting)[0][0]:
                pass
        return all_of(message) if left else Understood(reason="not yet")

    try:
        one = first.step(0, BEGINNING, read)
        other.join(timeout=30)
    finally:
        first.close()
        second_one.close()
    assert one is not None
    assert (one.messages, one.taken_in) == (3, 2)
    (two,) = steps
    assert two is not None
    assert (two.messages, two.taken_in) == (1, 0), "what the first one has left"


@pytest.mark.parametrize("may_write", [True, False])
def test_a_migration_that_comes_between_two_steps_is_obeyed(
    feed: Feed, database: str, *, may_write: bool
) -> None:
    feed.reject(1)
    messages = KeptMessages(database)
    do(
        database,
        "insert into tracker.schema_migrations values ('9999_x.sql', 'x', now(), %s)",
        may_write,
    )
    try:
        if may_write:
            assert messages.step(0, BEGINNING, all_of)
        else:
            with pytest.raises(SchemaMismatch, match="9999_x"):
                messages.step(0, BEGINNING, all_of)
            with pytest.raises(SchemaMismatch, match="9999_x"):
                KeptMessages(database)
    finally:
        messages.close()
    assert len(sizes(database)) == may_write


@pytest.fixture
def cut(feed: Feed, database: str) -> Iterator[KeptMessages]:
    feed.reject(1)
    messages = KeptMessages(database)
    yield messages
    messages.close()


def test_a_connection_that_is_cut_ends_the_step_and_stores_nothing(
    cut: KeptMessages, database: str
) -> None:
    def read(message: KeptMessage) -> Understood:
        cut.abort()
        return all_of(message)

    with pytest.raises(StoreUnavailable):
        cut.step(0, BEGINNING, read)
    assert sizes(database) == []
    assert ask(database, "select taken_in_at from rejected_messages") == [(None,)]
