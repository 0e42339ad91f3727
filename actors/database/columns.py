"""Query parameters: turns the values of a batch into columns that PostgreSQL can hold."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from psycopg.types.numeric import Int4, Int8

from actors.model.audit import Audit
from actors.model.conversion import EPOCH, instant, storable_text
from actors.model.facts import Fact, encode
from actors.model.market import (
    TRACKER,
    Asset,
    Clearance,
    Confirmation,
    Contradiction,
    Details,
    Event,
    Market,
    Naming,
    Observation,
    Resolution,
    Transition,
)
from actors.model.storage import TRADE, ConnectionEvent, OtherRow, RejectedRow
from actors.model.trade import Trade, trade_hashes

# The escape and not the text `\\u0000`: an even number of backslashes stands before it. jsonb
# rejects it, because text cannot hold NUL (manual, "JSON Types").
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

ANYTHING = "*"
"""What `rejected_messages.doubt` holds when the message may be a trade of any token."""

_BUYS = {"BUY": True, "SELL": False}

T = TypeVar("T")
Columns = dict[str, Any]


def trades(
    rows: Sequence[Trade],
    keys: Mapping[str, int],
    origins: Sequence[tuple[int, int]],
    first_epoch: int,
) -> Columns:
    """Return the parameters of `insert_trades`.

    Args:
        rows: The trades.
        keys: The asset_key of each token.
        origins: Epoch and sequence of each trade; epoch 0: they are not known.
        first_epoch: Added to each epoch, so that it is unique in the database.
    """
    # Int4 and Int8: psycopg chooses the type of a plain int by its size, and each mix of types
    # would be another prepared statement.
    return {
        "traded": [instant(row.traded_at_ms * 1_000_000) for row in rows],
        "received": [instant(row.received_at_ns) for row in rows],
        "hashes": [Int8(digest) for digest in trade_hashes(rows)],
        "epochs": [Int8(first_epoch + epoch) if epoch else None for epoch, _ in origins],
        "sequences": [Int8(sequence) if epoch else None for epoch, sequence in origins],
        "assets": [Int4(keys[row.token_id]) for row in rows],
        "fees": [None if row.fee_rate_bps is None else Int8(row.fee_rate_bps) for row in rows],
        "occurrences": [Int4(row.occurrence) for row in rows],
        "buys": [_BUYS.get(row.side) for row in rows],  # NULL is rejected
        "prices": [row.price for row in rows],
        "sizes": [row.size for row in rows],
        "transactions": [
            None if row.transaction_hash is None else hash_bytes(row.transaction_hash)
            for row in rows
        ],
        "trade_ids": [row.trade_id for row in rows],
        "extras": [row.extra for row in rows],
    }


def hash_bytes(transaction_hash: str) -> bytes:
    """Return a transaction hash as bytes.

    Raises:
        ValueError: It is no hexadecimal text that begins with 0x.
    """
    if not transaction_hash.startswith("0x"):
        raise ValueError("transaction hash without 0x")
    return bytes.fromhex(transaction_hash[2:])


def rejections(rows: Sequence[RejectedRow]) -> Columns:
    """Return the parameters of `insert_rejections`; a negative sequence is stored as NULL."""
    return {
        "received": [_clamped(row.rejection.received_at_ns) for row in rows],
        "connections": [storable_text(row.connection) for row in rows],
        "reasons": [storable_text(row.rejection.reason) for row in rows],
        "payloads": [row.rejection.payload for row in rows],
        "seqs": [None if row.seq < 0 else Int8(row.seq) for row in rows],
        "indexes": [None if row.seq < 0 else Int4(row.index) for row in rows],
        "epochs": [Int8(row.epoch) if row.epoch else None for row in rows],
        "occurrences": [Int4(row.rejection.occurrence) for row in rows],
        "doubts": [
            storable_text(row.doubts[0] or ANYTHING) if row.doubts else None for row in rows
        ],
        "since": [instant(row.uncovered_ns[0]) if row.uncovered_ns else None for row in rows],
        "until": [instant(row.uncovered_ns[1]) if row.uncovered_ns else None for row in rows],
    }


def _clamped(ns: int) -> datetime:
    """Return the time, or 1970 if it does not fit: a rejection must not be rejected in turn."""
    try:
        return instant(ns)
    except OverflowError:
        return EPOCH


def rejected_as(row: Any) -> tuple[int, str, bytes]:
    """Return sequence, connection and payload of the rejection of a row; see `RejectedRow`.

    A fact is kept as the record of the journal that it came from: as long as one is not taken in,
    no epoch of its time is settled (`select_ended_epochs`).
    """
    if isinstance(row, tuple):
        seq, fact = row
        try:
            return seq, "journal", encode(fact)
        except (OverflowError, ValueError):  # then it was in no journal
            pass
    return -1, "database", rejected_payload(row)


def rejected_payload(row: Any) -> bytes:
    """Return any row as the payload of a rejection: as JSON if that is possible."""
    try:
        return msgspec.json.encode(row)
    except (ValueError, TypeError):
        return repr(row).encode("utf-8", "backslashreplace")


_KINDS: Mapping[type[msgspec.Struct], str] = {
    Trade: TRADE,
    Market: "market",
    Observation: "observation",
    Transition: "transition",
    Resolution: "resolution",
    Confirmation: "confirmation",
    Contradiction: "contradiction",
    Clearance: "clearance",
    Audit: "audit",
    ConnectionEvent: "connection event",
}
_FACT = "fact"
# Each kind has a field that no other one needs, so a row is known by the names of its fields.
_decoders: list[tuple[frozenset[str], Callable[[bytes], Any]]] = [
    (
        frozenset(each.encode_name for each in msgspec.structs.fields(kind) if each.required),
        msgspec.json.Decoder(kind).decode,
    )
    for kind in _KINDS
]
_names = msgspec.json.Decoder(dict[str, msgspec.Raw])
_numbered_fact = msgspec.json.Decoder(tuple[int, Fact])


def row_kind(row: Any) -> str:
    """Return what kind of row this is; a fact is a tuple of its sequence and itself."""
    return _FACT if isinstance(row, tuple) else _KINDS[type(row)]


def rejected_row(payload: bytes) -> Trade | OtherRow | tuple[int, Fact] | None:
    """Return the row of a rejection's payload; None if it is none that this version knows."""
    try:
        if payload.startswith(b"["):
            return _numbered_fact.decode(payload)
        names = _names.decode(payload).keys()
        for required, decode in _decoders:
            if required <= names:
                row: Trade | OtherRow = decode(payload)
                return row
    except (ValueError, RecursionError):  # all errors of msgspec are ValueErrors
        return None
    return None


def connection_events(rows: Sequence[ConnectionEvent]) -> Columns:
    """Return the parameters of `insert_connection_events`. Reasons are cut at 500 characters."""
    return {
        "times": [instant(row.at_ns) for row in rows],
        "connections": [storable_text(row.connection) for row in rows],
        "events": [storable_text(row.event) for row in rows],
        "reasons": [storable_text(row.reason)[:500] for row in rows],
    }


def markets(rows: Sequence[Market]) -> Columns:
    """Return the parameters of `insert_markets`, `upsert_markets`; of duplicates the last one."""
    return {"markets": as_json([_clean_market(row) for row in _latest(rows)])}


def named(rows: Sequence[Market]) -> Columns:
    """Return the parameters of `upsert_assets`; of duplicates the last one."""
    names = (
        {"condition_id": row.condition_id, "assets": _clean_assets(row)} for row in _latest(rows)
    )
    return {"markets": as_json(list(names))}


def _latest(rows: Sequence[Market]) -> Iterable[Market]:
    return {row.condition_id: row for row in rows}.values()


def events(rows: Sequence[Market]) -> list[Event]:
    """Return the events of markets in their order, with the last that any of them tells."""
    found: dict[str, Event] = {}
    for row in rows:
        event = row.details and row.details.event
        if event:
            known = found.get(event.event_id)
            found[event.event_id] = event if known in (None, event) else _merged(known, event)
    return [_clean_event(found[event_id]) for event_id in sorted(found)]


def _merged(old: Event, new: Event) -> Event:
    told = {name: each for name, each in msgspec.structs.asdict(new).items() if each is not None}
    return msgspec.structs.replace(old, **told)


def _clean_assets(market: Market) -> tuple[Asset, ...]:
    return tuple(
        msgspec.structs.replace(asset, outcome=storable_text(asset.outcome))
        for asset in market.assets
    )


def _clean_market(market: Market) -> Market:
    return msgspec.structs.replace(
        market,
        question=storable_text(market.question),
        slug=storable_text(market.slug),
        tags=tuple(storable_text(tag) for tag in market.tags),
        assets=(),  # they are stored by themselves
        details=None if market.details is None else _clean_details(market.details),
    )


def _clean_details(details: Details) -> Details:
    return msgspec.structs.replace(
        details,
        event=details.event and Event(event_id=details.event.event_id),  # it is stored by itself
        group_title=_clean_name(details.group_title),
        description=_clean_name(details.description),
    )


def _clean_event(event: Event) -> Event:
    return msgspec.structs.replace(
        event,
        slug=_clean_name(event.slug),
        title=_clean_name(event.title),
        series_slug=_clean_name(event.series_slug),
    )


def observations(rows: Sequence[Observation]) -> Columns:
    """Return the parameters of `insert_resolution_observations`."""
    return {
        "observations": as_json(
            [
                {
                    "condition_id": row.condition_id,
                    "source": row.source,
                    "observed_at_ms": row.observed_at_ms,
                    "verdict": outcome_text(row),
                    "reason": storable_text(row.reason),
                    "payouts": row.payouts,
                    "payload": _ESCAPED_NUL.sub(r"\1\\ufffd", storable_text(row.payload)) or '""',
                    "naming": row.naming,
                    "names": {token: storable_text(name) for token, name in row.names} or None,
                    "mapped_by": row.mapped_by,
                    "generated_at_ms": row.generated_at_ms,
                }
                for row in rows
            ]
        )
    }


def outcome_text(observation: Observation) -> str:
    """Return the text that `resolution_observations` has for an observation.

    It is `winner <token id>`, `split`, `other payouts` or `not final`.
    """
    if observation.payouts is None:
        return "not final"
    winners = [token for token, payout in observation.payouts if payout == 1]
    if len(winners) == 1:
        return f"winner {winners[0]}"
    if len({payout for _, payout in observation.payouts}) == 1:
        return "split"
    return "other payouts"


def transitions(rows: Sequence[Transition]) -> Columns:
    """Return the parameters of `insert_resolution_observations`, with `tracker` as the source."""
    return {
        "observations": as_json(
            [
                {
                    "condition_id": row.condition_id,
                    "source": TRACKER,
                    "observed_at_ms": row.at_ms,
                    "verdict": row.after,
                    "reason": storable_text(row.reason),
                    "payouts": None,
                    "payload": as_json({"before": row.before}),
                    "naming": Naming.BY_ID,
                    "mapped_by": (),
                }
                for row in rows
            ]
        )
    }


def quoted(row: Observation) -> Observation:
    """Return an observation whose payload is no JSON with the payload as a JSON string."""
    return msgspec.structs.replace(row, payload=as_json(storable_text(row.payload)))


def resolutions(rows: Sequence[Resolution]) -> Columns:
    """Return the parameters of all statements about resolutions."""
    return {"resolutions": as_json([_clean_resolution(row) for row in rows])}


def _clean_resolution(row: Resolution) -> Resolution:
    return msgspec.structs.replace(
        row,
        winning_outcome=_clean_name(row.winning_outcome),
        by_token=tuple(
            msgspec.structs.replace(each, outcome=_clean_name(each.outcome))
            for each in row.by_token
        ),
        evidence=(),  # it is stored as observations
    )


def _clean_name(name: str | None) -> str | None:
    return None if name is None else storable_text(name)


def contradictions(rows: Sequence[Contradiction]) -> Columns:
    """Return the parameters of `insert_resolution_conflicts`."""
    cleaned = [
        msgspec.structs.replace(
            row, recorded=storable_text(row.recorded), observed=storable_text(row.observed)
        )
        for row in rows
    ]
    return {"contradictions": as_json(cleaned)}


def confirmations(rows: Sequence[Confirmation]) -> Columns:
    """Return the parameters of `insert_resolution_confirmations`."""
    return {"confirmations": as_json(rows)}


def audits(rows: Sequence[Audit]) -> Columns:
    """Return the parameters of `upsert_audits`."""
    return {"audits": as_json(rows)}


def clearances(rows: Sequence[Clearance]) -> Columns:
    """Return the parameters of `clear_resolution_conflicts`."""
    cleaned = [msgspec.structs.replace(row, reason=storable_text(row.reason)) for row in rows]
    return {"clearances": as_json(cleaned)}


def as_json(value: Any) -> str:
    """Return a value as JSON text, for a parameter."""
    return msgspec.json.encode(value).decode()
