"""Promise: of the stream only takers' matches count, however spelled, and no person is read."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model.audit import Fill
from actors.model.trade import ConditionId, TokenId
from actors.polymarket.witness.matches import SUBSCRIPTION, Heard, read_message

MARKET = ConditionId("0x" + "ab" * 32)
HASH = "0x" + "cd" * 32
ROW: dict[str, Any] = {
    "asset": "1234567890123456789",
    "bio": "likes otters",
    "conditionId": MARKET,
    "eventSlug": "e",
    "icon": "https://example.org/i.png",
    "name": "A. Person",
    "outcome": "Yes",
    "outcomeIndex": 0,
    "price": 0.51,
    "profileImage": "https://example.org/p.png",
    "proxyWallet": "0x" + "12" * 20,
    "pseudonym": "Quick-Otter",
    "side": "BUY",
    "size": 5.66,
    "slug": "s",
    "timestamp": 1_790_000_000,
    "title": "?",
    "transactionHash": HASH,
}
FILL = Fill(
    token_id=TokenId("1234567890123456789"),
    transaction=HASH,
    size=Decimal("5.66"),
    price=Decimal("0.51"),
    at_ms=1_790_000_000_000,
)


def read(kind: str = "orders_matched", **changes: Any) -> Heard | None:
    envelope = {
        "connection_id": "x",
        "payload": {**ROW, **changes},
        "timestamp": 1_790_000_001_234,
        "topic": "activity",
        "type": kind,
    }
    return read_message(json.dumps(envelope).encode())


def test_a_match_is_read_with_its_market() -> None:
    assert read() == Heard(MARKET, FILL)


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": "1790000000"},
        {"timestamp": 1_790_000_000_999},
        {"timestamp": "1790000000123"},
        {"size": "5.66", "price": "0.51"},
        {"conditionId": "0X" + "AB" * 32, "transactionHash": "0x" + "CD" * 32},
    ],
)
def test_other_spellings_mean_the_same(changes: dict[str, Any]) -> None:
    assert read(**changes) == Heard(MARKET, FILL)


@pytest.mark.parametrize("kind", ["trades", "something_new", ""])
def test_other_kinds_are_no_matches(kind: str) -> None:
    # `trades` has the makers, too.
    assert read(kind) is None


@pytest.mark.parametrize("raw", [b"", b" \n", b"PONG", b'{"topic":"comments","type":"x"}', b"{}"])
def test_what_is_no_match_is_skipped(raw: bytes) -> None:
    assert read_message(raw) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"asset": 7}, "unexpected shape"),
        ({"size": None}, "unexpected shape"),
        ({"size": "much"}, "unexpected shape"),
        ({"timestamp": 1.5}, "unexpected shape"),
        ({"conditionId": "0x12"}, "condition is malformed"),
    ],
)
def test_a_row_without_a_market_is_of_any_market(changes: dict[str, Any], why: str) -> None:
    assert read(**changes) == Heard(None, None, why)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"asset": "0x1"}, "token is malformed"),
        ({"transactionHash": "0x1"}, "transaction is malformed"),
        ({"transactionHash": ""}, "transaction is malformed"),
        ({"size": 0}, "size out of range"),
        ({"size": -1}, "size out of range"),
        ({"timestamp": 0}, "time out of range"),
        ({"timestamp": "soon"}, "time out of range"),
        ({"timestamp": "1" * 40}, "time out of range"),
    ],
)
def test_what_cannot_be_used_of_a_market_is_said_of_it(changes: dict[str, Any], why: str) -> None:
    assert read(**changes) == Heard(MARKET, None, why)


@pytest.mark.parametrize("raw", [b"{", b"<html>", b"\xff\xfe", b"[1]"])
def test_what_is_no_message_is_rejected(raw: bytes) -> None:
    found = read_message(raw)

    assert found is not None
    assert found.rejected in {"not JSON", "unexpected shape"}


def test_nothing_about_persons_is_kept() -> None:
    kept = msgspec.json.encode(read()).decode()

    assert not [word for word in ("Otter", "otters", "Person", "12121212", ".png") if word in kept]


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(raw: bytes) -> None:
    read_message(raw)


def test_it_subscribes_to_takers_alone() -> None:
    (one,) = json.loads(SUBSCRIPTION)["subscriptions"]

    assert one == {"topic": "activity", "type": "orders_matched"}
    assert json.loads(SUBSCRIPTION)["action"] == "subscribe"
