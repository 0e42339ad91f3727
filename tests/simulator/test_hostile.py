"""Faults of an exchange that means harm: cookies, listings without end, messages without end."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from actors.simulator.events import frame
from tests.simulator.harness import QUIET, Raw, Rehearsal, rehearsal, run_async
from tests.simulator.test_gamma import EVENT_KEYS, GAMMA_KEYS

MEBIBYTE = 1 << 20


async def a_market(harness: Rehearsal) -> tuple[str, str]:
    _, line = await harness.post("/admin/market", {"life_s": 3600, "fate": "long"})
    harness.turn(5)  # until Gamma lists it
    return line["tokens"][0], line["tokens"][1]


# ---------------------------------------------------------------------- cookies


async def handshake(harness: Rehearsal, **headers: str) -> list[str]:
    """Return the cookies of the answer to a handshake, however long."""
    async with aiohttp.ClientSession(max_field_size=1 << 20, max_line_size=1 << 20) as session:
        url = f"http://127.0.0.1:{harness.port}/ws/market"
        async with session.ws_connect(url, headers=headers) as ws:
            return ws._response.headers.getall("Set-Cookie", [])


def test_a_handshake_is_answered_with_a_long_cookie_and_one_that_is_to_come_back(
    tmp_path: Path,
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            assert await handshake(harness) == []
            await harness.inject("cookies:5:62")
            long, sticky = await handshake(harness)
            assert len(long) == 62_000
            # Without a domain no client of ours would keep it.
            assert "Domain=127.0.0.1" in long
            assert "Domain=127.0.0.1" in sticky
            assert "Max-Age" in sticky
            harness.turn(6)
            assert await handshake(harness) == []

    run_async(steps)


def test_the_handshakes_that_bring_a_cookie_back_are_counted(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            await handshake(harness)
            assert (await harness.get("/admin/summary"))["connections"]["with_cookies"] == 0
            await handshake(harness, Cookie="sticky=a")
            assert (await harness.get("/admin/summary"))["connections"]["with_cookies"] == 1

    run_async(steps)


# ---------------------------------------------------------- a listing without end


async def pages(harness: Rehearsal, path: str, count: int) -> list[Any]:
    """Follow the cursors of a listing for some pages."""
    found: list[Any] = []
    more: dict[str, str] = {}
    for _ in range(count):
        found.append(await harness.get(path, limit="100", closed="false", **more))
        more = {"after_cursor": found[-1]["next_cursor"]}
    return found


def test_every_page_of_a_listing_without_end_has_other_markets_and_another_cursor(
    tmp_path: Path,
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            await a_market(harness)
            await harness.inject("endless_listing:60:1000")
            listed = await pages(harness, "/gamma/markets/keyset", 4)
            cursors = [page["next_cursor"] for page in listed]
            markets = [market for page in listed for market in page["markets"]]
            assert all(cursors)
            assert len(set(cursors)) == 4
            assert len(markets) == 4000
            assert len({market["conditionId"] for market in markets}) == 4000
            assert len({market["clobTokenIds"] for market in markets}) == 4000
            again = await pages(harness, "/gamma/markets/keyset", 1)
            assert again[0]["next_cursor"] not in cursors

    run_async(steps)


def test_invented_markets_look_as_those_that_trade_and_some_have_endless_texts_and_tags(
    tmp_path: Path,
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            await harness.inject("endless_listing:60:1000")
            page = await harness.get("/gamma/markets/keyset", include_tag="true")
            invented = page["markets"]
            assert all(set(market) >= GAMMA_KEYS for market in invented)
            assert all(set(market["events"][0]) >= EVENT_KEYS for market in invented)
            assert all(market["active"] and not market["closed"] for market in invented)
            assert any(len(market["description"]) == 100_000 for market in invented)
            assert any(len(market["question"]) == 100_000 for market in invented)
            assert any(len(market["tags"]) >= 2000 for market in invented)

    run_async(steps)


def test_a_page_of_a_thousand_invented_markets_is_below_the_bound_of_a_body(
    tmp_path: Path,
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            await harness.inject("endless_listing:60:1000")
            url = f"http://127.0.0.1:{harness.port}/gamma/markets/keyset"
            async with harness.session.get(url) as response:
                assert 2_000_000 < len(await response.read()) < 4_500_000

    run_async(steps)


def test_the_list_form_and_events_have_no_end_either(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            await harness.inject("endless_listing:60:50")
            first = await harness.get("/gamma/markets", offset="0")
            second = await harness.get("/gamma/markets", offset="100")
            ids = {market["conditionId"] for market in first + second}
            assert len(ids) == 100
            events = await pages(harness, "/gamma/events/keyset", 2)
            assert [len(page["events"]) for page in events] == [50, 50]
            assert events[0]["events"][0]["markets"][0]["conditionId"] not in ids

    run_async(steps)


def test_markets_that_are_asked_for_by_name_are_found_in_a_listing_without_end(
    tmp_path: Path,
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            await a_market(harness)
            condition = harness.market().condition
            await harness.inject("endless_listing:5:50")
            found = await harness.get("/gamma/markets/keyset", condition_ids=condition)
            assert [market["conditionId"] for market in found["markets"]] == [condition]
            harness.turn(6)
            page = await harness.get("/gamma/markets/keyset")
            assert [market["conditionId"] for market in page["markets"]] == [condition]

    run_async(steps)


# ------------------------------------------------------------- unfinished messages


async def subscriber(harness: Rehearsal, *tokens: str) -> Raw:
    raw = await harness.raw()
    names = ",".join(f'"{token}"' for token in tokens)
    raw.send(f'{{"assets_ids":[{names}],"type":"market","initial_dump":true}}')
    await raw.frame()
    return raw


def test_an_unfinished_message_lacks_its_last_byte(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            tokens = await a_market(harness)
            await subscriber(harness, *tokens)
            raw = await subscriber(harness, *tokens)
            assert await harness.inject("unfinished:1:2") == [2]
            whole = frame(b" " * (2 * MEBIBYTE))
            came = b""
            while len(came) < len(whole) - 1:
                harness.turn(0.01)
                came += await asyncio.wait_for(raw.reader.read(MEBIBYTE), 10)
            assert came == whole[:-1]
            harness.turn(1)
            await harness.post("/admin/trade", {"token": tokens[0]})
            assert harness.ledger("trade")[0]["to"] == [1]

    run_async(steps)


def test_unfinished_messages_leave_each_token_a_connection_that_is_older(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            one, two = await a_market(harness), await a_market(harness)
            await subscriber(harness, *one)
            await subscriber(harness, *two)
            await subscriber(harness, one[0], two[0])
            await subscriber(harness, one[1], two[1])
            assert sorted(await harness.inject("unfinished:9:1")) == [3, 4]
            # What stands still is no connection that a token could be left to.
            await subscriber(harness, *one)
            assert await harness.inject("unfinished:9:1") == [5]
            await harness.inject("drop", connection=1)
            await subscriber(harness, *one)
            await subscriber(harness, *one)
            assert await harness.inject("unfinished:9:1") == [7]

    run_async(steps)
