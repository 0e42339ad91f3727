"""RTDS, the stream of all markets: its messages about matched orders, read without persons.

Undocumented since 2026-04. Sources: protocols and measurements of others, 2026-08 and 2026-09:
`orders_matched` has one row for each match, of the taker (828 of 828 compared with the chain), with
the transaction; `trades` has the makers as well, and would count twice. So only the former counts.
Each row also has a wallet, a name, a pseudonym, a picture and more: none of them is even decoded.
"""

from decimal import Decimal, DecimalException
from typing import Final, NamedTuple

import msgspec

from actors.errors import PayloadRejected
from actors.model.audit import Fill
from actors.model.trade import ConditionId
from actors.polymarket import strict_json
from actors.polymarket.witness.fills import checked_fill

KIND: Final = "orders_matched"
SUBSCRIPTION: Final = (
    f'{{"action":"subscribe","subscriptions":[{{"topic":"activity","type":"{KIND}"}}]}}'
)
"""Without `action` the server stays silent."""
PING: Final = "PING"
"""Every five seconds, or the stream freezes after some minutes. The answer is an empty message."""
_MILLISECONDS: Final = 10**12
"""A larger time is in milliseconds."""
_DIGITS: Final = 13


class _Envelope(msgspec.Struct, frozen=True):
    topic: str = ""
    type: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"null")


class _Payload(msgspec.Struct, frozen=True, rename="camel"):
    """What is read of a row."""

    asset: str
    condition_id: str
    size: Decimal
    price: Decimal
    timestamp: int | str
    transaction_hash: str


_envelope = msgspec.json.Decoder(_Envelope)
_payload = msgspec.json.Decoder(_Payload)


class Heard(NamedTuple):
    """One message of the stream that counts.

    Attributes:
        condition_id: Its market; None when it cannot be read.
        fill: What was matched; None when it cannot be used.
        rejected: Why it cannot.
    """

    condition_id: ConditionId | None
    fill: Fill | None
    rejected: str = ""


def read_message(raw: bytes) -> Heard | None:
    """Return what a message says of a match; None when it is about something else."""
    if not raw.strip() or raw == b"PONG":
        return None
    try:
        envelope = strict_json.read(raw, _envelope)
    except PayloadRejected as exc:
        return Heard(None, None, str(exc))
    if (envelope.topic, envelope.type) != ("activity", KIND):
        return None
    return _heard(bytes(envelope.payload))


def _heard(payload: bytes) -> Heard:
    try:
        row = strict_json.read(payload, _payload)
    except (PayloadRejected, DecimalException):
        return Heard(None, None, "unexpected shape")
    condition_id = strict_json.condition(row.condition_id)
    if condition_id is None:
        return Heard(None, None, "condition is malformed")
    try:
        fill = checked_fill(
            row.asset,
            row.transaction_hash,
            row.size,
            row.price,
            timestamp=_seconds(row.timestamp),
        )
    except PayloadRejected as exc:
        return Heard(condition_id, None, str(exc))
    return Heard(condition_id, fill)


def _seconds(timestamp: int | str) -> int:
    if isinstance(timestamp, str):
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _DIGITS):
            raise PayloadRejected("time out of range")
        timestamp = int(timestamp)
    return timestamp // 1_000 if timestamp >= _MILLISECONDS else timestamp
