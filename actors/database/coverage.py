"""The coverage ledger: applies facts of the journal to epochs, listening, wanted, process_life.

What the tables mean stands at the head of sql/migrations/0005_create_coverage.sql.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg.types.numeric import Int8

from actors.database import queries
from actors.database.cache import TokenKeys
from actors.database.columns import clean
from actors.database.session import Connection
from actors.model.chunks import chunks
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
from actors.model.wall_time import instant

Numbered = tuple[int, Fact]
Rows = Iterable[tuple[Any, ...]]

_TOKENS_AT_ONCE = 10_000
_EPOCHS_AT_ONCE = 100  # each may hold 200 tokens, whose rows are rewritten


class CoverageWriter:
    """Writes facts in one transaction. Built for each transaction anew.

    Args:
        journal: The journal's key.
        mark: Every record below it has arrived once this transaction is
            committed; None when that is not known.
    """

    def __init__(
        self, connection: Connection, journal: int, tokens: TokenKeys, mark: int | None
    ) -> None:
        self._connection = connection
        self._journal = journal
        self._tokens = tokens
        self._mark = mark
        self._touched: set[int] = set()

    def apply(self, facts: Sequence[Numbered]) -> None:
        """Write these facts, lowest sequence first."""
        marks: list[tuple[int, int, int]] = []
        for seq, fact in facts:
            if isinstance(fact, ListeningProven):
                marks += [(epoch, seq, until) for epoch, until in fact.proofs]
            else:
                self._apply_one(seq, fact)
        # Proof only grows, and bears its sequence, so the marks of a batch may go last.
        self._prove(marks)

    def settle(self) -> None:
        """Let the ends of epochs reach what was listened to on them. Once, after all facts."""
        lost = self._run(queries.CLOSE_LOST_EPOCHS)
        self._touched.update(epoch for (epoch,) in lost)
        for epochs in chunks(sorted(self._touched), _EPOCHS_AT_ONCE):
            self._run(queries.SETTLE_LISTENING, epochs=[Int8(epoch) for epoch in epochs])

    def _prove(self, marks: Sequence[tuple[int, int, int]]) -> None:
        for some in chunks(sorted(marks), _TOKENS_AT_ONCE):
            moved = self._run(
                queries.PROVE_EPOCHS,
                epochs=[Int8(epoch) for epoch, _, _ in some],
                seqs=[Int8(seq) for _, seq, _ in some],
                until=[instant(until) for _, _, until in some],
            )
            self._touched.update(epoch for epoch, ended in moved if ended)

    def _apply_one(self, seq: int, fact: Fact) -> None:
        match fact:
            case ListeningOpened(at_ns, connection, feed):
                given = {"connection": clean(connection), "leg": feed, "at": instant(at_ns)}
                self._run(queries.OPEN_EPOCH, epoch=seq, **given)
            case ListeningClosed(epoch, at_ns, until_ns, reason):
                until = None if until_ns is None else instant(until_ns)
                given = {"at": instant(at_ns), "until": until, "reason": clean(reason)}
                self._run(queries.CLOSE_EPOCH, epoch=epoch, seq=seq, **given)
                self._touched.add(epoch)
            case TokensConfirmed(epoch, at_ns, tokens):
                given = {"epoch": epoch, "seq": seq, "at": instant(at_ns)}
                self._run_by_tokens(queries.CONFIRM_TOKENS, tokens, given)
                self._touched.add(epoch)
            case TokensReleased(epoch, until_ns, tokens, cause):
                given = {"epoch": epoch, "seq": seq, "at": instant(until_ns), "cause": clean(cause)}
                self._run_by_tokens(queries.RELEASE_TOKENS, tokens, given)
                self._tokens.part_with(tokens)
            case _:
                self._apply_wish(seq, fact)

    def _apply_wish(self, seq: int, fact: Fact) -> None:
        match fact:
            case TokensWanted(at_ns, tokens):
                complete = self._mark is not None and seq < self._mark
                given = {"seq": seq, "at": instant(at_ns), "complete": complete}
                self._run_by_tokens(queries.WANT_TOKENS, tokens, given)
            case TokensUnwanted(at_ns, tokens):
                given = {"seq": seq, "at": instant(at_ns)}
                self._run_by_tokens(queries.UNWANT_TOKENS, tokens, given)
                self._tokens.part_with(tokens)
            case ProcessStarted(at_ns, host, version):
                given = {"at": instant(at_ns), "host": clean(host), "version": clean(version)}
                ended = self._run(queries.START_PROCESS, seq=seq, **given)
                self._touched.update(epoch for (epoch,) in ended)
            case ProcessAlive(at_ns):
                self._run(queries.KEEP_PROCESS_ALIVE, seq=seq, at=instant(at_ns))
            case ProcessStopped(at_ns):
                self._run(queries.STOP_PROCESS, seq=seq, at=instant(at_ns))
            case RangeLost(first, _):
                ended = self._run(queries.LOSE_STRETCH, seq=first)
                self._touched.update(epoch for (epoch,) in ended)

    def _run_by_tokens(self, query: bytes, tokens: Sequence[str], given: Mapping[str, Any]) -> None:
        for some in chunks(tokens, _TOKENS_AT_ONCE):
            keys = self._tokens.of(self._connection, some, {})
            self._run(query, assets=sorted(keys.values()), **given)

    def _run(self, query: bytes, **given: Any) -> Rows:
        return self._connection.execute(query, {"journal": self._journal, **given})
