"""What a look says of each break of the simulator: the line that differs, and no other."""

from pathlib import Path

import pytest

from actors.simulator.beliefs import BREAKS, DEFAULTS
from tests.app.simulated import polymarket

UNSEEN = dict.fromkeys(["spelling", "on_time", "sent_once"], "not seen in 15 s")
DROPPED = dict.fromkeys(["event_names", "spelling", "on_time", "sent_once"], "not seen in 0 s")
SPELLED = {"spelling": "differs: 100 of 100 trades in another spelling"}
GONE = "/gamma/markets/keyset: HTTP 404"
BUSIEST = "0x019764b5bff2cd7d1e85c78d736e3189e5000000000000000000000000000000"
UNKNOWN = f"differs: /clob/markets/{BUSIEST}: HTTP 404"
SEEN: dict[str, dict[str, str]] = {
    "gamma_list_gone": {"gamma_list": "differs: /gamma/markets: HTTP 404"},
    "keyset_gone": {"keyset": f"differs: {GONE}", "filters": GONE},
    "keyset_422": {
        "keyset": "differs: /gamma/markets/keyset: HTTP 422",
        "filters": "/gamma/markets/keyset: HTTP 422",
    },
    "cursor_ignored": {
        "keyset": "differs: the cursor brings the first page again",
        "filters": "at least 100",
    },
    "page_20": {"keyset": "differs: a page of 20 where 100 were asked for"},
    # They are fewer, which tells nothing without knowing how many there are.
    "v2_unlisted": {"filters": "133"},
    "poisoned_market": {"clean_pages": "differs: of 150 markets 4 times description"},
    "market_500": {
        "keyset": "differs: /gamma/markets/keyset: HTTP 500",
        "dump_by_default": "not seen",  # a smaller page has too few tokens for it
        "filters": "/gamma/markets/keyset: HTTP 500",
    },
    "field_types": {
        "clean_pages": "differs: of 150 markets 150 times active, 150 times negRisk,"
        " 150 times gameStartTime",
    },
    "cached_300s": {
        "fresh_answers": "differs: 1 of 7 answers came out of a cache, less than a second old",
    },
    "accept_then_drop": {
        "served": "differs: 0 of 20 books in 0 s, then it ended: reset",
        "dump_by_default": "not seen",
        "repeated_book": "not seen",
        **DROPPED,
    },
    "delivered_twice": {"sent_once": "differs: 50 of 100 trades came again"},
    "late_3s": {"on_time": "differs: 3 of 100 trades more than 1 s after their time"},
    "clock_+2d": {"clock": "differs: ours is +172799.6 s from theirs"},
    "clock_-30s": {"clock": "differs: ours is -29.4 s from theirs"},
    "clock_-2d": {"clock": "differs: ours is -172799.4 s from theirs"},
    "v2_not_in_clob": {"clob": UNKNOWN},  # the busiest market is one of V2
    "clob_gone": {"clob": UNKNOWN},
    "data_gone": {"data": "differs: /data/v2/resolutions: HTTP 404"},
    "gamma_mute": {
        "keyset": "differs: it does not find a market that it lists",
        "gamma_list": "differs: it does not know a market that is listed",
    },
    "numbers": SPELLED,
    "lower_side": SPELLED,
    "seconds": SPELLED,
    "scientific": SPELLED,
    "renamed_event": {"event_names": "differs: unknown: trade_executed", **UNSEEN},
    "repeat_text": {"repeated_book": "differs: the answer is 'NO NEW ASSETS'"},
    "repeat_empty": {"repeated_book": "differs: the answer is []"},
    "repeat_nothing": {"repeated_book": "differs: no answer in 5 s"},
    # The look cannot tell it from that: the five that it does not ask for come last.
    "tokens_20_per_connection": {"dump_by_default": "differs: no book in 5 s"},
    "dump_only_when_asked": {"dump_by_default": "differs: no book in 5 s"},
}
NOT_SEEN_IN_A_MINUTE = {"stamps_differ", "empty_first_rejected", "frozen_for_good"}
AS_ASSUMED = {
    "data_trades_gone", "trades_cached_300s", "trades_dust_filtered", "trades_ghosts",
    "trades_resent", "trades_twice", "trades_combos", "trades_page_20",
    "receipts_null", "receipts_late", "receipts_empty", "receipts_elsewhere", "receipts_first_form",
    "receipts_taker_paid", "ghosts_failed", "blocks_gone",
    "rtds_gone", "rtds_frozen", "rtds_closed", "rtds_twice", "rtds_trades", "rtds_text_times",
    "rtds_combos", "rtds_drops", "rtds_unreadable",
    "repeat_book", "page_100", "tokens_100_per_connection", "tokens_20_per_message",
    "tokens_30_or_end", "uma_rows_without_payouts", "ids_reversed", "ids_reversed_later",
    "lists_reversed_later", "slots_swapped", "data_tokens_gone", "no_uma_status", "free_nodes",
}  # fmt: skip
OK = {
    **dict.fromkeys(
        [
            "keyset", "clean_pages", "gamma_list", "clob", "data", "clock", "fresh_answers",
            "connection", "served", "dump_by_default", "repeated_book", "event_names", "spelling",
            "on_time", "sent_once",
        ],
        "ok",
    ),
    "filters": "150",
}  # fmt: skip


def looked(folder: Path, *broken: str) -> dict[str, str]:
    options = ["--intact", ",".join(DEFAULTS)] + (["--broken", *broken] if broken else [])
    with polymarket(folder, *options) as simulated:
        return simulated.look()


def test_an_exchange_that_is_as_assumed_differs_in_nothing(tmp_path: Path) -> None:
    found = looked(tmp_path)
    assert found == OK
    assert list(found) == list(OK)


@pytest.mark.parametrize("broken", sorted(SEEN))
def test_a_break_shows_in_its_own_line(broken: str, tmp_path: Path) -> None:
    assert looked(tmp_path, broken) == {**OK, **SEEN[broken]}


@pytest.mark.parametrize("broken", sorted(NOT_SEEN_IN_A_MINUTE | AS_ASSUMED))
def test_what_cannot_be_seen_is_not_made_up(broken: str, tmp_path: Path) -> None:
    assert looked(tmp_path, broken) == OK


def test_each_break_is_looked_for_or_known_not_to_show() -> None:
    assert {*SEEN} | NOT_SEEN_IN_A_MINUTE | AS_ASSUMED == {*BREAKS}
