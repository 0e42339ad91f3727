"""Lock the rows that trackers share, in one order over a whole transaction.

Two trackers on one database find the same tokens and markets in the same instant. Each locks what
it adds or changes until it commits. They wait for each other, and never in a ring, because all
lock in this order:

1. tokens that are new, then those that may change: names, condition; each in the order of tokens
2. the conditions that are remembered as unresolved, in their order
3. events that are new or change, in their order
4. markets that are new, then those that change or whose outcome is written, in their order
5. trades, in the order of their key
6. what belongs to a market that is locked since 4: its history, its resolution, its contradictions
7. audits, in the order of their key

New tokens and markets come before known ones, since they cannot be locked: who adds one waits for
another one who does. Of events nothing is locked but by the statement that stores them all.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple, Protocol

import msgspec

from actors.database import columns, queries
from actors.database.session import Connection
from actors.model.conversion import chunks
from actors.model.facts import TokensConfirmed, TokensReleased, TokensUnwanted, TokensWanted
from actors.model.market import Market
from actors.model.storage import Batch

MARKETS_AT_ONCE: Final = 1_000
TOKENS_AT_ONCE: Final = 2_000
"""Tokens or conditions in one statement: each may be a page that is read from a disk."""
_LONGEST_ID: Final = 200  # characters; an index holds none of thousands
_OF_TOKENS: Final = TokensWanted | TokensUnwanted | TokensConfirmed | TokensReleased


class Changing(msgspec.Struct, frozen=True):
    """Tokens that may be changed although they are known.

    Attributes:
        named: Those of markets that are stored, with the condition of each.
        paid: Those of which a resolution tells what they pay, and perhaps another name.
    """

    named: Mapping[str, str] = msgspec.field(default_factory=dict)
    paid: frozenset[str] = frozenset()


class Shared(msgspec.Struct, frozen=True):
    """What a batch names of the rows that are shared.

    What cannot be an id is left out: storing it fails, and must fail alone.

    Attributes:
        tokens: All tokens.
        conditions: The condition of each token of which it is known.
        unresolved: The conditions of markets that are stored.
        decided: Markets of which a resolution or a contradiction is written or ended.
    """

    tokens: frozenset[str]
    conditions: Mapping[str, str]
    changing: Changing
    unresolved: frozenset[str]
    decided: frozenset[str]

    @classmethod
    def of(cls, batch: Batch) -> "Shared":
        """Return what this batch names."""
        named: dict[str, str] = {
            asset.token_id: market.condition_id
            for market in batch.markets
            for asset in market.assets
            if _is_id(asset.token_id) and _is_id(market.condition_id)
        }
        traded: dict[str, str] = {row.token_id: row.condition_id for row in batch.trades}
        traded = {token: each for token, each in traded.items() if _is_id(token) and _is_id(each)}
        listened = (fact.tokens for _, fact in batch.facts if isinstance(fact, _OF_TOKENS))
        paid = (paid.token_id for row in batch.resolutions for paid in row.by_token)
        stored = [row.condition_id for row in batch.markets]
        decided = [row.condition_id for row in batch.resolutions]
        decided += [row.condition_id for row in batch.contradictions]
        decided += [row.condition_id for row in batch.clearances]
        return cls(
            tokens=frozenset({*named, *traded, *filter(_is_id, chain.from_iterable(listened))}),
            conditions={**named, **traded},
            changing=Changing(named, frozenset(filter(_is_id, paid))),
            unresolved=frozenset(filter(_is_id, stored)),
            decided=frozenset(filter(_is_id, decided)),
        )


def _is_id(text: str) -> bool:
    return text.isascii() and text.isalnum() and len(text) <= _LONGEST_ID


def add_tokens(
    connection: Connection,
    asked: Sequence[str],
    conditions: Mapping[str, str],
    *,
    changing: Changing | None = None,
    unresolved: Iterable[str] = (),
) -> None:
    """Number new tokens, complete known ones, and remember the conditions without a resolution.

    Args:
        connection: In a transaction.
        asked: Tokens that may be new, or of which the condition may be missing; sorted.
        conditions: The condition of each token of which it is known.
        changing: What is locked beside them.
        unresolved: Further conditions to be remembered.
    """
    run = connection.execute
    # As JSON, which is written in C: the driver writes an array element by element.
    given = [
        {
            "tokens": columns.as_json(
                [{"token_id": t, "condition_id": conditions.get(t)} for t in some]
            )
        }
        for some in chunks(asked, TOKENS_AT_ONCE)
    ]
    # Each kind of statement for all of them before the next kind: that is the order.
    for some in given:
        run(queries.INSERT_ASSETS, some)
    if changing is not None:
        _lock_tokens(connection, {token: conditions.get(token) for token in asked}, changing)
    for some in given:
        run(queries.COMPLETE_ASSETS, some)
    remembered = {*unresolved, *(conditions[token] for token in asked if token in conditions)}
    for each in chunks(sorted(remembered), TOKENS_AT_ONCE):
        run(queries.INSERT_UNRESOLVED, {"conditions": columns.as_json(each)})


def _lock_tokens(
    connection: Connection, asked: Mapping[str, str | None], changing: Changing
) -> None:
    named, paid = changing.named, changing.paid
    conditions = {**dict.fromkeys(paid), **asked, **named}
    for some in chunks(sorted(conditions), TOKENS_AT_ONCE):
        given = [
            {"token_id": t, "condition_id": conditions[t], "whole": t in named, "always": t in paid}
            for t in some
        ]
        connection.execute(queries.LOCK_ASSETS, {"tokens": columns.as_json(given)})


class Tokens(Protocol):
    """The numbers of tokens; `cache.TokenKeys` has them."""

    def get(
        self,
        connection: Connection,
        tokens: Iterable[str],
        conditions: Mapping[str, str],
        *,
        changing: Changing | None = None,
        unresolved: Iterable[str] = (),
    ) -> Mapping[str, int]:
        """Return the key of each of these tokens; calls `add_tokens` for those it does not know."""


class Locked(NamedTuple):
    """What is known once all is locked.

    Attributes:
        keys: The key of each token.
        added: Markets that were new, and are stored as they are given.
        with_events: The events of all markets are stored.
    """

    keys: Mapping[str, int]
    added: set[str]
    with_events: bool


def lock_shared(
    connection: Connection, batch: Batch, tokens: Tokens, *, add_markets: bool
) -> Locked:
    """Lock all that the batch changes and others may change, too.

    Args:
        connection: In a transaction that has locked nothing of it.
        batch: What is to be stored.
        tokens: Those of this connection.
        add_markets: Events and new markets are stored here, and not only with the other markets.
    """
    shared = Shared.of(batch)
    keys = tokens.get(
        connection,
        shared.tokens,
        shared.conditions,
        changing=shared.changing if shared.changing.named or shared.changing.paid else None,
        unresolved=shared.unresolved,
    )
    added: set[str] = set()
    if add_markets and batch.markets:
        store_events(connection, batch.markets)
        added = _add_markets(connection, batch.markets)
    for each in chunks(sorted(shared.decided | shared.unresolved), TOKENS_AT_ONCE):
        connection.execute(queries.LOCK_MARKETS, {"conditions": columns.as_json(each)})
    return Locked(keys, added, with_events=add_markets)


def store_events(connection: Connection, markets: Sequence[Market]) -> None:
    """Store what the markets tell of their events, in the order of the events."""
    for some in chunks(columns.events(markets), MARKETS_AT_ONCE):
        connection.execute(queries.UPSERT_EVENTS, {"events": columns.as_json(some)})


def _add_markets(connection: Connection, markets: Sequence[Market]) -> set[str]:
    """Add new markets; return their condition ids."""
    named = {"conditions": columns.as_json([each.condition_id for each in markets])}
    found = connection.execute(queries.SELECT_MISSING_MARKETS, named)
    missing = {condition_id for (condition_id,) in found}
    new = [each for each in in_order(markets) if each.condition_id in missing]
    added: set[str] = set()
    for some in chunks(new, MARKETS_AT_ONCE):
        rows = connection.execute(queries.INSERT_MARKETS, columns.markets(some))
        added.update(condition_id for (condition_id,) in rows)
    return added


def in_order(markets: Sequence[Market]) -> list[Market]:
    """Return markets in the order in which they are locked; of duplicates the last one."""
    latest = {each.condition_id: each for each in markets}
    return [latest[condition_id] for condition_id in sorted(latest)]
