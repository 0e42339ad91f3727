"""The files of a release: their names, columns and types. docs/reference/dataset.md explains each.

Numbers have fixed digits, as in `public.trades`: what is stored has no more. Times are microseconds
since 1970, UTC.
"""

from typing import Final

import pyarrow as pa

VERSION: Final = 1
"""Of the schema. It grows with every change of a name, a type or a meaning."""

TIME: Final = pa.timestamp("us", tz="UTC")
PRICE: Final = pa.decimal128(19, 18)
SIZE: Final = pa.decimal128(38, 18)
NAME: Final = pa.dictionary(pa.int32(), pa.string())
"""Of ids that repeat: a number for each row, and each text once."""


def _schema(name: str, *fields: pa.Field) -> pa.Schema:
    return pa.schema(fields, metadata={"tracker.file": name, "tracker.schema": str(VERSION)})


def _always(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


TRADES: Final = _schema(
    "trades",
    _always("traded_at", TIME),
    _always("received_at", TIME),
    pa.field("condition_id", NAME),
    _always("token_id", NAME),
    _always("price", PRICE),
    _always("size", SIZE),
    _always("side", NAME),
    pa.field("fee_rate_bps", pa.int16()),
    pa.field("transaction_hash", pa.binary()),
    _always("occurrence", pa.int16()),
    pa.field("epoch", pa.int64()),
    pa.field("sequence", pa.int64()),
    pa.field("trade_id", pa.string()),
    pa.field("extra", pa.string()),
)

CONFLICT: Final = pa.struct(
    [_always("kind", pa.string()), _always("from_at", TIME), pa.field("until_at", TIME)]
)

LABELS: Final = _schema(
    "labels",
    _always("token_id", pa.string()),
    _always("condition_id", pa.string()),
    pa.field("outcome", pa.string()),
    _always("payout", PRICE),
    _always("kind", pa.string()),
    _always("resolved_at", TIME),
    _always("known_at", TIME),
    _always("contested", pa.bool_()),
    _always("conflicts", pa.list_(CONFLICT)),
    _always("sources", pa.list_(pa.string())),
)

TOKEN: Final = pa.struct(
    [
        _always("token_id", pa.string()),
        pa.field("outcome", pa.string()),
        pa.field("outcome_index", pa.int32()),
    ]
)
CHANGE: Final = pa.struct([_always("known_at", TIME), _always("changes", pa.string())])

MARKETS: Final = _schema(
    "markets",
    _always("condition_id", pa.string()),
    pa.field("question", pa.string()),
    pa.field("slug", pa.string()),
    pa.field("gamma_id", pa.string()),
    pa.field("end_date", TIME),
    pa.field("started_at", TIME),
    pa.field("closed", pa.bool_()),
    pa.field("active", pa.bool_()),
    pa.field("neg_risk", pa.bool_()),
    pa.field("version", pa.string()),
    pa.field("tags", pa.list_(pa.string())),
    pa.field("event_id", pa.string()),
    pa.field("neg_risk_market_id", pa.string()),
    pa.field("group_title", pa.string()),
    pa.field("game_start", TIME),
    pa.field("closed_time", TIME),
    pa.field("tick_size", PRICE),
    pa.field("fee_schedule", pa.string()),
    pa.field("description", pa.string()),
    _always("state", pa.string()),
    _always("tokens", pa.list_(TOKEN)),
    pa.field("first_known_at", TIME),
    _always("history", pa.list_(CHANGE)),
)

EVENTS: Final = _schema(
    "events",
    _always("event_id", pa.string()),
    pa.field("slug", pa.string()),
    pa.field("title", pa.string()),
    pa.field("series_slug", pa.string()),
    pa.field("neg_risk", pa.bool_()),
    pa.field("neg_risk_augmented", pa.bool_()),
    pa.field("neg_risk_market_id", pa.string()),
    pa.field("starts_at", TIME),
    pa.field("end_date", TIME),
    _always("first_known_at", TIME),
)

COVERAGE: Final = _schema(
    "coverage",
    _always("token_id", NAME),
    _always("from_at", TIME),
    _always("until_at", TIME),
    _always("known_at", TIME),
)

GAPS: Final = _schema(
    "gaps",
    _always("token_id", NAME),
    _always("from_at", TIME),
    _always("until_at", TIME),
    _always("cause", NAME),
)

TABLES: Final = {
    "labels.parquet": LABELS,
    "markets.parquet": MARKETS,
    "events.parquet": EVENTS,
    "gaps.parquet": GAPS,
    "coverage.parquet": COVERAGE,
}
"""The files beside the trades."""


def schema_of(name: str) -> pa.Schema:
    """Return the columns of a file of a release, by its name there."""
    return TABLES.get(name, TRADES)
