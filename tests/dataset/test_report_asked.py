"""Which time and which market a command line of tracker-report asks for."""

from datetime import date, timedelta

import pytest

from actors.dataset.report.asked import Wanted, nearest, one_day, require_short, span_of, wanted
from actors.dataset.report.values import Span
from actors.errors import ConfigError

TODAY = date(2026, 3, 10)
ID = "0x" + "ab" * 32


def days(first: int, end: int) -> Span:
    return Span(one_day(date(2026, 3, first)).start, one_day(date(2026, 3, end)).start)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (("2026-03-01", None, None), days(1, 2)),
        (("2026-03-10", None, None), days(10, 11)),  # it is not over
        ((None, "2026-03-01", None), days(1, 2)),
        ((None, "2026-03-01", "2026-03-04"), days(1, 4)),
        ((None, "2026-03-10", "2026-03-11"), days(10, 11)),
        (("today", None, None), days(10, 11)),
        ((None, "yesterday", "tomorrow"), days(9, 11)),
        ((None, None, None), None),
    ],
)
def test_days_are_whole_and_utc_and_exclude_the_last(
    given: tuple[str | None, str | None, str | None], found: Span | None
) -> None:
    assert span_of(*given, TODAY) == found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("2026-03-11", None, None), "--day: 2026-03-11 is in the future"),
        (("tomorrow", None, None), "--day: tomorrow is in the future"),
        (("2026-02-30", None, None), "--day: no calendar has the day 2026-02-30"),
        (("yesterday?", None, None), "--day: 'yesterday?' is no day: write it as 2026-03-01"),
        (("20260301", None, None), "--day: '20260301' is no day"),
        (("2019-12-31", None, None), "--day: days are from 2020-01-01 to"),
        (("2026-03-01", "2026-03-01", None), "--day: is one day"),
        ((None, None, "2026-03-01"), "--to: needs --from"),
        ((None, "2026-03-04", "2026-03-04"), "--to: 2026-03-04 is not after 2026-03-04"),
        ((None, "2026-03-04", "2026-03-01"), "--to: 2026-03-01 is not after 2026-03-04"),
        ((None, "2026-03-04", "2026-03-12"), "--to: 2026-03-12 is in the future"),
    ],
)
def test_what_is_no_such_time_is_an_error_that_says_so(
    given: tuple[str | None, str | None, str | None], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        span_of(*given, TODAY)
    assert str(caught.value).startswith(said)
    assert len(caught.value.lines) == 1


def test_a_report_of_all_markets_has_a_month_at_most() -> None:
    start = days(1, 2).start
    require_short(Span(start, start + timedelta(days=31)))
    with pytest.raises(ConfigError, match="32 days are too many"):
        require_short(Span(start, start + timedelta(days=32)))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ID.upper().replace("0X", "0x"), Wanted(condition_id=ID)),
        (" will-it-rain ", Wanted(slug="will-it-rain")),
        ("Will-It-Rain", Wanted(slug="will-it-rain")),
        ("https://polymarket.com/event/rain", Wanted(event="rain")),
        (
            "https://polymarket.com/event/rain/will-it?tid=17#x",
            Wanted(slug="will-it", event="will-it"),
        ),
        ("polymarket.com/de/event/rain/", Wanted(event="rain")),
        ("https://www.polymarket.com/market/will-it", Wanted(slug="will-it")),
        (
            "https://polymarket.com/sports/nba/games/week/2/nba-a-b",
            Wanted(slug="nba-a-b", event="nba-a-b"),
        ),
    ],
)
def test_a_market_is_named_by_slug_id_or_address(text: str, found: Wanted) -> None:
    assert wanted(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be a slug"),
        ("two words", "must be a slug"),
        ("https://evil.example/event/rain", "is no address at polymarket.com"),
        ("https://polymarket.com.evil.example/event/rain", "is no address at polymarket.com"),
        ("https://polymarket.com/", "names no market"),
        ("https://polymarket.com/profile/x", "names no market"),
    ],
)
def test_what_names_no_market_is_an_error_that_says_so(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        wanted(text)


def test_the_nearest_slugs_come_first() -> None:
    known = ["will-it-rain-in-may", "will-it-rain", "who-wins"]
    assert nearest("will-it-rian", known, 2) == ["will-it-rain", "will-it-rain-in-may"]
