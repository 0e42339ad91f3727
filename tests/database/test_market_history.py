"""What was known of a market when is kept; what is known is never replaced by nothing."""

from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest

from actors.database.store import Store
from actors.model.market import Details, Event, Market
from actors.model.storage import Batch
from tests.database.samples import CONDITION, DETAILS, EVENT, at, market
from tests.postgres import ask, do

pytestmark = pytest.mark.db

COLUMNS = """event_id, neg_risk_market_id, group_title, game_start, closed_time, tick_size,
    fee_schedule, description"""
OF_EVENTS = """event_id, slug, title, series_slug, neg_risk, neg_risk_augmented,
    neg_risk_market_id, starts_at, end_date"""
KNOWN: dict[str, Any] = {
    "gamma_id": "501",
    "end_at": at(500),
    "started_at": at(-500),
    "volume": Decimal("7.5"),
    "tags": ("weather",),
    "details": DETAILS,
}


def listed(**details: object) -> Market:
    return market(details=msgspec.structs.replace(DETAILS, **details))


def history(database: str) -> list[dict[str, Any]]:
    query = "select changes from market_history order by condition_id, known_at"
    return [changes for (changes,) in ask(database, query)]


def test_details_and_the_event_of_a_market_are_stored(store: Store, database: str) -> None:
    store.commit(Batch(markets=(listed(),)))
    assert ask(database, f"select {COLUMNS} from markets") == [  # noqa: S608 - names of ours
        (
            "30829",
            "0x" + "c3" * 32,
            "Rain",
            DETAILS.game_start,
            DETAILS.closed_time,
            Decimal("0.001"),
            {"exponent": 1, "rate": 0.03, "rebateRate": 0.25, "takerOnly": True},
            "This market resolves to Yes if it rains.",
        )
    ]
    assert ask(database, f"select {OF_EVENTS} from events") == [  # noqa: S608 - names of ours
        msgspec.structs.astuple(EVENT)
    ]


@pytest.mark.parametrize(
    "less",
    [
        market(),
        market(question="", slug=""),
        market(details=Details()),
        market(details=Details(event=Event(event_id=EVENT.event_id))),
    ],
)
def test_what_is_known_is_never_replaced_by_nothing(
    store: Store, database: str, less: Market
) -> None:
    query = "select m, e, m.xmin, e.xmin from markets m join events e using (event_id)"
    store.commit(Batch(markets=(market(**KNOWN),)))
    before = ask(database, query)
    store.commit(Batch(markets=(less,)))
    assert ask(database, query) == before
    assert len(history(database)) == 1


def test_a_listing_fills_what_an_announcement_did_not_tell(store: Store, database: str) -> None:
    store.commit(Batch(markets=(market(active=False),)))
    store.commit(Batch(markets=(market(**KNOWN),)))
    assert ask(
        database, "select title, tags, volume from markets join events using (event_id)"
    ) == [("The weather", ["weather"], Decimal("7.5"))]
    first, second = history(database)
    assert set(first) == {"question", "slug", "closed", "active", "neg_risk", "version", "tags"}
    assert second["active"] is True
    assert {"event_id", "description", "tick_size", "end_date"} <= set(second)
    assert not {"question", "slug", "closed", "neg_risk", "volume"} & set(second)


@pytest.mark.parametrize(
    ("changed", "changes"),
    [
        (market(details=DETAILS, closed=True), {"closed": True}),
        (market(details=DETAILS, question="Will it pour?"), {"question": "Will it pour?"}),
        (market(details=DETAILS, tags=("rain",)), {"tags": ["rain"]}),
        (market(details=DETAILS, end_at=at(60)), {"end_date": "2026-03-01T12:01:00+00:00"}),
        (listed(tick_size=Decimal("0.0001")), {"tick_size": 0.0001}),
        (listed(fee_schedule='{"rate":0.02}'), {"fee_schedule": {"rate": 0.02}}),
        (listed(description="Only in Bern."), {"description": "Only in Bern."}),
    ],
)
def test_a_change_is_kept_with_what_changed_alone(
    store: Store, database: str, changed: Market, changes: dict[str, object]
) -> None:
    store.commit(Batch(markets=(listed(),)))
    store.commit(Batch(markets=(changed,)))
    assert history(database)[1:] == [changes]


@pytest.mark.parametrize(
    "same",
    [market(details=DETAILS, volume=Decimal(9)), listed(), listed(tick_size=Decimal("0.0010"))],
)
def test_a_volume_and_another_spelling_are_no_change(
    store: Store, database: str, same: Market
) -> None:
    store.commit(Batch(markets=(listed(),)))
    store.commit(Batch(markets=(same,)))
    assert len(history(database)) == 1


def test_an_event_that_two_markets_tell_differently_is_as_the_last_one_tells(
    store: Store, database: str
) -> None:
    other = msgspec.structs.replace(EVENT, title="Other", slug=None)
    rows = (listed(), market("0x" + "b2" * 32, ("3", "4"), details=Details(event=other)))
    store.commit(Batch(markets=rows))
    store.commit(Batch(markets=rows))
    assert ask(database, "select title, slug from events") == [("Other", "weather")]


def test_times_in_the_history_do_not_depend_on_the_reader_or_writer(
    store: Store, database: str
) -> None:
    store.commit(Batch(markets=(market(),)))
    do(database, "set timezone = 'Asia/Tokyo'; update markets set end_date = '2026-03-01 12:00Z'")
    assert history(database)[1:] == [{"end_date": "2026-03-01T12:00:00+00:00"}]


def test_a_later_change_has_a_later_time_whatever_the_clock_shows(
    store: Store, database: str
) -> None:
    store.commit(Batch(markets=(market(),)))
    do(
        database,
        "insert into market_history values (%s, now() + interval '1 day', '{}')",
        CONDITION,
    )
    store.commit(Batch(markets=(market(closed=True),)))
    query = "select changes from market_history order by known_at desc limit 1"
    assert ask(database, query) == [({"closed": True},)]


@pytest.mark.parametrize(
    "command",
    [
        "update market_history set changes = '{}'",
        "delete from market_history",
        "truncate market_history",
    ],
)
def test_the_history_is_only_added_to(store: Store, database: str, command: str) -> None:
    store.commit(Batch(markets=(market(),)))
    with pytest.raises(psycopg.errors.RestrictViolation):
        do(database, command)


def test_a_damaged_text_is_stored_with_its_market(store: Store, database: str) -> None:
    event = msgspec.structs.replace(EVENT, title="a\x00b")
    store.commit(Batch(markets=(listed(event=event, description="a\ud83db", group_title="\x00"),)))
    assert ask(
        database, "select title, description, group_title from markets join events using (event_id)"
    ) == [("a\ufffdb", "a\ufffdb", "\ufffd")]


def test_trackers_that_store_the_same_events_do_not_wait_for_those_that_are_the_same(
    store: Store, database: str
) -> None:
    store.commit(Batch(markets=(listed(),)))
    with psycopg.connect(database) as other:
        other.execute("select from events for update")
        before = ask(database, "select xmin from events")
        store.commit(Batch(markets=(market("0x" + "b2" * 32, ("3", "4"), details=DETAILS),)))
    assert ask(database, "select xmin from events") == before


def test_events_are_locked_in_their_order_whatever_that_of_their_markets(
    store: Store, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.database.shared_rows.MARKETS_AT_ONCE", 2)
    for title in ("first", "second"):  # new ones, then known ones that change
        told = [
            market(
                f"0x{number:064x}",
                (f"{number}1", f"{number}2"),
                details=Details(event=Event(event_id=f"{number * 7 % 11}", title=title)),
            )
            for number in range(1, 11)
        ]
        store.commit(Batch(markets=tuple(told)))
        written = ask(database, "select event_id, title from events order by ctid")
        assert written == [(f"{each}", title) for each in sorted(map(str, range(1, 11)))]
