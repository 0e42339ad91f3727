import struct
from collections.abc import Callable, Iterable, KeysView, Mapping, Sequence
from decimal import Decimal
from random import Random

import msgspec
import pytest

from actors.database.binary_copy import Keyed, portions
from actors.model.trade import ConditionId, TokenId, Trade, trade_hash

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
    known: Callable[[KeysView[bytes]], Iterable[bytes]] = lambda _: (),
) -> list[list[Keyed]]:
    hashes = [trade_hash(row) for row in rows]
    return list(portions(rows, hashes, keys or {TOKEN: 1}, known))


def test_rows_come_by_time_token_and_signed_hash_through_all_portions() -> None:
    other = TokenId("8" * 77)
    rows = [
        msgspec.structs.replace(trade(START_MS + number // 7, str(number)), token_id=token)
        for number in range(1, 1000)
        for token in (TOKEN, other)
    ]
    Random(1).shuffle(rows)
    found = given(rows, keys={TOKEN: 300, other: 2})
    assert len(found) > 3
    told = [(row.traded_at_ms, asset, digest) for some in found for _, row, asset, digest in some]
    assert told == sorted(told)
    assert sorted(msgspec.json.encode(row) for some in found for _, row, _, _ in some) == sorted(
        msgspec.json.encode(row) for row in rows
    )
    assert min(digest for _, _, digest in told) < 0 < max(digest for _, _, digest in told)


def test_what_was_printed_in_one_millisecond_is_never_parted() -> None:
    rows = [trade(START_MS, str(number)) for number in range(1, 700)] + [trade(START_MS + 1)]
    assert [len(some) for some in given(rows)] == [699, 1]
    assert given([]) == []


def test_the_first_rows_are_given_before_the_last_are_looked_at() -> None:
    rows = [trade(START_MS + number) for number in range(600)] + [trade(2**64)]
    found = portions(rows, [1] * len(rows), {TOKEN: 1}, lambda _: ())
    assert len(next(found)) > 100
    with pytest.raises(OverflowError):
        list(found)


def test_what_is_known_is_left_out() -> None:
    rows = [trade(START_MS + number) for number in range(600)]
    known = {key for some in given(rows) for key, row, _, _ in some if row.traded_at_ms % 2}
    assert sum(map(len, given(rows, known=known.intersection))) == 300


@pytest.mark.parametrize("at_ms", [-1, 253_402_300_800_000, 2**64])
def test_a_time_that_has_no_key_is_rejected(at_ms: int) -> None:
    with pytest.raises((struct.error, OverflowError)):
        given([trade(at_ms)])


def test_of_equal_trades_the_earliest_receipt_stays() -> None:
    late = msgspec.structs.replace(trade(), received_at_ns=9_000_000_000)
    early = msgspec.structs.replace(late, received_at_ns=8_000_000_000)
    for rows in ((late, early), (early, late)):
        ((found,),) = given(rows)
        assert found[1] == early
