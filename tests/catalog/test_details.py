"""What only readers of the data need goes to the writer and stays in no memory of ours."""

from decimal import Decimal

import msgspec
import pytest

from actors.catalog.outbox import DETAILED_MAX
from actors.catalog.universe import Filters, Universe, fingerprint
from actors.messages import MarketsReviewed, MarketsSeen, StoreOpened, UniverseChanged
from actors.model.market import Details, Event, Market, without_details
from tests.catalog.test_actor import Harness, has_details, ids, watching, web_of
from tests.catalog.test_universe import market
from tests.fakes_box import drain
from tests.fakes_http import FakeMarket, condition

DETAILS = Details(
    event=Event(event_id="1", title="Weather"), tick_size=Decimal("0.01"), description="Rules."
)


def sweep(harness: Harness) -> None:
    """Let the next sweep come; Gamma may be asked for all of it in a few windows."""
    harness.tick(1_900.0)
    for _ in range(3):
        harness.tick(10.0)


def sent_to_others(harness: Harness) -> list[Market]:
    """Return the markets that the supervisor and resolution have received."""
    boxes = (harness.supervisor, harness.resolution)
    changes = [change for box in boxes for change in box.of(UniverseChanged)]
    return [each for change in changes for each in change.added]


def test_only_the_writer_receives_the_details_of_markets() -> None:
    web = web_of(5)
    harness = watching(web)
    harness.tick()
    web.markets[condition(3)].tags = ("other",)
    harness.tick(4_000.0)
    written = [each for seen in harness.writer.of(MarketsSeen) for each in seen.markets]
    assert len(written) == 6
    assert all(each.details is not None for each in written)
    assert sent_to_others(harness)
    assert all(each.details is None for each in sent_to_others(harness))


def test_what_is_sent_again_has_no_details_and_the_next_sweep_tells_them() -> None:
    harness = watching(web_of(5))
    harness.tick()
    harness.writer.clear()
    harness.actor.on_receive(StoreOpened(server="x"))
    again = [each for seen in harness.writer.of(MarketsSeen) for each in seen.markets]
    assert {each.condition_id for each in again} == ids(range(5))
    assert all(each.details is None for each in again)
    harness.store_all()
    harness.writer.clear()
    harness.tick(4_000.0)
    listed = [each for seen in harness.writer.of(MarketsSeen) for each in seen.markets]
    assert {each.condition_id for each in listed} == ids(range(5))
    assert all(each.details is not None for each in listed)


def test_a_candidate_waits_without_its_description_which_the_next_listing_tells() -> None:
    universe = Universe(Filters(max_assets=2))
    listed = market(1, details=DETAILS)
    universe.sweep([listed])
    (chosen,) = universe.end_sweep(complete=True)
    assert chosen.details == msgspec.structs.replace(DETAILS, description=None)
    assert universe.sweep([listed]).changed == (listed,)
    assert universe.sweep([listed]).same == (listed,)


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Other rules."},
        {"tick_size": Decimal("0.001")},
        {"event": Event(event_id="1", title="Rain")},
    ],
)
def test_a_change_of_the_details_is_a_change_of_the_market(change: dict[str, object]) -> None:
    changed = msgspec.structs.replace(DETAILS, **change)
    assert fingerprint(market(1, details=DETAILS)) != fingerprint(market(1, details=changed))


def test_a_market_without_details_is_not_copied() -> None:
    plain = market(1)
    assert without_details((plain, market(2, details=DETAILS))) == (plain, market(2))
    assert without_details((plain,))[0] is plain


def test_what_was_sent_without_details_is_stored_with_them_later_and_then_no_more() -> None:
    web = web_of(DETAILED_MAX * 3)
    web.page_size = 1
    harness = watching(web)
    sweep(harness)
    first = harness.writer.of(MarketsSeen)
    assert [has_details(message) for message in first].count(False) == DETAILED_MAX * 2
    for _ in range(2):  # each sweep finds the writer idle, and tells so much at most
        harness.store_all()
        sweep(harness)
    sent = [each for message in harness.writer.of(MarketsSeen) for each in message.markets]
    assert {each.condition_id for each in sent if each.details} == ids(range(DETAILED_MAX * 3))
    harness.store_all()
    harness.writer.clear()
    sweep(harness)
    assert harness.stored() == []


def test_what_a_review_finds_keeps_its_details_until_it_is_stored() -> None:
    web = web_of(1)
    harness = watching(web)
    harness.tick()
    web.add(FakeMarket(60, tags=("other",)))
    harness.actor.on_receive(MarketsReviewed(unknown=(condition(60),), until=None))
    drain(harness.actor)
    harness.writer.clear()
    harness.actor.on_receive(StoreOpened(server="x"))
    sent = [each for message in harness.writer.of(MarketsSeen) for each in message.markets]
    (found,) = [each for each in sent if each.condition_id == condition(60)]
    assert found.details is not None
