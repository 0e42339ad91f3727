"""A recording of a look: what is served of it, and what is said of one that cannot be used."""

import asyncio
import json
from collections.abc import Callable
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from actors.simulator.options import BadOption, parse
from actors.simulator.recorded import FILE, START_S, Look, Unreadable, dated_now, read
from tests.simulator.harness import START_S as NOW_S
from tests.simulator.harness import Listener, Rehearsal, rehearsal, run_async

CONDITION = "0x" + "ab" * 32
TOKENS = ("1" * 77, "2" * 77)
THEN_S = 1_700_000_000.0
MARKET = {
    "id": "7",
    "conditionId": CONDITION,
    "slug": "as-recorded",
    "clobTokenIds": json.dumps(TOKENS),
    "outcomes": '["Yes", "No"]',
    "closed": False,
    "odd": 1.50,
}
FIRST = {"assets_ids": list(TOKENS), "type": "market", "initial_dump": True}
AGAIN = {"assets_ids": list(TOKENS), "operation": "subscribe", "initial_dump": True}


def line(kind: str, at: float = 0.0, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "at": THEN_S + at, **fields}


def http(target: str, at: float = 0.0, **fields: Any) -> dict[str, Any]:
    made = {
        "side": "gamma", "method": "GET", "target": target, "sent": "", "seconds": 0.1,
        "status": 200, "headers": {}, "body": "[]", "error": "", **fields,
    }  # fmt: skip
    return line("http", at, **made)


def book(token: str) -> dict[str, Any]:
    at = str(int(THEN_S * 1000) - 5)
    return {"event_type": "book", "market": CONDITION, "asset_id": token, "timestamp": at}


def trade(at: float, token: str = TOKENS[0]) -> str:
    return json.dumps(
        {
            "event_type": "last_trade_price", "market": CONDITION, "asset_id": token,
            "price": "0.5", "size": "1", "side": "BUY", "fee_rate_bps": "0",
            "timestamp": str(round((THEN_S + at) * 1000)), "transaction_hash": "0x" + "cd" * 32,
        }
    )  # fmt: skip


PAGE = http("/markets/keyset?limit=1&closed=false", body=json.dumps({"markets": [MARKET]}))
OPEN = line("open", reason="", detail="")
BOOKS = line("frame", 1.2, text=json.dumps([book(token) for token in TOKENS]))
FEED = [
    OPEN,
    line("sent", 1.0, text=json.dumps(FIRST)),
    BOOKS,
    line("frame", 2.0, text=trade(1.9)),
    line("sent", 3.0, text=json.dumps(AGAIN)),
    line("frame", 3.5, text="NO NEW ASSETS"),
]


def write(folder: Path, *lines: dict[str, Any], ended: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    all_lines = [line("recording", version=1, tracker="1", hosts={}), *lines]
    if ended:
        all_lines.append(line("end", 9.0, lines=len(all_lines) + 1, full=False))
    (folder / FILE).write_text("".join(f"{json.dumps(each)}\n" for each in all_lines))
    return folder


def replay(
    tmp_path: Path,
    lines: list[dict[str, Any]],
    steps: Callable[[Rehearsal], Any],
    *argv: str,
) -> None:
    """Serve a recording and carry out the steps."""

    async def served() -> None:
        folder = write(tmp_path / "look", *lines)
        async with rehearsal(tmp_path / "run", f"--replay={folder}", *argv) as harness:
            await steps(harness)

    run_async(served)


async def fetched(harness: Rehearsal, path: str) -> tuple[int, str, Any]:
    url = f"http://127.0.0.1:{harness.port}{path}"
    async with harness.session.get(url) as response:
        return response.status, await response.text(), response.headers


# ------------------------------------------------------------------------ HTTP


def test_what_was_asked_gets_its_answer_byte_by_byte_whatever_the_order_of_its_query(
    tmp_path: Path,
) -> None:
    async def steps(harness: Rehearsal) -> None:
        found = await fetched(harness, "/gamma/markets/keyset?closed=false&limit=1")
        assert found[:2] == (200, PAGE["body"])

    replay(tmp_path, [PAGE], steps)


def test_answers_come_in_turn_and_then_from_the_first_again(tmp_path: Path) -> None:
    async def steps(harness: Rehearsal) -> None:
        found = [(await fetched(harness, "/data/v2/resolutions?condition=1"))[1] for _ in range(5)]
        assert found == ["1", "2", "1", "2", "1"]

    asked = [
        http("/v2/resolutions?condition=1", side="data", body="1"),
        http("/v2/resolutions?condition=1", side="data", body="2"),
    ]
    replay(tmp_path, asked, steps)


def test_an_error_is_served_as_it_was_with_the_headers_that_matter(tmp_path: Path) -> None:
    async def steps(harness: Rehearsal) -> None:
        status, body, headers = await fetched(harness, "/clob/markets/0x1")
        assert (status, body) == (429, "slow down")
        assert (headers["Retry-After"], headers["Content-Type"]) == ("3", "text/plain")

    told = {"retry-after": "3", "content-type": "text/plain", "server": "cloudflare"}
    one = http("/markets/0x1", side="clob", status=429, headers=told, body="slow down", error="x")
    replay(tmp_path, [one], steps)


@pytest.mark.parametrize("fields", [{"status": None}, {"status": 200, "error": "cut"}])
def test_an_answer_that_never_came_whole_does_not_come_now(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    async def steps(harness: Rehearsal) -> None:
        with pytest.raises(aiohttp.ClientError):
            await fetched(harness, "/data/v2/resolutions?condition=1")

    one = http("/v2/resolutions?condition=1", side="data", **{"error": "cut", **fields})
    replay(tmp_path, [one], steps)


@pytest.mark.parametrize(
    ("ahead_s", "served_s"),
    # Whole seconds: what was made within the second that it names is made within it again.
    [(-0.4, 0), (30.0, 30), (-30.0, -30)],
)
def test_the_date_is_as_far_from_now_as_it_was_from_then(
    tmp_path: Path, ahead_s: float, served_s: int
) -> None:
    async def steps(harness: Rehearsal) -> None:
        _, _, headers = await fetched(harness, "/data/v2/resolutions?condition=1")
        made_s = parsedate_to_datetime(headers["Date"]).timestamp()
        assert abs(made_s - NOW_S - served_s) <= 1
        assert headers["Age"] == "17"

    headers = {"date": formatdate(THEN_S + ahead_s, usegmt=True), "age": "17"}
    one = http("/v2/resolutions?condition=1", side="data", headers=headers)
    replay(tmp_path, [one], steps)


def test_a_route_that_always_failed_fails_for_every_question(tmp_path: Path) -> None:
    async def steps(harness: Rehearsal) -> None:
        found = await fetched(harness, "/gamma/markets?closed=true&limit=5")
        assert found[:2] == (404, "gone")
        found = await fetched(harness, "/gamma/markets/keyset?closed=false&order=createdAt")
        assert found[:2] == (422, "no order")
        assert (await fetched(harness, "/gamma/markets/keyset?closed=false&limit=9"))[0] == 200

    failed = [
        http("/markets?limit=1", status=404, body="gone", error="x"),
        http("/markets/keyset?order=volumeNum", status=422, body="no order", error="x"),
    ]
    replay(tmp_path, [PAGE, *failed], steps)


def test_what_was_not_asked_is_answered_from_the_recorded_markets(tmp_path: Path) -> None:
    async def steps(harness: Rehearsal) -> None:
        page = await harness.get("/gamma/markets/keyset", condition_ids=CONDITION, closed="false")
        assert page["markets"] == [MARKET]
        clob = await harness.get(f"/clob/markets/{CONDITION}")
        assert [each["token_id"] for each in clob["tokens"]] == list(TOKENS)

    replay(tmp_path, [PAGE], steps)


def test_a_page_that_is_no_json_is_served_and_makes_no_market(tmp_path: Path) -> None:
    async def steps(harness: Rehearsal) -> None:
        assert (await fetched(harness, "/gamma/markets/keyset?limit=1"))[1] == '{"markets": [NaN]}'
        assert (await harness.get("/gamma/markets/keyset", limit="2"))["markets"] == []

    replay(tmp_path, [http("/markets/keyset?limit=1", body='{"markets": [NaN]}')], steps)


# ------------------------------------------------------------------------ feed


async def first(harness: Rehearsal, message: dict[str, Any] = FIRST) -> Listener:
    listener = await harness.listener()
    await listener.ws.send_json(message)
    await listener.sync()
    return listener


async def texts(harness: Rehearsal, listener: Listener, seconds: float) -> list[str]:
    """Return the texts that come within so many seconds."""
    harness.turn(seconds)
    return [text for text in await listener.sync() if text]


def test_frames_come_behind_the_message_that_they_came_behind_at_their_pace(tmp_path: Path) -> None:
    async def steps(harness: Rehearsal) -> None:
        listener = await first(harness)
        assert len(await texts(harness, listener, 0.15)) == 0
        assert len(await texts(harness, listener, 0.1)) == 1
        assert "last_trade_price" in (await texts(harness, listener, 0.9))[0]
        assert await texts(harness, listener, 9) == []  # the second message was not sent yet
        await listener.ws.send_json(AGAIN)
        await listener.sync()
        assert await texts(harness, listener, 0.4) == []
        assert await texts(harness, listener, 0.2) == ["NO NEW ASSETS"]

    replay(tmp_path, [PAGE, *FEED], steps)


def test_ten_times_as_fast_takes_a_tenth_of_the_time_and_keeps_lateness(tmp_path: Path) -> None:
    async def steps(harness: Rehearsal) -> None:
        listener = await first(harness)
        _, found = await texts(harness, listener, 0.12)
        late_ms = harness.simulation.wall() - int(json.loads(found)["timestamp"])
        assert 100 <= late_ms <= 130  # as it was recorded, and up to 0.02 s since it was due

    replay(tmp_path, [PAGE, *FEED], steps, "--speed=10")


def test_each_connection_that_does_as_the_look_did_gets_all_again(tmp_path: Path) -> None:
    async def steps(harness: Rehearsal) -> None:
        for _ in range(2):
            listener = await first(harness)
            assert len(await texts(harness, listener, 2)) == 2

    replay(tmp_path, [PAGE, *FEED], steps)


@pytest.mark.parametrize(
    ("reason", "code"),
    [("closed_1013", 1013), ("reset", None), ("closed", None)],
)
def test_a_connection_ends_as_it_ended(tmp_path: Path, reason: str, code: int | None) -> None:
    async def steps(harness: Rehearsal) -> None:
        listener = await first(harness)
        harness.turn(1)
        if reason == "closed":  # the look ended it
            assert await listener.sync() == []
        else:
            assert await listener.close_code() == code

    closed = line("closed", 1.5, reason=reason, detail="slow consumer")
    replay(tmp_path, [OPEN, FEED[1], closed], steps)


@pytest.mark.parametrize(("reason", "status"), [("http_403", 403), ("dns", None)])
def test_a_handshake_that_failed_fails_again(
    tmp_path: Path, reason: str, status: int | None
) -> None:
    async def steps(harness: Rehearsal) -> None:
        with pytest.raises(aiohttp.ClientError) as failure:
            await harness.listener()
        assert getattr(failure.value, "status", None) == status

    replay(tmp_path, [line("open", reason=reason, detail="")], steps)


def test_other_connections_get_the_frames_of_their_tokens_side_by_side_and_once(
    tmp_path: Path,
) -> None:
    async def steps(harness: Rehearsal) -> None:
        one, two = [await harness.listener() for _ in range(2)]
        for listener in (one, two):
            assert len(await listener.ask(TOKENS[:1])) == 1
        harness.turn(START_S + 2)
        await asyncio.gather(one.sync(), two.sync())
        (heard,), (also,) = one.of("last_trade_price"), two.of("last_trade_price")
        assert heard == also
        (kept,) = harness.ledger("trade")
        assert (kept["delivered"], str(kept["ts"])) == (2, heard["timestamp"])
        three = await harness.listener()
        await three.ask(TOKENS[:1])
        harness.turn(9)
        await three.sync()
        assert three.of("last_trade_price") == []

    replay(tmp_path, [PAGE, *FEED], steps)


# ---------------------------------------------------------------------- breaks


def breaks(tmp_path: Path, *lines: dict[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    return Look(read(write(tmp_path / "look", *lines))).breaks()


LATER = line("sent", 3.0, text=json.dumps({"assets_ids": list(TOKENS), "operation": "subscribe"}))


@pytest.mark.parametrize(
    ("answer", "broken"),
    [
        (line("frame", 3.1, text="NO NEW ASSETS"), {"repeat_text"}),
        (line("frame", 3.1, text="[]"), {"repeat_empty"}),
        (line("frame", 3.1, text=trade(3.0)), {"repeat_nothing"}),
        (BOOKS, set()),
    ],
)
def test_how_a_repeated_subscription_was_answered_is_how_it_is_answered(
    tmp_path: Path, answer: dict[str, Any], broken: set[str]
) -> None:
    found, intact = breaks(tmp_path, *FEED[:5], answer)
    assert found == broken
    assert intact == {"repeat_text"} - broken


@pytest.mark.parametrize("dumped", [True, False])
def test_whether_books_came_unasked_is_whether_they_come_unasked(
    tmp_path: Path, dumped: bool
) -> None:
    found, intact = breaks(tmp_path, OPEN, LATER, *([BOOKS] if dumped else []))
    assert ("dump_only_when_asked" in found, "dump_only_when_asked" in intact) == (
        not dumped,
        dumped,
    )


def test_a_connection_that_was_dropped_at_once_is_always_dropped(tmp_path: Path) -> None:
    closed = line("closed", 1.1, reason="reset", detail="")
    assert breaks(tmp_path, *FEED[:2], closed)[0] == {"accept_then_drop"}
    assert breaks(tmp_path, *FEED, closed)[0] == {"repeat_text"}


# ----------------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ('{"timestamp":"1700000000000"}', '{"timestamp":"1700000060500"}'),
        ('{"timestamp": 1700000000000}', '{"timestamp": 1700000060500}'),
        ('{"timestamp":"1700000000"}', '{"timestamp":"1700000060"}'),
        ('{"timestamp":"2026-01-01T00:00:00Z"}', '{"timestamp":"2026-01-01T00:00:00Z"}'),
        ('{"asset_id":"1700000000000"}', '{"asset_id":"1700000000000"}'),
        ("NO NEW ASSETS", "NO NEW ASSETS"),
    ],
)
def test_only_times_of_events_are_moved(text: str, moved: str) -> None:
    assert dated_now(text.encode(), 60.5) == moved.encode()


# ----------------------------------------------------------------- unusable ones


def damaged(folder: Path, text: str) -> str:
    """Return what is said of a recording with this text."""
    folder.mkdir(exist_ok=True)
    (folder / FILE).write_text(text)
    with pytest.raises(Unreadable) as failure:
        read(folder)
    return str(failure.value)


def test_a_damaged_recording_is_named_with_file_and_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "look", PAGE, *FEED)
    whole = (folder / FILE).read_text()
    lines = whole.splitlines(keepends=True)
    place = str(folder / FILE)
    assert damaged(folder, "".join([*lines[:3], "{broken\n", *lines[3:]])).startswith(
        f"{place} line 4: JSON is malformed"
    )
    assert "line 3: Invalid value 'x' - at `$.kind`" in damaged(
        folder, "".join([*lines[:2], '{"kind":"x","at":1}\n', *lines[2:]])
    )
    assert "line 2: Object missing required field `side`" in damaged(
        folder, lines[0] + '{"kind":"http","at":1}\n'
    )
    assert "line 9: speaks of 9 lines" not in whole
    assert f"line {len(lines) - 1}: speaks of {len(lines)} lines" in damaged(
        folder, "".join([*lines[:2], *lines[3:]])
    )
    assert "line 2: the first line, and no other, is `recording`" in damaged(
        folder, lines[0] + whole
    )
    assert "line 1: the first line, and no other, is `recording`" in damaged(
        folder, "".join(lines[1:])
    )
    assert "line 1: version 2 is not known, only 1" in damaged(
        folder, whole.replace('"version": 1', '"version": 2')
    )


@pytest.mark.parametrize("cut", [0, 1, 40, 300])
def test_a_half_written_recording_is_named_with_file_and_line(tmp_path: Path, cut: int) -> None:
    folder = write(tmp_path / "look", PAGE, ended=False)
    text = (folder / FILE).read_text()
    said = damaged(folder, text[: len(text) - cut])
    assert f"{folder / FILE} line " in said
    assert "ends here without its last line" in said


def test_an_empty_recording_is_half_written(tmp_path: Path) -> None:
    assert "line 1: ends here" in damaged(tmp_path, "")


def test_a_recording_is_found_by_its_folder_and_by_its_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "look", PAGE)
    assert read(folder) == read(folder / FILE)


def test_a_folder_without_a_recording_is_named(tmp_path: Path) -> None:
    async def steps() -> None:
        with pytest.raises(Unreadable, match=f"no {FILE}, and no frames .*, in {tmp_path}"):
            async with rehearsal(tmp_path / "run", f"--replay={tmp_path}"):
                pass

    run_async(steps)


def test_a_recording_of_a_look_is_replayed_alone(tmp_path: Path) -> None:
    folder = write(tmp_path / "look", PAGE)

    async def steps() -> None:
        options = (f"--replay={folder}", f"--replay-gamma={folder}")
        with pytest.raises(Unreadable, match="is replayed alone"):
            async with rehearsal(tmp_path / "run", *options):
                pass

    run_async(steps)


@pytest.mark.parametrize("speed", ["0", "-1", "fast"])
def test_a_speed_is_above_zero(speed: str) -> None:
    with pytest.raises(BadOption, match="--speed"):
        parse(["--dir=x", f"--speed={speed}"])
