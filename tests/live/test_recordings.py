"""Recorded frames, served byte by byte, arrive in `trades` with every field equal to the file."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.live.processes import FIXTURES, Processes, processes_in
from tests.postgres import ask

pytestmark = [pytest.mark.live, pytest.mark.db]

SYNTHETIC = Path(__file__).parents[1] / "data" / "feed"
COLUMNS = (
    "token_id, condition_id, price, size, side, fee_rate_bps, transaction_hash,"
    " (extract(epoch from traded_at) * 1000)::bigint"
)


@pytest.fixture
def processes(tmp_path: Path, empty_database: str) -> Iterator[Processes]:
    with processes_in(tmp_path, empty_database) as found:
        yield found


def recorded_trades(*folders: Path) -> list[tuple[Any, ...]]:
    """Return each trade in the files of these folders, sorted."""
    found: list[tuple[Any, ...]] = []
    for path in (each for folder in folders for each in folder.rglob("*.json")):
        payload = json.loads(path.read_bytes())
        found += [
            as_row(event)
            for event in (payload if isinstance(payload, list) else [payload])
            if isinstance(event, dict) and event.get("event_type") == "last_trade_price"
        ]
    return sorted(found, key=str)


def as_row(event: dict[str, Any]) -> tuple[Any, ...]:
    fee = event.get("fee_rate_bps")
    return (
        event["asset_id"],
        event["market"],
        Decimal(event["price"]),
        Decimal(event["size"]),
        event["side"],
        int(fee) if fee else None,
        event.get("transaction_hash") or None,
        int(event["timestamp"]),
    )


def replayed(processes: Processes, *folders: Path, expected: int) -> list[tuple[Any, ...]]:
    """Let the simulator serve these folders; return what the tracker stored, sorted."""
    processes.simulator(*(word for folder in folders for word in ("--replay", str(folder))))
    tracker = processes.tracker()
    processes.until_status(
        "all of them stored", lambda found: found["trades"]["total"] >= expected, within_s=40
    )
    assert tracker.stop() == 0
    query = f"SELECT {COLUMNS} FROM trades"  # noqa: S608 - a constant
    return sorted(ask(processes.dsn, query), key=str)


def test_synthetic_recordings_arrive_field_by_field(processes: Processes, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for path in [*SYNTHETIC.glob("last_trade_price*.json"), *SYNTHETIC.glob("book*.json")]:
        (folder / path.name).write_bytes(path.read_bytes())
    expected = recorded_trades(folder)
    assert len(expected) >= 2

    assert replayed(processes, folder, expected=len(expected)) == expected


@pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"no recorded payloads at {FIXTURES}")
@pytest.mark.parametrize(
    "folders",
    [
        # A synthetic payload has a third token for a real condition; a market has two.
        ("nautilus_trader/ws",),
        (
            "nautilus_trader/ws_legacy_2024",
            "poly-websockets",
            "polymarket-docs-2026-04-09",
            "real-time-data-client",
            "rs-clob-client",
        ),
    ],
    ids=["made_up", "recorded"],
)
def test_recorded_payloads_arrive_field_by_field(
    processes: Processes, folders: tuple[str, ...]
) -> None:
    paths = [FIXTURES / folder for folder in folders]
    expected = recorded_trades(*paths)
    assert expected

    assert replayed(processes, *paths, expected=len(expected)) == expected
