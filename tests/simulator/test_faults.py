import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from actors.simulator.fault_injector import FAULTS, ActiveFaults, Fault, make_fault, parse_fault
from tests.simulator.harness import QUIET, Listener, Raw, Rehearsal, rehearsal, run_async


async def stage_with(harness: Rehearsal, count: int) -> tuple[tuple[str, str], list[Listener]]:
    """Make one market and connect listeners to it."""
    _, line = await harness.post("/admin/market", {"life_s": 3600, "fate": "long"})
    harness.turn(0.2)
    tokens = (line["tokens"][0], line["tokens"][1])
    listeners = [await harness.listener() for _ in range(count)]
    for listener in listeners:
        await listener.ask(tokens, custom_feature_enabled=True)
    return tokens, listeners


async def raw_subscriber(harness: Rehearsal) -> tuple[tuple[str, str], Raw]:
    tokens, _ = await stage_with(harness, 0)
    raw = await harness.raw()
    raw.send(json.dumps({"assets_ids": list(tokens), "type": "market", "initial_dump": True}))
    await raw.frame()
    return tokens, raw


def test_fault_text_gives_time_kind_and_all_values() -> None:
    assert parse_fault("10:drop:2") == Fault(at=10.0, kind="drop", values={"count": 2.0})
    assert parse_fault("0.5:close:1013").values == {"code": 1013.0, "count": 1}
    assert make_fault("freeze", {"count": 3}).values == {"count": 3.0, "seconds": 0}
    assert make_fault("http_429:5:30").values == {"seconds": 5.0, "retry_after": 30.0}


@pytest.mark.parametrize(
    "text", ["drop", "x:drop", "1:", "1:earthquake", "1:drop:many", "1:drop:1:1", "-1:drop", ""]
)
def test_wrong_fault_text_is_rejected_with_a_line(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_fault(text)


def test_unknown_value_name_is_rejected() -> None:
    with pytest.raises(ValueError, match="takes count"):
        make_fault("drop", {"seconds": 1})


def test_lasting_fault_is_in_force_until_its_time_is_over() -> None:
    weather = ActiveFaults()
    assert weather.value("slow_http", 0.0) is None
    weather.start(make_fault("slow_http:10:3"), 100.0)
    assert weather.value("slow_http", 109.9) == 3.0
    assert weather.value("slow_http", 110.0) is None
    weather.start(make_fault("http_500:1"), 100.0)
    assert weather.value("http_500", 100.5) == 0.0


def test_scheduled_fault_comes_in_time_and_the_ledger_names_its_connections(
    tmp_path: Path,
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--fault=5:drop:2") as harness:
            _, listeners = await stage_with(harness, 3)
            harness.turn(4)
            assert harness.ledger("fault") == []
            harness.turn(1)
            (line,) = harness.ledger("fault")
            assert line["fault"] == "drop"
            assert len(line["connections"]) == 2
            for number, listener in enumerate(listeners, start=1):
                if number in line["connections"]:
                    assert await listener.close_code() is None
                else:
                    await listener.sync()

    run_async(steps)


def test_drop_is_a_tcp_reset(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            _, raw = await raw_subscriber(harness)
            await harness.inject("drop")
            with pytest.raises(ConnectionResetError):
                await raw.frame()

    run_async(steps)


def test_close_sends_the_code_after_all_data_before_it(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            tokens, (listener,) = await stage_with(harness, 1)
            await harness.post("/admin/trade", {"token": tokens[0]})
            await harness.inject("close:1012")
            assert await listener.close_code() == 1012
            assert len(listener.of("last_trade_price")) == 1

    run_async(steps)


def test_freeze_stops_data_but_not_pong_and_ends_in_time(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            tokens, (one, two) = await stage_with(harness, 2)
            await harness.inject("freeze:1:5", connection=1)
            await harness.post("/admin/trade", {"token": tokens[0]})
            harness.turn(4)
            await one.sync()
            await two.sync()
            assert not one.of("last_trade_price")
            assert len(two.of("last_trade_price")) == 1
            assert harness.ledger("trade")[0]["to"] == [2]
            harness.turn(2)
            await harness.post("/admin/trade", {"token": tokens[0]})
            await one.sync()
            assert len(one.of("last_trade_price")) == 1

    run_async(steps)


def test_freeze_all_stops_all_data_and_nothing_counts_as_delivered(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            tokens, listeners = await stage_with(harness, 3)
            await harness.inject("freeze_all:5")
            harness.turn(0.1)
            await harness.post("/admin/trade", {"token": tokens[0]})
            harness.turn(4)
            for listener in listeners:
                assert await listener.sync() == []
            assert harness.ledger("trade")[0]["delivered"] == 0
            harness.turn(2)
            await harness.post("/admin/trade", {"token": tokens[0]})
            assert len(await listeners[0].sync()) >= 1

    run_async(steps)


def test_no_token_is_missed_on_two_connections(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            tokens, _ = await stage_with(harness, 2)
            await harness.inject("miss_token", connection=1)
            await harness.inject("miss_token", connection=2)
            assert {line["token"] for line in harness.ledger("miss_token")} == set(tokens)

    run_async(steps)


def test_miss_token_hits_one_token_on_one_connection_and_resubscribing_often_cures(
    tmp_path: Path,
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--broken=repeat_book") as harness:
            tokens, (one, two) = await stage_with(harness, 2)
            await harness.inject("miss_token", connection=1)
            (line,) = harness.ledger("miss_token")
            lost = line["token"]
            (kept,) = set(tokens) - {lost}
            for token in tokens:
                await harness.post("/admin/trade", {"token": token})
            await one.sync()
            await two.sync()
            assert [event["asset_id"] for event in one.of("last_trade_price")] == [kept]
            assert {event["asset_id"] for event in two.of("last_trade_price")} == set(tokens)
            for _ in range(30):
                await one.operate("subscribe", (lost,))
                if not harness.simulation.channel.connections[1].missed:
                    break
            await harness.post("/admin/trade", {"token": lost})
            await one.sync()
            assert one.of("last_trade_price")[-1]["asset_id"] == lost

    run_async(steps)


def test_garbage_is_in_the_ledger_as_garbage_and_good_trades_continue(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            tokens, (listener,) = await stage_with(harness, 1)
            await harness.inject("garbage")
            await listener.sync()
            rubbish, listener.texts = listener.texts[1:], []
            (line,) = harness.ledger("garbage")
            assert len(rubbish) == line["frames"] > 20
            assert harness.ledger("trade") == []
            joined = "\n".join(rubbish)
            for mark in ("<html>", "moon_phase", '"NaN"', '"HOLD"', '"1e400"', "[[[["):
                assert mark in joined
            await harness.post("/admin/trade", {"token": tokens[0]})
            await listener.sync()
            assert len(listener.of("last_trade_price")) == 1

    run_async(steps)


def test_half_frame_stalls_inside_a_frame_without_pong(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            tokens, raw = await raw_subscriber(harness)
            await harness.inject("half_frame")
            await harness.post("/admin/trade", {"token": tokens[0]})
            raw.send("PING")
            await harness.get("/admin/summary")
            harness.simulation.channel.connections[1].cut("enough", by="server")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await raw.frame()
            assert harness.ledger("trade")[0]["delivered"] == 0

    run_async(steps)


def test_oversize_frame_has_a_huge_length_and_little_payload(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            _, raw = await raw_subscriber(harness)
            await harness.inject("oversize:1:1048576")
            head = await asyncio.wait_for(raw.reader.readexactly(10), 5)
            assert head == b"\x81\x7f" + (1 << 40).to_bytes(8)

    run_async(steps)


def test_bad_frame_breaks_the_protocol(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            _, (listener,) = await stage_with(harness, 1)
            await harness.inject("bad_frame")
            message = await listener.ws.receive(timeout=5)
            assert message.type is aiohttp.WSMsgType.ERROR

    run_async(steps)


def test_no_books_leaves_a_subscription_unconfirmed_but_trades_come(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            tokens, _ = await stage_with(harness, 0)
            await harness.inject("no_books:60")
            harness.turn(0.1)
            listener = await harness.listener()
            assert await listener.ask(tokens) == []
            await harness.post("/admin/trade", {"token": tokens[0]})
            await listener.sync()
            assert len(listener.of("last_trade_price")) == 1

    run_async(steps)


def test_rejected_handshake_has_the_status_and_then_passes(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            await harness.inject("reject_ws:5:503")
            with pytest.raises(aiohttp.WSServerHandshakeError) as rejected:
                await harness.listener()
            assert rejected.value.status == 503
            harness.turn(6)
            await harness.listener()

    run_async(steps)


@pytest.mark.parametrize("path", ["/gamma/markets", "/clob/markets/0x1", "/data/v2/resolutions"])
def test_http_sources_answer_429_500_and_html_while_it_lasts(tmp_path: Path, path: str) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            url = f"http://127.0.0.1:{harness.port}{path}"
            for fault, status, kind in (
                ("http_429:5:7", 429, "text/plain"),
                ("http_500:5", 500, "application/json"),
                ("http_html:5", 200, "text/html"),
            ):
                await harness.inject(fault)
                async with harness.session.get(url) as response:
                    assert (response.status, response.content_type) == (status, kind)
                    if status == 429:
                        assert response.headers["Retry-After"] == "7"
                harness.turn(6)
            async with harness.session.get(url) as response:
                assert response.content_type == "application/json"
                assert response.status in {200, 400, 404}

    run_async(steps)


def test_answer_is_cut_short_redirected_or_behind_blanks(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            url = f"http://127.0.0.1:{harness.port}/gamma/markets/keyset"
            async with harness.session.get(url) as response:
                whole = await response.read()
            await harness.inject("http_truncated:5")
            async with harness.session.get(url) as response:
                assert await response.read() == whole[: len(whole) // 2]
            harness.turn(6)
            await harness.inject("http_redirect:5")
            async with harness.session.get(url, allow_redirects=False) as response:
                assert response.status == 302
                assert response.headers["Location"].startswith("http://")
            harness.turn(6)
            await harness.inject("http_huge:5:2")
            async with harness.session.get(url) as response:
                assert await response.read() == b" " * (2 << 20) + whole

    run_async(steps)


def test_answer_comes_byte_by_byte(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            await harness.inject("http_drip:5")
            url = f"http://127.0.0.1:{harness.port}/gamma/markets/keyset"
            async with harness.session.get(url) as response:
                assert await response.content.readany() == b"{"

    run_async(steps)


def test_dripping_frame_sends_bytes_but_does_not_end(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            _, raw = await raw_subscriber(harness)
            await harness.inject("drip")
            harness.turn(5.5, step=0.25)
            head = await asyncio.wait_for(raw.reader.readexactly(5), 5)
            assert head[:2] == b"\x81\x7e"
            assert head[4:] == b"{"
            assert int.from_bytes(head[2:4]) > 300

    run_async(steps)


def test_bad_text_is_not_utf_8_and_not_a_trade(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            tokens, raw = await raw_subscriber(harness)
            await harness.inject("bad_text")
            first, payload = await raw.frame()
            assert first == 0x81
            with pytest.raises(UnicodeDecodeError):
                payload.decode()
            await harness.post("/admin/trade", {"token": tokens[0]})
            assert b"last_trade_price" in (await raw.frame())[1]
            assert len(harness.ledger("garbage")) == 1
            assert len(harness.ledger("trade")) == 1

    run_async(steps)


def test_slow_http_answers_late(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            await harness.inject("slow_http:5:30")
            asked = asyncio.ensure_future(harness.get("/gamma/markets"))
            await harness.get("/admin/summary")
            assert not asked.done()
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    run_async(steps)


@pytest.mark.parametrize(
    "body",
    [{}, {"fault": "moon"}, {"kind": "drop", "count": "x"}, {"fault": "drop", "connection": 9}],
)
def test_wrong_request_for_a_fault_is_answered_by_400(
    tmp_path: Path, body: dict[str, object]
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            status, answer = await harness.post("/admin/fault", body)
            assert status == 400
            assert answer["error"]
            assert harness.ledger("fault") == []

    run_async(steps)


def test_every_fault_runs_with_its_defaults(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET) as harness:
            await stage_with(harness, 8)
            for kind in FAULTS:
                await harness.inject(kind)
            assert (await harness.get("/admin/summary"))["faults"] == dict.fromkeys(FAULTS, 1)
            assert [line["fault"] for line in harness.ledger("fault")] == list(FAULTS)

    run_async(steps)
