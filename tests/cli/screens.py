"""The screens of tracker-status in every state: `make screens` writes docs/evidence/screens.

Each state is made from reports such as the actors send, so each screen is what the
program shows. The texts are kept, and the one picture that README shows;
pictures of all states go to build/screens, which is not kept.
"""

import copy
import io
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console, RenderableType
from rich.text import Text

from actors.cli import status
from actors.cli.status_table import render
from actors.health import rules
from actors.health.state import HealthState
from actors.messages import CatalogReport, StoreOpened
from actors.model.assumptions import Assumption
from actors.model.audit import AuditSummary
from actors.model.connection import DescriptorLimit
from actors.model.market import EndedMarkets, Source
from actors.model.trade import ConditionId, TokenId
from tests.health.health_samples import (
    START,
    WALL,
    audits,
    catalog,
    commit,
    connection,
    document,
    latest,
    outcomes,
    sample,
    state,
    writer,
)

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "evidence" / "screens"
PICTURES = ROOT / "build" / "screens"
SHOWN = "healthy"
"""The state whose picture is kept beside the texts."""
NOW = START + 3_681.0
CONNECTIONS = ("a-0001", "a-0002", "b-0001", "b-0002", "lifecycle")
TOKENS = 190
"""On each connection of a feed; a market has two."""
VERSION = "0.1.0"
SOURCES = (("gamma", "ok"), ("clob", "ok"), ("data", "ok"))
SERVER = "PostgreSQL 16.9, TimescaleDB 2.28.1, tracker@db.example:5432/polymarket"

MISSED = AuditSummary(
    results=(("complete", 470), ("missing", 1), ("unknown", 9)),
    theirs=41_236, missing=3, outside_gaps=3, checked_at_ms=WALL // 1_000_000 - 61_000,
)  # fmt: skip

Spoil = Callable[[HealthState], None]


def busy() -> HealthState:
    """Return a tracker that has been healthy for an hour, for the caller alone."""
    return copy.deepcopy(_played())


@cache
def _played() -> HealthState:
    """Return one whose hour has been played, to be copied: each costs a quarter of a second."""
    health = state(VERSION)
    health.universe_planned(wanted=2 * TOKENS)
    for number, name in enumerate(CONNECTIONS):
        health.connection_wanted(name, feed=number // 2 if number < 4 else -1, at=START)
    health.store_opened(StoreOpened(server=SERVER))
    for minute in range(61):
        at = START + 60.0 * minute + 30
        _receive(health, at, minute)
        for second in range(60):
            if second % 5 == 0 and at + second < NOW:
                _receive(health, at + second, minute)
            health.time_passed(at + second, WALL + round(1e9 * (at + second - START)))
        count = 1_200 + 4_900 * (minute * minute % 17) // 16
        commit(health, at=at, stored=count, duplicates=count - 3)
    health.writer_reported(writer(waiting=12), at=NOW)
    health.catalog_reported(_listed(), at=NOW - 1)
    pending = (("not closed", 312), ("proposed", 9), ("disputed", 1))
    said = outcomes(recorded_total=41, pending=pending, sources=SOURCES)
    health.resolution_reported(said, at=NOW - 1)
    health.latest.stored(latest())
    health.audits.reported(audits())
    _journal(health)
    _receive(health, NOW - 1, 61)
    return health


def _listed(error: str = "", **said: Any) -> CatalogReport:
    return catalog(error, markets=TOKENS, last_sweep_at=NOW - 290, **said)


def _journal(health: HealthState, **said: Any) -> None:
    figures: dict[str, Any] = {
        "next_seq": 1,
        "bytes": 3 << 20,
        "cap_bytes": 20 << 30,
        "free_bytes": 212 << 30,
        "weight_appended": health.document(NOW, 0).accounting.stored * 2 - 183,
    }
    sample(health, **figures | said)


def _receive(health: HealthState, at: float, minute: int, *but: str, data_at: float = 0.0) -> None:
    for number, name in enumerate(CONNECTIONS):
        if name in but:
            continue
        tokens = TOKENS if number < 4 else 0
        report = connection(
            name, tokens=tokens, confirmed=tokens, last_data_at=data_at or at,
            trades_total=minute * (3_100 + 700 * number) if tokens else 0, bytes_total=minute << 20,
        )  # fmt: skip
        health.connection_reported(report, at=at)


def _lose(health: HealthState, *names: str, reason: str = "disconnected") -> None:
    for name in names:
        health.connection_ended(name, reason=reason, at=NOW - 95)


def _no_trades(health: HealthState) -> None:
    health.universe_planned(wanted=1_000)
    _lose(health, *CONNECTIONS[:4], reason="frozen")
    health.time_passed(NOW - 313, WALL)
    for name in CONNECTIONS[:4]:
        said = connection(name, tokens=500, confirmed=500, last_data_at=NOW - 1)
        health.connection_reported(said, at=NOW - 313)
    health.time_passed(NOW - 312, WALL)


def _unconfirm(health: HealthState) -> None:
    health.markets_known(lambda _, token: ConditionId(f"0x{token[:8]}"))
    since = tuple((TokenId(f"{number}" * 77), NOW - 90 + number) for number in range(1, 7))
    for name in CONNECTIONS[:4]:
        said = connection(
            name, tokens=TOKENS, confirmed=TOKENS - 6, last_data_at=NOW - 1,
            waiting=frozenset(token for token, _ in since), waiting_longest=since,
        )  # fmt: skip
        health.connection_reported(said, at=NOW - 90)


def _lose_books(health: HealthState) -> None:
    for name in CONNECTIONS[:4]:
        said = connection(name, tokens=TOKENS, confirmed=4, last_data_at=NOW - 1)
        health.connection_reported(said, at=NOW - 41)
    for second in range(41):
        health.time_passed(NOW - 40 + second, WALL)


def _young(health: HealthState) -> None:
    health.connection_wanted("lifecycle", feed=-1, at=START)


def _fail_source(health: HealthState) -> None:
    failing = (("gamma", "ok"), ("clob", "503 Service Unavailable"), ("data", "ok"))
    for at in (NOW - 400, NOW - 1):
        health.resolution_reported(outcomes(recorded_total=41, sources=failing), at=at)


def _silence_source(health: HealthState) -> None:
    said = outcomes(recorded_total=41, sources=SOURCES, mute=("clob",))
    health.resolution_reported(said, at=NOW)


def _be_late(health: HealthState) -> None:
    without = ((Source.GAMMA, 803), (Source.CLOB, 790), (Source.DATA, 771))
    ended = EndedMarkets(ended=2_410, overdue=744, without=without)
    said = outcomes(recorded_total=41, sources=SOURCES, ended=ended)
    health.resolution_reported(said, at=NOW)


def _fail_catalog(health: HealthState) -> None:
    for at in (NOW - 400, NOW - 1):
        health.catalog_reported(_listed("gamma-api.polymarket.com: 429 Too Many Requests"), at=at)


def _fail_keyset(health: HealthState) -> None:
    for at in (NOW - 400, NOW - 1):
        health.catalog_reported(_listed(keyset_error="keyset: HTTP 404 route not found"), at=at)


def _violate(health: HealthState, assumption: Assumption, count: int) -> None:
    health.catalog_reported(_listed(violations=((assumption, count),)), at=NOW - 30)


def _poison(health: HealthState) -> None:
    health.store_lost(reason="101 rows rejected in a row: numeric field overflow", at=NOW - 20)
    health.writer_reported(writer("stopped"), at=NOW)


def _outdate(health: HealthState) -> None:
    reason = (
        "the database has the migration 0012_change_prints.sql, which this version does not know"
    )
    health.store_lost(reason=reason, at=NOW - 754)
    health.writer_reported(writer("outdated"), at=NOW)


def _mismatch(health: HealthState) -> None:
    reason = (
        "the database has public.assets and no record of the tracker's migrations: half restored,"
        " or of another program"
    )
    health.store_lost(reason=reason, at=NOW - 754)
    health.writer_reported(writer("mismatch"), at=NOW)


def _fall_silent(health: HealthState) -> None:
    for ago in (1, 0):
        _receive(health, NOW - ago, 61, data_at=NOW - 26)
        health.time_passed(NOW - ago, WALL)


def _die(health: HealthState) -> None:
    for ago in (200, 120, 40):
        health.child_died("catalog", "KeyError: 'events'", at=NOW - ago)


SPOILS: Mapping[str, Spoil] = {
    "journal_full": lambda h: _journal(h, bytes=20 << 30, full=True),
    "database_away": lambda h: h.store_lost(reason="connection refused", at=NOW - 754),
    "poison": _poison,
    "version_outdated": _outdate,
    "schema_mismatch": _mismatch,
    "database_unverified": lambda h: h.store_opened(
        StoreOpened(server=SERVER, unverified=("db.example.com (sslmode=prefer)",))
    ),
    "database_unsafe": lambda h: h.store_opened(StoreOpened(server=SERVER, unsafe=("fsync=off",))),
    "database_behind": lambda h: _journal(h, next_seq=400_000, oldest_s=184.0),
    "housekeeping_failing": lambda h: h.writer_reported(
        writer(chores_failing=("connection_events: permission denied for table",)), at=NOW
    ),
    "nothing_to_watch": lambda h: h.universe_planned(wanted=0),
    "no_connection_live": lambda h: _lose(h, *CONNECTIONS, reason="dns"),
    "coverage_lost": _lose_books,
    "coverage_unproven": _fall_silent,
    "connections_down": lambda h: _lose(h, "b-0002", reason="http_429"),
    "descriptors_short": lambda h: h.descriptors_limited(DescriptorLimit(64)),
    "exchange_silent": lambda h: _receive(h, NOW - 1, 62, "a-0001", data_at=NOW - 48),
    "no_trades": _no_trades,
    "tokens_unconfirmed": _unconfirm,
    "journal_gone": lambda h: _journal(h, gone="/var/lib/tracker/journal was deleted"),
    "state_directory_exposed": lambda h: _journal(
        h, exposed="/var/lib/tracker: others may write to it; chmod 0755 it"
    ),
    "journal_filling": lambda h: _journal(h, bytes=17 << 30),
    "disk_low": lambda h: _journal(h, free_bytes=117 << 20),
    "source_failing": _fail_source,
    "source_mute": _silence_source,
    "labels_overdue": _be_late,
    "catalog_failing": _fail_catalog,
    "discovery_failing": _fail_keyset,
    "restart_loop": _die,
    "protocol_drift": lambda h: h.connection_reported(
        connection("lifecycle", tokens=0, confirmed=0, last_data_at=NOW, unknown_total=3), at=NOW
    ),
    "gamma_list_failing": lambda h: _violate(h, Assumption.GAMMA_LIST, 12),
    "markets_known_from_feed_only": lambda h: _violate(h, Assumption.LISTED, 41),
    "trades_rejected": lambda h: h.connection_reported(
        connection("lifecycle", tokens=0, confirmed=0, last_data_at=NOW, doubtful_total=9_400),
        at=NOW,
    ),
    "late_trades": lambda h: _violate(h, Assumption.ON_TIME, 9_217),
    "feeds_disagree": lambda h: _violate(h, Assumption.SENT_ONCE, 1_804),
    "clock_skew": lambda h: _violate(h, Assumption.CLOCK, 6),
    "resolution_conflicts": lambda h: h.resolution_reported(
        outcomes(recorded_total=41, conflicts_total=7, conflicts_open=2, sources=SOURCES), at=NOW
    ),
    "accounting_unbalanced": lambda h: _journal(h, weight_appended=1),
    "audit_missing": lambda h: h.audits.reported(audits(summary=MISSED)),
}


def names() -> list[str]:
    """Return the name of each screen, without making any."""
    return ["healthy", "starting", "stopping", *map(named, SPOILS), "unreachable"]


@cache
def screens() -> dict[str, tuple[tuple[str, ...], RenderableType]]:
    """Return each screen with the codes of its document, by name."""
    found: dict[str, tuple[tuple[str, ...], RenderableType]] = {}

    def add(name: str, health: HealthState, now: float = NOW) -> None:
        said = document(health, now)
        found[name] = (said.codes, render(msgspec.to_builtins(said)))

    add("healthy", busy())
    young = state(VERSION)
    _young(young)
    add("starting", young, START + 7)
    ending = busy()
    ending.stopping()
    add("stopping", ending)
    for code, spoil in SPOILS.items():
        with_trouble = busy()
        spoil(with_trouble)
        add(named(code), with_trouble)
    found["unreachable"] = ((), Text(unreachable()))
    return found


def named(code: str) -> str:
    """Return the name of the screen of a reason: its level and its code."""
    (level,) = (rule.level for rule in rules.RULES if rule.code == code)
    return f"{level}-{code}"


def unreachable() -> str:
    """Return the text that is printed when no tracker answers."""
    said, before = io.StringIO(), sys.stderr
    sys.stderr = said
    try:
        status.main(["--socket", "/run/tracker/gone.sock"], environ={})
    finally:
        sys.stderr = before
    return said.getvalue().strip()


def text(shown: RenderableType) -> str:
    """Return a screen as it is without a terminal, 80 columns wide."""
    console = Console(file=io.StringIO(), width=80, highlight=False)
    with console.capture() as captured:
        console.print(shown)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def picture(name: str, shown: RenderableType) -> str:
    """Return a screen as a picture of a terminal, an SVG that loads nothing from elsewhere."""
    console = Console(
        file=io.StringIO(), width=80, record=True, force_terminal=True, highlight=False
    )
    console.print(shown)
    drawn = console.export_svg(title="bin/tracker-status --watch", unique_id=f"screen-{name}")
    drawn = re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    drawn = drawn.replace("Fira Code, monospace", "DejaVu Sans Mono, Menlo, Consolas, monospace")
    return "".join(f"{line.rstrip()}\n" for line in drawn.splitlines())


def main() -> int:
    """Write all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, (_, shown) in screens().items():
        (FOLDER / f"{name}.txt").write_text(text(shown))
        (PICTURES / f"{name}.svg").write_text(picture(name, shown))
    (FOLDER / f"{SHOWN}.svg").write_text((PICTURES / f"{SHOWN}.svg").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
