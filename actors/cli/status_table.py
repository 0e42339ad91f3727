"""The status document as a table for people, 80 columns wide."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from actors.cli.latest_table import last_resolutions, last_trades
from actors.errors import PayloadRejected
from actors.health.audits import Audits
from actors.health.document import Health, headline, in_trouble_first, state_line
from actors.health.latest import Latest
from actors.health.parts import Assets, Connection, Coverage
from actors.model.conversion import counted, terminal_safe

SHOWN_CONNECTIONS = 12
SHOWN_TRADES, SHOWN_RESOLUTIONS = 5, 3
NOW_S = 15.0
"""A proof of coverage that is not older counts as that of this moment."""
MINUTES = "each minute"
_BARS, _PLAIN_BARS = "▁▂▃▄▅▆▇█", "._-=+*#@"
COLOURS = {"healthy": "green", "degraded": "red"}
"""Of the states; the others are yellow."""
_WAITING = {"open": "still open", "on hold": "agreed, on hold until recorded"}
"""What a market waits for, where its word alone does not say it."""


def render(document: Mapping[str, Any]) -> Group:
    """Return the state with its reasons, then the figures, then the connections.

    Raises:
        PayloadRejected: The document is that of a tracker of another version.
    """
    health = checked(document)
    figures = figure_table(figures_of(health))
    return Group(
        head_line(health),
        figures,
        *_connections(health.connections.each),
        *_latest(health.latest),
    )


def head_line(health: Health) -> Text:
    """Return the state and its reasons, in the colour of the state."""
    return Text(state_line(health), style=f"bold {COLOURS.get(health.state, 'yellow')}")


def figures_of(health: Health) -> Iterator[tuple[str, RenderableType]]:
    """Yield the name of each figure, and what it says."""
    for name, figure in _FIGURES:
        yield name, Text(terminal_safe(figure(health)))
        if name == "trades":
            yield MINUTES, Sparkline(health.trades.minutes)


def figure_table(figures: Iterable[tuple[str, RenderableType]]) -> Table:
    """Return figures below each other, each beside its name."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True, min_width=len(MINUTES))
    table.add_column(overflow="fold")
    for name, said in figures:
        table.add_row(name, said)
    return table


def _connections(each: Sequence[Connection]) -> Iterator[RenderableType]:
    if each:
        yield Text()
        yield from connection_table(each, SHOWN_CONNECTIONS)


class Sparkline:
    """A line of bars, one for each minute of the last hour; the largest has the full height.

    A minute without trades stays empty. A terminal without these characters gets ASCII ones.
    """

    def __init__(self, counts: Sequence[int]) -> None:
        self._counts = counts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Return one line."""
        del console
        bars = _PLAIN_BARS if options.ascii_only else _BARS
        yield Text("".join(self._bar(count, bars) for count in self._counts), no_wrap=True)

    def _bar(self, count: int, bars: str) -> str:
        most = max(self._counts)
        # Rounded up, so that a minute with a single trade still shows.
        return bars[-(-count * (len(bars) - 1) // most)] if count > 0 else " "


def summary(document: Mapping[str, Any]) -> str:
    """Return the state, its reasons and the main figures in one line.

    Raises:
        PayloadRejected: The document is that of a tracker of another version.
    """
    return headline(checked(document))


def checked(document: Mapping[str, Any]) -> Health:
    """Return the document as a value.

    Raises:
        PayloadRejected: The document is that of a tracker of another version.
    """
    try:
        health = msgspec.convert(document, Health)
    except msgspec.ValidationError as exc:
        raise _other_version(document, str(exc)) from exc
    if not _countable(msgspec.to_builtins(health)):
        raise _other_version(document, "a number is longer than 64 bits")
    return health


def _other_version(document: Mapping[str, Any], why: str) -> PayloadRejected:
    version = str(document.get("version"))[:20]
    return PayloadRejected(
        f"this tracker is of another version ({version}): {why}; --json prints it"
    )


def _countable(value: object) -> bool:
    """Return whether every whole number of the document fits 64 bits; longer ones cost seconds."""
    if isinstance(value, dict):
        return all(map(_countable, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_countable, value))
    return not isinstance(value, int) or abs(value) < 1 << 63


def _tracker(health: Health) -> str:
    up = _age(health.uptime_s)
    return f"{health.version} on {health.host}, pid {health.pid}, up {up}"


def _trades(health: Health) -> str:
    trades = health.trades
    seconds = min(60.0, max(1.0, health.uptime_s))
    last = "last minute" if seconds == 60 else f"in {_age(seconds)}"
    return (
        f"{trades.last_minute / seconds:,.1f} a second: {trades.last_minute:,} {last},"
        f" {trades.last_hour:,} last hour,"
        f" {trades.today:,} today, {trades.total:,} since start"
    )


def _live(health: Health) -> str:
    connections = health.connections
    live = f"{connections.live:,} of {connections.wanted:,} live"
    return f"{live}, {connections.silent:,} silent"


def _reconnects(health: Health) -> str:
    last = health.last_reconnect
    latest = f"last {last.at} {last.connection} ({last.reason})" if last else "none yet"
    away = health.connections.wanted - health.connections.live
    latest = f"{latest}; {away:,} not connected now" if away else latest
    failure = health.connections.last_failure
    failed = f"; last failure {failure}" if failure else ""
    return f"{health.connections.reconnects_total:,}, {latest}{failed}"


def _coverage(health: Health) -> str:
    assets = health.assets
    return (
        f"{assets.covered:,} of {counted(assets.wanted, 'token')}{proven_until(assets)},"
        f" {assets.never_confirmed:,} unconfirmed > 1 min; {proven(health.coverage)}"
    )


def proven_until(assets: Assets) -> str:
    """Return until when that they are covered is proven, unless that is just now."""
    age_s = assets.proven_s or 0.0
    return f" (proven until {_age(age_s)} ago)" if age_s > NOW_S else ""


def proven(coverage: Coverage) -> str:
    """Return which share of today is proven; never 100 % while anything is missing."""
    if not coverage.wanted_token_s:
        return "no token was wanted today yet"
    share = 100 * (1 - coverage.gap_token_s / coverage.wanted_token_s)
    percent = "100" if not coverage.gap_token_s else f"{min(share, 99.99):.2f}"
    down = f", was down for {_age(coverage.down_s)}" if coverage.down_s else ""
    # Time in which nothing ran is in both.
    blind_s = coverage.blackout_s - coverage.down_s
    blackout = f", blackout of {_age(blind_s)}" if blind_s > 0 else ""
    return f"today {percent} % of the time{down}{blackout}"


def _journal(health: Health) -> str:
    journal = health.journal
    most, untold = ("at most ", "; not yet told by the database") if journal.at_most else ("", "")
    return (
        f"{most}{counted(journal.pending_records, 'record')} to store"
        f" (oldest {most}{_age(journal.oldest_s)}{untold}),"
        f" {_size(journal.bytes)} of {_size(journal.cap_bytes)},"
        f" sync p99 {journal.sync_p99_s * 1000:.1f} ms, disk free {_size(journal.free_bytes)}"
    )


def _database(health: Health) -> str:
    database = health.database
    commit = (
        f"last commit {database.last_commit_at}" if database.last_commit_at else "no commit yet"
    )
    if database.state in ("away", "stopped", "outdated", "mismatch"):
        reason = database.reason or "not reached yet"
        return f"{database.state} for {_age(database.away_s)}: {reason}; {commit}"
    return f"{database.state}, {database.server}; {commit}, {_age(database.lag_s)} behind"


def _resolutions(health: Health) -> str:
    found = health.resolutions
    pending = ", ".join(
        f"{count:,} {_WAITING.get(why, why)}" for why, count in _largest(found.pending)
    )
    opened = found.conflicts_open > 0
    overdue = f", {found.overdue:,} of {found.ended:,} ended overdue" if found.overdue else ""
    return (
        f"{found.recorded:,} recorded ({found.recorded_today:,} today),"
        f" {counted(found.conflicts, 'conflict')}{f' ({found.conflicts_open:,} open)' * opened},"
        f" {found.pending_total:,} pending{f' ({pending})' if pending else ''}{overdue}"
    )


def _sources(health: Health) -> str:
    states = (f"{name} {source.state}" for name, source in health.resolutions.sources.items())
    return ", ".join(states) or "not asked yet"


def _catalog(health: Health) -> str:
    swept = health.catalog.last_sweep_age_s
    sweep = "no complete listing yet" if swept is None else f"listed {_age(swept)} ago"
    return f"{counted(health.catalog.markets, 'market')}, {sweep}"


def _audits(health: Health) -> str:
    audits = health.audits
    judged = audits.complete + audits.missing
    if not judged + audits.unknown:
        return "off" if audits.doing == "off" else "none made in the last 24 hours"
    outside = f" ({counted(audits.outside_gaps, 'trade')} outside gaps)" * bool(audits.missing)
    failing = (f"{name}: {said}" for name, said in audits.witnesses.items() if said != "ok")
    found = (
        f"{audits.complete:,} of {counted(judged, 'hour')} of markets complete{_of(audits)},"
        f" {audits.missing:,} with trades missing{outside}, {audits.unknown:,} unknown"
    )
    now = ["off now"] if audits.doing == "off" else failing
    return "; ".join((found, f"last {audits.last_checked_at}", *now))


def _of(audits: Audits) -> str:
    """Return the share that is complete; never 100 % while anything is missing."""
    share = audits.share_complete
    if share is None:
        return ""
    return f" ({'100' if not audits.missing else f'{min(100 * share, 99.99):.2f}'} %)"


def _restarts(health: Health) -> str:
    children = ", ".join(f"{name} {count}" for name, count in _largest(health.restarts.children))
    return f"{health.restarts.total:,}{f' ({children})' if children else ''}"


def _assumptions(health: Health) -> str:
    found = {name: seen.last_hour for name, seen in health.assumptions.items() if seen.last_hour}
    false = ", ".join(f"{name} {counted(count, 'time')}" for name, count in _largest(found))
    return f"false in the last hour: {false}" if false else "all held in the last hour"


def _accounting(health: Health) -> str:
    accounting = health.accounting
    adjusted = f" {accounting.adjusted:+,} adjusted" if accounting.adjusted else ""
    return (
        f"{accounting.received:,} received + {accounting.recovered:,} recovered{adjusted}"
        f" = {accounting.stored:,} stored + {counted(accounting.duplicates, 'duplicate')}"
        f" + {accounting.rejected:,} rejected + {accounting.in_journal:,} in journal:"
        f" {'balanced' if accounting.balanced else 'NOT BALANCED'}"
    )


def connection_table(each: Sequence[Connection], most: int) -> Iterator[RenderableType]:
    """Yield a table of so many connections at most, those in trouble first, then the busiest."""
    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="bold")
    for name in ("connection", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("data", "tokens", "minute", "hour", "reconnects"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last reason", no_wrap=True)
    for one in in_trouble_first(each)[:most]:
        age = "never" if one.data_age_s is None else _age(one.data_age_s)
        counts = (f"{one.last_minute:,}", f"{one.last_hour:,}", f"{one.reconnects:,}")
        cells = (one.id, one.state, age, f"{one.confirmed}/{one.tokens}", *counts, one.last_reason)
        table.add_row(*(Text(terminal_safe(cell)[:24]) for cell in cells))
    yield table
    if len(each) > most:
        yield Text(f"and {len(each) - most:,} more: --json shows all", style="dim")


def _latest(latest: Latest) -> Iterator[RenderableType]:
    """Return the last trades and resolutions; at the end, as they are the first to be cut off."""
    tables = (
        *last_trades(latest, SHOWN_TRADES),
        *last_resolutions(latest, SHOWN_RESOLUTIONS),
    )
    for table in tables:
        yield Text()
        yield table


def _largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


def _size(count: int | None) -> str:
    if count is None:
        return "unknown"
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


_FIGURES: tuple[tuple[str, Callable[[Health], str]], ...] = (
    ("tracker", _tracker),
    ("trades", _trades),
    ("connections", _live),
    ("reconnects", _reconnects),
    ("coverage", _coverage),
    ("journal", _journal),
    ("database", _database),
    ("resolutions", _resolutions),
    ("sources", _sources),
    ("catalog", _catalog),
    ("audits", _audits),
    ("assumptions", _assumptions),
    ("restarts", _restarts),
    ("accounting", _accounting),
)
