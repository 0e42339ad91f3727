from datetime import UTC, datetime, timedelta
from decimal import Decimal

from actors.model.trade import ConditionId
from actors.polymarket.pagination import (
    PAGE_SIZE,
    Pagination,
    Watermark,
    everything,
    iso,
    named,
    newest,
    resolved,
    spellings,
)

AT = datetime(2026, 10, 5, 12, tzinfo=UTC)


def test_a_walk_follows_the_cursors_to_the_last_page() -> None:
    walk = Pagination((("closed", "false"),))
    assert walk.params == (("closed", "false"), ("limit", "100"))
    walk.turn("a")
    assert (walk.cursor, walk.finished) == ("a", False)
    walk.turn(None)
    assert (walk.pages, walk.finished, walk.repeated) == (2, True, False)


def test_an_empty_cursor_is_the_end() -> None:
    walk = Pagination(())
    walk.turn("")
    assert walk.finished


def test_a_cursor_seen_before_is_the_end_however_far_back() -> None:
    walk = Pagination(())
    for cursor in ("a", "b", "c"):
        walk.turn(cursor)
    walk.turn("a")
    assert walk.finished
    assert walk.repeated


def test_a_walk_has_a_last_page_whatever_the_server_says() -> None:
    walk = Pagination((), max_pages=3)
    for cursor in ("a", "b", "c"):
        walk.turn(cursor)
    assert walk.finished


def test_a_failing_page_is_repeated_and_its_cursor_avoided_in_the_end() -> None:
    walk = Pagination(())
    walk.turn("a")
    for _ in range(3):
        walk.failed()
    assert (walk.cursor, dict(walk.params)["limit"]) == ("a", "100")
    walk.failed()
    assert (walk.cursor, dict(walk.params)["limit"]) == (None, "93")
    walk.turn("a")  # a fresh pass may meet old cursors
    assert (walk.cursor, walk.finished) == ("a", False)


def test_the_first_page_is_never_given_up_and_pages_stay_large_enough() -> None:
    walk = Pagination(())
    for _ in range(10):
        walk.failed()
    assert dict(walk.params)["limit"] == str(PAGE_SIZE)
    for _ in range(200):
        walk.turn("a")
        for _ in range(4):
            walk.failed()
    assert int(dict(walk.params)["limit"]) == 40


def test_the_watermark_moves_forward_never_back_never_into_the_future() -> None:
    mark = Watermark(AT)
    mark.raise_to([AT - timedelta(days=1), None], AT)
    assert mark.at == AT
    mark.raise_to([AT + timedelta(days=1)], AT + timedelta(seconds=30))
    assert mark.at == AT + timedelta(seconds=30)
    assert mark.since == AT + timedelta(seconds=30) - timedelta(minutes=2)
    mark.raise_to([], AT)
    assert mark.at == AT + timedelta(seconds=30)


def test_listings_say_whether_they_want_closed_markets() -> None:
    walks = (
        newest(AT, tags=False),
        everything(min_volume=Decimal(0), by_volume=False, tags=False),
        resolved(),
        *named(["0xab", "slug"], tags=False),
    )
    assert [dict(walk.params)["closed"] for walk in walks] == ["false", "false", "true"] + [
        "false"
    ] * 2


def test_the_listing_of_the_latest_begins_at_the_mark() -> None:
    params = dict(newest(AT, tags=True).params)
    assert params["start_date_min"] == "2026-10-05T12:00:00Z"
    assert params["include_tag"] == "true"


def test_a_least_volume_is_asked_for_in_plain_decimals() -> None:
    params = dict(everything(min_volume=Decimal("1E+4"), by_volume=True, tags=False).params)
    assert (params["volume_num_min"], params["order"]) == ("10000", "volumeNum")


def test_names_go_a_hundred_at_a_time_ids_apart_from_slugs() -> None:
    names = [f"0x{number:064x}" for number in range(150)] + ["a-slug"]
    keys = [
        [key for key, _ in walk.params if key in {"condition_ids", "slug"}]
        for walk in named(names, tags=False)
    ]
    assert [(len(group), set(group)) for group in keys] == [
        (100, {"condition_ids"}),
        (50, {"condition_ids"}),
        (1, {"slug"}),
    ]


def test_padded_ids_are_asked_for_in_both_spellings() -> None:
    padded = ConditionId("0x" + "ab" * 31 + "00")
    plain = ConditionId("0x" + "ab" * 32)
    assert spellings([padded, plain]) == (padded, padded[:64], plain)


def test_times_are_spelled_in_utc() -> None:
    assert iso(AT.astimezone()) == "2026-10-05T12:00:00Z"
