import msgspec

from actors.health.document import Journal
from actors.health.state import Health, HealthState
from actors.messages import Tick
from actors.supervision.admission import Reporting
from tests.actor_harness import START, START_NS, Stats


class Journalling:
    """A journal that says what a test tells it to say."""

    def __init__(self, stats: Stats) -> None:
        self.said = stats
        self.roomy = True

    def stats(self) -> Stats:
        return self.said

    headroom_bytes = 0

    def room(self) -> bool:
        return self.roomy

    def plenty(self) -> bool:
        return self.roomy

    def free_reserve(self) -> None:
        """There is none."""

    def rebuild_reserve(self) -> bool:
        return True


def reporting(journal: Journalling) -> Reporting:
    health = HealthState(version="1", host="h", pid=1, now=START, wall_ns=START_NS)
    return Reporting(health, journal)


def document(journal: Journalling, *, after_s: float = 0.0) -> Health:
    tick = Tick(now=START + after_s, wall_ns=START_NS + int(after_s * 1e9))
    return reporting(journal).document(tick)


BUSY = Stats(
    next_seq=11,
    durable_seq=8,
    bytes=300,
    max_bytes=900,
    free_bytes=5_000,
    sync_p99_s=0.25,
    oldest_ns=START_NS,
    weight_appended=4,
)


def test_the_journal_is_shown_as_it_is_at_this_moment() -> None:
    journal = Journalling(Stats(next_seq=1, durable_seq=0))
    report = reporting(journal)
    report.sample(Tick(now=START, wall_ns=START_NS))
    journal.said = BUSY
    shown = report.document(Tick(now=START + 30, wall_ns=START_NS + 30_000_000_000))

    assert shown.journal == Journal(
        pending_records=11,
        bytes=300,
        cap_bytes=900,
        durable_lag=2,
        oldest_s=30.0,
        sync_p99_s=0.25,
        free_bytes=5_000,
        full=False,
    )
    assert shown.books.received == 4


def test_a_journal_without_room_is_full() -> None:
    journal = Journalling(BUSY)
    journal.roomy = False

    assert document(journal).journal.full


def test_an_empty_journal_has_no_oldest_record() -> None:
    empty = msgspec.structs.replace(BUSY, oldest_ns=None)

    assert document(Journalling(empty), after_s=30).journal.oldest_s == 0.0


def test_a_record_from_the_future_is_not_older_than_now() -> None:
    assert document(Journalling(BUSY), after_s=-30).journal.oldest_s == 0.0


def test_the_document_is_of_its_own_time() -> None:
    assert document(Journalling(BUSY), after_s=90).uptime_s == 90.0
