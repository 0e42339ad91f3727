"""What Gamma tells for readers of the data is read, and no damage of it rejects a market."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.model.market import Details, Event
from actors.polymarket import gamma
from tests.resolution.recorded_answers import changed, fixtures, state

ACTIVE = state("gamma_states", "active")
GROUP = "0x" + "c3" * 32
EVENT: dict[str, Any] = {
    "id": "30829",
    "slug": "weather",
    "title": "The weather",
    "seriesSlug": "daily-weather",
    "negRisk": True,
    "negRiskAugmented": False,
    "negRiskMarketID": GROUP.upper().replace("0X", "0x"),
    "startTime": "2026-05-01T10:00:00Z",
    "endDate": "2026-05-01T12:00:00Z",
    "description": "half an emoji is in many texts",
    "markets": [{"id": 1}],
}
WHOLE: dict[str, Any] = {
    "events": [EVENT, {"id": "100001"}],
    "negRiskMarketID": GROUP,
    "groupItemTitle": "Bern",
    "gameStartTime": "2026-05-01 10:00:00+00",
    "closedTime": "2026-05-01 12:00:30+00",
    "orderPriceMinTickSize": 0.001,
    "feeSchedule": {"rate": 0.03, "exponent": 1, "takerOnly": True, "rebateRate": 0.25},
    "description": "This market resolves to Yes if it rains.",
}
DETAILS = Details(
    event=Event(
        event_id="30829",
        slug="weather",
        title="The weather",
        series_slug="daily-weather",
        neg_risk=True,
        neg_risk_augmented=False,
        neg_risk_market_id=GROUP,
        starts_at=datetime(2026, 5, 1, 10, tzinfo=UTC),
        end_at=datetime(2026, 5, 1, 12, tzinfo=UTC),
    ),
    neg_risk_market_id=GROUP,
    group_title="Bern",
    game_start=datetime(2026, 5, 1, 10, tzinfo=UTC),
    closed_time=datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC),
    tick_size=Decimal("0.001"),
    fee_schedule='{"exponent":1,"rate":0.03,"rebateRate":0.25,"takerOnly":true}',
    description="This market resolves to Yes if it rains.",
)
ATTRIBUTES = {
    "events": "event",
    "negRiskMarketID": "neg_risk_market_id",
    "groupItemTitle": "group_title",
    "gameStartTime": "game_start",
    "closedTime": "closed_time",
    "orderPriceMinTickSize": "tick_size",
    "feeSchedule": "fee_schedule",
    "description": "description",
}
OF_EVENT = {
    "slug": "slug",
    "title": "title",
    "seriesSlug": "series_slug",
    "negRisk": "neg_risk",
    "negRiskAugmented": "neg_risk_augmented",
    "negRiskMarketID": "neg_risk_market_id",
    "startTime": "starts_at",
    "endDate": "end_at",
}
HALF = "\ud83d"
"""Of an emoji: it makes all that it stands in no JSON."""
WRONG: tuple[Any, ...] = (5, -1, [], [1], {"a": "\x00"}, HALF, "soon", "9" * 5_000)


def details(**fields: object) -> tuple[Details, tuple[str, ...]]:
    reading = gamma.read_market(changed(ACTIVE, **WHOLE | fields))
    assert reading.market.details is not None
    return reading.market.details, reading.drift


def is_text(name: str, value: object) -> bool:
    """Return whether a field may hold any text, and this is one."""
    free = name in {"groupItemTitle", "description", "slug", "title", "seriesSlug"}
    return free and isinstance(value, str)


def recorded() -> Path:
    """Return the folder of Gamma's recorded answers."""
    root = fixtures()
    if root is None:
        pytest.skip("no recordings here (TRACKER_FIXTURES)")
    return root / "nautilus_trader" / "gamma"


def test_all_that_is_told_is_read() -> None:
    assert details() == (DETAILS, ())


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("nothing", [None, ""])
def test_what_is_not_told_is_none_and_no_damage(name: str, nothing: object) -> None:
    nothing = nothing if name in {"negRiskMarketID", "groupItemTitle", "description"} else None
    found, drift = details(**{name: nothing})
    assert getattr(found, ATTRIBUTES[name]) is None
    assert drift == ()


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:12])
def test_a_damaged_field_is_none_and_named_and_hides_no_other(name: str, value: object) -> None:
    if is_text(name, value) or (name == "events" and value == []):
        return
    found, drift = details(**{name: value})
    assert getattr(found, ATTRIBUTES[name]) is None
    assert all(each.partition(".")[0] == name for each in drift)
    assert drift
    others = [each for each in ATTRIBUTES.values() if each != ATTRIBUTES[name]]
    assert [getattr(found, each) for each in others] == [getattr(DETAILS, each) for each in others]


@pytest.mark.parametrize("name", OF_EVENT)
@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:12])
def test_a_damaged_field_of_an_event_is_none_and_named(name: str, value: object) -> None:
    if is_text(name, value) or value == HALF:
        return
    found, drift = details(events=[EVENT | {name: value}])
    assert found.event is not None
    assert getattr(found.event, OF_EVENT[name]) is None
    assert drift == (f"events.{name}",)
    assert found.event.event_id == "30829"


def test_a_text_that_is_no_json_hides_its_event_and_nothing_else() -> None:
    found, drift = details(events=[EVENT | {"description": HALF}])
    assert found == msgspec.structs.replace(DETAILS, event=None)
    assert drift == ("events",)


@pytest.mark.parametrize("value", [None, "", [], {}])
def test_an_event_without_a_number_is_none_and_named(value: object) -> None:
    found, drift = details(events=[EVENT | {"id": value}])
    assert found.event is None
    assert drift == ("events.id",)


@pytest.mark.parametrize(
    "value", ["x" * 9_000, "9" * 201, 10**200], ids=["text", "digits", "number"]
)
def test_an_id_of_thousands_of_characters_is_none_and_named(value: object) -> None:
    """No index of the database holds one, so its whole market could not be stored."""
    found, drift = details(events=[EVENT | {"id": value}])
    assert found.event is None
    assert drift == ("events.id",)
    reading = gamma.read_market(changed(ACTIVE, **WHOLE | {"id": value}))
    assert (reading.market.gamma_id, reading.drift) == (None, ("id",))


def test_an_id_of_any_usual_length_is_taken() -> None:
    reading = gamma.read_market(changed(ACTIVE, **WHOLE | {"id": "x" * 200}))
    assert (reading.market.gamma_id, reading.drift) == ("x" * 200, ())


@pytest.mark.parametrize("value", ["0." + "1" * 31, "0." + "1" * 19, "0.5" + "0" * 9_000], ids=len)
def test_a_tick_size_with_more_digits_than_a_column_holds_is_none_and_named(value: str) -> None:
    found, drift = details(orderPriceMinTickSize=value)
    assert (found.tick_size, drift) == (None, ("orderPriceMinTickSize",))


@pytest.mark.parametrize(
    ("value", "size"),
    [("0.01", "0.01"), (0.0001, "0.0001"), (0, None)],
)
def test_a_tick_size_is_exact(value: object, size: str | None) -> None:
    assert details(orderPriceMinTickSize=value) == (
        (msgspec.structs.replace(DETAILS, tick_size=size and Decimal(size))),
        (),
    )


def test_the_same_events_in_another_order_are_the_same() -> None:
    assert details(events=WHOLE["events"][::-1]) == (DETAILS, ())


def test_the_same_tags_in_another_order_are_the_same() -> None:
    tags = [{"slug": "weather"}, {"slug": "swiss"}, "rain"]
    markets = {gamma.parse_market(changed(ACTIVE, tags=each)) for each in (tags, tags[::-1])}
    assert len(markets) == 1


def test_the_same_fees_in_another_order_are_the_same() -> None:
    fees = WHOLE["feeSchedule"]
    assert details(feeSchedule=dict(reversed(fees.items()))) == (DETAILS, ())


def test_recorded_markets_have_no_damage_and_tell_their_event() -> None:
    events = {}
    for path in sorted(recorded().glob("gamma_market*.json")):
        reading = gamma.read_market(path.read_bytes())
        assert reading.drift == ()
        assert reading.market.details is not None
        assert reading.market.details.description
        events[path.stem] = reading.market.details.event
    assert {event.series_slug for event in events.values() if event} == {
        "btc-up-or-down-5m",
        "counter-strike",
    }


def test_a_recorded_group_has_one_id() -> None:
    (event,) = json.loads((recorded() / "gamma_event.json").read_bytes())
    found = [gamma.parse_market(json.dumps(each).encode()).details for each in event["markets"]]
    assert {each.neg_risk_market_id for each in found if each} == {event["negRiskMarketID"]}
    assert {each.group_title for each in found if each} == {"Stephen A. Smith", "Gretchen Whitmer"}
