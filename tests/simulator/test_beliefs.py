import json
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from actors.simulator import beliefs
from actors.simulator.beliefs import BREAKS, Break, in_force, parse_broken
from tests.simulator.harness import QUIET, START_S, Rehearsal, rehearsal, run_async

CERTAINTIES = {"sure", "good", "weak"}


def test_every_break_has_a_belief_a_certainty_and_an_effect() -> None:
    for name, each in BREAKS.items():
        assert name == name.lower()
        assert each.belief, name
        assert each.certainty in CERTAINTIES, name
        assert each.effect, name


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set()),
        ("keyset_gone", {"keyset_gone"}),
        (" keyset_gone , cursor_ignored,", {"keyset_gone", "cursor_ignored"}),
    ],
)
def test_names_are_read_from_a_list_with_commas(text: str, names: set[str]) -> None:
    assert parse_broken(text) == names


def test_an_unknown_name_is_rejected_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown break 'keyset'; known: gamma_list_gone, "):
        parse_broken("gamma_list_gone,keyset")


def test_two_of_one_group_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    many = {name: Break("belief", "weak", "effect", group="answer") for name in ("one", "two")}
    monkeypatch.setattr(beliefs, "BREAKS", many)
    with pytest.raises(ValueError, match="one and two exclude each other"):
        parse_broken("one,two")


def test_a_default_gives_way_to_one_of_its_group_and_to_intact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = {name: Break("belief", "weak", "effect", group="answer") for name in ("one", "two")}
    monkeypatch.setattr(beliefs, "BREAKS", {**many, "three": Break("belief", "weak", "effect")})
    monkeypatch.setattr(beliefs, "DEFAULTS", frozenset({"one", "three"}))
    assert in_force(()) == {"one", "three"}
    assert in_force({"two"}) == {"two", "three"}
    assert in_force((), intact={"one"}) == {"three"}
    assert in_force({"one"}, intact={"one", "three"}) == {"one"}


LISTING = "/gamma/markets/keyset?closed=false&limit=5"


@pytest.mark.parametrize(
    ("broken", "path", "status"),
    [
        ("gamma_list_gone", "/gamma/markets?closed=false", 404),
        ("keyset_gone", LISTING, 404),
        ("keyset_422", f"{LISTING}&order=createdAt", 422),
        ("keyset_422", LISTING, 200),
        ("keyset_gone", "/gamma/markets?closed=false", 200),
        ("gamma_list_gone", LISTING, 200),
    ],
)
def test_a_route_that_is_gone_is_gone_alone(
    tmp_path: Path, broken: str, path: str, status: int
) -> None:
    async def steps() -> None:
        async with (
            rehearsal(tmp_path, *QUIET, "--markets=20", f"--broken={broken}") as harness,
            harness.session.get(f"http://127.0.0.1:{harness.port}{path}") as answer,
        ):
            assert answer.status == status

    run_async(steps)


@pytest.mark.parametrize("broken", ["", "v2_unlisted"])
def test_v2_markets_are_announced_and_traded_though_gamma_lists_none(
    tmp_path: Path, broken: str
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--markets=5", f"--broken={broken}") as harness:
            _, made = await harness.post("/admin/market", {"v2": True, "life_s": 9_000})
            harness.turn(200, step=1)
            ids = (made["condition"], made["condition"][:64])
            listed = await harness.get(LISTING.replace("limit=5", "limit=100"))
            named = await harness.get("/gamma/markets", condition_ids=list(ids))
        assert made["version"] == "v2"
        assert bool(named) is not bool(broken)
        assert any(each["conditionId"] in ids for each in listed["markets"]) is not bool(broken)

    run_async(steps)


@pytest.mark.parametrize("broken", ["", "cursor_ignored"])
def test_an_ignored_cursor_brings_the_first_page_again(tmp_path: Path, broken: str) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--markets=20", f"--broken={broken}") as harness:
            first = await harness.get(LISTING)
            second = await harness.get(f"{LISTING}&after_cursor={first['next_cursor']}")
        same = json.dumps(first["markets"][0]["id"]) == json.dumps(second["markets"][0]["id"])
        assert same is bool(broken)

    run_async(steps)


def test_one_that_is_accepted_is_dropped_at_its_first_message(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--broken=accept_then_drop") as harness:
            listener = await harness.listener()
            await listener.ws.send_json({"assets_ids": ["1"], "type": "market"})
            assert await listener.close_code() is None
            assert listener.texts == []
            assert [line["by"] for line in harness.ledger("connection") if "by" in line] == [
                "server"
            ]

    run_async(steps)


@pytest.mark.parametrize(("broken", "behind_s"), [("clock_-30s", 30), ("clock_-2d", 172_800)])
def test_a_clock_that_is_to_seem_behind_makes_the_exchange_stamp_later(
    tmp_path: Path, broken: str, behind_s: int
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--markets=2", f"--broken={broken}") as harness:
            listener = await harness.listener()
            tokens = harness.market().tokens
            (book, _) = await listener.ask(list(tokens))
            assert int(book["timestamp"]) / 1000 - START_S == pytest.approx(behind_s, abs=1)
            path = f"http://127.0.0.1:{harness.port}{LISTING}"
            async with harness.session.get(path) as answer:
                date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
            assert date - START_S == pytest.approx(behind_s, abs=2)

    run_async(steps)


@pytest.mark.parametrize(("broken", "late"), [("", False), ("late_3s", True)])
def test_some_trades_are_sent_3_s_after_their_time(tmp_path: Path, broken: str, late: bool) -> None:
    async def steps() -> None:
        trading = ("--markets=4", "--trades-per-second=100", f"--broken={broken}")
        async with rehearsal(tmp_path, *QUIET, *trading) as harness:
            listener = await harness.listener()
            markets = [harness.market(place) for place in range(4)]
            await listener.ask([token for market in markets for token in market.tokens])
            began_ms = harness.simulation.wall()
            harness.turn(4.0)
            await listener.sync()
        latest, found = 0, []
        for trade in listener.of("last_trade_price"):
            latest = max(latest, int(trade["timestamp"]))
            found.append(latest - int(trade["timestamp"]))
        assert latest > began_ms + 3_500
        assert any(2_500 < behind <= 3_200 for behind in found) is late
        assert (max(found) < 1_000) is not late

    run_async(steps)


@pytest.mark.parametrize(
    ("broken", "copies", "apart_ms"),
    [("", 1, {0}), ("delivered_twice", 2, {0}), ("stamps_differ", 1, {1})],
)
def test_two_connections_are_told_a_trade_alike_or_not(
    tmp_path: Path, broken: str, copies: int, apart_ms: set[int]
) -> None:
    async def steps() -> None:
        trading = ("--markets=1", "--trades-per-second=50", f"--broken={broken}")
        async with rehearsal(tmp_path, *QUIET, *trading) as harness:
            first, second = await harness.listener(), await harness.listener()
            for listener in (first, second):
                await listener.ask(list(harness.market().tokens))
            harness.turn(1.0)
            await first.sync()
            await second.sync()
        one = [int(trade["timestamp"]) for trade in first.of("last_trade_price")]
        other = [int(trade["timestamp"]) for trade in second.of("last_trade_price")]
        assert len(one) == len(other) * copies > 0
        assert {b - a for a, b in zip(one[::copies], other, strict=True)} == apart_ms

    run_async(steps)


async def everything(harness: Rehearsal) -> bytes:
    url = f"http://127.0.0.1:{harness.port}/gamma/markets/keyset?closed=false&limit=100"
    async with harness.session.get(url) as answer:
        assert answer.status == 200
        body: bytes = await answer.read()
        return body


def test_a_poisoned_market_is_no_clean_json_and_its_neighbours_are(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(
            tmp_path, *QUIET, "--markets=200", "--broken=poisoned_market"
        ) as harness:
            raw = await everything(harness)
        assert sum(poison in raw for poison in (b'\\ud83d"', b"raw\ttab", b"NaN")) >= 2
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(raw)

    run_async(steps)


def test_a_market_that_cannot_be_shown_fails_every_answer_with_it_and_no_other(
    tmp_path: Path,
) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--markets=20", "--broken=market_500") as harness:
            bad = harness.market(7)
            for market, status in ((bad, 500), (harness.market(8), 200)):
                for path in ("/gamma/markets", "/gamma/markets/keyset"):
                    answer = await harness.answer(
                        path, condition_ids=[market.condition[:64], market.condition]
                    )
                    assert answer[0] == status
                assert (await harness.answer(f"/gamma/markets/{market.gamma_id}"))[0] == status
            assert (await harness.answer("/gamma/markets/keyset", limit="20"))[0] == 500

    run_async(steps)


def test_fields_of_other_types_are_in_every_market(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--markets=20", "--broken=field_types") as harness:
            (market, *_) = (await harness.get("/gamma/markets/keyset"))["markets"]
        assert market["negRisk"] in ("true", "false")
        assert market["active"] == 1
        assert len(market["outcomes"]) == 2
        assert market["umaResolutionStatus"] == 5

    run_async(steps)


def test_a_listing_out_of_the_cache_is_old_and_says_how_old(tmp_path: Path) -> None:
    async def steps() -> None:
        async with rehearsal(tmp_path, *QUIET, "--markets=20", "--broken=cached_300s") as harness:
            url = f"http://127.0.0.1:{harness.port}/gamma/markets/keyset"
            bodies, ages = [], []
            for wait_s in (0, 200, 101):
                harness.turn(wait_s, step=1)
                async with harness.session.get(url) as answer:
                    bodies.append((await answer.json())["markets"][0]["updatedAt"])
                    ages.append(answer.headers.get("Age"))
            async with harness.session.get(f"{url}?limit=19") as answer:
                other = (await answer.json())["markets"][0]["updatedAt"]
        assert ages == [None, "200", None]
        assert bodies[0] == bodies[1] != bodies[2] == other

    run_async(steps)


@pytest.mark.parametrize(
    ("fate", "winner", "price"),
    [
        ("clean", 0, "1000000000000000000"),
        ("clean", 1, "0"),
        ("split", None, "500000000000000000"),
    ],
)
@pytest.mark.parametrize("v2", [False, True])
def test_a_row_of_uma_has_a_price_and_no_payouts(
    tmp_path: Path, fate: str, winner: int | None, price: str, v2: bool
) -> None:
    async def steps() -> None:
        broken = "--broken=uma_rows_without_payouts"
        async with rehearsal(tmp_path, *QUIET, "--markets=1", broken) as harness:
            body = {"life_s": 1, "fate": fate, "v2": v2}
            if winner is not None:
                body["winner"] = winner
            _, made = await harness.post("/admin/market", body)
            rows = []
            for wait_s in (0, 600):
                harness.turn(wait_s, step=1)
                answer = await harness.get("/data/v2/resolutions", condition=made["condition"])
                rows += answer["data"]
        before, after = rows
        assert (before["payouts"], before["price"]) == (None, "69")
        assert after["price"] == price
        assert (after["payouts"] is None) is not v2

    run_async(steps)


@pytest.mark.parametrize(("broken", "size"), [("page_100", 100), ("page_20", 20)])
def test_a_page_holds_so_many_markets_whatever_is_asked_for(
    tmp_path: Path, broken: str, size: int
) -> None:
    async def steps() -> None:
        arguments = (*QUIET, "--markets=300", f"--broken={broken}")
        async with rehearsal(tmp_path, *arguments) as harness:
            harness.turn(60, step=1)
            url = f"http://127.0.0.1:{harness.port}/gamma/markets"
            sizes = []
            for limit in (1, 50, 100):
                async with harness.session.get(f"{url}/keyset?limit={limit}") as answer:
                    sizes.append(len((await answer.json())["markets"]))
                async with harness.session.get(f"{url}?limit={limit}&offset=10") as answer:
                    sizes.append(len(await answer.json()))
        assert sizes == [size] * 6

    run_async(steps)


@pytest.mark.parametrize(
    ("broken", "held"),
    [
        ("", [150, 160]),
        ("tokens_100_per_connection", [100, 100]),
        ("tokens_20_per_connection", [20, 20]),
        ("tokens_20_per_message", [20, 30]),
    ],
)
def test_tokens_beyond_what_a_connection_can_have_are_ignored_without_an_answer(
    tmp_path: Path, broken: str, held: list[int]
) -> None:
    async def steps() -> None:
        arguments = (*QUIET, "--markets=100", f"--broken={broken}")
        async with rehearsal(tmp_path, *arguments) as harness:
            tokens = [token for each in harness.simulation.markets for token in each.tokens]
            listener = await harness.listener()
            assert len(await listener.ask(tokens[:150])) == held[0]
            (dump,) = await listener.operate("subscribe", tokens[150:160])
            assert len(json.loads(dump)) == held[1] - held[0]
            (connection,) = harness.simulation.channel.connections.values()
            seen = [held[0], len(connection.tokens)]
        assert seen == held

    run_async(steps)


def test_a_subscription_of_too_many_tokens_ends_the_connection(tmp_path: Path) -> None:
    async def steps() -> None:
        arguments = (*QUIET, "--markets=100", "--broken=tokens_30_or_end")
        async with rehearsal(tmp_path, *arguments) as harness:
            tokens = [token for each in harness.simulation.markets for token in each.tokens]
            listener = await harness.listener()
            assert len(await listener.ask(tokens[:30])) == 30
            assert await listener.operate("subscribe", tokens[30:50])
            await listener.operate("subscribe", tokens[50:81])
            assert listener.ended == (1008, "too many assets")

    run_async(steps)


def test_events_hold_the_markets_that_no_other_route_shows(tmp_path: Path) -> None:
    async def steps() -> None:
        broken = "--broken=keyset_gone,gamma_list_gone"
        async with rehearsal(tmp_path, *QUIET, "--markets=60", broken) as harness:
            harness.turn(60, step=1)
            url = f"http://127.0.0.1:{harness.port}/gamma"
            for route in ("markets", "markets/keyset"):
                async with harness.session.get(f"{url}/{route}") as answer:
                    assert answer.status == 404
            found, cursor = set(), ""
            while True:
                query = f"closed=false&order=volume&ascending=false&limit=7{cursor}"
                async with harness.session.get(f"{url}/events/keyset?{query}") as answer:
                    page = await answer.json()
                for event in page["events"]:
                    assert event["tags"]
                    found |= {market["conditionId"] for market in event["markets"]}
                if "next_cursor" not in page:
                    break
                cursor = f"&after_cursor={quote(page['next_cursor'])}"
        listed = harness.simulation.markets
        now = harness.simulation.wall()
        assert len(found) == sum(
            each.lifetime.announced <= each.view("gamma", now) < each.lifetime.closed
            for each in listed
        )

    run_async(steps)
