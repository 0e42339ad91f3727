"""What must be seen while each belief about Polymarket is broken: the table of `drift.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from actors.simulator.market import Market
from actors.simulator.sources.oddities import gamma_fails

ALLOWED_S = 60.0
"""Trades that were sent earlier than this after the start of the tracker do not count."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What must be seen while a belief is broken.

    Attributes:
        reasons: One of them is shown within 300 s; none: it is counted only.
        permitted: Further reasons that follow from the same cause.
        counted: The assumption that is counted as violated.
        nothing: No trade can be had at all.
        marked: What the judge finds too often, beside what is marked: nothing in the data says that
            it is one trade. So each such row must be marked as disputed, and be counted as
            `counted` says.
        arguments: Further ones of the simulator.
        settings: Further ones of the tracker.
        counts_after_s: Trades count from then on.
        clock: When the clock of the tracker's machine steps, in seconds from the start, and how
            far from the right time it is from then on, in seconds.
        never_listed: Which markets Gamma never shows. Of these only those count that were
            announced during the run: nobody can know the others.
    """

    reasons: frozenset[str] = frozenset()
    permitted: frozenset[str] = frozenset()
    counted: str = ""
    nothing: bool = False
    marked: str = ""
    arguments: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    counts_after_s: float = ALLOWED_S
    clock: tuple[tuple[float, float], ...] = ()
    never_listed: Callable[[Market], bool] = lambda _: False


def _shows(*reasons: str, permitted: tuple[str, ...] = (), **more: Any) -> Expected:
    return Expected(reasons=frozenset(reasons), permitted=frozenset(permitted), **more)


DISCOVERY = _shows("discovery_failing", permitted=("catalog_failing",), counted="keyset")
PAGES = _shows("protocol_drift", counted="clean_pages")
CLOCK = _shows("clock_skew", permitted=("late_trades",), counted="clock")
SPELLING = _shows("protocol_drift", counted="spelling")
QUIET = Expected()
MISNAMED = _shows(permitted=("resolution_conflicts",))
"""Gamma contradicts the other sources; or else what it says of the tokens does not count."""
HOUR_S = 3_600.0
OURS = frozenset({"clock_step"})
"""Those that are broken on the tracker's machine; of the exchange nothing is."""
EXPECTED: dict[str, Expected] = {
    "gamma_list_gone": _shows("gamma_list_failing", counted="gamma_list"),
    "keyset_gone": DISCOVERY,
    "keyset_422": DISCOVERY,
    "cursor_ignored": DISCOVERY,
    "v2_unlisted": _shows(
        "markets_known_from_feed_only", counted="listed", never_listed=lambda market: market.v2
    ),
    "poisoned_market": PAGES,
    # Whatever would hold such a market is a 500: its page, its look-up by id, its event. One that
    # the feed has announced is watched, and rightly counts as known from the feed alone. Those of
    # the beginning are announced by nobody, and no other source lists markets.
    "market_500": _shows(
        "protocol_drift",
        permitted=("markets_known_from_feed_only",),
        counted="clean_pages",
        never_listed=lambda market: gamma_fails(market, frozenset({"market_500"})),
    ),
    "field_types": PAGES,
    "cached_300s": QUIET,
    "page_100": QUIET,
    "page_20": QUIET,
    # A token counts as one that is never confirmed 90 s after it was asked for. Then one is tried
    # elsewhere. Two connections of a feed are full here, so that a market that ends on one of them
    # in these seconds (there is a free place) costs another try of half a minute.
    "tokens_100_per_connection": _shows(
        "tokens_unconfirmed",
        permitted=("coverage_lost",),
        counted="tokens_per_connection",
        settings=(("TRACKER_ASSETS_PER_CONNECTION", "200"),),
        counts_after_s=240.0,
    ),
    "tokens_20_per_connection": _shows(
        "tokens_unconfirmed",
        permitted=("coverage_lost",),
        counted="tokens_per_connection",
        counts_after_s=150.0,
    ),
    # Each connection ends once; the next one names fewer tokens at once.
    "tokens_30_or_end": _shows(
        permitted=(
            "connections_down",
            "no_connection_live",
            "coverage_lost",
            "tokens_unconfirmed",
        ),
        counted="served",
        counts_after_s=120.0,
    ),
    "tokens_20_per_message": _shows(
        permitted=("tokens_unconfirmed", "coverage_lost"),
        counted="tokens_per_connection",
        counts_after_s=100.0,
    ),
    "accept_then_drop": _shows(
        "no_connection_live",
        permitted=(
            "connections_down",
            "coverage_lost",
            "no_trades",
            "exchange_silent",
            "tokens_unconfirmed",
        ),
        counted="served",
        nothing=True,
    ),
    # A trade that one feed alone has twice is stored twice: it may be two.
    "delivered_twice": _shows("feeds_disagree", counted="sent_once", marked="duplicates"),
    # The same trade with two times is two rows.
    "stamps_differ": _shows("feeds_disagree", counted="sent_once", marked="unexpected"),
    "late_3s": _shows("late_trades", counted="on_time"),
    "clock_+2d": CLOCK,
    "clock_-30s": CLOCK,
    "clock_-2d": CLOCK,
    "clock_step": _shows(
        "clock_skew",
        permitted=("late_trades",),
        counted="clock",
        clock=((70.0, HOUR_S), (110.0, -HOUR_S), (150.0, 0.0)),
    ),
    "uma_rows_without_payouts": QUIET,
    "ids_reversed": MISNAMED,
    "ids_reversed_later": MISNAMED,
    "lists_reversed_later": MISNAMED,
    "slots_swapped": QUIET,
    "v2_not_in_clob": QUIET,
    "clob_gone": _shows("source_mute"),
    # Where Gamma says nothing useful, V2 markets have the Data API and the chain: none to spare.
    # Either route of the Data API alone has final answers, so the source is not mute.
    "data_gone": _shows(permitted=("source_mute", "source_failing", "labels_overdue")),
    "data_tokens_gone": _shows(permitted=("source_mute", "source_failing", "labels_overdue")),
    # Seen by audits alone, which are made of hours that are over.
    "data_trades_gone": QUIET,
    "trades_cached_300s": QUIET,
    "trades_dust_filtered": QUIET,
    "trades_ghosts": QUIET,
    "trades_resent": QUIET,
    "trades_twice": QUIET,
    "trades_combos": QUIET,
    "trades_page_20": QUIET,
    # Likewise, and only where the Data API and the database disagree.
    "receipts_null": QUIET,
    "receipts_late": QUIET,
    "receipts_empty": QUIET,
    "receipts_elsewhere": QUIET,
    "receipts_first_form": QUIET,
    "receipts_taker_paid": QUIET,
    "ghosts_failed": QUIET,
    "blocks_gone": QUIET,
    # Of a witness that is off unless it is asked for.
    "rtds_gone": QUIET,
    "rtds_frozen": QUIET,
    "rtds_closed": QUIET,
    "rtds_twice": QUIET,
    "rtds_trades": QUIET,
    "rtds_text_times": QUIET,
    "rtds_combos": QUIET,
    "rtds_drops": QUIET,
    "rtds_unreadable": QUIET,
    "no_uma_status": _shows(permitted=("source_mute", "labels_overdue")),
    "gamma_mute": _shows("source_mute", permitted=("labels_overdue",)),
    "free_nodes": QUIET,
    "numbers": SPELLING,
    "lower_side": SPELLING,
    "seconds": SPELLING,
    "scientific": SPELLING,
    "renamed_event": _shows(
        "protocol_drift", "trades_rejected", permitted=("no_trades",), counted="event_names"
    ),
    "repeat_book": QUIET,
    "repeat_text": QUIET,
    "repeat_empty": QUIET,
    "repeat_nothing": QUIET,
    "dump_only_when_asked": QUIET,
    "empty_first_rejected": Expected(counted="empty_first"),
    "frozen_for_good": _shows(
        permitted=(
            "exchange_silent",
            "no_connection_live",
            "coverage_lost",
            "connections_down",
            "no_trades",
        ),
        arguments=("--fault", "60:freeze_all:20"),
        settings=(("TRACKER_SILENCE_SECONDS", "20"),),
        counted="old_sockets_die",
        counts_after_s=60 + 20 + 60,
    ),
}
"""By name of the break."""
