"""Promise: a receipt proves what takers got, once; whatever is odd about it proves nothing."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.polymarket.contract import receipts
from actors.polymarket.contract.receipts import (
    FILLED,
    FIRST,
    MATCHED,
    SECOND,
    Settlement,
    State,
    blocks_of,
    read_block,
    read_receipt,
)
from actors.polymarket.contract.rpc import NOTHING, Answered
from tests.polymarket.logs_of_exchanges import (
    BUY,
    HASH,
    NO,
    SELL,
    V1,
    V2,
    YES,
    bought,
    filled,
    matched,
    receipt,
    text,
)

EACH = [V1, V2]


def read(found: Any) -> Settlement:
    return read_receipt(HASH, Answered(text(found)))


def shares(found: Any) -> dict[str, tuple[Decimal, Decimal]]:
    settled = read(found)
    assert settled.state is State.SETTLED, settled.why
    return {token: (least, most) for token, least, most in settled.shares}


def test_the_topics_are_those_that_were_seen_on_the_chain() -> None:
    # V1: everybody's; V2: decoded by others from transactions of 2026.
    assert FILLED == {
        FIRST: "0xd0a08e8c493f9c94f29311604c9de1b4e8c8d4c06bd0c789af57f2d65bfec0f6",
        SECOND: "0xd543adfd945773f1a62f74f0ee55a5e3b9b1a28262980ba90b1a89f2ea84d8ee",
    }
    assert MATCHED == {
        FIRST: "0x63bf4d16b7fa898ef4c4b2b6d90fd201e9c56313b65638af6088d149d2ce956c",
        SECOND: "0x174b3811690657c217184f89418266767c87e4805d09680c39fc9c031c0cab7c",
    }


def test_a_match_of_2026_as_it_stood_on_the_chain() -> None:
    token = "89524c37efc0b6c2bfcbd9085ab6f6d858f9eee7f54afa8907ac201d61a33039"
    other = "6ffdb99913f4b22e0a53ea2b70b61eea1c4558727be65a8e8e03feb316982553"
    person = "0x000000000000000000000000e9678b6f9830a5b41f941581b1137711af234b05"
    order = "0xfc9b42e2fd6aff6d57f90f32c5c3102f13b215af005e0e7bbad7e8424bd7e49e"
    maker: dict[str, Any] = {
        "address": V2.lower(),
        "topics": [FILLED[SECOND], "0x" + "d2" * 32, "0x" + "0" * 24 + "ab" * 20, person],
        # He buys the other token for 2.4792 to get 5.06: shares are minted.
        "data": "0x" + "0" * 64 + other + f"{2_479_400:064x}{5_060_000:064x}" + "0" * 192,
    }
    second = {**maker, "data": maker["data"].replace(f"{5_060_000:064x}", f"{600_000:064x}")}
    taker = {
        "address": V2.lower(),
        "topics": [MATCHED[SECOND], order, person],
        "data": "0x" + "0" * 64 + token + f"{2_886_600:064x}{5_660_000:064x}",
    }
    assert shares(receipt(maker, second, taker)) == {
        str(int(token, 16)): (Decimal("5.66"), Decimal("5.66"))
    }


@pytest.mark.parametrize("exchange", EACH)
@pytest.mark.parametrize("makers", [1, 3])
def test_makers_and_the_taker_count_once(exchange: str, makers: int) -> None:
    found = receipt(*bought(exchange, 7_000_000, makers=makers))

    assert shares(found) == {"11": (Decimal(7), Decimal(7))}


@pytest.mark.parametrize("exchange", EACH)
def test_a_taker_who_sells_is_counted_by_what_he_gives(exchange: str) -> None:
    made = filled(exchange, BUY, YES, (2_000_000, 5_000_000))
    amounts = (5_000_000, 2_000_000)
    own = filled(exchange, SELL, YES, amounts, taker=None)

    assert shares(receipt(made, own, matched(exchange, SELL, YES, amounts))) == {
        "11": (Decimal(5), Decimal(5))
    }


@pytest.mark.parametrize("exchange", EACH)
@pytest.mark.parametrize("side", [BUY, SELL])
def test_shares_that_are_minted_or_merged_are_of_the_takers_token_alone(
    exchange: str, side: int
) -> None:
    amounts = (2_000_000, 5_000_000) if side == BUY else (5_000_000, 2_000_000)
    made = (3_000_000, 5_000_000) if side == BUY else (5_000_000, 3_000_000)
    found = receipt(filled(exchange, side, NO, made), matched(exchange, side, YES, amounts))

    assert shares(found) == {"11": (Decimal(5), Decimal(5))}


def test_all_matches_of_a_transaction_are_summed_by_token() -> None:
    found = receipt(
        *bought(V1, 1_000_000), *bought(V2, 2_000_000), *bought(V2, 4_000_000, token=NO)
    )

    assert shares(found) == {"11": (Decimal(3), Decimal(3)), "22": (Decimal(4), Decimal(4))}


def test_where_taker_and_makers_differ_the_smaller_sum_is_proven() -> None:
    # A build of V2 wrote what a buyer paid in place of his shares.
    paid = matched(V2, BUY, YES, (2_000_000, 2_000_000))
    found = receipt(filled(V2, SELL, YES, (5_000_000, 2_000_000)), paid)

    assert shares(found) == {"11": (Decimal(2), Decimal(5))}


def test_other_logs_do_not_matter() -> None:
    other = {"address": "0x" + "9" * 40, "topics": ["0x" + "1" * 64], "data": "0x"}
    bare = {"address": V2, "topics": [], "data": "0x"}

    assert shares(receipt(other, *bought(V2, 1_000_000), bare)) == {"11": (Decimal(1), Decimal(1))}


def test_a_transaction_that_failed_settled_nothing() -> None:
    found = read(receipt(status="0x0"))

    assert (found.state, found.shares, found.block) == (State.FAILED, (), "0x10")


ODD: list[tuple[str, dict[str, Any] | None, str]] = [
    ("null", None, "receipt unreadable"),
    ("empty logs", receipt(), "no trade in the logs"),
    ("no logs", receipt(logs=None), "receipt unreadable"),
    ("pending", receipt(*bought(V2, 1), blockNumber=None), "not in a block"),
    ("no status", receipt(*bought(V2, 1), status=None), "status unknown"),
    ("failed, with logs", receipt(*bought(V2, 1), status="0x0"), "status unknown"),
    ("another one", receipt(*bought(V2, 1), transactionHash="0x" + "ef" * 32), "another receipt"),
    ("makers alone", receipt(*bought(V2, 1_000_000)[:1]), "fills without a match"),
    (
        "one more maker",
        receipt(*bought(V2, 9), filled(V2, SELL, YES, (5, 2))),
        "fills without a match",
    ),
    ("shape", {**receipt(), "logs": [{"topics": 1}]}, "receipt unreadable"),
]


@pytest.mark.parametrize(("found", "why"), [each[1:] for each in ODD], ids=[e[0] for e in ODD])
def test_an_odd_receipt_proves_nothing(found: Any, why: str) -> None:
    settled = read(found)

    assert (settled.state, settled.why, settled.shares) == (State.UNKNOWN, why, ())


def _changed(at: int, **changes: Any) -> dict[str, Any]:
    logs = bought(V2, 1_000_000)
    logs[at] = {**logs[at], **changes}
    return receipt(*logs)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (_changed(2, address="0x" + "1" * 40), "another contract"),
        (_changed(0, address=V1), "logs unreadable"),  # a topic of V2 from an address of V1
        (_changed(2, data="0x12"), "logs unreadable"),
        (_changed(2, data="0x" + "zz" * 128), "logs unreadable"),
        (_changed(2, topics=[MATCHED[SECOND], "0x1", "0x2"]), "logs unreadable"),
        (_changed(2, topics=[MATCHED[SECOND]]), "logs unreadable"),
        (_changed(2, data="0x" + "f" * 256), "logs unreadable"),  # no such side
        (_changed(0, removed=True), "logs of another transaction"),
        (_changed(0, transactionHash="0x" + "1" * 64), "logs of another transaction"),
        (_changed(1, logIndex="0x0"), "logs unreadable"),
        (receipt(*bought(V2, 1_000_000, token=0)), "logs unreadable"),
        (receipt(*bought(V1, 10**30)), "logs unreadable"),
        (receipt(matched(V2, BUY, YES, (1, 0))), "logs unreadable"),
    ],
)
def test_a_log_that_is_not_understood_makes_all_unknown(found: Any, why: str) -> None:
    settled = read(found)

    assert (settled.state, settled.why) == (State.UNKNOWN, why)


def test_nothing_is_known_without_an_answer() -> None:
    assert read_receipt(HASH, None).why == "not answered"
    assert read_receipt(HASH, Answered("", NOTHING)).why == "no receipt"
    assert read_receipt(HASH, Answered("{")).why == "receipt unreadable"


def test_the_time_of_the_block_stands_in_the_logs_or_is_asked_for() -> None:
    logs = [{**each, "blockTimestamp": "0x6a000000"} for each in bought(V2, 1_000_000)]
    known, lacking = read(receipt(*logs)), read(receipt(*bought(V2, 1_000_000)))
    mixed = read(receipt(*logs[:1], *bought(V2, 1_000_000)[1:]))

    assert known.at_ms == 0x6A000000 * 1_000
    assert (lacking.at_ms, mixed.at_ms) == (None, None)
    assert list(blocks_of([known, lacking, lacking, read(receipt(status="0x0"))])) == ["0x10"]


@pytest.mark.parametrize(
    ("answer", "at_ms"),
    [
        (Answered('{"number": "0x10", "timestamp": "0x2"}'), 2_000),
        (Answered('{"number": "0x11", "timestamp": "0x2"}'), None),
        (Answered('{"number": "0x10", "timestamp": "2"}'), None),
        (Answered('{"number": 16}'), None),
        (Answered("", NOTHING), None),
        (None, None),
    ],
)
def test_a_block_is_read_strictly(answer: Answered | None, at_ms: int | None) -> None:
    assert read_block("0x10", answer) == at_ms


@given(st.recursive(st.none() | st.integers() | st.text(max_size=8), lambda inner: st.one_of(
    st.lists(inner, max_size=4),
    st.dictionaries(st.sampled_from(["logs", "status", "topics", "data", "address"]), inner),
)))  # fmt: skip
def test_nothing_that_is_json_makes_the_reader_fail(found: Any) -> None:
    settled = read_receipt(HASH, Answered(json.dumps(found)))

    assert settled.state is State.UNKNOWN


def test_what_is_asked() -> None:
    assert receipts.receipt_call(HASH) == ("eth_getTransactionReceipt", (HASH,))
    assert receipts.block_call("0x10") == ("eth_getBlockByNumber", ("0x10", False))
