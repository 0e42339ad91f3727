"""The rules that degrade health: each reads the status document alone."""

from collections.abc import Callable

from actors.health.document import Health, Limits

Rule = Callable[[Health, Limits], str]
"""Returns the reason as one sentence, or an empty text when all is well."""


def _database_away(health: Health, _: Limits) -> str:
    database = health.database
    why = f": {database.reason}" if database.reason else ""
    away = database.state == "away"
    return f"database away for {database.away_s:.0f} s{why}" if away else ""


def _poison(health: Health, _: Limits) -> str:
    stopped = health.database.state == "stopped"
    return f"nothing is stored: {health.database.reason}" if stopped else ""


def _writer_late(health: Health, limits: Limits) -> str:
    reachable = health.database.state not in ("away", "stopped")
    late = reachable and health.database.lag_s > limits.lag_s
    return f"database is {health.database.lag_s:.0f} s behind" if late else ""


def _nothing_to_watch(health: Health, _: Limits) -> str:
    return "no token to listen to" if health.assets.wanted == 0 else ""


def _none_live(health: Health, _: Limits) -> str:
    none = health.connections.wanted > 0 and health.connections.live == 0
    return f"none of {health.connections.wanted} connections is live" if none else ""


def _some_down(health: Health, limits: Limits) -> str:
    connections = health.connections
    # With none live `_none_live` says it.
    if connections.live == 0 or connections.down == 0:
        return ""
    count = f"{connections.down} of {connections.wanted}"
    return f"{count} connections down for more than {limits.down_s:.0f} s"


def _exchange_silent(health: Health, _: Limits) -> str:
    live, silent = health.connections.live, health.connections.silent
    # The rule of `supervision.monitor.SilenceDetector`, so that both say the same.
    together = live >= 3 and silent * 2 > live
    return f"{silent} of {live} connections are silent together" if together else ""


def _unconfirmed(health: Health, limits: Limits) -> str:
    count = health.assets.never_confirmed
    return f"{count} tokens unconfirmed for more than {limits.down_s:.0f} s" if count else ""


def _journal_full(health: Health, _: Limits) -> str:
    return "no space for the journal: reading has stopped" if health.journal.full else ""


def _journal_filling(health: Health, limits: Limits) -> str:
    journal = health.journal
    if journal.full or journal.cap_bytes <= 0:
        return ""
    share = journal.bytes / journal.cap_bytes
    return f"journal at {share:.0%} of its cap" if share > limits.journal_share else ""


def _disk_low(health: Health, limits: Limits) -> str:
    free = health.journal.free_bytes
    if free is None or health.journal.full or free >= limits.free_bytes:
        return ""
    return f"only {free >> 20} MiB of the disk are free"


def _source_failing(health: Health, limits: Limits) -> str:
    sources = health.resolutions.sources.items()
    failing = [name for name, source in sources if source.failing_s > limits.failing_s]
    return f"no answer from {', '.join(failing)}" if failing else ""


def _catalog_failing(health: Health, limits: Limits) -> str:
    catalog = health.catalog
    failing = catalog.failing_s > limits.failing_s
    return f"markets cannot be listed: {catalog.last_error}" if failing else ""


def _restart_loop(health: Health, _: Limits) -> str:
    looping = health.restarts.looping[:5]
    return f"repeated crashes: {', '.join(looping)}" if looping else ""


def _drift(health: Health, _: Limits) -> str:
    count = health.drift.unknown_last_hour
    return f"{count} events of unknown type in the last hour" if count else ""


def _conflicts(health: Health, _: Limits) -> str:
    count = health.resolutions.conflicts
    return f"{count} contradictions about outcomes; see resolution_conflicts" if count else ""


def _unbalanced(health: Health, _: Limits) -> str:
    return (
        ""
        if health.accounting.balanced
        else "the accounting does not balance: trades may be missing"
    )


RULES: tuple[tuple[str, Rule], ...] = (
    ("database_away", _database_away),
    ("poison", _poison),
    ("database_behind", _writer_late),
    ("nothing_to_watch", _nothing_to_watch),
    ("no_connection_live", _none_live),
    ("connections_down", _some_down),
    ("exchange_silent", _exchange_silent),
    ("tokens_unconfirmed", _unconfirmed),
    ("journal_full", _journal_full),
    ("journal_filling", _journal_filling),
    ("disk_low", _disk_low),
    ("source_failing", _source_failing),
    ("catalog_failing", _catalog_failing),
    ("restart_loop", _restart_loop),
    ("protocol_drift", _drift),
    ("resolution_conflicts", _conflicts),
    ("accounting_unbalanced", _unbalanced),
)
"""(code, rule): each rule that returns a reason degrades health."""


def reasons(health: Health, limits: Limits) -> tuple[tuple[str, str], ...]:
    """Return (code, sentence) for all that is wrong, in the order of the table."""
    found = ((code, rule(health, limits)) for code, rule in RULES)
    return tuple((code, text) for code, text in found if text)
