"""How the simulator answers subscriptions, and who falls silent, when beliefs are broken."""

import json
from pathlib import Path

import pytest

from tests.simulator.harness import QUIET, rehearsal, run_async
from tests.simulator.test_channel import two_markets


async def repeated(folder: Path, *options: str, renewed: bool = False) -> list[str]:
    """Return the texts that answer the second subscription of two tokens on one socket."""
    async with rehearsal(folder, *QUIET, *options) as stage:
        one, _ = await two_markets(stage)
        listener = await stage.listener()
        assert len(await listener.ask(one)) == 2
        if renewed:
            assert await listener.operate("unsubscribe", one) == []
        return await listener.operate("subscribe", one, initial_dump=True)


@pytest.mark.parametrize(
    ("broken", "answer"),
    [("repeat_text", ["NO NEW ASSETS"]), ("repeat_empty", ["[]"]), ("repeat_nothing", [])],
)
def test_a_repeated_subscription_is_answered_as_the_break_says(
    tmp_path: Path, broken: str, answer: list[str]
) -> None:
    async def scene() -> None:
        assert await repeated(tmp_path, f"--broken={broken}") == answer

    run_async(scene)


@pytest.mark.parametrize(
    ("broken", "renewed"),
    [
        ("repeat_book", False),
        ("repeat_book", True),
        ("repeat_text", True),
        ("repeat_empty", True),
    ],
)
def test_a_subscription_that_brings_books(tmp_path: Path, broken: str, *, renewed: bool) -> None:
    async def scene() -> None:
        (books,) = await repeated(tmp_path, f"--broken={broken}", renewed=renewed)
        assert len(json.loads(books)) == 2

    run_async(scene)


def test_with_repeat_nothing_a_token_has_one_dump_on_a_socket(tmp_path: Path) -> None:
    async def scene() -> None:
        assert await repeated(tmp_path, "--broken=repeat_nothing", renewed=True) == []

    run_async(scene)


@pytest.mark.parametrize(
    ("asked", "count"), [({"initial_dump": None}, 0), ({"initial_dump": True}, 2)]
)
def test_books_come_only_when_they_are_asked_for(
    tmp_path: Path, asked: dict[str, bool | None], count: int
) -> None:
    async def scene() -> None:
        async with rehearsal(tmp_path, *QUIET, "--broken=dump_only_when_asked") as stage:
            one, other = await two_markets(stage)
            listener = await stage.listener()
            assert len(await listener.ask(one, **asked)) == count
            texts = await listener.operate("subscribe", other, **asked)
            assert sum(len(json.loads(text)) for text in texts) == count

    run_async(scene)


@pytest.mark.parametrize("broken", ["", "empty_first_rejected"])
def test_an_empty_first_subscription_may_be_rejected(tmp_path: Path, broken: str) -> None:
    async def scene() -> None:
        async with rehearsal(tmp_path, *QUIET, f"--broken={broken}") as stage:
            listener = await stage.listener()
            message = {"assets_ids": [], "type": "market", "initial_dump": True}
            await listener.ws.send_json(message)
            await listener.ws.send_str("PING")
            answer = (await listener.ws.receive()).data
            assert answer == (1008 if broken else "[]")

    run_async(scene)


@pytest.mark.parametrize("broken", ["", "frozen_for_good"])
def test_sockets_of_before_a_freeze_of_all_may_stay_silent(tmp_path: Path, broken: str) -> None:
    async def scene() -> None:
        async with rehearsal(tmp_path, *QUIET, f"--broken={broken}") as stage:
            one, _ = await two_markets(stage)
            old = await stage.listener()
            await old.ask(one)
            await stage.inject("freeze_all:5")
            stage.turn(1)
            stage.turn(6)
            new = await stage.listener()
            assert len(await new.ask(one)) == 2
            await stage.post("/admin/trade", {"token": one[0]})
            stage.turn(0.1)
            heard = [len(await each.sync()) for each in (old, new)]
            assert (heard[0] > 0, heard[1] > 0) == (not broken, True)

    run_async(scene)


def test_a_book_carries_the_time_of_its_last_change_on_the_socket_and_over_http(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        async with rehearsal(tmp_path, *QUIET, "--broken=repeat_book") as stage:
            one, other = await two_markets(stage)
            listener = await stage.listener()
            before = {book["asset_id"]: book["timestamp"] for book in await listener.ask(one)}
            stage.turn(5)
            _, line = await stage.post("/admin/trade", {"token": one[0]})
            stage.turn(5)
            texts = await listener.operate("subscribe", one, initial_dump=True)
            after = {book["asset_id"]: book["timestamp"] for book in json.loads(texts[-1])}
            _, told = await stage.post(
                "/clob/books", [{"token_id": token} for token in (*one, "5", other[0])]
            )
        assert line
        assert after[one[1]] == before[one[1]]
        assert int(after[one[0]]) - int(before[one[0]]) >= 5_000
        times = {book["asset_id"]: book["timestamp"] for book in told}
        assert times == {**after, other[0]: times[other[0]]}

    run_async(scene)


def test_too_many_books_at_once_are_rejected(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rehearsal(tmp_path, *QUIET) as stage:
            status, _ = await stage.post("/clob/books", [{"token_id": "1"}] * 501)
            assert status == 400

    run_async(scene)
