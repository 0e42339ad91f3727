"""Judge the status document: rules that read it alone, and their result in one line.

A rule has a level. `degraded`: data or labels are at risk now; someone is woken. `attention`:
nothing is at risk yet; a person should look, today.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from actors.health.audits import audit_missing, audit_proven
from actors.health.document import Health
from actors.health.parts import ATTENTION, DEGRADED, MUTE, Level, Limits, because, coverage_unproven
from actors.model.assumptions import Assumption
from actors.model.conversion import counted
from actors.model.storage import failing_sentence, unsafe_sentence, unverified_sentence

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


def _never(_: Health, __: Limits) -> bool:
    return False


class Loss(IntEnum):
    """What a reason means for trades; the worst first.

    `NOTHING`: trades are late, or something else is wrong with what is recorded.
    """

    ALL = 0
    SOME = 1
    SOON = 2
    NOTHING = 3


class Rule(NamedTuple):
    """One rule.

    Attributes:
        code: The stable word of its reason.
        level: How bad it is when the reason holds.
        loss: What is lost then; it decides which of several reasons comes first.
        judge: Returns the reason as one sentence, or an empty text when all is well.
        degrades: Returns whether a reason that only needs attention is so bad that it degrades.
    """

    code: str
    level: Level
    loss: Loss
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
    lag_s, oldest_s = health.database.lag_s, health.journal.oldest_s
    if not is_open or lag_s <= limits.lag_s:
        return ""
    if oldest_s >= lag_s:
        return f"trades wait for the database, the oldest for {oldest_s:.0f} s"
    # Of the last batch; what waits now may be younger.
    waits = f"the oldest that waits is {oldest_s:.0f} s old" if oldest_s else "none waits now"
    return f"the database got trades {lag_s:.0f} s late; {waits}"


def _unsafe(health: Health, _: Limits) -> str:
    return unsafe_sentence(health.database.unsafe)


def _unverified(health: Health, _: Limits) -> str:
    return unverified_sentence(health.database.unverified)


def _housekeeping_failing(health: Health, _: Limits) -> str:
    return failing_sentence(health.database.chores_failing)


def _nothing_to_watch(health: Health, _: Limits) -> str:
    filters = health.catalog.requests.get("filters")
    unmatched = filters.state if filters is not None and filters.state != "ok" else ""
    nothing = because("no token to listen to", health.catalog.last_error or unmatched)
    return nothing if health.assets.wanted == 0 else ""


def _none_live(health: Health, limits: Limits) -> str:
    connections = health.connections
    away = connections.wanted - connections.live
    # That for announcements lives on when no other does; a short reconnect of all is no fault.
    lost = health.assets.lost_s > limits.lost_s
    if away == 0 or connections.live_with_tokens or (connections.live and not lost):
        return ""
    if health.journal.full:  # that is why, and has its own rule
        return ""
    which = counted(away, "connection")
    which = f"{which} with tokens" if connections.live else which
    since_s = min((one.down_s for one in connections.each if one.down_s), default=0.0)
    none = f"none of {which} is live for {since_s:.0f} s"
    if health.assets.lost_s > since_s + 1:  # they brought nothing before, which was found late
        none = f"{none}, and nothing came for {health.assets.lost_s:.0f} s"
    return because(none, connections.last_failure)


def _coverage_lost(health: Health, limits: Limits) -> str:
    assets = health.assets
    if assets.lost_s <= limits.lost_s or health.journal.full:
        return ""
    # These two say more about the same; not the silence of the few that are left.
    mostly_silent = health.connections.silent * 2 > health.connections.wanted
    if _none_live(health, limits) or (mostly_silent and _exchange_silent(health, limits)):
        return ""
    few = f"only {assets.covered:,}" if assets.covered else "none"
    causes = ", ".join(f"{cause} {count:,}" for cause, count in assets.causes.items())
    what = f"{few} of {assets.wanted:,} tokens {'are' if assets.covered else 'is'} covered"
    return because(f"{what} for {assets.lost_s:.0f} s", causes)


def _some_down(health: Health, limits: Limits) -> str:
    connections = health.connections
    # With none live `_none_live` says it.
    if connections.down == 0 or _none_live(health, limits):
        return ""
    down = f"{connections.down} of {connections.wanted} connections down"
    return because(f"{down} for more than {limits.down_s:.0f} s", connections.last_failure)


def _descriptors_short(health: Health, _: Limits) -> str:
    descriptors, wanted = health.descriptors, health.connections.wanted
    if descriptors.needed <= descriptors.limit:
        return ""
    return (
        f"the process may open {descriptors.limit} files and needs {descriptors.needed} for"
        f" {counted(wanted, 'connection')}: it opens {descriptors.connections} at most"
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
    count, named = health.assets.never_confirmed, health.assets.unconfirmed
    late = f"{counted(count, 'token')} unconfirmed for more than {limits.down_s:.0f} s"
    if named and named[0].condition_id:
        waits_s = named[0].waiting_s
        late = f"{late}, for longest ({waits_s:.0f} s) one of market {named[0].condition_id}"
    return late if count else ""


def _journal_full(health: Health, _: Limits) -> str:
    return "no space for the journal: reading has stopped" if health.journal.full else ""


def _journal_gone(health: Health, _: Limits) -> str:
    gone = health.journal.gone
    lost = "what waits for the database is lost when the tracker ends"
    advice = "put it back, or restart the tracker when nothing waits"
    return f"{gone}: {lost}; {advice}" if gone else ""


def _state_exposed(health: Health, _: Limits) -> str:
    exposed = health.journal.exposed
    return f"the next start would end with 78: {exposed}" if exposed else ""


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
    times = counted(count, "time")
    return f"Gamma's /markets did not answer {times} in the last hour" if count else ""


def _feed_only(health: Health, _: Limits) -> str:
    count = _last_hour(health, Assumption.LISTED)
    return f"{counted(count, 'market')} of the last hour known from the feed only" if count else ""


def _drift(health: Health, _: Limits) -> str:
    age_s = health.assumptions[Assumption.EVENT_NAMES].age_s
    gone = age_s is not None and age_s >= RECENT_S
    unknown = 0 if gone else health.drift.unknown_last_hour
    found = [f"{counted(unknown, 'event')} of unknown type"] if unknown else []
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
    trades = counted(count, "trade")
    return f"{trades} of the last hour came after their time was proven" if often else ""


def _feeds_disagree(health: Health, _: Limits) -> str:
    count = _last_hour(health, Assumption.SENT_ONCE)
    often = count >= DISAGREEING and count > DISAGREEING_SHARE * health.trades.last_hour
    return f"the feeds told {count} trades differently in the last hour" if often else ""


def _clock(health: Health, _: Limits) -> str:
    age_s = health.assumptions[Assumption.CLOCK].age_s
    if age_s is None or age_s >= SKEW_S:
        return ""
    offset_s = health.drift.clock_offset_s
    if offset_s is None:
        return "the clock of this machine is wrong"
    way = "behind" if offset_s > 0 else "ahead of"
    return f"the clock of this machine is {abs(offset_s):,.0f} s {way} the exchange's"


def _conflicts(health: Health, _: Limits) -> str:
    count = health.resolutions.conflicts_open
    if not count:
        return ""
    shown = ", ".join(f"{source} {n:,}" for source, n in health.resolutions.conflicts_by.items())
    some = "1 market has" if count == 1 else f"{count:,} markets have"
    which = f" (shown by {shown})" if shown else ""
    return (
        f"{some} an open contradiction{which}: most end by themselves, when the sources agree"
        " again; tracker --acknowledge is for one that stays"
    )


def _unbalanced(health: Health, _: Limits) -> str:
    unbalanced = "the accounting does not balance: trades may be missing"
    return "" if health.accounting.balanced else unbalanced


RULES: tuple[Rule, ...] = (
    Rule("journal_full", DEGRADED, Loss.ALL, _journal_full),
    Rule("database_away", DEGRADED, Loss.NOTHING, _database_away),
    Rule("poison", DEGRADED, Loss.NOTHING, _poison),
    Rule("version_outdated", DEGRADED, Loss.NOTHING, _outdated),
    Rule("schema_mismatch", DEGRADED, Loss.NOTHING, _mismatch),
    Rule("database_unsafe", ATTENTION, Loss.NOTHING, _unsafe),
    Rule("database_unverified", ATTENTION, Loss.NOTHING, _unverified),
    Rule("database_behind", ATTENTION, Loss.NOTHING, _writer_late),
    Rule("housekeeping_failing", ATTENTION, Loss.NOTHING, _housekeeping_failing),
    Rule("nothing_to_watch", DEGRADED, Loss.ALL, _nothing_to_watch),
    Rule("no_connection_live", DEGRADED, Loss.ALL, _none_live),
    Rule("coverage_lost", DEGRADED, Loss.ALL, _coverage_lost),
    Rule("coverage_unproven", ATTENTION, Loss.ALL, coverage_unproven),
    Rule("connections_down", DEGRADED, Loss.SOME, _some_down),
    Rule("descriptors_short", DEGRADED, Loss.SOME, _descriptors_short),
    Rule("exchange_silent", DEGRADED, Loss.ALL, _exchange_silent),
    Rule("no_trades", DEGRADED, Loss.ALL, _no_trades),
    Rule("tokens_unconfirmed", DEGRADED, Loss.SOME, _unconfirmed),
    Rule("journal_gone", DEGRADED, Loss.SOON, _journal_gone),
    Rule("state_directory_exposed", ATTENTION, Loss.NOTHING, _state_exposed),
    Rule("journal_filling", DEGRADED, Loss.SOON, _journal_filling),
    Rule("disk_low", DEGRADED, Loss.SOON, _disk_low),
    Rule("source_failing", ATTENTION, Loss.NOTHING, _source_failing),
    Rule("source_mute", ATTENTION, Loss.NOTHING, _source_mute, _too_few_sources),
    Rule("labels_overdue", ATTENTION, Loss.NOTHING, _labels_overdue, _mostly_overdue),
    Rule("catalog_failing", DEGRADED, Loss.SOME, _catalog_failing),
    Rule("discovery_failing", DEGRADED, Loss.SOME, _discovery_failing),
    Rule("gamma_list_failing", ATTENTION, Loss.NOTHING, _list_failing),
    Rule("markets_known_from_feed_only", ATTENTION, Loss.NOTHING, _feed_only),
    Rule("restart_loop", DEGRADED, Loss.SOME, _restart_loop),
    Rule("protocol_drift", ATTENTION, Loss.NOTHING, _drift),
    Rule("trades_rejected", DEGRADED, Loss.SOME, _rejected),
    Rule("late_trades", ATTENTION, Loss.NOTHING, _late),
    Rule("feeds_disagree", DEGRADED, Loss.NOTHING, _feeds_disagree),
    Rule("clock_skew", DEGRADED, Loss.NOTHING, _clock),
    Rule("resolution_conflicts", ATTENTION, Loss.NOTHING, _conflicts),
    Rule("accounting_unbalanced", DEGRADED, Loss.SOME, _unbalanced),
    Rule("audit_missing", ATTENTION, Loss.SOME, audit_missing, audit_proven),
)
"""In the order of the runbook."""


def reasons(health: Health, limits: Limits) -> tuple[Reason, ...]:
    """Return all that is wrong, the worst first: what degrades health, and by what is lost."""
    judged = [(rule, rule.judge(health, limits)) for rule in RULES]
    found = [(rule, rule.level_of(health, limits), text) for rule, text in judged if text]
    found.sort(key=lambda one: (one[1] != DEGRADED, one[0].loss))
    return tuple(Reason(rule.code, level, text) for rule, level, text in found)
