from datetime import UTC, datetime, timedelta
from decimal import Decimal

from actors.model.trade import ConditionId
from actors.polymarket.pagination import (
    PAGE_SIZE,
    LatestStart,
    Pagination,
    everything,
    iso,
    named,
    newest,
    resolved,
    spellings,
)

AT = datetime(2026, 10, 5, 12, tzinfo=UTC)


def test_a_pass_follows_the_cursors_to_the_last_page() -> None:
    listing = Pagination((("closed", "false"),))
    assert listing.params == (("closed", "false"), ("limit", "100"))
    listing.advance("a")
    assert (listing.cursor, listing.finished) == ("a", False)
    listing.advance(None)
    assert (listing.pages, listing.finished, listing.repeated) == (2, True, False)


def test_an_empty_cursor_is_the_end() -> None:
    listing = Pagination(())
    listing.advance("")
    assert listing.finished


def test_a_cursor_seen_before_is_the_end_however_far_back() -> None:
    listing = Pagination(())
    for cursor in ("a", "b", "c"):
        listing.advance(cursor)
    listing.advance("a")
    assert listing.finished
    assert listing.repeated


def test_a_pass_has_a_last_page_whatever_the_server_sends() -> None:
    listing = Pagination((), max_pages=3)
    for cursor in ("a", "b", "c"):
        listing.advance(cursor)
    assert listing.finished


def test_a_failing_page_is_requested_again_and_its_cursor_avoided_in_the_end() -> None:
    listing = Pagination(())
    listing.advance("a")
    for _ in range(3):
        listing.failed()
    assert (listing.cursor, dict(listing.params)["limit"]) == ("a", "100")
    listing.failed()
    assert (listing.cursor, dict(listing.params)["limit"]) == (None, "93")
    listing.advance("a")  # a fresh pass may meet old cursors
    assert (listing.cursor, listing.finished) == ("a", False)


def test_the_first_page_is_never_given_up_and_pages_stay_large_enough() -> None:
    listing = Pagination(())
    for _ in range(10):
        listing.failed()
    assert dict(listing.params)["limit"] == str(PAGE_SIZE)
    for _ in range(200):
        listing.advance("a")
        for _ in range(4):
            listing.failed()
    assert int(dict(listing.params)["limit"]) == 40


def test_the_latest_start_moves_forward_never_back_never_into_the_future() -> None:
    latest = LatestStart(AT)
    latest.raise_to([AT - timedelta(days=1), None], AT)
    assert latest.at == AT
    latest.raise_to([AT + timedelta(days=1)], AT + timedelta(seconds=30))
    assert latest.at == AT + timedelta(seconds=30)
    assert latest.since == AT + timedelta(seconds=30) - timedelta(minutes=2)
    latest.raise_to([], AT)
    assert latest.at == AT + timedelta(seconds=30)


def test_listings_ask_for_closed_markets_or_for_open_ones() -> None:
    listings = (
        newest(AT, tags=False),
        everything(min_volume=Decimal(0), by_volume=False, tags=False),
        resolved(),
        *named(["0xab", "slug"], tags=False),
    )
    closed = [dict(each.params)["closed"] for each in listings]
    assert closed == ["false", "false", "true", "false", "false"]


def test_the_listing_of_the_newest_begins_at_the_latest_start() -> None:
    params = dict(newest(AT, tags=True).params)
    assert params["start_date_min"] == "2026-10-05T12:00:00Z"
    assert params["include_tag"] == "true"


def test_a_least_volume_is_a_plain_decimal() -> None:
    params = dict(everything(min_volume=Decimal("1E+4"), by_volume=True, tags=False).params)
    assert (params["volume_num_min"], params["order"]) == ("10000", "volumeNum")


def test_names_go_a_hundred_at_a_time_ids_apart_from_slugs() -> None:
    names = [f"0x{number:064x}" for number in range(150)] + ["a-slug"]
    keys = [
        [key for key, _ in listing.params if key in {"condition_ids", "slug"}]
        for listing in named(names, tags=False)
    ]
    assert [(len(group), set(group)) for group in keys] == [
        (100, {"condition_ids"}),
        (50, {"condition_ids"}),
        (1, {"slug"}),
    ]


def test_padded_ids_are_requested_in_both_spellings() -> None:
    padded = ConditionId("0x" + "ab" * 31 + "00")
    plain = ConditionId("0x" + "ab" * 32)
    assert spellings([padded, plain]) == (padded, padded[:64], plain)


def test_times_are_spelled_in_utc() -> None:
    assert iso(AT.astimezone()) == "2026-10-05T12:00:00Z"
