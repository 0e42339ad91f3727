"""A tracker in its best state, and ways to spoil it."""

from typing import Any

from actors.health.state import Health, HealthState
from actors.messages import (
    BatchWritten,
    CatalogReport,
    ConnectionReport,
    ResolutionReport,
    StoreOpened,
    WriterReport,
)
from tests.fakes import journal_stats

START = 1_000.0
WALL = 1_780_000_000_000_000_000


def state() -> HealthState:
    return HealthState(version="1.2.3", host="here", pid=7, now=START, wall_ns=WALL)


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


def catalog(error: str = "", **said: Any) -> CatalogReport:
    return CatalogReport(
        child="catalog",
        incarnation=1,
        now=0.0,
        markets=5,
        last_sweep_at=START,
        last_error=error,
        waiting=0,
        **said,
    )


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
    health.time_passed(START + 1, WALL)
    return health


def codes(health: HealthState, now: float) -> tuple[str, ...]:
    return document(health, now).codes
