"""The Data API's list of trades: read strictly, without persons, back to a time."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import PayloadRejected
from actors.model.trade import ConditionId
from actors.polymarket.witness.fills import PAGE_ROWS, FillPage, Reading, query, read_page

MARKET = ConditionId("0x" + "ab" * 32)
PERSONAL = {
    "proxy_wallet": "0x84cfffc3f16dcc353094de30d4a45226eccd2f63",
    "name": "A Person",
    "pseudonym": "Somebody",
    "bio": "lives in",
    "profile_image": "https://example.org/face.png",
}
ROW: dict[str, Any] = {
    "condition_id": MARKET,
    "token_id": "123",
    "side": "BUY",
    "size": 78.55,
    "price": 0.62,
    "timestamp": 1_788_887_014,
    "transaction_hash": "0x" + "8B" * 32,
    "outcome_index": 999,
    **PERSONAL,
}


def page(*rows: object, cursor: str | None = None, **more: object) -> FillPage:
    body = {"data": rows, "pagination": {"next_cursor": cursor, **more}}
    return read_page(json.dumps(body).encode(), MARKET)


def rows(first_s: int, count: int) -> list[dict[str, Any]]:
    return [{**ROW, "timestamp": first_s - place} for place in range(count)]


def test_a_row_becomes_a_fill_with_exact_numbers() -> None:
    found = page(ROW)
    (fill,) = found.fills

    assert (fill.size, fill.price) == (Decimal("78.55"), Decimal("0.62"))
    assert fill.transaction == "0x" + "8b" * 32
    assert (fill.token_id, fill.at_ms) == ("123", 1_788_887_014_000)
    assert (found.rows, found.rejected, found.next_cursor) == (1, (), None)


def test_the_recorded_row_is_read() -> None:
    folder = os.environ.get("TRACKER_FIXTURES")
    if not folder:
        pytest.skip("needs the recordings")
    row = json.loads((Path(folder) / "py-sdk/data_v2_trade_row.trimmed.json").read_text())
    found = read_page(
        json.dumps({"data": [row], "pagination": {"next_cursor": None}}).encode(),
        ConditionId(row["condition_id"]),
    )

    assert [fill.size for fill in found.fills] == [Decimal("78.55")]


def test_nothing_about_a_person_is_kept() -> None:
    reading = Reading(MARKET, 0)
    reading.add(page(ROW), 1)
    kept = msgspec.json.encode([page(ROW), reading.told]).decode()

    assert all(value not in kept for value in PERSONAL.values())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"condition_id": "0x" + "cd" * 32}, "another market"),
        ({"condition_id": "nonsense"}, "another market"),
        ({"token_id": 123}, "unexpected shape"),
        ({"token_id": "0x12"}, "token is malformed"),
        ({"size": "78.55.1"}, "unexpected shape"),
        ({"size": 0}, "size out of range"),
        ({"size": -1}, "size out of range"),
        ({"timestamp": "soon"}, "unexpected shape"),
        ({"timestamp": 1_788_887_014_000}, "time out of range"),
        ({"transaction_hash": "0x12"}, "transaction is malformed"),
        ({"transaction_hash": "8b" * 32}, "transaction is malformed"),
        ({"transaction_hash": "0x" + "zz" * 32}, "transaction is malformed"),
        ({"transaction_hash": None}, "unexpected shape"),
    ],
)
def test_what_cannot_be_read_is_counted_and_hides_no_other(
    change: dict[str, object], reason: str
) -> None:
    found = page({**ROW, **change}, ROW, [], None)

    assert len(found.fills) == 1
    assert dict(found.rejected)[reason] >= 1
    assert sum(dict(found.rejected).values()) == 3


@pytest.mark.parametrize("text", [b"", b"[]", b"<html>", b'{"data": null}', b'{"data": {}}'])
def test_what_is_no_page_is_rejected(text: bytes) -> None:
    with pytest.raises(PayloadRejected):
        read_page(text, MARKET)


def test_a_cursor_that_is_too_long_is_rejected() -> None:
    with pytest.raises(PayloadRejected):
        page(ROW, cursor="c" * 3_000)


def test_more_without_a_cursor_is_no_whole_list() -> None:
    reading = Reading(MARKET, 0)
    reading.add(page(ROW, has_more=True), 1)

    assert dict(reading.told.rejected) == {"no cursor": 1}


@given(st.binary(max_size=200))
def test_nothing_but_a_rejection_comes_of_any_bytes(raw: bytes) -> None:
    try:
        read_page(raw, MARKET)
    except PayloadRejected:
        return


def test_small_trades_are_asked_for_in_a_way_that_is_not_the_default() -> None:
    asked = dict(query(MARKET, None))

    assert Decimal(asked["filter_amount"]) == Decimal("0.000001")
    assert (asked["condition"], asked["limit"]) == (MARKET, str(PAGE_ROWS))
    assert dict(query(MARKET, "next"))["cursor"] == "next"
    assert "cursor" not in asked


def test_it_is_read_back_to_a_time_and_no_further() -> None:
    reading = Reading(MARKET, 1_788_887_000_000)
    reading.add(page(*rows(1_788_887_014, 10), cursor="a"), 70)
    assert (reading.cursor, reading.is_over) == ("a", False)
    reading.add(page(*rows(1_788_887_004, 10), cursor="b"), 50)

    assert reading.is_over
    told = reading.told
    assert (len(told.fills), told.is_whole, told.pages, told.made_at_ms) == (15, True, 2, 50)


def test_the_end_of_the_list_is_an_end_unless_its_last_page_is_full() -> None:
    reading = Reading(MARKET, 0)
    reading.add(page(ROW), 1)
    assert (reading.is_over, reading.told.is_whole) == (True, True)

    full = Reading(MARKET, 0)
    full.add(page(*rows(1_788_887_014, PAGE_ROWS)), 1)
    assert (full.is_over, full.told.is_whole) == (True, False)


def test_an_empty_list_is_not_one_of_this_market() -> None:
    reading = Reading(MARKET, 0)
    reading.add(page(), 1)

    assert (reading.is_over, reading.told.is_known) == (True, False)


@pytest.mark.parametrize("cursors", [("a", "a"), ("a", "b", "a"), ("a", "b", "c", "d")])
def test_cursors_that_lead_nowhere_and_many_pages_end_it(cursors: tuple[str, ...]) -> None:
    reading = Reading(MARKET, 0, most_pages=4)
    for cursor in cursors:
        assert not reading.is_over
        reading.add(page(ROW, cursor=cursor), 1)

    assert (reading.is_over, reading.told.is_whole) == (True, False)


def test_an_empty_page_with_a_cursor_ends_it() -> None:
    reading = Reading(MARKET, 0)
    reading.add(page(cursor="a"), 1)

    assert (reading.is_over, reading.told.is_whole) == (True, False)


def test_a_list_in_another_order_proves_nothing() -> None:
    reading = Reading(MARKET, 1_788_887_005_000)
    reading.add(page(*reversed(rows(1_788_887_014, 10)), cursor="a"), 1)

    assert dict(reading.told.rejected) == {"not newest first": 9}


def test_a_wrong_clock_is_remembered() -> None:
    reading = Reading(MARKET, 0)
    reading.add(page(ROW, cursor="a"), 1, clock_wrong=True)
    reading.add(page(ROW), 1)

    assert reading.told.clock_wrong
