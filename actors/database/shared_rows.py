"""Lock the rows that trackers share, in one order over a whole transaction.

Two trackers on one database find the same tokens and markets in the same instant. Each locks what
it adds or changes until it commits. They wait for each other, and never in a ring, because all
lock in this order:

1. tokens that are new, then those that may change: names, condition; each in the order of tokens
2. the conditions that are remembered as unresolved, in their order
3. markets that are new, then those that change or whose outcome is written, in their order
4. trades, in the order of their key
5. what belongs to a market that is locked since 3: its resolution, its contradictions

New ones come first, since they cannot be locked: who adds one waits for another one who does.
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
_AT_ONCE: Final = 10_000
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
    return text.isascii() and text.isalnum()


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
        for some in chunks(asked, _AT_ONCE)
    ]
    # Each kind of statement for all of them before the next kind: that is the order.
    for some in given:
        run(queries.INSERT_ASSETS, some)
    if changing is not None:
        _lock_tokens(connection, {token: conditions.get(token) for token in asked}, changing)
    for some in given:
        run(queries.COMPLETE_ASSETS, some)
    remembered = {*unresolved, *(conditions[token] for token in asked if token in conditions)}
    for each in chunks(sorted(remembered), _AT_ONCE):
        run(queries.INSERT_UNRESOLVED, {"conditions": columns.as_json(each)})


def _lock_tokens(
    connection: Connection, asked: Mapping[str, str | None], changing: Changing
) -> None:
    named, paid = changing.named, changing.paid
    conditions = {**dict.fromkeys(paid), **asked, **named}
    for some in chunks(sorted(conditions), _AT_ONCE):
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
    """What is known once all is locked: the key of each token, and the markets that were new."""

    keys: Mapping[str, int]
    added: set[str]


def lock_shared(
    connection: Connection, batch: Batch, tokens: Tokens, *, add_markets: bool
) -> Locked:
    """Lock all that the batch changes and others may change, too.

    Args:
        connection: In a transaction that has locked nothing of it.
        batch: What is to be stored.
        tokens: Those of this connection.
        add_markets: New markets are added here, and not only when they are stored.
    """
    shared = Shared.of(batch)
    keys = tokens.get(
        connection,
        shared.tokens,
        shared.conditions,
        changing=shared.changing if shared.changing.named or shared.changing.paid else None,
        unresolved=shared.unresolved,
    )
    added = _add_markets(connection, batch.markets) if add_markets and batch.markets else set()
    for each in chunks(sorted(shared.decided | shared.unresolved), _AT_ONCE):
        connection.execute(queries.LOCK_MARKETS, {"conditions": columns.as_json(each)})
    return Locked(keys, added)


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
