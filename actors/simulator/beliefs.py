"""What is believed about Polymarket, and the ways in which the simulator can differ from it.

`BREAKS` names them, with the belief that each breaks and how sure that belief is; the options
`--broken` and `--intact` choose. `DEFAULTS` are those that are the likely truth of today.
docs/reference/simulator.md describes each, docs/explanation/polymarket.md the beliefs.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Break:
    """One way to differ from a belief.

    Attributes:
        belief: What is believed.
        certainty: `sure`, `good` or `weak`.
        effect: What the simulator does instead.
        group: Breaks of one group exclude each other; the one that is named wins over a default.
    """

    belief: str
    certainty: str
    effect: str
    group: str = ""


BREAKS: dict[str, Break] = {
    "gamma_list_gone": Break(
        "Gamma answers the list form /markets", "weak", "/markets is answered with 404"
    ),
    "keyset_gone": Break(
        "Gamma answers /markets/keyset", "sure", "/markets/keyset is answered with 404"
    ),
    "keyset_422": Break(
        "/markets/keyset takes our orders", "sure", "an order is answered with 422"
    ),
    "cursor_ignored": Break(
        "/markets/keyset follows after_cursor", "sure", "every cursor brings the first page"
    ),
    "v2_unlisted": Break(
        "Gamma lists every market that trades",
        "weak",
        "no V2 market is listed; they are announced, trade and resolve",
    ),
    "poisoned_market": Break(
        "a page of Gamma is clean JSON",
        "good",
        "one market in 40 has half of an emoji, a raw tab or NaN as its description",
    ),
    "market_500": Break(
        "Gamma can show each market",
        "good",
        "one market in 75 makes every answer that would hold it a 500",
    ),
    "field_types": Break(
        "the fields of Gamma's markets have the same types everywhere",
        "good",
        "negRisk is a text, active and a missing UMA status are numbers, outcomes and volume lists",
    ),
    "cached_300s": Break(
        "an answer of Gamma is made when it is asked for",
        "weak",
        "an address that is asked for again within 300 s gets the same answer, with its Age",
    ),
    "page_100": Break(
        "a page of Gamma holds as many markets as `limit` says",
        "good",
        "a page holds 100 markets, whatever `limit` says",
        group="page",
    ),
    "page_20": Break(
        "a page of Gamma holds as many markets as `limit` says",
        "good",
        "a page holds 20 markets, whatever `limit` says",
        group="page",
    ),
    "tokens_100_per_connection": Break(
        "a connection may have as many tokens as it is given",
        "good",
        "it has 100 at most; more are ignored without an answer",
        group="tokens",
    ),
    "tokens_20_per_connection": Break(
        "a connection may have as many tokens as it is given",
        "good",
        "it has 20 at most; more are ignored without an answer",
        group="tokens",
    ),
    "tokens_30_or_end": Break(
        "a subscription may name as many tokens as a message of 200 KB holds",
        "good",
        "one of more than 30 ends the socket with 1008",
        group="tokens",
    ),
    "tokens_20_per_message": Break(
        "a subscription takes all the tokens that it names",
        "good",
        "it takes the first 20; the others are ignored without an answer",
        group="tokens",
    ),
    "accept_then_drop": Break(
        "a connection that is accepted is served",
        "weak",
        "every WebSocket is accepted, and cut at its first message",
    ),
    "delivered_twice": Break(
        "a trade is sent once to each connection",
        "good",
        "every trade is sent twice on one of its connections",
        group="copies",
    ),
    "stamps_differ": Break(
        "a trade has the same time on every connection",
        "good",
        "all connections but one get a trade dated 1 ms later",
        group="copies",
    ),
    "late_3s": Break(
        "a trade arrives within a second of its time",
        "good",
        "one trade in twenty is sent 3 s after its time",
    ),
    "clock_+2d": Break(
        "the clock of the tracker's machine is right",
        "good",
        "events and `Date` are stamped two days earlier: that clock is ahead",
        group="clock",
    ),
    "clock_-30s": Break(
        "the clock of the tracker's machine is right",
        "good",
        "events and `Date` are stamped 30 s later: that clock is behind",
        group="clock",
    ),
    "clock_-2d": Break(
        "the clock of the tracker's machine is right",
        "good",
        "events and `Date` are stamped two days later: that clock is behind",
        group="clock",
    ),
    "uma_rows_without_payouts": Break(
        "rows of /v2/resolutions have payouts",
        "weak",
        "those of V1 markets have the price of UMA (1e18: the first slot) and no payouts",
    ),
    "ids_reversed": Break(
        "the ids in Gamma's list of a market have the order of its outcomes",
        "weak",
        "those of half of the markets have the other order; the CLOB and /v2/tokens are right",
        group="order",
    ),
    "ids_reversed_later": Break(
        "Gamma lists the ids of a market in the order that it had before",
        "weak",
        "half of the markets change to the wrong one, while they trade or after their resolution",
        group="order",
    ),
    "lists_reversed_later": Break(
        "Gamma lists the outcomes of a market in the order that it had before",
        "weak",
        "half of the markets change it, with ids and prices, so each token keeps its name",
        group="order",
    ),
    "slots_swapped": Break(
        "the slots of the contract have the order of Gamma's list and of the order book",
        "weak",
        "those of half of the markets have the other one; slots follow from the condition still",
    ),
    "v2_not_in_clob": Break(
        "the CLOB answers /markets/{id} for every market",
        "weak",
        "it is 404 for V2 markets; /clob-markets/{id} knows them",
        group="clob",
    ),
    "clob_gone": Break(
        "the CLOB answers /markets/{id} for every market",
        "weak",
        "it is 404 for all; /clob-markets/{id} knows them",
        group="clob",
    ),
    "data_gone": Break(
        "the Data API answers /v2/resolutions", "sure", "/v2/resolutions is answered with 404"
    ),
    "data_tokens_gone": Break(
        "the Data API answers /v2/tokens", "weak", "/v2/tokens is answered with 410"
    ),
    "data_trades_gone": Break(
        "the Data API answers /v2/trades", "good", "/v2/trades is answered with 404"
    ),
    "trades_cached_300s": Break(
        "an answer of /v2/trades is made when it is asked for",
        "good",
        "an address that is asked for again within 300 s gets the same answer, with its Age",
    ),
    "trades_dust_filtered": Break(
        "/v2/trades lists small trades to whoever asks for them",
        "weak",
        "fills of less than 0.01 shares are not listed, whatever filter_amount says",
    ),
    "trades_ghosts": Break(
        "every trade of the feed is settled on the chain",
        "good",
        "one in 40 is not, so /v2/trades does not list it",
    ),
    "trades_resent": Break(
        "a trade is settled by the transaction that the feed names",
        "weak",
        "one in 40 is settled by another one",
    ),
    "trades_twice": Break(
        "/v2/trades lists each fill once", "weak", "those of one trade in 40 are listed twice"
    ),
    "trades_combos": Break(
        "the rows of a market in /v2/trades are about its tokens",
        "weak",
        "one in 40 trades brings a row about a token of no market",
    ),
    "trades_page_20": Break(
        "a page of /v2/trades holds as many rows as `limit` says",
        "good",
        "a page holds 20 rows, whatever `limit` says",
    ),
    "receipts_null": Break(
        "a node has the receipt of every transaction that settled something",
        "weak",
        "that of one in 40 is null",
    ),
    "receipts_late": Break(
        "a node has a receipt when the Data API lists the transaction",
        "weak",
        "it is null until a quarter of an hour after its block",
    ),
    "receipts_empty": Break(
        "a receipt has all logs of its transaction", "weak", "it has none, and says success"
    ),
    "receipts_elsewhere": Break(
        "what is traded is settled by the exchanges that are known",
        "good",
        "the logs come from another address",
    ),
    "receipts_first_form": Break(
        "the exchanges write the logs of V2 (since 2026-04)",
        "good",
        "those of V1, from the addresses of V1",
    ),
    "receipts_taker_paid": Break(
        "OrdersMatched has the shares of the taker",
        "good",
        "it has what a buyer paid in their place, as a build of 2026-02 wrote it",
    ),
    "ghosts_failed": Break(
        "a match that is not settled leaves no transaction",
        "weak",
        "it leaves one that failed (with trades_ghosts)",
    ),
    "blocks_gone": Break("a node has the block of every receipt", "weak", "every block is null"),
    "rtds_gone": Break("RTDS can be connected to", "weak", "it is answered with 404"),
    "rtds_frozen": Break(
        "RTDS tells matches as long as it is open",
        "weak",
        "12 s after its subscription a socket falls silent; PING is answered",
    ),
    "rtds_closed": Break("RTDS stays open", "good", "it is closed 20 s after the subscription"),
    "rtds_twice": Break("RTDS tells a match once", "weak", "it tells each twice"),
    "rtds_trades": Break(
        "RTDS tells nothing but what was subscribed",
        "good",
        "each match is a row of `trades`, too, and so is each of its makers",
    ),
    "rtds_text_times": Break("times of RTDS are numbers", "weak", "they are texts"),
    "rtds_combos": Break(
        "the rows of a market in RTDS are about its tokens",
        "weak",
        "one in 40 trades brings a row about a token of no market",
    ),
    "rtds_drops": Break("RTDS tells every match", "good", "one in 100 is left out"),
    "rtds_unreadable": Break(
        "rows of RTDS have the fields that were seen", "good", "one in 40 has not"
    ),
    "no_uma_status": Break(
        "Gamma shows by a status that a market is resolved",
        "sure",
        "no market has one, neither that of UMA nor that of V2",
    ),
    "gamma_mute": Break(
        "Gamma finds the markets that it lists by their ids",
        "sure",
        "every look-up by id, token or slug is answered with an empty list, one by path with 404",
    ),
    "free_nodes": Break(
        "a node of the chain takes large batches, and answers about every condition",
        "weak",
        "more than 3 calls at once are one error, and calls about unprepared conditions revert",
    ),
    "numbers": Break(
        "price, size, fee and time of a trade are JSON strings", "good", "they are JSON numbers"
    ),
    "lower_side": Break("the side of a trade is BUY or SELL", "good", "it is buy or sell"),
    "seconds": Break(
        "the time of a trade is in milliseconds",
        "good",
        "it is in seconds; trades happen at whole seconds",
    ),
    "scientific": Break(
        "price and size of a trade are plain decimals", "good", "they are written as 2.5e-2"
    ),
    "renamed_event": Break(
        "events keep their names", "good", "a trade is a trade_executed instead of last_trade_price"
    ),
    "repeat_book": Break(
        "a repeated subscription is answered",
        "weak",
        "with the `book` of every token, as if it were new",
        group="repeat",
    ),
    "repeat_text": Break(
        "a repeated subscription brings a `book`",
        "weak",
        "tokens that are subscribed already get none; NO NEW ASSETS when no other is named",
        group="repeat",
    ),
    "repeat_empty": Break(
        "a repeated subscription brings a `book`",
        "weak",
        "tokens that are subscribed already get none; `[]` when no other is named",
        group="repeat",
    ),
    "repeat_nothing": Break(
        "a repeated subscription brings a `book`",
        "weak",
        "a token gets one dump on a socket, not even after an unsubscription another; no answer",
        group="repeat",
    ),
    "dump_only_when_asked": Break(
        "a subscription dumps books by default",
        "weak",
        "books come only where `initial_dump` is true",
    ),
    "empty_first_rejected": Break(
        "an empty first subscription is accepted", "good", "it ends the socket with 1008"
    ),
    "frozen_for_good": Break(
        "after a restart of the exchange old sockets die or go on",
        "weak",
        "sockets that were open in a `freeze_all` stay silent; PONG goes on, new sockets work",
    ),
}
CLOCKS: dict[str, float] = {"clock_+2d": 172_800.0, "clock_-30s": -30.0, "clock_-2d": -172_800.0}
"""How far the clock of the tracker's machine is ahead of the exchange's, in seconds."""
PAGES: dict[str, int] = {"page_100": 100, "page_20": 20}
"""How many markets a page of Gamma holds."""
TOKENS: dict[str, int] = {"tokens_100_per_connection": 100, "tokens_20_per_connection": 20}
"""How many tokens a connection can have."""
TOKENS_OR_END = 30
"""How many tokens a subscription may name before it ends the connection."""
TOKENS_PER_MESSAGE = 20
"""How many tokens of one subscription are taken."""
DEFAULTS: frozenset[str] = frozenset(
    {
        "cached_300s",
        "trades_cached_300s",
        "uma_rows_without_payouts",
        "v2_not_in_clob",
        "repeat_text",
        "dump_only_when_asked",
    }
)


def parse_broken(text: str) -> frozenset[str]:
    """Return the names in a list with commas.

    Raises:
        ValueError: A name is unknown, or two exclude each other; one line for people.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in BREAKS:
            raise ValueError(f"unknown break {name!r}; known: {', '.join(BREAKS)}")
    groups: dict[str, str] = {}
    for name in dict.fromkeys(names):
        group = BREAKS[name].group
        if group and group in groups:
            raise ValueError(f"{groups[group]} and {name} exclude each other")
        groups[group] = name
    return frozenset(names)


def page_size(limit: int, broken: frozenset[str]) -> int:
    """Return how many markets a page of Gamma holds when so many are asked for."""
    return next((size for name, size in PAGES.items() if name in broken), limit)


def tokens_taken(
    wanted: tuple[str, ...], held: set[str], broken: frozenset[str]
) -> tuple[str, ...]:
    """Return those tokens of a subscription that are taken.

    Args:
        wanted: The known tokens that the subscription names.
        held: Those that the connection has.
        broken: Names of the beliefs that do not hold.
    """
    if "tokens_20_per_message" in broken:
        return wanted[:TOKENS_PER_MESSAGE]
    new = tuple(token for token in wanted if token not in held)
    most = next((most for name, most in TOKENS.items() if name in broken), len(held) + len(new))
    ignored = frozenset(new[max(0, most - len(held)) :])
    return tuple(token for token in wanted if token not in ignored)


def clock_ahead_s(broken: Iterable[str]) -> float:
    """Return how far the clock of the tracker's machine is to seem ahead, in seconds."""
    return sum(CLOCKS.get(name, 0.0) for name in broken)


def in_force(broken: Iterable[str], intact: Iterable[str] = ()) -> frozenset[str]:
    """Return the breaks in force: the defaults but for `intact`, and those that are named.

    A named one takes the place of a default of its group.
    """
    named = frozenset(broken)
    taken = {BREAKS[name].group for name in named} - {""}
    kept = frozenset(name for name in DEFAULTS if BREAKS[name].group not in taken)
    return (kept - frozenset(intact)) | named
