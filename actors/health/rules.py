"""Judge the status document: rules that read it alone, and their result in one line.

A rule has a level. `degraded`: data or labels are at risk now; someone is woken. `attention`:
nothing is at risk yet; a person should look, today.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from actors.health.audits import audit_missing, audit_proven
from actors.health.document import Health
from actors.health.parts import ATTENTION, DEGRADED, MUTE, Level, because
from actors.model.assumptions import Assumption
from actors.model.storage import unsafe_sentence, unverified_sentence

DRIFT = (
    Assumption.SPELLING,
    Assumption.EVENT_NAMES,
    Assumption.CLEAN_PAGES,
    Assumption.MESSAGE_SIZE,
)
"""Assumptions about how things are written; what has one meaning is taken all the same."""
LATE_SHARE = 0.001
"""Share of the trades of an hour that may arrive behind the proof before a person should look."""
DISAGREEING, DISAGREEING_SHARE = 10, 0.001
"""So many trades of an hour, and such a share of them, may be told differently by the feeds."""
REJECTED, REJECTED_SHARE = 10, 0.01
"""So many events of an hour, as a share of its trades, may be rejected: the size of a gap."""
RECENT_S = 600.0
"""Seconds for which a false assumption counts after it was last seen."""
LISTING_S = 3_600.0
"""The same of pages of Gamma, most of which are read every half hour only."""
LIST_FORM_S = 180.0
"""The same of the list form, which is tried every minute while it fails."""
SKEW_S = 300.0
"""Seconds for which a wrong clock counts after it was last seen."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits beyond which a reason holds. Not part of the document.

    Attributes:
        starting_s: Seconds that a process may take to reach the database and the feed.
        down_s: Seconds that a connection may be down, or a token unconfirmed.
        silent_s: Seconds that a connection may be without data. The tracker always sets
            nine tenths of TRACKER_SILENCE_SECONDS; the default serves tests.
        failing_s: Seconds that a source of outcomes or markets may fail.
        absent_s, many_tokens: Seconds for which no trade may come of so many tokens.
        discovery_s: Seconds that one way to find markets may fail.
        overdue, overdue_share: From so many markets on, and such a share of those that ended,
            labels that are overdue need attention.
        overdue_most: From such a share on they degrade.
        useful_sources: How many sources must be neither mute nor failing.
        lag_s: Seconds that a trade may wait for the database.
        journal_share: Share of its cap that the journal may reach.
        free_bytes: Bytes of the disk that must be free.
        loop_deaths, loop_s: So many unexpected deaths of one actor in so many seconds are a loop.
    """

    starting_s: float = 60.0
    down_s: float = 60.0
    silent_s: float = 30.0
    failing_s: float = 300.0
    absent_s: float = 300.0
    many_tokens: int = 1_000
    discovery_s: float = 120.0
    overdue: int = 20
    overdue_share: float = 0.25
    overdue_most: float = 0.5
    useful_sources: int = 2
    lag_s: float = 60.0
    journal_share: float = 0.8
    free_bytes: int = 256 << 20
    loop_deaths: int = 3
    loop_s: float = 300.0


def _never(_: Health, __: Limits) -> bool:
    return False


class Rule(NamedTuple):
    """One rule.

    Attributes:
        code: The stable word of its reason.
        level: How bad it is when the reason holds.
        judge: Returns the reason as one sentence, or an empty text when all is well.
        degrades: Returns whether a reason that only needs attention is so bad that it degrades.
    """

    code: str
    level: Level
    judge: Callable[[Health, Limits], str]
    degrades: Callable[[Health, Limits], bool] = _never

    def level_of(self, health: Health, limits: Limits) -> Level:
        """Return how bad it is now, when the reason holds."""
        return DEGRADED if self.degrades(health, limits) else self.level


class Reason(NamedTuple):
    """A rule that found something wrong, and its sentence."""

    code: str
    level: Level
    text: str


def _database_away(health: Health, _: Limits) -> str:
    database = health.database
    why = f": {database.reason}" if database.reason else ""
    away = database.state == "away"
    return f"database away for {database.away_s:.0f} s{why}" if away else ""


def _poison(health: Health, _: Limits) -> str:
    stopped = health.database.state == "stopped"
    return f"nothing is stored: {health.database.reason}" if stopped else ""


def _outdated(health: Health, _: Limits) -> str:
    outdated = health.database.state == "outdated"
    return f"this version must not store: {health.database.reason}" if outdated else ""


def _mismatch(health: Health, _: Limits) -> str:
    mismatch = health.database.state == "mismatch"
    return f"nothing is stored: {health.database.reason}" if mismatch else ""


def _writer_late(health: Health, limits: Limits) -> str:
    is_open = health.database.state in ("behind", "live")
    late = is_open and health.database.lag_s > limits.lag_s
    return f"database is {health.database.lag_s:.0f} s behind" if late else ""


def _unsafe(health: Health, _: Limits) -> str:
    return unsafe_sentence(health.database.unsafe)


def _unverified(health: Health, _: Limits) -> str:
    return unverified_sentence(health.database.unverified)


def _housekeeping_failing(health: Health, _: Limits) -> str:
    failing = health.database.chores_failing
    return f"what is old stays in the database: {'; '.join(failing)}" if failing else ""


def _nothing_to_watch(health: Health, _: Limits) -> str:
    nothing = because("no token to listen to", health.catalog.last_error)
    return nothing if health.assets.wanted == 0 else ""


def _none_live(health: Health, _: Limits) -> str:
    none = health.connections.wanted > 0 and health.connections.live == 0
    nothing = f"none of {health.connections.wanted} connections is live"
    return because(nothing, health.connections.last_failure) if none else ""


def _some_down(health: Health, limits: Limits) -> str:
    connections = health.connections
    # With none live `_none_live` says it.
    if connections.live == 0 or connections.down == 0:
        return ""
    count = f"{connections.down} of {connections.wanted}"
    down = f"{count} connections down for more than {limits.down_s:.0f} s"
    return because(down, connections.last_failure)


def descriptors_short(health: Health, _: Limits) -> str:
    """Return the reason that the process may open too few files; it holds from the start on."""
    descriptors, wanted = health.descriptors, health.connections.wanted
    if descriptors.needed <= descriptors.limit:
        return ""
    return (
        f"the process may open {descriptors.limit} files and needs {descriptors.needed} for"
        f" {wanted} connections: it opens {descriptors.connections} at most"
    )


def _exchange_silent(health: Health, _: Limits) -> str:
    live, silent = health.connections.live, health.connections.silent
    # The rule of `supervision.monitor.SilenceDetector`; but where snapshots prove that nothing
    # happened, nothing is at risk.
    together = live >= 3 and silent * 2 > live
    return f"{silent} of {live} connections are silent together" if together else ""


def _no_trades(health: Health, limits: Limits) -> str:
    trades, wanted, connections = health.trades, health.assets.wanted, health.connections
    # Of few tokens nobody may trade for hours; silent connections are another reason, and in a
    # silence that is proven nobody trades.
    quiet = connections.quiet * 2 > connections.live
    many = wanted >= limits.many_tokens
    expected = many and not quiet and not _exchange_silent(health, limits)
    absent = expected and trades.absent_s > limits.absent_s
    return f"not one trade of {wanted:,} tokens for {trades.absent_s:.0f} s" if absent else ""


def _unconfirmed(health: Health, limits: Limits) -> str:
    count = health.assets.never_confirmed
    return f"{count} tokens unconfirmed for more than {limits.down_s:.0f} s" if count else ""


def _journal_full(health: Health, _: Limits) -> str:
    return "no space for the journal: reading has stopped" if health.journal.full else ""


def _journal_gone(health: Health, _: Limits) -> str:
    gone = health.journal.gone
    lost = "what waits for the database is lost when the tracker ends"
    advice = "put it back, or restart the tracker when nothing waits"
    return f"{gone}: {lost}; {advice}" if gone else ""


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
    failing = [
        f"{name} for {source.failing_s:.0f} s ({source.state})"
        for name, source in sources
        if source.failing_s > limits.failing_s
    ]
    return f"no answer from {', '.join(failing)}" if failing else ""


def _source_mute(health: Health, _: Limits) -> str:
    sources = health.resolutions.sources.items()
    mute = [name for name, source in sources if source.state == MUTE]
    what = "nothing final about markets that other sources call final"
    return f"{', '.join(mute)}: {what}" if mute else ""


def _too_few_sources(health: Health, limits: Limits) -> bool:
    """Return whether so few sources are of use that hardly any resolution can be recorded."""
    useful = [
        source
        for source in health.resolutions.sources.values()
        if source.state != MUTE and source.failing_s <= limits.failing_s
    ]
    return len(useful) < limits.useful_sources


def _labels_overdue(health: Health, limits: Limits) -> str:
    ended, overdue = health.resolutions.ended, health.resolutions.overdue
    if not ended or not overdue or overdue < limits.overdue:
        return ""
    if overdue < limits.overdue_share * ended:
        return ""
    sources = health.resolutions.sources.items()
    without = [f"{name} {source.without_final:,}" for name, source in sources]
    nobody = f"{overdue:,} of {ended:,} markets that ended have no final answer of any source"
    return f"{nobody} (without one: {', '.join(without)})" if without else nobody


def _mostly_overdue(health: Health, limits: Limits) -> bool:
    ended, overdue = health.resolutions.ended or 0, health.resolutions.overdue or 0
    return overdue >= limits.overdue_most * ended


def _catalog_failing(health: Health, limits: Limits) -> str:
    catalog = health.catalog
    failing = catalog.failing_s > limits.failing_s
    return f"markets cannot be listed: {catalog.last_error}" if failing else ""


def _discovery_failing(health: Health, limits: Limits) -> str:
    catalog = health.catalog
    if catalog.failing_s > limits.failing_s:
        return ""  # `_catalog_failing` says it
    long = catalog.keyset_failing_s > limits.discovery_s
    found = [catalog.keyset_error] if long else []
    for name in ("lookup", "created", "closed", "places"):
        request = catalog.requests.get(name)
        if request is not None and request.failing_s > limits.discovery_s:
            found.append(f"{name}: {request.state}")
    return f"markets are found late or not at all: {', '.join(found)}" if found else ""


def _restart_loop(health: Health, _: Limits) -> str:
    restarts = health.restarts
    looping = [f"{child} ({restarts.reasons[child]})" for child in restarts.looping[:5]]
    return f"repeated crashes: {', '.join(looping)}" if looping else ""


def _last_hour(health: Health, assumption: Assumption, within_s: float = RECENT_S) -> int:
    """Return how often an assumption was false in the last hour; 0 when it was not of late."""
    found = health.assumptions[assumption]
    return found.last_hour if found.age_s is not None and found.age_s < within_s else 0


def _list_failing(health: Health, _: Limits) -> str:
    count = _last_hour(health, Assumption.GAMMA_LIST, LIST_FORM_S)
    return f"Gamma's /markets did not answer {count} times in the last hour" if count else ""


def _feed_only(health: Health, _: Limits) -> str:
    count = _last_hour(health, Assumption.LISTED)
    return f"{count} markets of the last hour are known from the feed only" if count else ""


def _drift(health: Health, _: Limits) -> str:
    age_s = health.assumptions[Assumption.EVENT_NAMES].age_s
    gone = age_s is not None and age_s >= RECENT_S
    unknown = 0 if gone else health.drift.unknown_last_hour
    found = [f"{unknown} events of unknown type"] if unknown else []
    for assumption in DRIFT:
        listed = assumption is Assumption.CLEAN_PAGES
        count = _last_hour(health, assumption, LISTING_S if listed else RECENT_S)
        # Events of unknown type are counted there, too.
        count -= unknown if assumption is Assumption.EVENT_NAMES else 0
        found += [f"{assumption} ({count})"] if count > 0 else []
    return f"not as assumed in the last hour: {', '.join(found)}" if found else ""


def _rejected(health: Health, _: Limits) -> str:
    count = health.drift.doubtful_last_hour
    often = count >= REJECTED and count > REJECTED_SHARE * health.trades.last_hour
    found = [f"{count} events of the last hour may be trades and were rejected"] if often else []
    missing = health.database.rejected_trades
    found += [f"{missing:,} trades are missing: the database rejected them"] if missing else []
    return "; ".join(found)


def _late(health: Health, _: Limits) -> str:
    count = _last_hour(health, Assumption.ON_TIME)
    often = count > LATE_SHARE * health.trades.last_hour
    return f"{count} trades of the last hour came after their time was proven" if often else ""


def _feeds_disagree(health: Health, _: Limits) -> str:
    count = _last_hour(health, Assumption.SENT_ONCE)
    often = count >= DISAGREEING and count > DISAGREEING_SHARE * health.trades.last_hour
    return f"the feeds told {count} trades differently in the last hour" if often else ""


def _clock(health: Health, _: Limits) -> str:
    age_s = health.assumptions[Assumption.CLOCK].age_s
    wrong = age_s is not None and age_s < SKEW_S
    return "the clock of this machine is wrong" if wrong else ""


def _conflicts(health: Health, _: Limits) -> str:
    count = health.resolutions.conflicts_open
    found = f"markets with an open contradiction: {count}"
    return f"{found}; tracker --acknowledge ends it" if count else ""


def _unbalanced(health: Health, _: Limits) -> str:
    return (
        ""
        if health.accounting.balanced
        else "the accounting does not balance: trades may be missing"
    )


RULES: tuple[Rule, ...] = (
    Rule("database_away", DEGRADED, _database_away),
    Rule("poison", DEGRADED, _poison),
    Rule("version_outdated", DEGRADED, _outdated),
    Rule("schema_mismatch", DEGRADED, _mismatch),
    Rule("database_unsafe", ATTENTION, _unsafe),
    Rule("database_unverified", ATTENTION, _unverified),
    Rule("database_behind", ATTENTION, _writer_late),
    Rule("housekeeping_failing", ATTENTION, _housekeeping_failing),
    Rule("nothing_to_watch", DEGRADED, _nothing_to_watch),
    Rule("no_connection_live", DEGRADED, _none_live),
    Rule("connections_down", DEGRADED, _some_down),
    Rule("descriptors_short", DEGRADED, descriptors_short),
    Rule("exchange_silent", DEGRADED, _exchange_silent),
    Rule("no_trades", DEGRADED, _no_trades),
    Rule("tokens_unconfirmed", DEGRADED, _unconfirmed),
    Rule("journal_full", DEGRADED, _journal_full),
    Rule("journal_gone", DEGRADED, _journal_gone),
    Rule("journal_filling", DEGRADED, _journal_filling),
    Rule("disk_low", DEGRADED, _disk_low),
    Rule("source_failing", ATTENTION, _source_failing),
    Rule("source_mute", ATTENTION, _source_mute, _too_few_sources),
    Rule("labels_overdue", ATTENTION, _labels_overdue, _mostly_overdue),
    Rule("catalog_failing", DEGRADED, _catalog_failing),
    Rule("discovery_failing", DEGRADED, _discovery_failing),
    Rule("gamma_list_failing", ATTENTION, _list_failing),
    Rule("markets_known_from_feed_only", ATTENTION, _feed_only),
    Rule("restart_loop", DEGRADED, _restart_loop),
    Rule("protocol_drift", ATTENTION, _drift),
    Rule("trades_rejected", DEGRADED, _rejected),
    Rule("late_trades", ATTENTION, _late),
    Rule("feeds_disagree", DEGRADED, _feeds_disagree),
    Rule("clock_skew", DEGRADED, _clock),
    Rule("resolution_conflicts", ATTENTION, _conflicts),
    Rule("accounting_unbalanced", DEGRADED, _unbalanced),
    Rule("audit_missing", ATTENTION, audit_missing, audit_proven),
)
"""In the order of the runbook."""


def reasons(health: Health, limits: Limits) -> tuple[Reason, ...]:
    """Return all that is wrong: what degrades health first, else in the order of the table."""
    judged = (
        Reason(rule.code, rule.level_of(health, limits), rule.judge(health, limits))
        for rule in RULES
    )
    found = [reason for reason in judged if reason.text]
    return tuple(sorted(found, key=lambda reason: reason.level != DEGRADED))
