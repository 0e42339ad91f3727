"""The coverage ledger: applies facts of the journal to epochs, listening, wanted, process_life.

What the tables mean stands at the head of sql/migrations/0005_create_coverage.sql.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg.types.numeric import Int8

from actors.edge import queries
from actors.edge.columns import clean, instant
from actors.edge.session import Connection
from actors.edge.tokens import TokenKeys
from actors.logic import record

Numbered = tuple[int, record.Fact]
Rows = Iterable[tuple[Any, ...]]


class Ledger:
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
        marks: dict[int, int] = {}
        for seq, fact in facts:
            if isinstance(fact, record.ListeningProven):
                for epoch, until in fact.marks:
                    marks[epoch] = max(until, marks.get(epoch, until))
            else:
                self._apply_one(seq, fact)
        # Proof only grows, so the marks of a batch may go together and last.
        self._prove(marks)

    def settle(self) -> None:
        """Let the ends of epochs reach what was listened to on them. Once, after all facts."""
        lost = self._run(queries.CLOSE_LOST_EPOCHS)
        self._touched.update(epoch for (epoch,) in lost)
        if self._touched:
            epochs = [Int8(epoch) for epoch in sorted(self._touched)]
            self._run(queries.SETTLE_LISTENING, epochs=epochs)

    def _prove(self, marks: Mapping[int, int]) -> None:
        if marks:
            self._touched.update(marks)
            self._run(
                queries.PROVE_EPOCHS,
                epochs=[Int8(epoch) for epoch in marks],
                until=[instant(until) for until in marks.values()],
            )

    def _apply_one(self, seq: int, fact: record.Fact) -> None:
        match fact:
            case record.ListeningOpened(at_ns, connection, leg):
                given = {"connection": clean(connection), "leg": leg, "at": instant(at_ns)}
                self._run(queries.OPEN_EPOCH, epoch=seq, **given)
            case record.ListeningClosed(epoch, at_ns, until_ns, reason):
                until = None if until_ns is None else instant(until_ns)
                given = {"at": instant(at_ns), "until": until, "reason": clean(reason)}
                self._run(queries.CLOSE_EPOCH, epoch=epoch, seq=seq, **given)
                self._touched.add(epoch)
            case record.TokensConfirmed(epoch, at_ns, tokens):
                given = {"at": instant(at_ns), "assets": self._keys(tokens)}
                self._run(queries.CONFIRM_TOKENS, epoch=epoch, seq=seq, **given)
                self._touched.add(epoch)
            case record.TokensReleased(epoch, until_ns, tokens, cause):
                given = {"at": instant(until_ns), "assets": self._keys(tokens)}
                self._run(queries.RELEASE_TOKENS, epoch=epoch, seq=seq, cause=clean(cause), **given)
            case _:
                self._apply_wish(seq, fact)

    def _apply_wish(self, seq: int, fact: record.Fact) -> None:
        match fact:
            case record.TokensWanted(at_ns, tokens):
                given = {"at": instant(at_ns), "assets": self._keys(tokens)}
                complete = self._mark is not None and seq < self._mark
                self._run(queries.WANT_TOKENS, seq=seq, complete=complete, **given)
            case record.TokensUnwanted(at_ns, tokens):
                given = {"at": instant(at_ns), "assets": self._keys(tokens)}
                self._run(queries.UNWANT_TOKENS, seq=seq, **given)
            case record.ProcessStarted(at_ns, host, version):
                given = {"at": instant(at_ns), "host": clean(host), "version": clean(version)}
                ended = self._run(queries.START_PROCESS, seq=seq, **given)
                self._touched.update(epoch for (epoch,) in ended)
            case record.ProcessAlive(at_ns):
                self._run(queries.KEEP_PROCESS_ALIVE, seq=seq, at=instant(at_ns))
            case record.ProcessStopped(at_ns):
                self._run(queries.STOP_PROCESS, seq=seq, at=instant(at_ns))

    def _keys(self, tokens: Iterable[str]) -> list[int]:
        return sorted(self._tokens.of(self._connection, tokens, {}).values())

    def _run(self, query: bytes, **given: Any) -> Rows:
        return self._connection.execute(query, {"journal": self._journal, **given})
