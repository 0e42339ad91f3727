"""A database that has lost its last commits gets what is not in the journal once more."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from actors.actor import Outbox
from actors.database.store import Store
from actors.messages import (
    ConflictCleared,
    MarketResolved,
    MarketsSeen,
    MarketStateChanged,
    Message,
    ResolutionConfirmed,
    ResolutionConflict,
    ResolutionObserved,
    TicketsStored,
)
from actors.model.market import (
    Clearance,
    Confirmation,
    Contradiction,
    ContradictionKind,
    MarketState,
    Source,
    Transition,
)
from tests.database.samples import CONDITION, NO, YES, market, ns, observation, resolution
from tests.database.stored_rows import NOT_FROM_JOURNAL, rows
from tests.fakes import FakeStore
from tests.postgres import Server, ask, name_of
from tests.writer.test_actor import WriterHarness

pytestmark = pytest.mark.db

T0 = ns(0) // 1_000_000
TABLES = (
    *NOT_FROM_JOURNAL,
    "resolution_payouts",
    "resolution_confirmations",
    "unresolved",
    "assets",
)


class Sender:
    """Sends findings to a writer, and again what may not be stored, as the two senders do."""

    def __init__(self) -> None:
        self.outbox = Outbox(keep=100)

    def send(self, harness: WriterHarness) -> None:
        """Send everything that may not be stored; let it be committed."""
        for message in self.outbox.to_send_again():
            harness.tell(message)
        harness.flush()
        for box in (harness.catalog, harness.resolution):
            for stored in box.of(TicketsStored):
                self.outbox.stored(stored.tickets)
        assert not len(self.outbox)

    def put(self, kind: type[Message], **what: object) -> None:
        self.outbox.put(lambda ticket: kind(ticket=ticket, **what))


@contextmanager
def opened(dsn: str) -> Iterator[WriterHarness]:
    store: FakeStore = Store(dsn)  # type: ignore[assignment]
    harness = WriterHarness(store=store).open()
    yield harness
    harness.actor.on_stop()


@pytest.fixture
def standby(server: Server, database: str) -> Iterator[str]:
    """Yield a copy of the database as it is before the commits that it loses."""
    with server.database(name_of(database)) as dsn:
        yield dsn


def findings(sender: Sender) -> None:
    """Put what a market leaves that is found, contradicted, resolved, and listed otherwise."""
    clash = Contradiction(
        condition_id=CONDITION,
        detected_at_ms=T0 + 1,
        recorded=f"winner {YES}",
        observed=f"winner {NO}",
        source=Source.DATA,
    )
    sender.put(MarketsSeen, markets=(market(closed=True),))
    for each in resolution().evidence:
        sender.put(ResolutionObserved, observation=each)
    lies = ((YES, Decimal(0)), (NO, Decimal(1)))
    sender.put(ResolutionObserved, observation=observation(source=Source.DATA, payouts=lies))
    sender.put(ResolutionConflict, contradiction=clash)
    sender.put(
        ConflictCleared,
        clearance=Clearance(
            condition_id=CONDITION,
            kind=ContradictionKind.OUTCOME,
            cleared_at_ms=T0 + 2,
            reason="sources agree",
        ),
    )
    sender.put(
        MarketStateChanged,
        transition=Transition(
            condition_id=CONDITION,
            at_ms=T0 + 3,
            before=MarketState.CONFLICT,
            after=MarketState.RECORDED,
            reason="clob and gamma agree",
        ),
    )
    sender.put(MarketResolved, resolution=resolution())
    sender.put(
        ResolutionConfirmed,
        confirmation=Confirmation(
            condition_id=CONDITION, source=Source.CHAIN, confirmed_at_ms=T0 + 9
        ),
    )


def test_everything_is_back_when_the_database_is_opened_again(database: str, standby: str) -> None:
    sender = Sender()
    findings(sender)
    with opened(database) as harness:
        sender.send(harness)
    expected = rows(database, *TABLES)
    assert len(expected["resolutions"]) == len(expected["resolution_conflicts"]) == 1
    assert rows(standby, *TABLES) != expected
    with opened(standby) as harness:
        sender.send(harness)

    assert rows(standby, *TABLES) == expected


def versions(dsn: str) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows, each with the transaction that wrote it."""
    return {
        name: ask(dsn, f"select t.xmin::text, to_jsonb(t) from {name} t")  # noqa: S608
        for name in TABLES
    }


def test_sent_again_to_a_database_that_lost_nothing_it_changes_nothing(database: str) -> None:
    sender = Sender()
    findings(sender)
    with opened(database) as harness:
        sender.send(harness)
        before = versions(database)
        sender.send(harness)

    assert versions(database) == before
