"""Coverage and its gaps with their causes, as the views report them.

Times are seconds after a moment four minutes ago, so that a tracker counts as alive in some tests
(its last sign of life is less than 60 s old) and as dead in others.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from psycopg.conninfo import make_conninfo

from actors.database.store import Store
from actors.model.facts import (
    NO_EPOCH,
    Fact,
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessAlive,
    ProcessStarted,
    ProcessStopped,
    TokensConfirmed,
    TokensReleased,
    TokensUnwanted,
    TokensWanted,
)
from actors.model.storage import Batch
from actors.model.trade import TokenId
from tests.database.samples import CONDITION, NO, YES, market, resolution
from tests.postgres import ask, do

pytestmark = pytest.mark.db

NOW = 10_000  # stands for "until now": later than any second used here
Gap = tuple[float, float, str]


class Clock:
    """Second 0 of the test that runs: four minutes before it began."""

    zero = datetime.now(UTC)


@pytest.fixture(
    autouse=True,
    params=[False, pytest.param(True, marks=pytest.mark.long)],
    ids=["plain", "settled"],
)
def _settled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test without settling, and with settling after each fact.

    That both are the same is the property that tests/database/test_replay.py tries.
    """
    monkeypatch.setattr(Journal, "settles", request.param)


@pytest.fixture(autouse=True)
def _four_minutes_ago() -> None:
    """Set the clock for each test, since the age of the last sign of life decides who is alive."""
    Clock.zero = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=4)


def ns(second: float) -> int:
    return round((Clock.zero + timedelta(seconds=second)).timestamp() * 1_000_000_000)


class Journal:
    """Gives sequences to facts and stores them one by one, in order.

    Attributes:
        settles: Whether what is final is settled after each fact: no answer may depend on it.
    """

    settles = False

    def __init__(self, store: Store) -> None:
        self.store = store
        self.facts: list[tuple[int, Fact]] = []

    def add(self, *facts: Fact) -> int:
        """Store facts; return the sequence of the last."""
        for fact in facts:
            self.facts.append((len(self.facts) + 1, fact))
            self.store.commit(Batch(facts=(self.facts[-1],), watermark=len(self.facts) + 1))
            while self.settles and not self.store.settle():
                pass
        return len(self.facts)

    def start(self, second: float = 0) -> int:
        return self.add(ProcessStarted(ns(second), "host", "1"))

    def want(self, second: float = 0, token: TokenId = YES) -> int:
        return self.add(TokensWanted(ns(second), (token,)))

    def listen(self, second: float, *, feed: int = 0, token: TokenId = YES) -> int:
        """Open an epoch and confirm a token on it; return the epoch."""
        epoch = self.add(ListeningOpened(ns(second - 1), f"{'ab'[feed]}-0001", feed))
        self.add(TokensConfirmed(epoch, ns(second), (token,)))
        return epoch

    def prove(self, epoch: int, second: float) -> None:
        self.add(ListeningProven(((epoch, ns(second)),)))

    def close(self, epoch: int, until: float | None, reason: str) -> None:
        until_ns = None if until is None else ns(until)
        self.add(ListeningClosed(epoch, ns((until or 0) + 3), until_ns, reason))

    def alive(self, second: float) -> None:
        self.add(ProcessAlive(ns(second)))


def seconds(moment: datetime) -> float:
    if moment > Clock.zero + timedelta(seconds=239):
        return NOW
    return (moment - Clock.zero).total_seconds()


def coverage(database: str, token: str = YES) -> list[tuple[float, float]]:
    query = "select lower(during), upper(during) from coverage where token_id = %s order by during"
    return [(seconds(low), seconds(high)) for low, high in ask(database, query, token)]


def gaps(
    database: str, token: str = YES, since: float = -1000, until: float = 100_000
) -> list[Gap]:
    query = "select lower(gap), upper(gap), cause from coverage_gaps(%s, %s, %s) order by gap"
    limits = (Clock.zero + timedelta(seconds=since), Clock.zero + timedelta(seconds=until))
    return [
        (seconds(low), seconds(high), cause)
        for low, high, cause in ask(database, query, token, *limits)
    ]


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store)


def test_a_token_is_covered_from_its_first_book_to_the_last_proof(
    journal: Journal, database: str
) -> None:
    epoch = journal.listen(10)
    assert coverage(database) == []
    journal.prove(epoch, 15)
    journal.prove(epoch, 20)
    assert coverage(database) == [(10, 20)]
    assert coverage(database, NO) == []


def test_proof_never_moves_back(journal: Journal, database: str) -> None:
    epoch = journal.listen(10)
    journal.prove(epoch, 20)
    journal.prove(epoch, 15)
    journal.close(epoch, 18, "frozen")
    assert coverage(database) == [(10, 20)]


def test_an_end_with_a_time_counts_beyond_the_last_proof(journal: Journal, database: str) -> None:
    epoch = journal.listen(10)
    journal.prove(epoch, 20)
    journal.close(epoch, 23, "disconnected")
    assert coverage(database) == [(10, 23)]


def test_an_end_without_a_time_is_at_the_last_proof(journal: Journal, database: str) -> None:
    epoch = journal.listen(10)
    journal.prove(epoch, 20)
    journal.close(epoch, None, "disconnected")
    assert coverage(database) == [(10, 20)]


def test_an_epoch_without_any_proof_covers_nothing(journal: Journal, database: str) -> None:
    epoch = journal.listen(10)
    journal.close(epoch, None, "disconnected")
    assert coverage(database) == []


def test_coverage_is_the_union_of_the_feeds(journal: Journal, database: str) -> None:
    one, two = journal.listen(10), journal.listen(15, feed=1)
    journal.prove(one, 20)
    journal.prove(two, 40)
    three = journal.listen(50)
    journal.prove(three, 60)
    assert coverage(database) == [(10, 40), (50, 60)]


def test_a_released_token_is_not_covered_by_later_proofs_of_its_epoch(
    journal: Journal, database: str
) -> None:
    epoch = journal.listen(10)
    journal.prove(epoch, 20)
    journal.add(TokensReleased(epoch, ns(17), (YES,), "moved"))
    journal.prove(epoch, 30)
    assert coverage(database) == [(10, 17)]
    journal.add(TokensConfirmed(epoch, ns(25), (YES,)))
    assert coverage(database) == [(10, 17), (25, 30)]


def test_coverage_of_two_trackers_is_one(
    journal: Journal, open_store: Callable[[UUID], Store], database: str
) -> None:
    other = Journal(open_store(UUID(int=2)))
    journal.prove(journal.listen(10), 20)
    other.prove(other.listen(18), 40)
    assert coverage(database) == [(10, 40)]


def test_time_before_the_first_book_is_a_gap_that_was_never_confirmed(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(0)
    epoch = journal.listen(10)
    journal.prove(epoch, 200)
    journal.alive(205)
    assert gaps(database) == [(0, 10, "never_confirmed")]


def overlooked(second: float, token: TokenId = YES) -> tuple[Fact, ...]:
    """Return the facts that a token could have been watched since then, and was not known."""
    return (
        TokensWanted(ns(second), (token,)),
        TokensConfirmed(NO_EPOCH, ns(second), (token,)),
        TokensReleased(NO_EPOCH, ns(second), (token,), "not_discovered"),
    )


def test_time_in_which_a_market_existed_and_was_not_known_is_a_gap(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.add(*overlooked(20))
    journal.want(60)
    epoch = journal.listen(70)
    journal.prove(epoch, 200)
    journal.alive(205)
    assert gaps(database) == [(20, 70, "not_discovered")]
    assert coverage(database) == [(70, 200)]


def test_a_market_that_is_overlooked_for_a_second_time_leaves_a_second_gap(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(10)
    epoch = journal.listen(10)
    journal.add(TokensUnwanted(ns(50), (YES,)), TokensReleased(epoch, ns(50), (YES,), "released"))
    journal.add(*overlooked(100))
    journal.want(130)
    again = journal.listen(140)
    journal.prove(again, 200)
    journal.alive(205)
    assert gaps(database) == [(100, 140, "not_discovered")]


def test_a_restart_does_not_change_what_was_overlooked(journal: Journal, database: str) -> None:
    journal.start()
    journal.add(*overlooked(20))
    journal.want(60)
    journal.start(80)
    epoch = journal.listen(90)
    journal.prove(epoch, 200)
    journal.alive(205)
    assert gaps(database) == [(20, 90, "not_discovered")]


def test_a_token_that_nobody_wants_has_no_gaps(journal: Journal, database: str) -> None:
    journal.start()
    journal.prove(journal.listen(10), 20)
    assert gaps(database) == []
    assert gaps(database, "unknown token") == []


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("disconnected", "disconnected"),
        ("frozen", "frozen"),
        ("deaf", "deaf"),
        ("disk_full", "disk_full"),
        ("exchange_silent", "exchange_silent"),
        ("clock_step", "clock_step"),
        ("rejected", "rejected"),
        ("not_discovered", "not_discovered"),
        ("process_down", "process_down"),
        ("slow_consumer", "disconnected"),
    ],
)
def test_a_gap_has_the_cause_that_ended_the_listening_before_it(
    journal: Journal, database: str, reason: str, cause: str
) -> None:
    journal.start()
    journal.want(10)
    epoch = journal.listen(10)
    journal.close(epoch, 50, reason)
    after = journal.listen(80)
    journal.prove(after, 230)
    journal.alive(230)
    assert gaps(database) == [(50, 80, cause)]


def test_of_two_feeds_the_one_that_ended_last_gives_the_cause(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(10)
    one, two = journal.listen(10), journal.listen(10, feed=1)
    journal.close(two, 40, "frozen")
    journal.close(one, 50, "disk_full")
    journal.alive(230)
    assert gaps(database) == [(50, 230, "disk_full")]


def test_a_release_gives_its_own_cause(journal: Journal, database: str) -> None:
    journal.start()
    journal.want(10)
    epoch = journal.listen(10)
    journal.add(TokensReleased(epoch, ns(50), (YES,), "deaf"))
    journal.close(epoch, 90, "disk_full")
    journal.alive(230)
    assert gaps(database) == [(50, 230, "deaf")]


def test_the_time_after_the_proof_of_an_open_epoch_is_no_gap_yet(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(10)
    epoch = journal.listen(10)
    journal.prove(epoch, 200)
    journal.alive(230)
    assert gaps(database) == []
    journal.close(epoch, None, "frozen")
    assert gaps(database) == [(200, 230, "frozen")]


def test_a_confirmed_token_without_proof_is_no_gap_yet(journal: Journal, database: str) -> None:
    journal.start()
    journal.want(10)
    journal.listen(20)
    journal.alive(230)
    assert gaps(database) == [(10, 20, "never_confirmed")]


def test_one_live_feed_is_enough_for_the_rest_to_be_pending(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(10)
    one, two = journal.listen(10), journal.listen(10, feed=1)
    journal.close(one, 190, "frozen")
    journal.prove(two, 200)
    journal.alive(230)
    assert gaps(database) == []


def test_a_killed_tracker_makes_a_gap_until_now_by_itself(journal: Journal, database: str) -> None:
    journal.start()
    journal.want(10)
    epoch = journal.listen(10)
    journal.prove(epoch, 50)
    journal.alive(55)
    assert gaps(database) == [(50, NOW, "process_down")]


def test_a_stopped_tracker_makes_a_gap_until_now(journal: Journal, database: str) -> None:
    journal.start()
    journal.want(10)
    epoch = journal.listen(10)
    journal.close(epoch, 210, "process_down")
    journal.alive(211)
    journal.add(ProcessStopped(ns(212)))
    assert gaps(database) == [(210, NOW, "process_down")]


def test_a_start_ends_what_the_killed_process_left_open(journal: Journal, database: str) -> None:
    journal.start()
    journal.want(10)
    epoch = journal.listen(10)
    journal.prove(epoch, 50)
    journal.start(100)
    after = journal.listen(110)
    journal.prove(after, 230)
    journal.alive(230)
    assert gaps(database) == [(50, 110, "process_down")]
    assert coverage(database) == [(10, 50), (110, 230)]


def test_a_start_does_not_end_what_had_ended_itself(journal: Journal, database: str) -> None:
    journal.start(1)
    journal.want(5)
    epoch = journal.listen(10)
    journal.close(epoch, 30, "frozen")
    journal.start(100)
    journal.alive(230)
    assert gaps(database, since=20) == [(30, 230, "frozen")]


def test_a_start_leaves_the_epochs_of_other_trackers_alone(
    journal: Journal, open_store: Callable[[UUID], Store], database: str
) -> None:
    journal.listen(10)
    Journal(open_store(UUID(int=2))).add(
        *[ProcessAlive(ns(1))] * 8, ProcessStarted(ns(20), "other", "1")
    )
    assert ask(database, "select reason from tracker.epochs") == [(None,)]


def test_a_token_that_is_not_wanted_any_more_has_no_gap(journal: Journal, database: str) -> None:
    journal.start()
    journal.want(10)
    journal.add(TokensUnwanted(ns(30), (YES,)))
    journal.want(60)
    journal.add(TokensUnwanted(ns(70), (YES,)))
    journal.alive(230)
    assert gaps(database) == [(10, 30, "never_confirmed"), (60, 70, "never_confirmed")]


def test_a_token_that_is_wanted_again_starts_without_earlier_coverage(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(10)
    epoch = journal.listen(10)
    journal.close(epoch, 30, "frozen")
    journal.add(TokensUnwanted(ns(40), (YES,)))
    journal.want(60)
    journal.alive(230)
    assert gaps(database) == [(30, 40, "frozen"), (60, 230, "never_confirmed")]


def test_wanting_a_wanted_token_changes_nothing(journal: Journal, database: str) -> None:
    journal.want(10)
    journal.want(20)
    assert ask(database, "select wanted_seq, until_at from tracker.wanted") == [(1, None)]


def test_a_token_counts_as_wanted_until_the_resolution_at_the_latest(
    journal: Journal, store: Store, database: str
) -> None:
    store.commit(Batch(markets=(market(),)))
    journal.start()
    journal.want(10)
    journal.prove(journal.listen(10), 50)
    store.commit(Batch(resolutions=(resolution(),)))
    query = """select upper(gap) = recorded_at, cause from resolutions
        cross join coverage_gaps(%s, '-infinity', 'infinity') where condition_id = %s"""
    assert ask(database, query, YES, CONDITION) == [(True, "process_down")]


def resolve(journal: Journal, database: str, second: float) -> None:
    """Record the resolution of the market at this second."""
    journal.store.commit(Batch(markets=(market(),), resolutions=(resolution(),)))
    do(database, "alter table resolutions disable trigger all")
    moment = Clock.zero + timedelta(seconds=second)
    do(database, "update resolutions set recorded_at = %s, resolved_at = %s", moment, moment)


def test_a_market_that_is_wanted_again_after_its_resolution_leaves_no_gap(
    journal: Journal, database: str
) -> None:
    """A listing that lags behind has it open, and a process that starts knows no resolution."""
    journal.start()
    journal.want(10)
    journal.close(journal.listen(10), 40, "frozen")
    journal.prove(journal.listen(50), 65)
    journal.add(TokensUnwanted(ns(62), (YES,)))
    resolve(journal, database, 60)
    journal.start(70)
    journal.add(*overlooked(20), *overlooked(72))
    journal.want(75)
    epoch = journal.listen(90)
    journal.prove(epoch, 100)
    journal.alive(100)
    assert gaps(database) == [(40, 50, "frozen")]
    journal.close(epoch, 120, "disconnected")
    last = journal.listen(130)
    assert gaps(database) == [(40, 50, "frozen")]
    let_go(journal, last, 150)
    assert gaps(database) == [(40, 50, "frozen")]
    assert coverage(database)[-2:] == [(90, 120), (130, 150)]


def test_a_wish_that_outlasts_the_resolution_ends_with_it(journal: Journal, database: str) -> None:
    journal.start()
    journal.want(10)
    journal.prove(journal.listen(10), 50)
    journal.start(100)
    epoch = journal.listen(110)
    resolve(journal, database, 80)
    let_go(journal, epoch, 150)
    assert gaps(database) == [(50, 80, "process_down")]


def test_a_first_wish_after_the_resolution_is_none(
    journal: Journal, other: Journal, database: str
) -> None:
    """Another tracker sees the market for the first time."""
    until_the_stop(journal, 50)
    resolve(journal, database, 45)
    other.start(60)
    other.want(70)
    let_go(other, other.listen(80), 200)
    assert gaps(database) == []


def test_gaps_are_cut_at_the_given_times_and_keep_their_cause(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(0)
    epoch = journal.listen(10)
    journal.close(epoch, 50, "deaf")
    after = journal.listen(80)
    journal.prove(after, 230)
    journal.alive(230)
    assert gaps(database, since=60, until=70) == [(60, 70, "deaf")]
    assert gaps(database, since=5, until=8) == [(5, 8, "never_confirmed")]
    assert gaps(database, since=20, until=40) == []
    assert gaps(database, since=70, until=60) == []


def test_a_dead_second_tracker_makes_no_gap_of_what_the_running_one_has_not_proven_yet(
    journal: Journal, open_store: Callable[[UUID], Store], database: str
) -> None:
    dead = Journal(open_store(UUID(int=2)))
    dead.start()
    dead.want(10)
    dead.prove(dead.listen(10), 50)
    dead.alive(55)
    journal.start()
    journal.want(10)
    journal.prove(journal.listen(20), 200)
    journal.alive(230)
    assert gaps(database) == []


@pytest.fixture
def other(open_store: Callable[[UUID], Store]) -> Journal:
    """Return the journal of a second tracker."""
    return Journal(open_store(UUID(int=2)))


def until_the_stop(tracker: Journal, second: float) -> None:
    """Have a tracker listen from second 10 on and stop in good order."""
    tracker.start()
    tracker.want(10)
    tracker.close(tracker.listen(10), second, "stopped")
    tracker.alive(second)
    tracker.add(ProcessStopped(ns(second)))


def let_go(tracker: Journal, epoch: int, second: float) -> None:
    """Have a tracker listen to the token up to here, want it no more, and run on."""
    tracker.prove(epoch, second)
    tracker.add(TokensReleased(epoch, ns(second), (YES,), "unwanted"))
    tracker.add(TokensUnwanted(ns(second), (YES,)))
    tracker.prove(epoch, 230)
    tracker.alive(230)


def test_the_wish_of_a_stopped_tracker_ends_with_it_when_another_one_decides_about_the_token(
    journal: Journal, other: Journal, database: str
) -> None:
    until_the_stop(other, 50)
    journal.start()
    journal.want(10)
    let_go(journal, journal.listen(20), 150)
    assert gaps(database) == []


def test_so_does_the_wish_of_one_that_was_killed_and_did_not_return(
    journal: Journal, other: Journal, database: str
) -> None:
    other.start()
    other.want(10)
    other.prove(other.listen(10), 50)
    other.alive(55)
    journal.start()
    journal.want(10)
    let_go(journal, journal.listen(10), 100)
    assert gaps(database) == []

    other.start(220)  # it was only away: from now on it wants the token again
    other.alive(230)
    assert gaps(database) == [(220, 230, "never_confirmed")]

    other.prove(other.listen(225), 230)  # and does listen to it, so it wanted it all the time
    assert gaps(database) == [(100, 225, "disconnected")]


def test_what_was_let_go_while_a_tracker_was_away_makes_no_gap_when_it_returns(
    journal: Journal, other: Journal, database: str
) -> None:
    until_the_stop(other, 50)
    journal.start()
    journal.want(10)
    let_go(journal, journal.listen(20), 150)
    other.start(220)
    other.add(TokensUnwanted(ns(222), (YES,)))  # it finds the market closed
    other.alive(230)
    assert gaps(database) == []

    other.add(ProcessStopped(ns(232)))  # once more: it never listened to the token again
    other.start(234)
    other.alive(236)
    assert gaps(database) == []


def test_what_was_resolved_while_a_tracker_was_away_makes_no_gap_when_it_returns(
    journal: Journal, other: Journal, store: Store, database: str
) -> None:
    until_the_stop(other, 50)
    journal.start()
    journal.want(10)
    let_go(journal, journal.listen(20), 100)
    store.commit(Batch(markets=(market(),), resolutions=(resolution(),)))
    do(database, "alter table resolutions disable trigger append_only")
    do(database, "update resolutions set recorded_at = %s", Clock.zero + timedelta(seconds=150))
    other.start(220)
    other.alive(230)
    assert gaps(database) == []


def test_what_lies_between_a_journal_and_the_one_that_replaces_it_is_a_gap(
    journal: Journal, other: Journal, database: str
) -> None:
    until_the_stop(other, 50)
    journal.start(60)
    journal.want(65)
    let_go(journal, journal.listen(70), 150)
    assert gaps(database) == [(50, 70, "disconnected")]


def test_another_tracker_that_never_wanted_the_token_ends_no_wish(
    journal: Journal, other: Journal, database: str
) -> None:
    until_the_stop(other, 50)
    journal.start()
    # At its start it says so of every stored market that it does not watch: no wish, only its end.
    journal.add(TokensUnwanted(ns(10), (YES,)))
    journal.alive(230)
    assert gaps(database) == [(50, 230, "disconnected")]


def test_of_two_stopped_trackers_the_wish_of_the_last_one_goes_on(
    journal: Journal, other: Journal, database: str
) -> None:
    until_the_stop(other, 50)
    until_the_stop(journal, 100)
    assert gaps(database) == [(100, NOW, "disconnected")]


def succeeded_by_one_that_died(
    first: Journal, heir: Journal, *, lets_go_at: float | None = None
) -> None:
    """Have one tracker listen until 50, and its heir from 40 until it is killed at 60."""
    until_the_stop(first, 50)
    heir.start(30)
    heir.want(35)
    epoch = heir.listen(40)
    heir.prove(epoch, 60)
    if lets_go_at is not None:
        heir.add(TokensUnwanted(ns(lets_go_at), (YES,)))
    heir.alive(60)


def test_when_the_heir_dies_and_the_first_one_finds_the_market_closed_the_time_between_is_a_gap(
    journal: Journal, other: Journal, database: str
) -> None:
    succeeded_by_one_that_died(other, journal)
    assert gaps(database) == [(60, NOW, "process_down")]  # both are away
    other.start(220)
    assert gaps(database) == [(60, 220, "process_down")]
    other.add(TokensUnwanted(ns(222), (YES,)))  # the market closed while nobody listened
    other.alive(230)
    assert gaps(database) == [(60, 222, "process_down")]


def test_when_the_heir_dies_and_the_first_one_has_not_confirmed_the_token_yet_it_is_a_gap(
    journal: Journal, other: Journal, database: str
) -> None:
    succeeded_by_one_that_died(other, journal)
    other.start(220)
    other.alive(230)
    assert gaps(database) == [(60, 230, "process_down")]

    other.prove(other.listen(225), 230)
    assert gaps(database) == [(60, 225, "process_down")]


def test_a_first_one_that_returned_and_died_again_ends_no_gap_before_its_return(
    journal: Journal, other: Journal, database: str
) -> None:
    succeeded_by_one_that_died(other, journal)
    other.start(100)
    other.alive(120)
    assert gaps(database) == [(60, NOW, "process_down")]


def test_two_that_return_at_once_and_find_the_market_closed_hide_no_gap(
    journal: Journal, other: Journal, database: str
) -> None:
    succeeded_by_one_that_died(other, journal)
    for each in (journal, other):
        each.start(220)
        each.add(TokensUnwanted(ns(224), (YES,)))
        each.alive(230)
    assert gaps(database) == [(60, 224, "process_down")]


def test_what_an_heir_decided_before_it_died_still_counts(
    journal: Journal, other: Journal, database: str
) -> None:
    succeeded_by_one_that_died(other, journal, lets_go_at=58)
    other.start(220)
    other.add(TokensUnwanted(ns(222), (YES,)))
    other.alive(230)
    assert gaps(database) == []


def test_an_heir_that_wanted_the_token_again_has_decided_nothing_by_letting_it_go_once(
    journal: Journal, other: Journal, database: str
) -> None:
    succeeded_by_one_that_died(other, journal, lets_go_at=58)
    journal.want(100)
    journal.alive(110)
    other.start(220)
    other.add(TokensUnwanted(ns(222), (YES,)))
    other.alive(230)
    assert gaps(database) == [(100, 222, "never_confirmed")]


def test_the_time_in_which_the_heir_was_away_is_a_gap(
    journal: Journal, other: Journal, database: str
) -> None:
    succeeded_by_one_that_died(other, journal)
    journal.start(100)
    let_go(journal, journal.listen(110), 150)
    assert gaps(database) == [(60, 110, "process_down")]
    other.start(220)
    other.add(TokensUnwanted(ns(222), (YES,)))
    other.alive(230)
    assert gaps(database) == [(60, 110, "process_down")]


def test_what_the_heir_lets_go_after_the_first_one_returned_makes_no_gap(
    journal: Journal, other: Journal, database: str
) -> None:
    until_the_stop(other, 50)
    journal.start()
    journal.want(10)
    epoch = journal.listen(20)
    other.start(140)
    let_go(journal, epoch, 150)
    other.add(TokensUnwanted(ns(160), (YES,)))
    other.alive(230)
    assert gaps(database) == []


def test_a_clock_that_was_set_back_while_a_tracker_was_away_fails_no_question(
    journal: Journal, other: Journal, database: str
) -> None:
    succeeded_by_one_that_died(other, journal, lets_go_at=58)
    journal.want(20)
    other.start(30)
    other.alive(20)
    journal.start(45)
    journal.alive(25)
    assert gaps(database) != []


def test_a_tracker_that_is_away_for_a_day_wants_nothing_more_when_another_one_runs(
    journal: Journal, other: Journal, database: str
) -> None:
    other.start(-2 * 86_400)  # it alone wants the token
    other.want(-2 * 86_400)
    other.prove(other.listen(-2 * 86_400), -87_000)
    other.alive(-87_000)
    assert gaps(database, since=-90_000) == [(-87_000, NOW, "process_down")]
    journal.start()
    journal.alive(230)
    assert gaps(database, since=-90_000) == [(-87_000, -87_000 + 86_400, "process_down")]
    other.start(231)  # it was only away
    other.alive(235)
    assert gaps(database, since=-90_000)[-1][1] == 235


@pytest.mark.usefixtures("journal")
def test_a_tracker_that_a_person_has_retired_wants_nothing_more(
    other: Journal, database: str
) -> None:
    other.start(0)
    other.want(5)
    other.prove(other.listen(10), 50)
    other.alive(50)
    assert gaps(database, since=20) == [(50, NOW, "process_down")]
    retired = "update tracker.journals set retired_at = %s where journal_key = 2"
    do(database, retired, Clock.zero + timedelta(seconds=50))
    assert gaps(database, since=20) == []


def test_times_that_are_not_given_are_no_limits(journal: Journal, database: str) -> None:
    journal.start()
    journal.want(10)
    journal.prove(journal.listen(20), 200)
    journal.alive(230)
    query = "select lower(gap), upper(gap) from coverage_gaps(%s, %s, %s)"
    (gap,) = ask(database, query, YES, None, None)
    assert [seconds(moment) for moment in gap] == [10, 20]
    cut = Clock.zero + timedelta(seconds=15)
    assert ask(database, query, YES, cut, None) == [(cut, gap[1])]
    assert ask(database, query, YES, None, cut) == [(gap[0], cut)]


def test_a_running_tracker_that_does_not_want_the_token_does_not_count(
    journal: Journal, open_store: Callable[[UUID], Store], database: str
) -> None:
    journal.start()
    journal.want(10)
    journal.prove(journal.listen(10), 50)
    other = Journal(open_store(UUID(int=2)))
    other.start()
    other.want(10, NO)
    other.alive(230)
    assert gaps(database) == [(50, NOW, "process_down")]


def test_a_start_without_a_sign_of_life_counts_from_its_own_time(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(10)
    journal.prove(journal.listen(10), 50)
    journal.start(220)
    assert gaps(database) == [(50, 220, "process_down")]


def test_a_reader_with_another_search_path_gets_the_same_answer(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(10)
    journal.prove(journal.listen(10), 50)
    query = "select cause from public.coverage_gaps(%s, '-infinity', 'infinity')"
    elsewhere = make_conninfo(database, options="-c search_path=pg_catalog")
    assert ask(elsewhere, query, YES) == [("process_down",)]


# --------------------------------------------------- our clock is behind the exchange's

DAYS = 2 * 86_400
"""So much later than ours is the clock of the exchange here, in seconds."""


def later_gaps(database: str) -> list[Gap]:
    """Return the gaps, their times by the clock of the exchange."""
    query = """select extract(epoch from lower(gap) - %s)::float, cause,
                      extract(epoch from upper(gap) - %s)::float
               from coverage_gaps(%s, '-infinity', 'infinity') order by gap"""
    later = Clock.zero + timedelta(seconds=DAYS)
    return [(low, high, cause) for low, cause, high in ask(database, query, later, later, YES)]


def test_when_our_clock_is_behind_gaps_reach_to_the_last_time_of_the_exchange(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(10)
    epoch = journal.listen(DAYS + 20)
    journal.close(epoch, DAYS + 50, "frozen")
    after = journal.listen(DAYS + 80)
    journal.close(after, DAYS + 100, "process_down")
    journal.add(ProcessStopped(ns(101)))
    assert later_gaps(database) == [
        (10 - DAYS, 20, "never_confirmed"),
        (50, 80, "frozen"),
    ]


def test_they_do_when_only_other_tokens_were_listened_to_at_last(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(10)
    journal.close(journal.listen(DAYS + 20), DAYS + 50, "frozen")
    journal.close(journal.listen(DAYS + 30, token=NO), DAYS + 100, "process_down")
    journal.add(ProcessStopped(ns(101)))
    assert later_gaps(database)[1:] == [(50, 100, "frozen")]


def test_so_do_the_gaps_of_a_tracker_that_runs(journal: Journal, database: str) -> None:
    journal.start()
    journal.want(10)
    journal.close(journal.listen(DAYS + 20), DAYS + 50, "frozen")
    other = journal.listen(DAYS + 30, token=NO)
    journal.prove(other, DAYS + 100)
    journal.alive(230)
    assert later_gaps(database)[1:] == [(50, 100, "frozen")]


def test_a_wish_that_ended_by_our_clock_reaches_to_the_end_of_its_listening(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(10)
    journal.close(journal.listen(DAYS + 20), DAYS + 50, "frozen")
    epoch = journal.listen(DAYS + 80)
    journal.add(TokensUnwanted(ns(90), (YES,)))
    journal.add(TokensReleased(epoch, ns(DAYS + 92), (YES,), "released"))
    journal.close(epoch, DAYS + 300, "process_down")
    assert later_gaps(database) == [
        (10 - DAYS, 20, "never_confirmed"),
        (50, 80, "frozen"),
    ]


def test_a_resolution_that_is_recorded_before_its_time_ends_the_wish_at_its_time(
    journal: Journal, store: Store, database: str
) -> None:
    store.commit(Batch(markets=(market(),)))
    journal.start()
    journal.want(10)
    journal.close(journal.listen(DAYS + 20), DAYS + 50, "frozen")
    journal.close(journal.listen(DAYS + 80, token=NO), DAYS + 300, "process_down")
    store.commit(Batch(resolutions=(resolution(),)))
    do(database, "alter table resolutions disable trigger all")
    do(database, "update resolutions set resolved_at = to_timestamp(%s)", ns(DAYS + 70) // 10**9)
    assert later_gaps(database)[1:] == [(50, 70, "frozen")]


def test_what_the_exchange_said_last_is_found_without_reading_all_epochs(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(10)
    do(
        database,
        """insert into tracker.epochs (journal_key, epoch, connection, leg, opened_at, proven_until,
                               closed_at, closed_seq, reason)
           select 1, 1000 + n, 'a-0001', 0, now(), now(), now(), 1000 + n, 'frozen'
           from generate_series(1, 100000) n""",
    )
    do(
        database,
        """insert into coverage_ranges (journal_key, asset_key, epoch, confirmed_seq, released_seq,
             from_at, until_at, known_at, cause)
           select 1, 1, 1000 + n, n, n + 1, now() - n * interval '1 minute',
                  now() - n * interval '1 minute', now(), 'frozen'
           from generate_series(1, 20000) n""",
    )
    do(database, "analyze")
    last = datetime.now(UTC) - timedelta(hours=1)
    explain = "explain (analyze, buffers, format json) select * from coverage_gaps(%s, %s, %s)"
    plan = ask(database, explain, YES, last, datetime.now(UTC))[0][0][0]["Plan"]
    touched = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert touched < 300  # all epochs lie on more than a thousand pages


def test_a_question_about_one_day_does_not_read_the_whole_history(
    journal: Journal, database: str
) -> None:
    journal.start()
    journal.want(-300 * 86400)
    do(
        database,
        """insert into coverage_ranges (journal_key, asset_key, epoch, confirmed_seq, released_seq,
             from_at, until_at, known_at, cause)
           select 1, k, 1, n, n + 1, now() - n * interval '1 hour',
                  now() - n * interval '1 hour' + interval '50 minutes', now(), 'frozen'
           from generate_series(1, 5) k, generate_series(1, 5000) n""",
    )
    do(database, "analyze")
    day = (YES, datetime.now(UTC) - timedelta(days=2), datetime.now(UTC) - timedelta(days=1))
    assert ask(database, "select count(*) from coverage_gaps(%s, %s, %s)", *day)[0][0] >= 24
    explain = "explain (analyze, buffers, format json) select * from coverage_gaps(%s, %s, %s)"
    plan = ask(database, explain, *day)[0][0][0]["Plan"]
    touched = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    assert touched < 500  # 5,000 intervals lie on more than that many pages of heap and index


def test_a_fact_may_name_more_tokens_than_one_statement_carries(
    journal: Journal, database: str
) -> None:
    tokens = tuple(TokenId(str(10**9 + number)) for number in range(10_001))
    epoch = journal.add(ListeningOpened(ns(1), "a-0001", 0))
    journal.add(TokensWanted(ns(0), tokens), TokensConfirmed(epoch, ns(2), tokens))
    counts = (
        "select (select count(*) from tracker.wanted), (select count(*) from tracker.listening)"
    )
    assert ask(database, counts) == [(10_001, 10_001)]
