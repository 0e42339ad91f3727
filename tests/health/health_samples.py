"""A tracker in its best state, and ways to spoil it."""

from decimal import Decimal
from typing import Any

from actors.health.state import Health, HealthState
from actors.messages import (
    AuditReport,
    BatchWritten,
    CatalogReport,
    ConnectionReport,
    LatestStored,
    ResolutionReport,
    StoreOpened,
    WriterReport,
)
from actors.model.audit import AuditSummary
from actors.model.storage import RecordedOutcome, TokenName
from actors.model.trade import ConditionId, TokenId, Trade
from tests.fakes import journal_stats

START = 1_000.0
WALL = 1_780_000_000_000_000_000


def state(version: str = "1.2.3") -> HealthState:
    return HealthState(version=version, host="here", pid=7, now=START, wall_ns=WALL)


def document(health: HealthState, now: float) -> Health:
    return health.document(now, WALL + int((now - START) * 1e9))


def connection(child: str = "a-0001", **said: Any) -> ConnectionReport:
    values: dict[str, Any] = {
        "incarnation": 1,
        "now": 0.0,
        "state": "listening",
        "epoch": 5,
        "tokens": 10,
        "confirmed": 10,
        "trades_total": 0,
        "rejected_total": 0,
        "frames_total": 0,
        "bytes_total": 0,
        "last_data_at": said.get("last_data_at", START),
        "proven_until_ns": 0,
        "unknown_total": 0,
    }
    return ConnectionReport(child=child, **{**values, **said})


def batch(**said: Any) -> BatchWritten:
    values: dict[str, Any] = {
        "stored": 0,
        "duplicates": 0,
        "rejected": 0,
        "recovered": 0,
        "watermark": 1,
        "oldest_received_ns": 0,
    }
    return BatchWritten(**{**values, **said})


def commit(health: HealthState, *, at: float = START + 5, **said: Any) -> None:
    health.batch_written(batch(**said), at=at, wall_ns=WALL)


def sample(
    health: HealthState, *, full: bool = False, oldest_s: float = 0.0, **figures: Any
) -> None:
    stats = journal_stats(**{"next_seq": 1, "durable_seq": 0, **figures})
    health.journal_sampled(stats, full=full, oldest_s=oldest_s)


def writer(state: str = "live", **said: Any) -> WriterReport:
    values: dict[str, Any] = {"child": "writer", "incarnation": 1, "now": 0.0, "waiting": 0}
    return WriterReport(state=state, **{**values, **said})


def outcomes(**said: Any) -> ResolutionReport:
    values: dict[str, Any] = {
        "child": "resolution",
        "incarnation": 1,
        "now": 0.0,
        "recorded_total": 0,
        "conflicts_total": 0,
        "pending": (),
        "sources": (("gamma", "ok"),),
        "waiting": 0,
    }
    return ResolutionReport(**{**values, **said})


def audits(**said: Any) -> AuditReport:
    values: dict[str, Any] = {
        "child": "audit",
        "incarnation": 1,
        "now": 0.0,
        "summary": AuditSummary(
            results=(("complete", 470), ("unknown", 9)),
            theirs=41_233,
            checked_at_ms=WALL // 1_000_000 - 61_000,
        ),
        "made_total": 20,
        "witnesses": (("data", "ok"),),
        "waiting": 0,
    }
    return AuditReport(**{**values, **said})


def catalog(error: str = "", **said: Any) -> CatalogReport:
    values: dict[str, Any] = {
        "child": "catalog",
        "incarnation": 1,
        "now": 0.0,
        "markets": 5,
        "last_sweep_at": START,
        "waiting": 0,
    }
    return CatalogReport(last_error=error, **{**values, **said})


def well() -> HealthState:
    """Return a tracker in its best state, one second after its start."""
    health = state()
    health.universe_planned(wanted=10)
    for feed, child in enumerate(("a-0001", "b-0001")):
        health.connection_wanted(child, feed=feed, at=START)
        health.connection_reported(connection(child), at=START + 1)
    health.store_opened(StoreOpened(server="PostgreSQL 18"))
    health.writer_reported(writer(), at=START)
    sample(health)
    health.catalog_reported(catalog(), at=START + 1)
    health.resolution_reported(outcomes(), at=START + 1)
    health.audits.reported(audits())
    health.time_passed(START + 1, WALL)
    return health


def codes(health: HealthState, now: float) -> tuple[str, ...]:
    return document(health, now).codes


def latest() -> LatestStored:
    """Return the last trades and resolutions of an exchange with two markets."""
    question = "Will the temperature in New York be above 30 degrees on May 28?"
    names = tuple(
        TokenName(token_id=TokenId(token), slug=slug, question=asked, outcome=outcome)
        for token, slug, asked, outcome in (
            ("71", "new-york-above-30-on-may-28", question, "Yes"),
            ("72", "new-york-above-30-on-may-28", question, "No"),
            ("81", "btc-updown-5m-1780003500", "Bitcoin Up or Down - May 28, 4:25PM ET", "Up"),
        )
    )
    said = (("81", "0.53", "120"), ("71", "0.941", "15.5"), ("72", "0.06", "2400"))
    trades = tuple(
        Trade(
            token_id=TokenId(token),
            condition_id=ConditionId("0x" + "ab" * 32),
            traded_at_ms=(WALL + 3_680 * 10**9) // 10**6 - 400 * number,
            received_at_ns=WALL + 3_681 * 10**9,
            price=Decimal(price),
            size=Decimal(size),
            side=("BUY", "SELL")[number % 2],
        )
        for number, (token, price, size) in enumerate(said)
    )
    resolved = RecordedOutcome(
        condition_id=ConditionId("0x" + "cd" * 32),
        slug="btc-updown-5m-1780003200",
        question="Bitcoin Up or Down - May 28, 4:20PM ET",
        winner="Down",
        resolved_at_ms=(WALL + 3_500 * 10**9) // 10**6,
        recorded_at_ms=(WALL + 3_650 * 10**9) // 10**6,
    )
    return LatestStored(trades=trades, names=names, resolutions=(resolved,))
