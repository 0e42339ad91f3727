"""When a day of `market_coverage` is computed, what makes a market complete, what goes wrong."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from actors.database import queries
from actors.database.store import Store
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
from actors.model.storage import Batch
from tests.database.samples import CONDITION, NO, YES, market, trade
from tests.postgres import ask, connected, do

pytestmark = pytest.mark.db

H = 3_600.0
STATES = "select day, computed_at is not null from computed_days order by 1"


class Day:
    """Three days ago; times are seconds since its beginning."""

    start = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _three_days_ago() -> None:
    set_start()


def set_start() -> None:
    """Let times begin three days ago."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    Day.start = today - timedelta(days=3)


def at(second: float) -> datetime:
    return Day.start + timedelta(seconds=second)


def ns(second: float) -> int:
    return round(at(second).timestamp() * 1_000) * 1_000_000


def told(store: Store, *facts: Fact, first: int = 1) -> None:
    numbered = tuple(enumerate(facts, first))
    store.commit(Batch(markets=(market(),), facts=numbered, watermark=first + len(facts)))


def heard(
    store: Store, *, yes: float = 0.4, no: float = 0.4, broken: Sequence[float] = (), end: float
) -> None:
    """Let a tracker want a market at one o'clock and listen to it.

    Args:
        yes, no: Seconds until the first book of each token.
        broken: When the connection is replaced, with a second between.
        end: When the tracker stops.
    """
    facts: list[Fact] = [ProcessStarted(ns(0), "host", "1"), TokensWanted(ns(H), (YES, NO))]
    begin = H
    for until in (*broken, end):
        epoch = len(facts) + 1
        facts.append(ListeningOpened(ns(begin), "a-0001", 0))
        facts.append(TokensConfirmed(epoch, ns(begin + yes), (YES,)))
        facts.append(TokensConfirmed(epoch, ns(begin + no), (NO,)))
        facts.append(ListeningProven(((epoch, ns(until)),)))
        facts.append(ListeningClosed(epoch, ns(until), ns(until), "reset"))
        begin, yes, no = until, 1, 1
    told(store, *facts, ProcessStopped(ns(end)))


def compute(store: Store, database: str) -> None:
    for _ in range(50):
        do(database, "update computed_days set announced_at = announced_at - interval '1 hour'")
        if store.compute_coverage().is_last:
            return


def row(database: str, seconds: tuple[float, float] = (0, 24 * H)) -> tuple[object, ...]:
    """Return completeness, the longest gap and the causes that the function tells of a time."""
    query = "select complete, longest_gap_s, causes from market_coverage(%s, %s, %s)"
    (found,) = ask(database, query, CONDITION, *map(at, seconds))
    return found


def test_the_wait_for_the_first_book_does_not_make_a_market_incomplete(
    store: Store, database: str
) -> None:
    heard(store, yes=0.4, no=9.9, end=30 * H)
    assert row(database) == (True, 9.9, ["never_confirmed"])


@pytest.mark.parametrize(("yes", "no"), [(0.4, 10.1), (10.1, 10.1)])
def test_a_longer_wait_does(store: Store, database: str, yes: float, no: float) -> None:
    heard(store, yes=yes, no=no, end=30 * H)
    assert row(database)[0] is False


def test_nor_is_a_part_of_a_longer_wait_one(store: Store, database: str) -> None:
    """What belongs to the first book is told by the whole gap, and there was never one."""
    told(store, ProcessStarted(ns(0), "h", "1"), TokensWanted(ns(H), (YES, NO)))
    told(store, ProcessStopped(ns(60 * H)), first=3)
    for begin, end in ((5 * H, 5 * H + 10), (0, H + 10), (5 * H, 5 * H + 0.1)):
        assert row(database, (begin, end))[0] is False


def test_nor_is_one_that_no_book_ended(store: Store, database: str) -> None:
    told(store, ProcessStarted(ns(0), "h", "1"), TokensWanted(ns(H), (YES, NO)))
    told(store, TokensUnwanted(ns(H + 8), (YES, NO)), ProcessStopped(ns(60 * H)), first=3)
    assert row(database) == (False, 8.0, ["never_confirmed"])


@pytest.mark.parametrize(("wait", "is_complete"), [(9.5, True), (18.5, False)])
def test_a_wait_over_midnight_is_one_gap(
    store: Store, database: str, wait: float, is_complete: bool
) -> None:
    begin = 24 * H - 9
    facts = (
        ProcessStarted(ns(0), "host", "1"),
        TokensWanted(ns(begin), (YES, NO)),
        ListeningOpened(ns(begin), "a-0001", 0),
        TokensConfirmed(3, ns(begin + wait), (YES, NO)),
        ListeningProven(((3, ns(60 * H)),)),
        ListeningClosed(3, ns(60 * H), ns(60 * H), "reset"),
        ProcessStopped(ns(60 * H)),
    )
    told(store, *facts)
    compute(store, database)
    found = ask(database, "select complete from market_coverage order by day limit 2")
    assert found == [(is_complete,)] * 2
    for seconds in ((0, 24 * H), (24 * H, 48 * H), (0, 48 * H)):
        assert row(database, seconds)[0] is is_complete


def test_a_time_that_ends_before_it_begins_has_no_row(store: Store, database: str) -> None:
    """As it has no gaps."""
    heard(store, end=30 * H)
    query = "select * from market_coverage(%s, %s, %s)"
    for begin, end in ((at(24 * H), at(0)), (at(5 * H), at(5 * H)), ("infinity", "-infinity")):
        assert ask(database, query, CONDITION, begin, end) == []


@pytest.mark.parametrize("is_alone", [True, False])
def test_what_a_killed_tracker_left_open_is_not_listened_to(
    store: Store,
    database: str,
    open_store: Callable[[UUID], Store],
    journal_id: UUID,
    is_alone: bool,
) -> None:
    """Its last proof says nothing of what is later, in which nobody wanted the market."""
    facts: tuple[Fact, ...] = (
        ProcessStarted(ns(0), "host", "1"),
        TokensWanted(ns(H), (YES, NO)),
        ListeningOpened(ns(H), "a-0001", 0),
        TokensConfirmed(3, ns(H + 0.4), (YES, NO)),
    )
    told(store, *facts, ListeningProven(((3, ns(10 * H)),)), ProcessAlive(ns(10 * H)))
    other = open_store(UUID(int=2))
    if is_alone:
        told(other, ProcessStarted(ns(0), "host", "1"), ProcessAlive(ns(70 * H)))
    else:
        told(
            other,
            *facts,
            ListeningProven(((3, ns(20 * H)),)),
            TokensReleased(3, ns(20 * H), (YES, NO), "released"),
            TokensUnwanted(ns(20 * H), (YES, NO)),
            ListeningProven(((3, ns(70 * H)),)),
            ListeningClosed(3, ns(70 * H), ns(70 * H), "reset"),
            ProcessAlive(ns(70 * H)),
        )
    with connected(database) as db:
        db.execute(queries.RETIRE_TRACKERS, {"journals": [journal_id]})
    assert row(database) == (False, 0.4, ["never_confirmed"])
    compute(other, database)
    query = "select complete from market_coverage where day = %s"
    assert ask(database, query, at(0).date()) == [(False,)]


def test_a_tracker_that_is_stored_late_and_had_started_first_gets_its_days(
    store: Store, database: str, open_store: Callable[[UUID], Store]
) -> None:
    """Its database was away from its start on, and another tracker had days computed meanwhile."""
    told(store, ProcessStarted(ns(48 * H), "host", "1"), ProcessStopped(ns(60 * H)))
    compute(store, database)
    assert ask(database, STATES)[0] == (at(48 * H).date(), True)
    other = open_store(UUID(int=2))
    heard(other, end=30 * H)
    compute(other, database)
    assert [state for _, state in ask(database, STATES)] == [True] * 3
    assert ask(database, "select complete from market_coverage order by day")[0] == (True,)


def test_the_first_day_is_that_of_the_tracker_that_started_first(
    store: Store, database: str, open_store: Callable[[UUID], Store]
) -> None:
    """And not of the one that was seen first."""
    other = open_store(UUID(int=2))
    told(other, ProcessStarted(ns(24 * H), "host", "1"), ProcessStopped(ns(26 * H)))
    heard(store, end=50 * H)
    compute(store, database)
    assert ask(database, STATES)[0] == (at(0).date(), True)


def test_a_clock_that_was_wrong_leads_to_no_day_before_the_first_that_may_have_trades(
    store: Store, database: str
) -> None:
    told(store, ProcessStarted(0, "host", "1"), ProcessStopped(1))
    with connected(database) as db:
        found = db.execute(queries.SELECT_NEXT_MARKET_DAY).fetchall()
    assert found[0][0] == date(2020, 1, 1)


def test_a_gap_of_a_second_does(store: Store, database: str) -> None:
    heard(store, broken=[5 * H], end=30 * H)
    assert row(database) == (False, 1.0, ["disconnected", "never_confirmed"])
    assert row(database, (6 * H, 24 * H)) == (True, 0.0, [])


def test_what_is_missed_after_the_close_does_not_count(store: Store, database: str) -> None:
    heard(store, broken=[5 * H], end=30 * H)
    do(database, "update markets set closed = true, closed_time = %s", at(5 * H))
    assert row(database) == (True, 1.0, ["disconnected", "never_confirmed"])
    do(database, "update markets set closed_time = %s", at(5 * H + 0.5))
    assert row(database)[0] is False


def test_time_in_which_nobody_wanted_a_market_that_went_on_makes_it_incomplete(
    store: Store, database: str
) -> None:
    facts = (
        ProcessStarted(ns(0), "host", "1"),
        TokensWanted(ns(H), (YES, NO)),
        ListeningOpened(ns(H), "a-0001", 0),
        TokensConfirmed(3, ns(H), (YES, NO)),
        ListeningClosed(3, ns(5 * H), ns(5 * H), "released"),
        TokensUnwanted(ns(5 * H), (YES, NO)),
        ProcessStopped(ns(30 * H)),
    )
    told(store, *facts)
    assert row(database) == (False, 0.0, [])
    do(database, "update markets set closed = true, closed_time = %s", at(5 * H))
    assert row(database) == (True, 0.0, [])


def test_a_market_that_nobody_wanted_or_knows_has_no_row(store: Store, database: str) -> None:
    heard(store, end=30 * H)
    query = "select * from market_coverage(%s, %s, %s)"
    assert ask(database, query, CONDITION, at(0), at(H)) == []
    assert ask(database, query, "0x", None, None) == []


def test_of_a_tracker_that_listens_now_the_last_seconds_are_not_known_yet(
    store: Store, database: str
) -> None:
    now = datetime.now(UTC)
    seconds = (now - Day.start).total_seconds()
    facts = (
        ProcessStarted(ns(seconds - 100), "host", "1"),
        TokensWanted(ns(seconds - 90), (YES, NO)),
        ListeningOpened(ns(seconds - 90), "a-0001", 0),
        TokensConfirmed(3, ns(seconds - 89), (YES, NO)),
        ListeningProven(((3, ns(seconds - 3)),)),
        ProcessAlive(ns(seconds - 1)),
    )
    told(store, *facts)
    query = "select complete, wanted_s from market_coverage(%s, null, null)"
    assert ask(database, query, CONDITION) == [(True, pytest.approx(174, abs=0.01))]


def test_a_day_is_computed_when_it_is_over_and_announced_for_some_minutes(
    store: Store, database: str
) -> None:
    heard(store, end=30 * H)
    (first, second) = (at(0).date(), at(24 * H).date())
    assert not store.compute_coverage().is_last
    assert ask(database, STATES) == [(first, False)]
    while not store.compute_coverage().is_last:
        pass
    assert ask(database, STATES)[:2] == [(first, False), (second, False)], "it is too early"
    compute(store, database)
    assert ask(database, STATES)[:2] == [(first, True), (second, True)]
    query = "select day, complete from market_coverage order by 1"
    assert ask(database, query)[:2] == [(first, True), (second, False)]


def test_a_tracker_that_was_killed_holds_the_days_up_until_it_is_retired(
    store: Store, database: str, journal_id: UUID
) -> None:
    told(store, ProcessStarted(ns(0), "host", "1"), ProcessAlive(ns(24 * H + 200)))
    compute(store, database)
    assert ask(database, STATES) == []
    with connected(database) as db:
        db.execute(queries.RETIRE_TRACKERS, {"journals": [journal_id]})
    compute(store, database)
    assert ask(database, STATES)[0] == (at(0).date(), True)


def test_a_connection_that_goes_on_without_a_proof_of_the_day_holds_it_up(
    store: Store, database: str
) -> None:
    facts = (
        ProcessStarted(ns(0), "host", "1"),
        ListeningOpened(ns(H), "a-0001", 0),
        ListeningProven(((2, ns(23 * H)),)),
        ProcessAlive(ns(25 * H)),
    )
    told(store, *facts)
    compute(store, database)
    assert ask(database, STATES) == []
    told(store, ListeningProven(((2, ns(24 * H)),)), first=5)
    compute(store, database)
    assert ask(database, STATES) == [(at(0).date(), True)]


def test_of_two_trackers_one_computes_and_the_other_does_not_wait(
    store: Store, database: str
) -> None:
    heard(store, end=30 * H)
    while not store.compute_coverage().is_last:
        pass
    do(database, "update computed_days set announced_at = announced_at - interval '1 hour'")
    with psycopg.connect(database) as other:
        assert other.execute(queries.LOCK_MARKET_DAYS).fetchall()
        done = store.compute_coverage()
        assert (done.is_last, done.failed) == (True, "")
    assert not store.compute_coverage().is_last


def test_a_computation_that_fails_is_told_and_storing_goes_on(store: Store, database: str) -> None:
    heard(store, end=30 * H)
    store.compute_coverage()
    do(database, "update computed_days set announced_at = announced_at - interval '1 hour'")
    do(database, "alter function public.market_coverage rename to another")
    done = store.compute_coverage()
    assert done.what == "market_coverage"
    assert "market_coverage" in done.failed
    assert store.commit(Batch(trades=(trade(),))).stored == 1


def test_two_numbers_of_a_market_never_make_two_rows(store: Store, database: str) -> None:
    """A token is found late to belong to a market, and has the lower number."""
    do(database, "insert into assets (token_id) values (%s)", NO)
    do(database, "insert into assets (token_id, condition_id) values (%s, %s)", YES, CONDITION)
    facts = (
        ProcessStarted(ns(0), "host", "1"),
        TokensWanted(ns(H), (YES, NO)),
        ProcessStopped(ns(30 * H)),
    )
    store.commit(Batch(facts=tuple(enumerate(facts, 1)), watermark=4))
    compute(store, database)
    query = "select wanted_s from market_coverage where day = %s"
    assert ask(database, query, at(0).date()) == [(23 * H,)]
    do(database, "update assets set condition_id = %s where token_id = %s", CONDITION, NO)
    assert ask(database, query, at(0).date()) == [(None,)], "it is not known until it is computed"
    compute(store, database)
    assert ask(database, query, at(0).date()) == [(2 * 23 * H,)]


REJECTED = """insert into rejected_messages (received_at, connection, reason, payload, journal_key,
      occurrence, doubt, uncovered, taken_in_at)
    values (now(), 'database', 'r', sha256(%(no)s::text::bytea), 1, 1, %(no)s::text,
      tstzrange(%(five)s, %(six)s), {})"""
LATE = {
    "a wish that is dated back": """insert into wanted (journal_key, asset_key, wanted_seq, from_at)
        select 1, asset_key, 90, %(five)s from assets where token_id = %(no)s""",
    "a wish that had ended": "update wanted set until_at = %(five)s, unwanted_seq = 90",
    "listening that is restored": """insert into listening (journal_key, asset_key, epoch,
          confirmed_seq, released_seq, from_at, until_at, cause)
        select 1, asset_key, 3, 90, 91, %(five)s, %(six)s, 'x' from assets
        where token_id = %(no)s""",
    "listening that had ended": """update listening set until_at = %(five)s, released_seq = 90,
          cause = 'rejected'""",
    "a proof of long ago": "update epochs set proven_until = %(end)s, late_at = now()",
    "a trade that is rejected": REJECTED.format("null"),
    "a trade that is taken in": "update rejected_messages set taken_in_at = now()",
    "a token that is named": "update assets set condition_id = %(market)s where token_id = '3'",
    "the end of trading": "update markets set closed_time = %(five)s",
    "a resolution": """insert into resolutions (condition_id, kind, payouts, resolved_at, sources)
        values (%(market)s, 'split', '{}', %(five)s, '{}')""",
}
AS_A_WHOLE = {
    "a tracker that is retired": "update journals set retired_at = %(five)s",
    "a tracker that returns": """insert into process_life (journal_key, start_seq, started_at,
          alive_at, host, version) values (1, 90, now(), now(), 'h', '1')""",
}


def late(store: Store, database: str, statement: str, end: float) -> None:
    """Store a day of which all is known, compute it, and let something come late."""
    heard(store, end=end)
    do(database, "insert into assets (token_id) values ('3')")
    do(
        database,
        """insert into wanted (journal_key, asset_key, wanted_seq, from_at)
           select 1, asset_key, 80, %s from assets where token_id = '3'""",
        at(5 * H),
    )
    given = {"market": CONDITION, "no": NO, "five": at(5 * H), "six": at(6 * H), "end": at(22 * H)}
    with connected(database) as db:
        db.execute(REJECTED.format("null").encode(), given | {"no": YES})
        compute(store, database)
        assert db.execute(ROWS, (at(0).date(),)).fetchall() == [(True,)]
        db.execute(statement.encode(), given)


ROWS = "select computed_at is not null from market_coverage where day = %s"


@pytest.mark.parametrize("what", LATE)
def test_what_comes_late_takes_the_row_back_until_it_is_computed_again(
    store: Store, database: str, what: str
) -> None:
    late(store, database, LATE[what], end=20 * H)
    assert ask(database, ROWS, at(0).date()) == [(False,)]
    compute(store, database)
    assert ask(database, ROWS, at(0).date()) == [(True,)]


@pytest.mark.parametrize("what", AS_A_WHOLE)
def test_a_tracker_that_is_retired_or_returns_takes_its_days_back(
    store: Store, database: str, what: str
) -> None:
    late(store, database, AS_A_WHOLE[what], end=20 * H)
    assert ask(database, ROWS, at(0).date()) == []


def test_records_that_are_found_lost_later_take_back_what_was_proven_behind_them(
    store: Store, database: str
) -> None:
    facts = (
        ProcessStarted(ns(0), "host", "1"),
        TokensWanted(ns(H), (YES, NO)),
        ListeningOpened(ns(H), "a-0001", 0),
        TokensConfirmed(3, ns(H), (YES, NO)),
        ListeningProven(((3, ns(6 * H)),)),
    )
    store.commit(Batch(markets=(market(),), facts=tuple(enumerate(facts, 1)), watermark=6))
    later = (ListeningProven(((3, ns(40 * H)),)), ProcessStopped(ns(40 * H)))
    store.commit(Batch(facts=tuple(enumerate(later, 8))))
    compute(store, database)
    query = "select covered_s from market_coverage where day = %s"
    assert ask(database, query, at(0).date()) == [(2 * 23 * H,)]
    store.commit(Batch(facts=((6, RangeLost(6, 7)),), watermark=10))
    compute(store, database)
    assert ask(database, query, at(0).date()) == [(2 * 5 * H,)]


def test_a_tracker_that_returned_takes_days_back_when_it_listens_again(
    store: Store, database: str, open_store: Callable[[UUID], Store]
) -> None:
    """What another one had decided in its absence does not count any more."""
    heard(store, end=10 * H)
    other = open_store(UUID(int=2))
    facts = (
        ProcessStarted(ns(0), "host", "1"),
        TokensWanted(ns(9 * H), (YES, NO)),
        ListeningOpened(ns(9 * H), "a-0001", 0),
        TokensConfirmed(3, ns(9 * H), (YES, NO)),
        ListeningClosed(3, ns(12 * H), ns(12 * H), "released"),
        TokensUnwanted(ns(12 * H), (YES, NO)),
        ProcessStopped(ns(40 * H)),
    )
    told(other, *facts)
    first = 20
    told(store, ProcessStarted(ns(30 * H), "host", "1"), ProcessAlive(ns(30 * H)), first=first)
    compute(store, database)
    query = "select wanted_s from market_coverage where day = %s"
    assert ask(database, query, at(0).date()) == [(2 * 11 * H,)]
    listening = (
        ListeningOpened(ns(30 * H), "a-0001", 0),
        TokensConfirmed(first + 2, ns(30 * H + 1), (YES, NO)),
    )
    told(store, *listening, first=first + 2)
    assert ask(database, query, at(0).date()) == [(None,)]
    compute(store, database)
    assert ask(database, query, at(0).date()) == [(2 * 23 * H,)]
