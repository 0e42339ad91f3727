"""Coverage: writes facts of the journal to epochs, listening, wanted and process_life.

sql/migrations/0005_create_coverage.sql explains the tables. What has become final moves
on from there: see `settlement`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.numeric import Int8

from actors.database import queries
from actors.database.cache import TokenKeys
from actors.database.session import Connection
from actors.model.conversion import EPOCH, chunks, instant, storable_text
from actors.model.facts import (
    Fact,
    ListeningClosed,
    ListeningOpened,
    ListeningProven,
    ProcessAlive,
    ProcessStarted,
    ProcessStopped,
    RangeLost,
    TokensConfirmed,
    TokensReleased,
    TokensUnwanted,
    TokensWanted,
)

NumberedFact = tuple[int, Fact]
"""A fact with its journal sequence."""

FACT_REJECTED = "fact_rejected"
"""The cause of an end of which only that is known; the fact itself is in `rejected_messages`."""

_TOKENS_AT_ONCE = 10_000
_PROOFS_AT_ONCE = 10_000


class CoverageWriter:
    """Writes the facts of one transaction; made for that transaction.

    Args:
        journal_key: The key of the journal that the facts come from.
        watermark: Every record below it has arrived once this transaction is committed; None when
            that is not known.
        complete_below: Every record below it had arrived before this transaction: of what is said
            about an older epoch that has no row nothing counts, since it is settled.
    """

    def __init__(
        self,
        connection: Connection,
        journal_key: int,
        tokens: TokenKeys,
        *,
        watermark: int | None,
        complete_below: int,
    ) -> None:
        self._connection = connection
        self._journal_key = journal_key
        self._tokens = tokens
        self._watermark = watermark
        self._complete_below = complete_below
        self._sure_below = complete_below if watermark is None else watermark

    def apply(self, facts: Sequence[NumberedFact]) -> None:
        """Write these facts; they are sorted by sequence."""
        proofs: list[tuple[int, int, int]] = []
        for seq, fact in facts:
            if isinstance(fact, ListeningProven):
                proofs += [(epoch, seq, until) for epoch, until in fact.proofs]
            else:
                self._apply_one(seq, fact)
        # A proof only moves forward and carries its sequence, so all of a batch may come last.
        self._prove(proofs)

    def take_back(self, seq: int, fact: Fact) -> None:
        """End what a fact that cannot be stored would have ended, so that no more is claimed.

        All other facts only add to what is claimed or wanted.

        Raises:
            psycopg.Error: That cannot be stored either.
        """
        match fact:
            case TokensReleased(epoch, until_ns, tokens):
                # Before the listening began if that time is impossible: nothing of it is claimed.
                at = _possible(until_ns) or EPOCH
                given = {"epoch": epoch, "seq": seq, "at": at, "cause": FACT_REJECTED}
                self._run_by_tokens(queries.RELEASE_TOKENS, tokens, self._checked(given))
            case ListeningOpened():
                # What is said of an epoch without a row would not count.
                self._run(queries.ADD_EPOCH, epoch=seq)
            case ListeningClosed(epoch, at_ns, until_ns):
                until = None if until_ns is None else _possible(until_ns)
                given = {"at": _possible(at_ns) or EPOCH, "until": until, "reason": FACT_REJECTED}
                given["sure_below"] = self._sure_below
                self._run(queries.CLOSE_EPOCH, epoch=epoch, seq=seq, **self._checked(given))

    def _prove(self, proofs: Sequence[tuple[int, int, int]]) -> None:
        for some in chunks(sorted(proofs), _PROOFS_AT_ONCE):
            self._run(
                queries.PROVE_EPOCHS,
                epochs=[Int8(epoch) for epoch, _, _ in some],
                seqs=[Int8(seq) for _, seq, _ in some],
                until=[instant(until) for _, _, until in some],
                complete_below=self._complete_below,
                sure_below=self._sure_below,
            )

    def _apply_one(self, seq: int, fact: Fact) -> None:
        match fact:
            case ListeningOpened(at_ns, connection, feed):
                given = {"connection": storable_text(connection), "leg": feed, "at": instant(at_ns)}
                self._run(queries.OPEN_EPOCH, epoch=seq, **given)
            case ListeningClosed(epoch, at_ns, until_ns, reason):
                until = None if until_ns is None else instant(until_ns)
                given = {"at": instant(at_ns), "until": until, "reason": storable_text(reason)}
                given["sure_below"] = self._sure_below
                self._run(queries.CLOSE_EPOCH, epoch=epoch, seq=seq, **self._checked(given))
            case TokensConfirmed(epoch, at_ns, tokens):
                given = {"epoch": epoch, "seq": seq, "at": instant(at_ns)}
                self._run_by_tokens(queries.CONFIRM_TOKENS, tokens, self._checked(given))
            case TokensReleased(epoch, until_ns, tokens, cause):
                given = {
                    "epoch": epoch,
                    "seq": seq,
                    "at": instant(until_ns),
                    "cause": storable_text(cause),
                }
                self._run_by_tokens(queries.RELEASE_TOKENS, tokens, self._checked(given))
                self._tokens.discard(tokens)
            case _:
                self._apply_process_or_wanted(seq, fact)

    def _apply_process_or_wanted(self, seq: int, fact: Fact) -> None:
        match fact:
            case TokensWanted(at_ns, tokens):
                # An earlier record that is still missing may end the wanted row that exists now.
                complete = self._watermark is not None and seq < self._watermark
                given = {"seq": seq, "at": instant(at_ns), "complete": complete}
                self._run_by_tokens(queries.WANT_TOKENS, tokens, given)
            case TokensUnwanted(at_ns, tokens):
                given = {"seq": seq, "at": instant(at_ns)}
                self._run_by_tokens(queries.UNWANT_TOKENS, tokens, given)
                self._tokens.discard(tokens)
            case ProcessStarted(at_ns, host, version):
                given = {
                    "at": instant(at_ns),
                    "host": storable_text(host),
                    "version": storable_text(version),
                }
                self._run(queries.START_PROCESS, seq=seq, **given)
            case ProcessAlive(at_ns, day):
                measured = msgspec.json.encode(day).decode() if day else None
                self._run(queries.KEEP_PROCESS_ALIVE, seq=seq, at=instant(at_ns), day=measured)
            case ProcessStopped(at_ns):
                self._run(queries.STOP_PROCESS, seq=seq, at=instant(at_ns))
            case RangeLost(first, _):
                self._run(queries.LOSE_RANGE, seq=first)

    def _checked(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**given, "complete_below": self._complete_below}

    def _run_by_tokens(self, query: bytes, tokens: Sequence[str], given: Mapping[str, Any]) -> None:
        for some in chunks(tokens, _TOKENS_AT_ONCE):
            keys = self._tokens.get(self._connection, some, {})
            self._run(query, assets=sorted(keys.values()), **given)

    def _run(self, query: bytes, **given: Any) -> None:
        self._connection.execute(query, {"journal": self._journal_key, **given})


def _possible(ns: int) -> datetime | None:
    try:
        return instant(ns)
    except OverflowError:
        return None
