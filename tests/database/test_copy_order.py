"""COPY is given rows in the order of the table's key, in chunks, without duplicates."""

import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random

import msgspec
import pytest

from actors.database.binary_copy import KeyedTrade, sorted_chunks
from actors.database.cache import RecentTrades
from actors.model.trade import ConditionId, TokenId, Trade, trade_hashes

TOKEN = TokenId("7" * 77)
START_MS = 1_785_000_000_000


def trade(at_ms: int = START_MS, size: str = "5") -> Trade:
    return Trade(
        token_id=TOKEN,
        condition_id=ConditionId("0x" + "ab" * 32),
        traded_at_ms=at_ms,
        received_at_ns=at_ms * 1_000_000,
        price=Decimal("0.5"),
        size=Decimal(size),
        side="BUY",
    )


def given(
    rows: Sequence[Trade],
    *,
    keys: Mapping[str, int] | None = None,
    recent: RecentTrades | None = None,
) -> list[list[KeyedTrade]]:
    hashes, origins = list(trade_hashes(rows)), [(1, place) for place in range(len(rows))]
    return list(sorted_chunks(rows, hashes, origins, keys or {TOKEN: 1}, recent or RecentTrades()))


def test_rows_come_by_time_token_and_signed_hash_through_all_chunks() -> None:
    other = TokenId("8" * 77)
    rows = [
        msgspec.structs.replace(trade(START_MS + number // 7, str(number)), token_id=token)
        for number in range(1, 1000)
        for token in (TOKEN, other)
    ]
    Random(1).shuffle(rows)
    found = given(rows, keys={TOKEN: 300, other: 2})
    assert len(found) > 3
    order = [
        (row.traded_at_ms, asset, digest) for some in found for _, row, asset, digest, _ in some
    ]
    assert order == sorted(order)
    assert sorted(msgspec.json.encode(row) for some in found for _, row, _, _, _ in some) == sorted(
        msgspec.json.encode(row) for row in rows
    )
    assert min(digest for _, _, digest in order) < 0 < max(digest for _, _, digest in order)


def test_trades_of_one_millisecond_stay_in_one_chunk() -> None:
    rows = [trade(START_MS, str(number)) for number in range(1, 700)] + [trade(START_MS + 1)]
    assert [len(some) for some in given(rows)] == [699, 1]
    assert given([]) == []


def test_the_first_chunk_is_made_before_the_last_rows_are_read() -> None:
    rows = [trade(START_MS + number) for number in range(600)] + [trade(2**64)]
    nothing = [1] * len(rows), [(0, 0)] * len(rows)
    found = sorted_chunks(rows, *nothing, {TOKEN: 1}, RecentTrades())
    assert len(next(found)) > 100
    with pytest.raises(OverflowError):
        list(found)


def test_trades_that_were_stored_recently_are_left_out() -> None:
    rows = [trade(START_MS + number) for number in range(600)]
    recent = RecentTrades()
    given(rows[1::2], recent=recent)
    recent.commit()
    assert [row for some in given(rows, recent=recent) for _, row, _, _, _ in some] == rows[::2]
    recent.commit()
    assert given(rows, recent=recent) == [[], [], []]


@pytest.mark.parametrize("at_ms", [-1, 253_402_300_800_000, 2**64])
def test_a_time_without_a_key_is_rejected(at_ms: int) -> None:
    with pytest.raises((struct.error, OverflowError)):
        given([trade(at_ms)])


def test_of_equal_trades_the_earliest_receipt_stays() -> None:
    late = msgspec.structs.replace(trade(), received_at_ns=9_000_000_000)
    early = msgspec.structs.replace(late, received_at_ns=8_000_000_000)
    for rows in ((late, early), (early, late)):
        ((found,),) = given(rows)
        assert found[1] == early
