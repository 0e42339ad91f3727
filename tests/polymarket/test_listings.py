from datetime import UTC, datetime, timedelta
from decimal import Decimal

from actors.model.trade import ConditionId
from actors.polymarket.listings import (
    LatestStart,
    closings,
    created,
    everything,
    first_turn,
    named,
    newest,
    spellings,
)
from actors.polymarket.pagination import Route, iso

AT = datetime(2026, 10, 5, 12, tzinfo=UTC)


def polled(latest: LatestStart, *times: datetime | None, now: datetime) -> datetime:
    latest.note(times)
    latest.finish(now, complete=True)
    return latest.at


def test_the_latest_start_moves_forward_never_back_never_into_the_future() -> None:
    latest = LatestStart(AT)
    later = AT + timedelta(seconds=30)
    assert polled(latest, AT - timedelta(days=1), None, now=AT) == AT
    assert polled(latest, AT + timedelta(days=1), now=later) == later
    assert latest.since == later - timedelta(minutes=2)
    assert polled(latest, now=AT) == later


def test_the_latest_start_waits_for_the_end_of_the_poll() -> None:
    latest = LatestStart(AT)
    later = AT + timedelta(seconds=30)
    latest.note([later])
    latest.note([AT])
    assert latest.at == AT
    latest.finish(later, complete=False)
    assert latest.at == AT
    latest.finish(later, complete=True)
    assert latest.at == AT  # what the incomplete poll has read is forgotten
    latest.note([later])
    latest.note([AT])
    latest.finish(later, complete=True)
    assert latest.at == later


def test_listings_ask_for_closed_markets_or_for_open_ones() -> None:
    listings = (
        newest(AT, tags=False),
        everything(min_volume=Decimal(0), by_volume=False, tags=False),
        closings(),
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


def test_names_go_seventy_at_a_time_ids_apart_from_slugs() -> None:
    names = [f"0x{number:064x}" for number in range(1, 151)] + ["a-slug"]
    keys = [
        [key for key, _ in listing.params if key in {"condition_ids", "slug"}]
        for listing in named(names, tags=False)
    ]
    assert [(len(group), set(group)) for group in keys] == [
        (70, {"condition_ids"}),
        (70, {"condition_ids"}),
        (10, {"condition_ids"}),
        (1, {"slug"}),
    ]


def test_processes_that_begin_within_five_minutes_do_not_ask_the_same_question() -> None:
    def questions(seconds: int) -> set[object]:
        turn = first_turn(AT + timedelta(seconds=seconds))
        listings = (
            everything(min_volume=Decimal(0), by_volume=False, tags=True, turn=turn),
            created(tags=True, turn=turn),
            *named(["a-slug"], tags=True, turn=turn),
        )
        return {(each.params, each.route) for each in listings}

    asked = [questions(seconds) for seconds in range(0, 310, 10)]
    assert len(set[object]().union(*asked)) == sum(map(len, asked)) == 93


def test_a_named_market_of_v2_is_asked_for_as_gamma_writes_it_too() -> None:
    (listing,) = named(["0x" + "cd" * 31 + "00"], tags=False)
    asked = [name for key, name in listing.params if key == "condition_ids"]
    assert asked == ["0x" + "cd" * 31 + "00", "0x" + "cd" * 31]


def test_a_route_that_failed_a_moment_ago_is_avoided() -> None:
    avoid = [Route.KEYSET]
    listings = (
        newest(AT, tags=False, avoid=avoid),
        everything(min_volume=Decimal(0), by_volume=False, tags=False, avoid=avoid),
        *named(["0xab"], tags=False, avoid=avoid),
    )
    assert {each.route for each in listings} == {Route.LIST}


def test_padded_ids_are_requested_in_both_spellings() -> None:
    padded = ConditionId("0x" + "ab" * 31 + "00")
    plain = ConditionId("0x" + "ab" * 32)
    assert spellings([padded, plain]) == (padded, padded[:64], plain)


def test_times_are_spelled_in_utc() -> None:
    assert iso(AT.astimezone()) == "2026-10-05T12:00:00Z"
