"""Nothing that is told of markets is kept without a bound, and no market is lost by it."""

import json
import tracemalloc
from typing import Any

import pytest

from actors.model.market import Market
from actors.polymarket import gamma
from actors.polymarket.channel import decode
from actors.polymarket.client import events_page
from actors.polymarket.strict_json import (
    MAX_TAGS,
    MAX_TAGS_BYTES,
    MAX_TEXT_CHARS,
)
from tests.resolution.recorded_answers import changed, state

ACTIVE = state("gamma_states", "active")
LONG = "é" * 1_000_000
TEXTS = {
    "question": "question",
    "slug": "slug",
    "groupItemTitle": "group_title",
    "description": "description",
}


def read(**fields: Any) -> tuple[Market, tuple[str, ...]]:
    found = gamma.read_market(changed(ACTIVE, **fields))
    return found.market, found.drift


def longest(market: Market) -> int:
    """Return the length of the longest text of a market."""
    texts = [market.question, market.slug, *market.tags, *(each.outcome for each in market.assets)]
    details = market.details
    assert details is not None
    texts += [details.group_title or "", details.description or ""]
    if details.event:
        texts += [details.event.title or "", details.event.slug or ""]
    return max(map(len, texts))


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_without_end_is_cut_and_named(name: str) -> None:
    market, drift = read(**{name: LONG})
    assert market.assets
    assert drift == (name,)
    assert longest(market) == (100_000 if name == "description" else MAX_TEXT_CHARS)


def test_texts_of_an_event_without_end_are_cut_and_named() -> None:
    event = {"id": "1", "title": LONG, "slug": LONG, "seriesSlug": LONG}
    market, drift = read(events=[event])
    assert drift == ("events.slug", "events.title", "events.seriesSlug")
    assert longest(market) == MAX_TEXT_CHARS


def test_names_of_outcomes_without_end_are_cut_alike_by_all_sources() -> None:
    market, _ = read(outcomes=json.dumps([LONG, "No"]))
    assert [len(each.outcome) for each in market.assets] == [MAX_TEXT_CHARS, 2]
    seen = gamma.observe(changed(ACTIVE, outcomes=json.dumps([LONG, "No"])), market, 0)
    assert {name for _, name in seen.names} == {each.outcome for each in market.assets}


def test_of_300_000_tags_some_are_kept() -> None:
    many = [{"slug": f"tag-{number:06}"} for number in range(300_000)]
    market, drift = read(tags=many)
    assert (len(market.tags), drift) == (MAX_TAGS, ("tags",))
    assert longest(read(tags=[{"slug": LONG}])[0]) == MAX_TEXT_CHARS


def test_what_the_feed_announces_is_cut_in_the_same_way() -> None:
    event = {
        "event_type": "new_market",
        "market": "0x" + "a1" * 32,
        "assets_ids": ["11", "22"],
        "outcomes": [LONG, "No"],
        "question": LONG,
        "slug": LONG,
        "tags": [f"tag-{number}" for number in range(10_000)],
    }
    (market,) = decode((json.dumps(event).encode(),), 1).announced
    assert max(map(len, (market.question, market.slug, market.assets[0].outcome))) == MAX_TEXT_CHARS
    assert len(market.tags) == MAX_TAGS


def test_tags_of_an_event_are_not_copied_a_thousand_times() -> None:
    tags = [{"slug": "t" * MAX_TAGS_BYTES}]
    body = json.dumps({"events": [{"tags": tags, "markets": [json.loads(ACTIVE)] * 1_000}]})
    raw = body.encode()
    tracemalloc.start()
    try:
        page = events_page(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * len(raw)  # a copy of the tags for each: 30 times
    found = gamma.read_market(page.markets[0])
    assert found.market.tags == ()
    assert "tags" in found.drift
